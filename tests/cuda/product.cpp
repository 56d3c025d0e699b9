#include "tests/cuda/product.h"

#include <algorithm>
#include <vector>

namespace md::doubles {
namespace {

// A tile's sums and what it multiplies fit the registers; a panel of kDepth rows fits the innermost cache.
#ifdef __AVX512F__
constexpr i64 kLanes = 8;
#else
constexpr i64 kLanes = 4;
#endif
constexpr i64 kVectors = 2, kColumns = kVectors * kLanes, kRows = 6, kDepth = 256;

using Lanes [[gnu::vector_size(kLanes * sizeof(double))]] = double;
struct Row {
  Lanes part[kVectors];
  double& operator[](i64 j) { return reinterpret_cast<double*>(part)[j]; }
};
struct Column {
  double row[kRows];
};

/// The first columns of b, with zeros beyond the last.
std::vector<Row> pack_columns(const Matrix& b, i64 k, i64 columns) {
  std::vector<Row> panel(std::size_t(k), Row{});
  for (i64 i = 0; i < k; ++i) {
    for (i64 j = 0; j < columns; ++j) panel[std::size_t(i)][j] = b.at[i * b.row + j * b.column];
  }
  return panel;
}

/// kRows rows after kRows rows of a, column by column, with zeros beyond the last row.
std::vector<Column> pack_rows(const Matrix& a, i64 m, i64 k) {
  std::vector<Column> packed(std::size_t((m + kRows - 1) / kRows * k), Column{});
  for (i64 row = 0; row < m; ++row) {
    Column* const tile = packed.data() + row / kRows * k;
    for (i64 i = 0; i < k; ++i) tile[i].row[row % kRows] = a.at[row * a.row + i * a.column];
  }
  return packed;
}

void multiply_tile(const Column* a, const std::vector<Row>& panel, Row (&tile)[kRows]) {
  Lanes sums[kRows][kVectors] = {};
  for (const Row& b : panel) {
#pragma GCC unroll kRows
    for (i64 r = 0; r < kRows; ++r) {
#pragma GCC unroll kVectors
      for (i64 v = 0; v < kVectors; ++v) sums[r][v] += a->row[r] * b.part[v];
    }
    ++a;
  }
#pragma GCC unroll kRows
  for (i64 r = 0; r < kRows; ++r) {
#pragma GCC unroll kVectors
    for (i64 v = 0; v < kVectors; ++v) tile[r].part[v] = sums[r][v];
  }
}

/// Of at most kDepth columns of a.
void add_product(i64 m, i64 n, i64 k, const Matrix& a, const Matrix& b, double* c, i64 c_row) {
  const std::vector<Column> rows_of_a = pack_rows(a, m, k);
  const i64 panels = (n + kColumns - 1) / kColumns;
#pragma omp parallel for schedule(dynamic) if (panels > 1)
  for (i64 p = 0; p < panels; ++p) {
    const i64 first = p * kColumns, columns = std::min(kColumns, n - first);
    const std::vector<Row> panel = pack_columns({b.at + first * b.column, b.row, b.column}, k, columns);
    Row tile[kRows];
    for (i64 row = 0; row < m; row += kRows) {
      multiply_tile(rows_of_a.data() + row / kRows * k, panel, tile);
      for (i64 r = 0; r < std::min(kRows, m - row); ++r) {
        for (i64 j = 0; j < columns; ++j) c[(row + r) * c_row + first + j] += tile[r][j];
      }
    }
  }
}

}  // namespace

void multiply(i64 m, i64 n, i64 k, const Matrix& a, const Matrix& b, double* c, i64 c_row) {
  for (i64 i = 0; i < k; i += kDepth) {
    add_product(m, n, std::min(kDepth, k - i), {a.at + i * a.column, a.row, a.column},
                {b.at + i * b.row, b.row, b.column}, c, c_row);
  }
}

}  // namespace md::doubles
