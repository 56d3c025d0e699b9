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

/// Of pixels at these depths in metres, 0: not measured; the definition in losses/metric_depth.h.
PairClass class_of(const MetricDepthOptions&, float anchor_m, float sample_m);

/// "D_r < 0.1 m: positive", "D_r 0.5 to 1 m: margin 3".
std::string name_of(const MetricDepthOptions&, const PairClass&);

/// Colours that survive colour blindness (Okabe and Ito, 2008).
Rgb colour_of(const PairClass&);

}  // namespace md
