#include "tools/bench/scale_model.h"

#include <algorithm>

namespace md {

double ring_sum_s(const Cluster& cluster, i64 devices, double bytes) {
  if (devices == 1) return 0;
  const double n = double(devices);
  const double gb_s = devices <= cluster.devices_of_machine ? cluster.inside_gb_s : cluster.between_gb_s;
  return 2 * (n - 1) * (cluster.latency_us * 1e-6 + bytes / n / (gb_s * 1e9));
}

ScalePrediction predict_scale(const ScaledStep& step, const Cluster& cluster, i64 devices) {
  const double whole_buckets = std::max(0., step.bytes - step.bucket_bytes) / step.bucket_bytes;
  const double last_s = ring_sum_s(cluster, devices, std::min(step.bytes, step.bucket_bytes));
  const double sums_s = last_s + whole_buckets * ring_sum_s(cluster, devices, step.bucket_bytes);
  const double shown_s = std::max(last_s, sums_s - step.backward_part * step.seconds);
  const double step_s = step.seconds + shown_s;
  return {step_s, sums_s, sums_s > 0 ? 1 - shown_s / sums_s : 1, step.seconds / step_s};
}

}  // namespace md
