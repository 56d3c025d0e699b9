#include "engine/step_number.h"

#include "engine/backend.h"

namespace md {

i64 StepNumber::on_host() const {
  if (memory_ && backend(memory_.device()).capturing())
    fail(ErrorKind::contract, "a step that draws on the host cannot be captured");
  return now_;
}

void StepNumber::write(const Tensor& memory, i64 number) {
  backend(memory.device()).to_device(memory.raw(), &number, sizeof(number));
}

}  // namespace md
