// A product as BLAS has it, for the doubles of cuBLAS and cuBLASLt: in double, like the others (product.h).
#pragma once
#include <cublas_v2.h>

#include "engine/tensor.h"

namespace md::doubles {

/// A matrix as BLAS sees it: stored by columns, `stride` apart.
struct Operand {
  const float* at;
  i64 stride;
  bool transposed;
  double operator()(i64 row, i64 column) const {
    return double(transposed ? at[column + row * stride] : at[row + column * stride]);
  }
  /// Whether its rows fit their stride, and all of it is device memory.
  bool valid(i64 rows, i64 columns) const;
};

/// c [m,n] = a [m,k] b [k,n], plus what c holds if it accumulates.
void sgemm(i64 m, i64 n, i64 k, const Operand& a, const Operand& b, bool accumulate, float* c, i64 ldc);

/// The stream that a handle's work goes to; null if it is none or has none.
cudaStream_t stream_of(cublasHandle_t);

}  // namespace md::doubles
