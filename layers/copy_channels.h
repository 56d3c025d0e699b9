// Some channels of the rows of one map into some of another's: a kernel of concat, of slices, and of whoever makes a
// concatenation himself.
#pragma once
#include "engine/launch.h"

namespace md {

/// to[r, c] = from[r, c], with rows of their own lengths on either side.
struct CopyChannels {
  const float* from;
  float* to;
  i64 from_row, to_row;  // channels of a whole row on either side
  MD_HD void operator()(i64 row, i64 c) const { to[row * to_row + c] = from[row * from_row + c]; }
};

}  // namespace md
