// mdtrain doctor.
#pragma once
#include "tools/cli/exit_code.h"

namespace md {

/// Prints version, libraries, device and JPEG decoder.
Exit doctor();

}  // namespace md
