// How far a mean over images can be trusted: the percentile bootstrap (Efron 1979) over images, 95 %. Replicate r draws
// as many images as there are, with replacement, from the stream (seed, r): the same on every machine.
#pragma once
#include "data/metrics.h"

namespace md {

/// How often it is drawn anew, and from which stream.
struct BootstrapSpec {
  std::uint64_t seed = 0;
  int replicates = 10'000;
};

/// From the 2.5 % to the 97.5 % quantile of the replicates.
struct Interval {
  double low = 0, high = 0;
};
/// Of each measure.
struct Intervals {
  Metrics low = {}, high = {};
  Interval of(const MetricField& field) const { return {low.*field.value, high.*field.value}; }
};

/// Of mean_metrics(images). REQUIRES: at least one image.
Intervals bootstrap(std::span<const Metrics> images, Averaging, const BootstrapSpec& = {});

/// Of mean_metrics(b) - mean_metrics(a), paired: a[i] and b[i] are the same image, and are drawn together.
Intervals bootstrap_difference(std::span<const Metrics> a, std::span<const Metrics> b, Averaging,
                               const BootstrapSpec& = {});

}  // namespace md
