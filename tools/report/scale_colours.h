// Numbers as colours that survive colour blindness, and the legend that says which is which. Depth: viridis. Signed
// errors: blue (predicted too near) over white to brown (too far), as Crameri's vik. Not measured: grey.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "data/colormap.h"
#include "engine/tensor.h"

namespace md {

/// How numbers become colours, over a range.
struct ColourScale {
  enum class Kind : std::uint8_t { depth, error, magnitude } kind = Kind::depth;
  double low = 0, high = 1;
  std::string unit = "m";
};

/// The colour of a number; beyond the range the colours stay. NaN: grey.
Rgb colour_of(const ColourScale&, double value);

/// map [H,W]; NaN, and of depth what is not above 0, is grey.
RgbImage picture_of(const ColourScale&, const Tensor& map);

/// low, middle, high: texts; gradient: a CSS gradient of the scale's colours from left to right; unit; words.
nlohmann::json legend_of(const ColourScale&);

}  // namespace md
