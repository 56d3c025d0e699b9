// What a run will need before it is begun: memory and time from steps that are made, disk from what it will write.
#pragma once
#include <string>

#include "tools/train/train_options.h"

namespace md {

/// Bytes and seconds of a training run.
struct RunNeeds {
  i64 frames = 0, steps = 0;  // of the list, of the whole schedule; 0: no list, so not known
  double step_s = 0;          // the fastest of those measured, on samples of random numbers: without decoding
  i64 tensor_bytes = 0;       // at most, in such a step or while it is saved
  i64 checkpoint_bytes = 0, network_bytes = 0, log_bytes = 0;  // of last.safetensors, best.safetensors, of the logs
  i64 disk_bytes = 0;                                          // of the whole run
};

/// Makes the network, and up to three steps of it, in about 20 seconds or one step. Throws what resolve() throws of
/// options that do not fit together, what Dataset throws, and ErrorKind::no_device.
RunNeeds measure_needs(TrainOptions);

/// Lines for `mdtrain doctor`, each a name of 14 columns and its value.
std::string needs_text(const RunNeeds&, const TrainOptions&);

}  // namespace md
