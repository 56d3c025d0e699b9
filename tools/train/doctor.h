// mdtrain doctor.
#pragma once
#include "tools/cli/exit_code.h"
#include "tools/train/train_options.h"

namespace md {

/// Prints version, libraries, device and JPEG decoder; with a recipe also what a run of it will need, which takes some
/// of its steps (tools/train/first_run.h).
Exit doctor(const TrainOptions* recipe);

}  // namespace md
