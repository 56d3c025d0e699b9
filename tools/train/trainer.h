// `mdtrain train`: loads, steps, logs, evaluates, saves.
#pragma once
#include <functional>

#include "engine/comm.h"
#include "tools/cli/exit_code.h"
#include "tools/train/train_options.h"

namespace md {

/// Trains to the end and prints the last evaluation on stdout; options must be resolved (resolve()). The config goes
/// into the run folder and into every checkpoint. With options.resume the run goes on as if it had never stopped.
/// SIGINT and SIGTERM finish the step, save and return Exit::stopped; an evaluation that they interrupt is made after
/// resuming. Ten steps in a row whose loss or gradient is not finite go back to the last checkpoint with half the
/// learning rate, once; then they throw ErrorKind::not_finite. `on_report` is called where options.report_every says
/// so; the run's folder then holds all that the steps so far have made. Of several ranks (tools/train/SCALING.md) each
/// calls this; rank 0 alone writes, logs and calls `on_report`.
Exit train(const TrainOptions&, const std::function<void()>& on_report = {}, Communicator& ranks = alone());

}  // namespace md
