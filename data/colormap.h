// Depth maps as colours, over a fixed range so that images can be compared: turbo (Mikhailov 2019) and magma (Smith and
// van der Walt 2015), interpolated between 16 anchors; within 7/255 of the published tables.
#pragma once
#include <string>
#include <vector>

#include "data/image_io.h"
#include "engine/tensor.h"

namespace md {

enum class Colormap : std::uint8_t { turbo, magma };
/// "turbo" or "magma"; throws ErrorKind::usage for another name.
Colormap colormap(const std::string& name);
/// Those that colormap() knows.
std::vector<std::string> colormap_names();

/// Metres; which depths have the first and the last colour.
struct ColorRange {
  float near_m = 0.F, far_m = 10.F;  // the first and the last colour; beyond them the colours stay
};

/// depth_m [H,W]. Without a measurement (<= 0 or NaN): black.
RgbImage colorize(const Tensor& depth_m, const ColorRange&, Colormap = Colormap::turbo);

}  // namespace md
