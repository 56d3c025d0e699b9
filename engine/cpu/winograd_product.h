// Small matrix products c (+)= a b with b and c a block of kWide columns wide: rows of c stay in registers while a and
// b pass by once.
#pragma once
#include <utility>

#include "engine/cpu/tile.h"

namespace md::MD_KERNELS {

constexpr i64 kWide = 2 * kLanes;  // columns of a block

/// `terms` products a sum. b is [terms,kWide].
struct BlockProduct {
  const float* a;
  i64 terms;
  const float* b;
  float* c;
  i64 c_row;  // floats between rows of c
  bool add;   // to what c holds
};

/// The elements of a: in blocks of `block` terms, `jump` floats from one to the next, kRow between rows, kTerm between
/// terms of a block.
template <i64 kRowStep, i64 kTermStep>
struct LeftLayout {
  static constexpr i64 kRow = kRowStep, kTerm = kTermStep;
  i64 block, jump;
};

template <int kRows, int kRegisters, class Layout>
void multiply_rows(const Layout& left, const BlockProduct& p) {
  Vec sum[kRows][kRegisters] = {};
  const float *a = p.a, *b = p.b;
  for (i64 done = 0; done < p.terms; done += left.block, a += left.jump, b += left.block * kWide) {
    const i64 terms = std::min(left.block, p.terms - done);
    multiply_add<kRows, kRegisters>({a, Layout::kRow, Layout::kTerm}, terms, b, kWide, sum);
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < kRegisters; ++j) {
      float* const c = p.c + r * p.c_row + j * kLanes;
      store(c, p.add ? load(c) + sum[r][j] : sum[r][j]);
    }
  }
}

/// Up to kMost rows and one or two registers of columns: the kernel for each.
template <int kMost, class Layout>
struct RowKernels {
  using Kernel = void (*)(const Layout&, const BlockProduct&);
  template <int... kRows>
  static constexpr std::array<std::array<Kernel, 2>, kMost> make(std::integer_sequence<int, kRows...>) {
    return {{{multiply_rows<kRows + 1, 1, Layout>, multiply_rows<kRows + 1, 2, Layout>}...}};
  }
  static constexpr auto kAll = make(std::make_integer_sequence<int, kMost>{});

  /// `rows` of 1 to kMost; `columns` of at least 1, of which at most kWide count.
  static void run(i64 rows, i64 columns, const Layout& left, const BlockProduct& p) {
    kAll[std::size_t(rows - 1)][columns > kLanes](left, p);
  }
};

}  // namespace md::MD_KERNELS
