// The subcommands of mdtrain that do not train.
#pragma once
#include "tools/options.h"

namespace md {

/// Prints version, libraries, device and JPEG decoder.
Exit doctor();

/// Decodes every frame of the list: counts on stdout, one line on stderr for each frame that cannot be used. Returns
/// Exit::bad_data if there is one.
Exit check_data(const TrainOptions&, const std::string& list);

}  // namespace md
