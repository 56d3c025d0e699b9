// Figures as pixels.
#pragma once
#include "tools/figure/drawing.h"

namespace md {

/// The drawing on white, kFigureScale * (width, height) pixels.
RgbImage raster_of(const Drawing&);

}  // namespace md
