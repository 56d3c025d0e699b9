// Ranked once; the kinds never share a frame.
#include "tools/report/frame_choice.h"

#include <algorithm>

namespace md {
namespace {

/// Indices of the frames that every evaluation has scored, the worst first.
std::vector<i64> ranked(const std::vector<const Evaluation*>& evaluations) {
  std::vector<std::pair<double, i64>> order;
  const std::size_t frames = evaluations.front()->per_image.size();
  for (std::size_t i = 0; i < frames; ++i) {
    double sum = 0;
    bool everywhere = true;
    for (const Evaluation* const evaluation : evaluations) {
      const std::optional<Metrics>& metrics = evaluation->per_image[i].metrics;
      everywhere = everywhere && metrics.has_value();
      if (metrics) sum += metrics->abs_rel;
    }
    if (everywhere) order.emplace_back(-sum, i64(i));
  }
  std::ranges::sort(order);
  std::vector<i64> indices;
  for (const auto& [error, index] : order) indices.push_back(index);
  return indices;
}

}  // namespace

std::vector<ChosenFrame> choose_frames(const std::vector<const Evaluation*>& evaluations, int count) {
  const std::vector<i64> order = ranked(evaluations);
  const auto all = i64(order.size()), wanted = std::min<i64>(count, all);
  const i64 worst = (wanted + 2) / 3, best = (wanted + 1) / 3, median = wanted - worst - best;
  std::vector<ChosenFrame> chosen;
  const auto take = [&](i64 from, i64 n, const char* why) {
    for (i64 i = from; i < from + n; ++i) chosen.push_back({order[std::size_t(i)], why});
  };
  take(0, worst, "worst");
  take(std::clamp((all - median) / 2, worst, all - best - median), median, "median");
  take(all - best, best, "best");
  return chosen;
}

}  // namespace md
