// mdtrain doctor.
#pragma once
#include "engine/check.h"

namespace md {

/// Prints version, libraries, device and JPEG decoder.
Exit doctor();

}  // namespace md
