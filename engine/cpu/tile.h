// The inner loop of every matrix product of our own: a tile of the result, some rows of a few registers each, stays in
// registers while the terms of its sums go by. Each term costs a load for each register of a row and a broadcast for
// each row; their product is the number of multiply-adds, which is what the tile's sides are for.
#pragma once
#include "engine/cpu/vec.h"

namespace md::MD_KERNELS {

/// The left factor of a product: element (i,t) is at[i * row + t * term].
struct Left {
  const float* at;
  i64 row, term;
};

/// sum[r][j] += over t: a(r,t) times the j-th register of row t of b, whose rows are b_row apart.
template <int kRows, int kRegisters>
[[gnu::always_inline]] inline void multiply_add(const Left& a, i64 terms, const float* b, i64 b_row,
                                                Vec (&sum)[kRows][kRegisters]) {
  for (i64 t = 0; t < terms; ++t) {
    Vec right[kRegisters];
    for (int j = 0; j < kRegisters; ++j) right[j] = load(b + t * b_row + j * kLanes);
    for (int r = 0; r < kRows; ++r) {
      const Vec left = broadcast(a.at[r * a.row + t * a.term]);
      for (int j = 0; j < kRegisters; ++j) sum[r][j] += left * right[j];
    }
  }
}

}  // namespace md::MD_KERNELS
