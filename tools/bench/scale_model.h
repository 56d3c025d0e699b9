// What a data-parallel step takes on N devices, from what it takes on one and from what the network between them can.
// Of the time that its sums of gradients take, what fits beside the backward is hidden; the last bucket's never is.
#pragma once
#include "engine/tensor.h"

namespace md {

/// A step of one device: its seconds, the part of them that the backward is, and the gradients that it sums.
struct ScaledStep {
  double seconds, backward_part = 2. / 3;
  double bytes, bucket_bytes;
};

/// Devices in machines, with a faster network inside of one (NVLink) than between them (InfiniBand).
struct Cluster {
  int devices_of_machine = 8;
  double inside_gb_s = 450, between_gb_s = 50;  // 1e9 bytes a second, in and out of a device at once
  double latency_us = 5;                        // of a message
};

/// Seconds of a sum of `bytes` over N devices in a ring: 2 (N - 1) messages one after the other, which carry
/// 2 (N - 1) / N of the bytes, at the rate of the slowest link.
double ring_sum_s(const Cluster&, i64 devices, double bytes);

/// What a step comes to.
struct ScalePrediction {
  double step_s, sums_s, hidden;  // hidden: part of the sums' time
  double efficiency;              // one device's step over this one, at the same samples a device
};
ScalePrediction predict_scale(const ScaledStep&, const Cluster&, i64 devices);

}  // namespace md
