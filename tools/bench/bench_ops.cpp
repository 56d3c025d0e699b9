#include "tools/bench/bench_ops.h"

#include <algorithm>

#include "engine/autograd.h"
#include "engine/backend.h"
#include "engine/rng.h"
#include "layers/ops.h"
#include "tools/bench/bench_replay.h"
#include "tools/bench/bench_trace.h"

namespace md {
namespace {

Tensor random(const OpInput& like, Device device) {
  Rng rng(1, Purpose::test, 0, std::uint64_t(like.shape.numel()));
  std::vector<float> x(std::size_t(like.shape.numel()));
  for (float& v : x) v = float(rng.uniform(0.1, 1));
  return cast(Tensor::from_host(x, like.shape, device), like.dtype);
}

/// An op's inputs, and the passes that are timed.
class Passes {
 public:
  Passes(const StepOp& op, Device device) : op_(op) {
    for (const OpInput& input : op.inputs) {
      given_.push_back(input.given ? random(input, device) : Tensor());
      if (input.wants_gradient) given_.back().requires_grad_();
    }
    forget();
    forward();
    dy_ = y_.clone();
  }
  /// Of before the forward pass: with all inputs, one of which it may have consumed, and without gradients.
  void forget() {
    y_ = {};
    inputs_.resize(given_.size());
    for (std::size_t i = 0; i < given_.size(); ++i) {
      if (given_[i]) given_[i].zero_grad();
      if (given_[i] && !inputs_[i]) inputs_[i] = op_.recorded() ? given_[i] : given_[i].clone();
    }
  }
  void forward() { y_ = replay(op_, inputs_); }
  void backward() { y_.backward(dy_); }
  double bytes(bool gradients) const {
    double sum = double(dy_.bytes());
    for (std::size_t i = 0; i < given_.size(); ++i) {
      const double size = given_[i] ? double(given_[i].bytes()) : 0;
      sum += gradients && op_.inputs[i].wants_gradient ? 2 * size : size;
    }
    return sum;
  }

 private:
  const StepOp& op_;
  std::vector<Tensor> given_, inputs_;
  Tensor y_, dy_;
};

/// A backward pass has a product for each factor that wants a gradient.
double backward_flops(const StepOp& op) {
  return flops_of(op) * (op.inputs[0].wants_gradient + (op.inputs.size() > 1 && op.inputs[1].wants_gradient));
}

void time_op(const StepOp& op, Device device, double at_least_s, std::vector<OpTime>& out) {
  const std::string name = op.details.empty() ? op.name : cat(op.name, " ", op.details);
  const std::string shape = op.inputs[0].shape.str();
  Passes passes(op, device);
  const auto forward = [&] { passes.forward(); };
  const auto forget = [&] { passes.forget(); };
  const auto record_again = [&] {
    passes.forget();
    passes.forward();
  };
  out.push_back({name, shape, "forward", op.count, time_runs(at_least_s, forward, forget), flops_of(op),
                 passes.bytes(false), op.inputs[0].dtype});
  if (!op.recorded()) return;
  out.push_back({name, shape, "backward", op.count,
                 time_runs(
                     at_least_s, [&] { passes.backward(); }, record_again),
                 backward_flops(op), passes.bytes(true), op.inputs[0].dtype});
}

}  // namespace

bool OpTime::in_cache(const Peaks& peaks) const { return bytes / peaks.bytes > times.median_s; }

double OpTime::least_s(const Peaks& peaks) const {
  const double most_flops = dtype == DType::bf16 ? peaks.bf16_flops : peaks.flops;
  return std::max(flops > 0 ? flops / most_flops : 0, bytes / peaks.bytes);
}

double OpTable::parts_s() const {
  double sum = 0;
  for (const OpTime& row : rows) sum += row.seconds();
  return sum;
}

/// What lay in the caches took less time than memory allows.
double OpTable::least_s() const {
  double sum = 0;
  for (const OpTime& row : rows) sum += row.count * std::min(row.least_s(peaks), row.times.median_s);
  return sum;
}

OpTable time_ops(const Benchmark& benchmark, Device device, double at_least_s) {
  const Work work = benchmark.prepare(device);
  PeakMeter meter;
  OpTable table;
  const std::vector<StepOp> ops = ops_of(work.run);
  table.whole_s = median_s(10 * at_least_s, work.run);
  if (work.update) {
    table.rows.push_back({"optimiser", "", "update", 1, time_runs(at_least_s, work.update), 0, work.update_bytes});
  }
  for (const StepOp& op : ops) {
    if (can_replay(op)) {
      time_op(op, device, at_least_s, table.rows);
    } else {
      table.missing.push_back(cat(op.count, " ", op.name, " ", op.y));
    }
    meter.try_again();
  }
  table.peaks = meter.best();
  std::sort(table.rows.begin(), table.rows.end(),
            [](const OpTime& a, const OpTime& b) { return a.seconds() > b.seconds(); });
  return table;
}

}  // namespace md
