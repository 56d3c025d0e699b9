// Where the windows of window attention lie, for both devices: the map is padded to whole windows at the bottom and
// right, and rolled up and left by `shift`.
#pragma once
#include "engine/window_attention.h"

namespace md {

/// Of a window.
constexpr i64 kWindowTokens = kWindow * kWindow;
constexpr i64 kDistances = 2 * kWindow - 1;  // of two tokens, along one axis

/// The windows of a map [N,H,W,...], in order of images, then rows, then columns.
class Windows {
 public:
  Windows(const Shape& map, i64 shift)  // [N,H,W,...]
      : H_(map[1]),
        W_(map[2]),
        rows_((H_ + kWindow - 1) / kWindow),
        columns_((W_ + kWindow - 1) / kWindow),
        shift_(shift),
        count_(map[0] * rows_ * columns_) {}

  constexpr i64 count() const { return count_; }  // windows of all images

  /// Index into [N*H*W] of the t-th token of a window, or -1 beyond the edge.
  constexpr i64 token(i64 window, i64 t) const {
    const i64 y = (row(window, t) + shift_) % (rows_ * kWindow),
              x = (column(window, t) + shift_) % (columns_ * kWindow);
    return y < H_ && x < W_ ? (window / (rows_ * columns_) * H_ + y) * W_ + x : -1;
  }
  /// Tokens see each other only inside one region.
  constexpr int region(i64 window, i64 t) const {
    return 3 * part(row(window, t), rows_) + part(column(window, t), columns_);
  }

 private:
  constexpr i64 row(i64 window, i64 t) const { return window / columns_ % rows_ * kWindow + t / kWindow; }
  constexpr i64 column(i64 window, i64 t) const { return window % columns_ * kWindow + t % kWindow; }
  /// Along one axis of the rolled map: the whole windows; the last one's own tokens; those that the roll brought there.
  constexpr int part(i64 at, i64 windows) const {
    const i64 side = windows * kWindow;
    return shift_ == 0 || at < side - kWindow ? 0 : at < side - shift_ ? 1 : 2;
  }

  i64 H_, W_, rows_, columns_, shift_, count_;
};

/// Row of the bias table for two tokens of a window.
constexpr i64 distance_row(i64 query, i64 key) {
  const i64 down = query / kWindow - key / kWindow, right = query % kWindow - key % kWindow;
  return (down + kWindow - 1) * kDistances + right + kWindow - 1;
}

/// Added to the scores of tokens that the roll made neighbours; the published value.
constexpr float kMaskedScore = -100.F;

}  // namespace md
