// The diverging scale has five anchors; the others are data/colormap.h's.
#include "tools/report/scale_colours.h"

#include <array>
#include <cmath>

#include "engine/check.h"
#include "engine/printed.h"
#include "tools/report/axis.h"

namespace md {
namespace {

constexpr Rgb kNotMeasured{128, 128, 128};
constexpr int kGradientStops = 12;
constexpr std::array<Rgb, 5> kDiverging{{{0, 42, 106}, {84, 150, 190}, {242, 240, 236}, {207, 136, 86}, {107, 30, 3}}};

Rgb colour_at_part(ColourScale::Kind kind, float t) {
  switch (kind) {
    case ColourScale::Kind::error:
      return colour_between(kDiverging, t);
    case ColourScale::Kind::magnitude:
      return colour_at(Colormap::magma, t);
    case ColourScale::Kind::depth:
      break;
  }
  return colour_at(Colormap::viridis, t);
}

}  // namespace

Rgb colour_of(const ColourScale& scale, double value) {
  if (std::isnan(value)) return kNotMeasured;
  return colour_at_part(scale.kind, float((value - scale.low) / (scale.high - scale.low)));
}

RgbImage picture_of(const ColourScale& scale, const Tensor& map) {
  MD_CHECK(scale.low < scale.high, "picture_of: range ", scale.low, "..", scale.high, " is empty");
  const i64 height = map.dim(0), width = map.dim(1);
  RgbImage image{int(height), int(width), {}};
  image.pixels.reserve(std::size_t(height * width * 3));
  for (i64 i = 0; i < height * width; ++i) {
    const double value = double(map.data()[i]);
    const bool nothing = scale.kind == ColourScale::Kind::depth && !(value > 0);
    const Rgb colour = nothing ? kNotMeasured : colour_of(scale, value);
    image.pixels.insert(image.pixels.end(), colour.begin(), colour.end());
  }
  return image;
}

nlohmann::json legend_of(const ColourScale& scale) {
  std::string stops;
  for (int i = 0; i <= kGradientStops; ++i) {
    const Rgb colour = colour_at_part(scale.kind, float(i) / kGradientStops);
    stops += printed(",#%02x%02x%02x", colour[0], colour[1], colour[2]);
  }
  return {{"gradient", cat("linear-gradient(90deg", stops, ")")},
          {"low", short_number(scale.low)},
          {"middle", short_number((scale.low + scale.high) / 2)},
          {"high", short_number(scale.high)},
          {"unit", scale.unit}};
}

}  // namespace md
