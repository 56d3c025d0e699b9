#include "tools/bench/bench_ops.h"

#include <algorithm>

#include "engine/backend.h"
#include "engine/rng.h"
#include "tools/bench/bench_shapes.h"

namespace md {
namespace {

Tensor random(const Shape& shape) {
  Rng rng(1, Purpose::test, 0, std::uint64_t(shape.numel()));
  std::vector<float> x(std::size_t(shape.numel()));
  for (float& v : x) v = float(rng.uniform(0.1, 1));
  return Tensor::from_host(x, shape);
}

double bytes_of(const std::vector<Tensor>& tensors) {
  double bytes = 0;
  for (const Tensor& t : tensors) bytes += double(t.bytes());
  return bytes;
}

void time_op(const Op& op, double at_least_s, std::vector<OpTime>& out) {
  std::vector<Tensor> inputs;
  for (const Shape& shape : op.inputs) inputs.push_back(random(shape).requires_grad_(!op.of_image || !inputs.empty()));
  Tensor y = op.forward(inputs);
  const Tensor dy = y.clone();
  const double in = bytes_of(inputs), result = double(y.bytes());
  const double gradients = op.of_image ? in - double(inputs[0].bytes()) : in;
  const auto reset = [&] {
    y = {};
    for (const Tensor& x : inputs) x.zero_grad();
  };
  const auto forward = [&] { y = op.forward(inputs); };
  const auto record_again = [&] {
    reset();
    forward();
  };
  const auto backward = [&] { y.backward(dy); };
  const std::string shape = inputs[0].shape().str();
  out.push_back({op.network, op.name, shape, false, time_runs(at_least_s, forward, reset), op.flops, in + result});
  out.push_back({op.network, op.name, shape, true, time_runs(at_least_s, backward, record_again),
                 (op.of_image ? 1 : 2) * op.flops, in + gradients + result});
}

}  // namespace

bool OpTime::in_cache(const Peaks& peaks) const { return bytes / peaks.bytes > times.median_s; }

double OpTime::of_peak(const Peaks& peaks) const {
  return std::max(flops / peaks.flops, bytes / peaks.bytes) / times.median_s;
}

OpTable time_ops(double at_least_s) {
  PeakMeter meter;
  OpTable table;
  for (const Op& op : op_shapes()) {
    time_op(op, at_least_s, table.rows);
    meter.try_again();
  }
  table.peaks = meter.best();
  const auto end = table.rows.end();
  for (auto first = table.rows.begin(); first != end;) {
    const auto last = std::find_if(first, end, [&](const OpTime& t) { return t.network != first->network; });
    std::sort(first, last, [](const OpTime& a, const OpTime& b) { return a.times.median_s > b.times.median_s; });
    first = last;
  }
  return table;
}

}  // namespace md
