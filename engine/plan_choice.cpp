#include "engine/plan_choice.h"

#include <mutex>

namespace md {
namespace {
std::mutex mutex;
PlanChoice chosen;
}  // namespace

PlanChoice plan_choice() {
  const std::lock_guard lock(mutex);
  return chosen;
}
void choose_plans(const PlanChoice& choice) {
  const std::lock_guard lock(mutex);
  chosen = choice;
}

}  // namespace md
