// Counting, and English.
#include "tools/eval/unknown_pixels.h"

#include "engine/check.h"
#include "engine/text.h"

namespace md {
namespace {

constexpr std::size_t kMostLines = 5;

}  // namespace

UnknownCounts unknown_counts(const Evaluation& evaluation) {
  UnknownCounts counts;
  for (const ImageScore& image : evaluation.per_image) {
    counts.zeros += image.zeros;
    counts.images_with_zeros += image.zeros > 0;
    counts.filled += image.filled;
    counts.filled_scored += image.filled_scored;
    counts.images_filled += image.filled > 0;
  }
  return counts;
}

std::vector<std::string> zero_lines(const Evaluation& evaluation, const Protocol& protocol) {
  std::vector<std::string> lines;
  std::size_t more = 0;
  for (const ImageScore& image : evaluation.per_image) {
    if (image.zeros == 0) continue;
    if (lines.size() == kMostLines) {
      ++more;
      continue;
    }
    lines.push_back(cat(image.prediction.empty() ? image.image : image.prediction, ": 0 or less at ",
                        counted(image.zeros, "scored pixel"), ", taken for ", shortest(protocol.min_m), " m"));
  }
  if (more > 0) lines.push_back(cat("and ", counted(i64(more), "more prediction")));
  return lines;
}

std::string unknown_text(const Evaluation& evaluation, const Protocol& protocol) {
  const UnknownCounts counts = unknown_counts(evaluation);
  std::string text;
  if (counts.zeros > 0)
    text += cat("; ", counted(counts.zeros, "scored pixel"), " of ", counted(counts.images_with_zeros, "prediction"),
                " predicted as 0 or less, clamped to ", shortest(protocol.min_m), " m as the peers do");
  if (counts.filled > 0)
    text += cat("; ", counted(counts.filled, "pixel"), " of ", counted(counts.images_filled, "prediction"),
                " without depth, filled by KITTI's rule, ", counts.filled_scored, " of them scored");
  return text;
}

}  // namespace md
