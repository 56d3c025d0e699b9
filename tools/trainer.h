// `mdtrain train`: loads, steps, logs, evaluates, saves.
#pragma once
#include "tools/options.h"

namespace md {

/// Trains to the end and prints the last evaluation on stdout; options must be resolved (resolve()). The config goes
/// into the run folder and into every checkpoint. SIGINT and SIGTERM finish the step, save and return Exit::stopped.
/// Ten steps in a row whose loss or gradient is not finite throw Exit::numeric.
Exit train(const TrainOptions&, const std::vector<ResolvedOption>& config);

}  // namespace md
