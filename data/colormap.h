// Depth maps as colours, over a fixed range so that images can be compared: turbo (Mikhailov 2019), magma and viridis
// (Smith and van der Walt 2015; both can be read with any kind of colour vision), interpolated between 16 anchors;
// within 7/255 of the published tables.
#pragma once
#include <array>
#include <span>
#include <string>
#include <vector>

#include "data/image_io.h"
#include "engine/tensor.h"

namespace md {

enum class Colormap : std::uint8_t { turbo, magma, viridis };
/// "turbo", "magma" or "viridis"; throws ErrorKind::usage for another name.
Colormap colormap(const std::string& name);
/// Those that colormap() knows.
std::vector<std::string> colormap_names();

/// Red, green, blue.
using Rgb = std::array<std::uint8_t, 3>;
/// From the first of at least two colours, t = 0, to the last, t = 1, at even distances; beyond them the colours stay.
Rgb colour_between(std::span<const Rgb> anchors, float t);
/// The same of a map's colours.
Rgb colour_at(Colormap, float t);

/// Metres; which depths have the first and the last colour.
struct ColorRange {
  float near_m = 0.F, far_m = 10.F;  // the first and the last colour; beyond them the colours stay
};

/// depth_m [H,W]. Without a measurement (<= 0 or NaN): black.
RgbImage colorize(const Tensor& depth_m, const ColorRange&, Colormap = Colormap::turbo);

}  // namespace md
