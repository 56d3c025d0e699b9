// A product as BLAS has it, for the doubles of cuBLAS and cuBLASLt: in double, like the others (product.h).
#pragma once
#include <cublas_v2.h>

#include "engine/bf16.h"

namespace md::doubles {

/// Elements that are f32 or bf16.
struct Elements {
  void* at;
  cudaDataType_t type;
  bool known() const { return type == CUDA_R_32F || type == CUDA_R_16BF; }
  i64 bytes(i64 count) const { return count * (type == CUDA_R_32F ? 4 : 2); }
  double operator[](i64 i) const {
    return double(type == CUDA_R_32F ? static_cast<const float*>(at)[i] : float(static_cast<const bf16*>(at)[i]));
  }
  void set(i64 i, double value) const {
    if (type == CUDA_R_32F) static_cast<float*>(at)[i] = float(value);
    if (type == CUDA_R_16BF) static_cast<bf16*>(at)[i] = float(value);
  }
};

/// A matrix as BLAS sees it: stored by columns, `stride` apart.
struct Operand {
  Elements numbers;
  i64 stride;
  bool transposed = false;
  double operator()(i64 row, i64 column) const {
    return numbers[transposed ? column + row * stride : row + column * stride];
  }
  void set(i64 row, i64 column, double value) const { numbers.set(row + column * stride, value); }
  /// Whether its rows fit their stride, and all of it is device memory.
  bool valid(i64 rows, i64 columns) const;
};

/// c [m,n] = a [m,k] b [k,n], plus what c holds if it accumulates, and bias [m] to every column, if there is one.
void multiply(i64 m, i64 n, i64 k, const Operand& a, const Operand& b, bool accumulate, const Operand& c,
              const Elements* bias = nullptr);

/// Whether cuBLAS computes in this way with such numbers.
bool multiplies(cublasComputeType_t, const Operand& a, const Operand& b, const Operand& c);

/// The stream that a handle's work goes to; null if it is none or has none.
cudaStream_t stream_of(cublasHandle_t);

}  // namespace md::doubles
