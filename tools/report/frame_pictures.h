// One frame side by side: the image, its ground truth, and of each method the prediction and the error, with one legend
// each.
#pragma once
#include <nlohmann/json.hpp>
#include <vector>

#include "tools/report/inline_picture.h"
#include "tools/report/scale_colours.h"
#include "tools/report/shown_frame.h"

namespace md {

/// Depth from the 2 % to the 98 % quantile of the ground truth. REQUIRES: something is measured.
ColourScale depth_scale_of(const Tensor& gt_m);

/// Errors to both sides of 0, up to a round number above the 95 % quantile of their size over all these frames.
ColourScale error_scale_of(const std::vector<const ShownFrame*>&);

/// pred - gt in metres where it is scored, else NaN, [H,W].
Tensor signed_error(const ShownFrame&);

/// name, pictures: a list of {title, alt, address, legend}; the frames are of one picture under one method after the
/// other, and `names` are the methods'.
nlohmann::json frame_pictures(const std::vector<const ShownFrame*>&, const std::vector<std::string>& names,
                              const PictureBudget&);

}  // namespace md
