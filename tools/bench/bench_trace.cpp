#include "tools/bench/bench_trace.h"

#include <algorithm>

#include "engine/autograd.h"
#include "tools/bench/bench_replay.h"

namespace md {
namespace {

OpInput described(const Tensor& t) { return t ? OpInput{true, t.shape(), t.dtype(), recording({&t})} : OpInput{}; }

bool same(const StepOp& a, const StepOp& b) {
  return a.name == b.name && a.details == b.details && a.inputs == b.inputs && a.y == b.y;
}

}  // namespace

bool StepOp::recorded() const {
  return std::any_of(inputs.begin(), inputs.end(), [](const OpInput& input) { return input.wants_gradient; });
}

std::vector<StepOp> ops_of(const std::function<void()>& work) {
  std::vector<StepOp> all;
  const Trace trace([&](const Op& op, const Tensor& y, const std::vector<Tensor>& inputs) {
    StepOp one{op.name(), "", op.attributes(), {}, y.shape()};
    for (const Tensor& t : inputs) one.inputs.push_back(described(t));
    one.details = details_of(one);
    const auto known = std::find_if(all.begin(), all.end(), [&](const StepOp& other) { return same(one, other); });
    if (known == all.end()) {
      all.push_back(std::move(one));
    } else {
      ++known->count;
    }
  });
  work();
  return all;
}

}  // namespace md
