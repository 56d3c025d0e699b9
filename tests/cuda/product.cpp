#include "tests/cuda/product.h"

#include <algorithm>
#include <vector>

namespace md::doubles {
namespace {

constexpr i64 kLanes = 8, kVectors = 2, kColumns = kVectors * kLanes;
constexpr i64 kRows = 6;  // of a tile: its 12 vectors of sums stay in registers

using Lanes [[gnu::vector_size(kLanes * sizeof(double))]] = double;
struct Row {
  Lanes part[kVectors];
  double& operator[](i64 j) { return reinterpret_cast<double*>(part)[j]; }
};

/// Columns [first, first + kColumns) of b, with zeros beyond the last.
std::vector<Row> pack(const Matrix& b, i64 k, i64 first, i64 columns) {
  std::vector<Row> panel(std::size_t(k), Row{});
  for (i64 i = 0; i < k; ++i) {
    for (i64 j = 0; j < columns; ++j) panel[std::size_t(i)][j] = b.at[i * b.row + (first + j) * b.column];
  }
  return panel;
}

/// tile = rows of a, times the panel; rows beyond the last repeat it.
void multiply_tile(i64 rows, const Matrix& a, const std::vector<Row>& panel, Row (&tile)[kRows]) {
  Lanes sums[kRows][kVectors] = {};
  const double* from[kRows];
  for (i64 r = 0; r < kRows; ++r) from[r] = a.at + std::min(r, rows - 1) * a.row;
  i64 at = 0;
  for (const Row& b : panel) {
#pragma GCC unroll kRows
    for (i64 r = 0; r < kRows; ++r) {
#pragma GCC unroll kVectors
      for (i64 v = 0; v < kVectors; ++v) sums[r][v] += from[r][at] * b.part[v];
    }
    at += a.column;
  }
#pragma GCC unroll kRows
  for (i64 r = 0; r < kRows; ++r) {
#pragma GCC unroll kVectors
    for (i64 v = 0; v < kVectors; ++v) tile[r].part[v] = sums[r][v];
  }
}

}  // namespace

void multiply(i64 m, i64 n, i64 k, const Matrix& a, const Matrix& b, double* c, i64 c_row) {
  const i64 panels = (n + kColumns - 1) / kColumns;
#pragma omp parallel for schedule(dynamic) if (panels > 1)
  for (i64 p = 0; p < panels; ++p) {
    const i64 first = p * kColumns, columns = std::min(kColumns, n - first);
    const std::vector<Row> panel = pack(b, k, first, columns);
    Row tile[kRows];
    for (i64 row = 0; row < m; row += kRows) {
      const i64 rows = std::min(kRows, m - row);
      multiply_tile(rows, {a.at + row * a.row, a.row, a.column}, panel, tile);
      for (i64 r = 0; r < rows; ++r) {
        for (i64 j = 0; j < columns; ++j) c[(row + r) * c_row + first + j] += tile[r][j];
      }
    }
  }
}

}  // namespace md::doubles
