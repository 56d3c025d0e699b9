// 0 * x is 0 for what is finite and NaN for the rest, and the sum of these is one or the other; the numbers themselves
// could add up to infinity.
#include "engine/finite_check.h"

#include "engine/backend.h"
#include "engine/launch_many.h"
#include "engine/words.h"

namespace md {
namespace {

struct CopyUnlessZero {
  const float* verdict;
  MD_HD void operator()(const Words& words, i64 i) const {
    if (!(*verdict == 0.F)) words.to[i] = words.from[i];
  }
};

}  // namespace

FiniteCheck::FiniteCheck(const Tensor& numbers)
    : numbers_(numbers),
      zeros_(Tensor::zeros(numbers.shape(), numbers.device())),
      verdict_(Tensor::zeros({1}, numbers.device())) {}

void FiniteCheck::look() const {
  backend(numbers_.device()).reduce_sum(numbers_, zeros_, 1, numbers_.numel(), 1, verdict_);
}

void FiniteCheck::copy_each_unless_finite(const std::vector<Tensor>& to, const std::vector<Tensor>& from) const {
  for (const Tensor& t : to) t.bump_version();
  if (!to.empty()) launch_many(verdict_.device(), words_of(to, from), CopyUnlessZero{verdict_.data()});
}

}  // namespace md
