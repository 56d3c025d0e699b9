// Replicates as counts: how often each image was drawn.
#include "data/bootstrap.h"

#include <algorithm>

#include "data/quantile.h"
#include "engine/rng.h"

namespace md {
namespace {

using Values = std::array<std::vector<double>, metric_fields.size()>;  // of each measure, one a replicate

/// statistic(times) -> Metrics, for every replicate.
template <class Statistic>
Values replicate(std::size_t images, const BootstrapSpec& spec, Statistic statistic) {
  MD_CHECK(images > 0 && spec.replicates > 0, "bootstrap: ", images, " images, ", spec.replicates, " replicates");
  Values values;
  std::vector<std::uint32_t> times(images);
  for (int r = 0; r < spec.replicates; ++r) {
    Rng rng(spec.seed, Purpose::bootstrap, 0, std::uint64_t(r));
    std::ranges::fill(times, 0U);
    for (std::size_t i = 0; i < images; ++i) ++times[std::size_t(rng.integer(0, i64(images) - 1))];
    const Metrics replicate = statistic(times);
    for (std::size_t f = 0; f < values.size(); ++f) values[f].push_back(replicate.*metric_fields[f].value);
  }
  return values;
}

Intervals intervals_of(const Values& values) {
  Intervals intervals;
  for (std::size_t f = 0; f < values.size(); ++f) {
    intervals.low.*metric_fields[f].value = quantile(values[f], 0.025);
    intervals.high.*metric_fields[f].value = quantile(values[f], 0.975);
  }
  return intervals;
}

}  // namespace

Intervals bootstrap(std::span<const Metrics> images, Averaging averaging, const BootstrapSpec& spec) {
  return intervals_of(replicate(images.size(), spec, [&](std::span<const std::uint32_t> times) {
    return mean_metrics(images, averaging, times);
  }));
}

Intervals bootstrap_difference(std::span<const Metrics> a, std::span<const Metrics> b, Averaging averaging,
                               const BootstrapSpec& spec) {
  MD_CHECK(a.size() == b.size(), "bootstrap: ", a.size(), " and ", b.size(), " images are no pairs");
  return intervals_of(replicate(a.size(), spec, [&](std::span<const std::uint32_t> times) {
    const Metrics of_a = mean_metrics(a, averaging, times), of_b = mean_metrics(b, averaging, times);
    Metrics difference;
    for (const MetricField& field : metric_fields) difference.*field.value = of_b.*field.value - of_a.*field.value;
    return difference;
  }));
}

}  // namespace md
