// Both lists are sorted by name, and walked together.
#include "tools/eval/paired.h"

#include <algorithm>

namespace md {
namespace {

std::vector<ImageScore> sorted(std::vector<ImageScore> images) {
  std::ranges::stable_sort(images, {}, &ImageScore::image);
  return images;
}

}  // namespace

PairedImages pair_images(const NamedScores& a, const NamedScores& b) {
  if (a.protocol != b.protocol) {
    fail(ErrorKind::bad_data, a.name, " and ", b.name,
         ": other protocols: ", protocol_difference(describe(a.protocol), describe(b.protocol)));
  }
  const std::vector<ImageScore> of_a = sorted(a.per_image), of_b = sorted(b.per_image);
  PairedImages pairs;
  for (std::size_t i = 0; i < std::max(of_a.size(), of_b.size()); ++i) {
    if (i == of_b.size() || (i < of_a.size() && of_a[i].image < of_b[i].image))
      fail(ErrorKind::bad_data, b.name, ": has no ", of_a[i].image, ", which ", a.name, " has");
    if (i == of_a.size() || of_b[i].image < of_a[i].image)
      fail(ErrorKind::bad_data, a.name, ": has no ", of_b[i].image, ", which ", b.name, " has");
    if (of_a[i].metrics.has_value() != of_b[i].metrics.has_value()) {
      fail(ErrorKind::bad_data, of_a[i].metrics ? b.name : a.name, ": ", of_a[i].image, " is not scored, but in ",
           of_a[i].metrics ? a.name : b.name);
    }
    if (!of_a[i].metrics) continue;
    pairs.images.push_back(of_a[i].image);
    pairs.a.push_back(*of_a[i].metrics);
    pairs.b.push_back(*of_b[i].metrics);
  }
  if (pairs.images.empty()) fail(ErrorKind::bad_data, a.name, ": no image is scored");
  return pairs;
}

Better better_of(const MetricField& field, const Interval& difference) {
  if (difference.low <= 0 && difference.high >= 0) return Better::unclear;
  return (difference.low > 0) == field.higher ? Better::b : Better::a;
}

}  // namespace md
