// Squares of kLanes x kLanes are turned over in registers. The library's own reorder takes up to four times as long: a
// fifth of a product of 300 rows.
#include "engine/cpu/weight_panels.h"

#include "engine/cpu/vec.h"

namespace md::MD_KERNELS {
namespace {

/// One square of w, of which `rows` x `columns` are there, to where its first column begins; columns are `height`
/// apart.
void pack_square(const float* w, i64 row, i64 rows, i64 columns, i64 height, float* to) {
  alignas(sizeof(Vec)) static constexpr float kNothing[kLanes] = {};
  Vec square[kLanes];
  for (i64 i = 0; i < kLanes; ++i) {
    const float* const from = i < rows ? w + i * row : kNothing;
    square[i] = columns >= kLanes ? load(from) : load_part(from, columns);
  }
  transpose_square(square);
  for (i64 i = 0; i < std::min(columns, kLanes); ++i) store(to + i * height, square[i]);
}

}  // namespace

void pack_panels(const float* w, i64 rows, i64 columns, i64 height, float* panels) {
  constexpr i64 kWide = 256;  // columns that a thread takes at a time: rows are read in runs
  const i64 count = (rows + height - 1) / height;
#pragma omp parallel for collapse(2) schedule(static)
  for (i64 p = 0; p < count; ++p) {
    for (i64 left = 0; left < columns; left += kWide) {
      const i64 right = std::min(left + kWide, columns);
      for (i64 r = p * height; r < (p + 1) * height; r += kLanes) {
        for (i64 c = left; c < right; c += kLanes) {
          const float* const from = w + std::min(r, rows - 1) * columns + c;
          pack_square(from, columns, rows - r, right - c, height, panels + (p * columns + c - p) * height + r);
        }
      }
    }
  }
}

}  // namespace md::MD_KERNELS
