// A frame that is shown: asked for again once it is known which frames are worth showing.
#pragma once
#include <string>
#include <vector>

#include "tools/eval/evaluation_guest.h"

namespace md {

/// One frame under one method.
struct ShownFrame {
  i64 index = 0;     // in the list
  std::string name;  // as in the list
  RgbImage image;    // of what was scored, [H,W]
  Tensor gt_m;       // [H,W], 0: not measured
  Tensor pred_m;     // [H,W], as it was scored
  Tensor scored;     // u8 [H,W]
  Metrics metrics;
  Tensor features = {};  // [h,w,C] of a network, if asked for
};

/// REQUIRES: a frame with ground truth, some of which is scored. Throws what Dataset::load, the predictor and score()
/// throw.
ShownFrame show_frame(const EvaluationSource&, i64 index, bool with_features);

}  // namespace md
