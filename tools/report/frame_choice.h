// Which frames are worth a look: the worst, the middle and the best by their AbsRel, over all methods alike.
#pragma once
#include <string>
#include <vector>

#include "tools/eval/evaluate.h"

namespace md {

/// A frame, and why it was chosen.
struct ChosenFrame {
  i64 index;
  std::string why;  // "worst", "median", "best"
};

/// From evaluations of one list: at most `count` frames, about a third of each kind, from the worst to the best; ranked
/// by the mean AbsRel over the evaluations. Only frames that are scored in all of them.
std::vector<ChosenFrame> choose_frames(const std::vector<const Evaluation*>&, int count);

}  // namespace md
