// What a forward pass is told beside its input. Whether it trains is the module's mode (Module::train, as in PyTorch).
#pragma once
#include <cstdint>

#include "engine/step_number.h"

namespace md {

/// What a training forward draws (blocks dropped) is a function of these numbers and of the block. A pass in
/// evaluation mode draws nothing, so the default does for it.
struct ForwardContext {
  std::uint64_t seed = 0;
  StepNumber step = {};  // of training, or of its part where a step is computed in several
  i64 first_sample = 0;  // of the input among those of the step, where other ranks have the others
};

}  // namespace md
