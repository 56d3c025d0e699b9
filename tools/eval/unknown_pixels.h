// What is said of predictions that are 0 somewhere: which they are, and what became of it.
#pragma once
#include <string>
#include <vector>

#include "tools/eval/evaluate.h"

namespace md {

/// Sums over the images of an evaluation; what of: data/score.h.
struct UnknownCounts {
  i64 zeros = 0, images_with_zeros = 0;
  i64 filled = 0, filled_scored = 0, images_filled = 0;
};
UnknownCounts unknown_counts(const Evaluation&);

/// For stderr: the first predictions with clamped zeros, a line each, and how many more there are.
std::vector<std::string> zero_lines(const Evaluation&, const Protocol&);

/// For the closing line: "; 12 scored pixels of 2 predictions are 0 ..."; empty where no prediction is 0.
std::string unknown_text(const Evaluation&, const Protocol&);

}  // namespace md
