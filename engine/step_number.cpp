#include "engine/step_number.h"

#include "engine/backend.h"

namespace md {

void StepNumber::write(const Tensor& memory, i64 number) {
  backend(memory.device()).to_device(memory.raw(), &number, sizeof(number));
}

}  // namespace md
