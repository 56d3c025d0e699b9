// What MetricDepth makes of a pair of pixels, for the eye: a name and a colour each.
#pragma once
#include <string>

#include "data/colormap.h"
#include "losses/metric_depth.h"

namespace md {

/// A class of pairs: a positive, a range, or nothing.
struct PairClass {
  enum class Kind : std::uint8_t { unmeasured, nothing, positive, range } kind = Kind::nothing;
  std::size_t range = 0;  // in MetricDepthOptions::ranges
  bool operator==(const PairClass&) const = default;
};

/// Of two pixels of maps that depth_to_compare made, 0: not measured; the definition in losses/metric_depth.h.
PairClass class_of(const MetricDepthOptions&, float anchor, float sample);

/// How far such a pair of a range is pushed apart. REQUIRES: class_of says that it is one.
float margin_of(const MetricDepthOptions&, const PairClass&, float anchor, float sample);

/// "D_r < 0.1 m: positive", "D_r 0.5 to 1 m: margin 3", with proportional margins "margin 4 D_r"; without a unit where
/// depths are compared by their ratio.
std::string name_of(const MetricDepthOptions&, const PairClass&);
/// "0.52 m", or without a unit.
std::string difference_text(const MetricDepthOptions&, double difference);
/// What D_r is, where it is not a distance; else "".
std::string difference_note(const MetricDepthOptions&);

/// Colours that survive colour blindness (Okabe and Ito, 2008).
Rgb colour_of(const PairClass&);

}  // namespace md
