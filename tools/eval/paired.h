// Two results image by image: the same images under the same protocol, or nothing can be said.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tools/eval/results.h"

namespace md {

/// One of two results; the name stands for it in messages.
struct NamedScores {
  const std::string& name;
  const Protocol& protocol;
  const std::vector<ImageScore>& per_image;
};

/// Image i of a and of b is the same, and both are scored; sorted by name.
struct PairedImages {
  std::vector<std::string> images = {};
  std::vector<Metrics> a = {}, b = {};
};

/// Lists in different orders pair. Throws ErrorKind::bad_data, naming the difference, where the two have other
/// protocols or images, or no image is scored.
PairedImages pair_images(const NamedScores& a, const NamedScores& b);

/// What an interval of b - a says of a measure.
enum class Better : std::uint8_t { a, b, unclear };
Better better_of(const MetricField&, const Interval& difference);

}  // namespace md
