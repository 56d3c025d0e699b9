// cuBLAS on the GPU of gpu.h: its context, and the product.
#include <cublas_v2.h>

#include <set>
#include <vector>

#include "tests/cuda/blas.h"
#include "tests/cuda/doubles.h"
#include "tests/cuda/gpu.h"
#include "tests/cuda/product.h"

struct cublasContext {
  cudaStream_t stream = nullptr;
};

namespace md::doubles {
namespace {

std::set<cublasHandle_t>& handles() {
  static std::set<cublasHandle_t> it;
  return it;
}

bool products_are_tf32 = false;

}  // namespace

bool tf32_products() { return products_are_tf32; }

bool Operand::valid(i64 rows, i64 columns) const {
  if (transposed) std::swap(rows, columns);
  return stride >= rows && memory().holds(at, sizeof(float) * std::size_t(rows + (columns - 1) * stride));
}

/// The product of rows, c' = b' a': columns of c are its rows.
void sgemm(i64 m, i64 n, i64 k, const Operand& a, const Operand& b, bool accumulate, float* c, i64 ldc) {
  std::vector<double> left(std::size_t(n * k)), right(std::size_t(k * m)), product(std::size_t(n * m));
  for (i64 i = 0; i < k; ++i) {
    for (i64 column = 0; column < n; ++column) left[std::size_t(column * k + i)] = b(i, column);
    for (i64 row = 0; row < m; ++row) right[std::size_t(i * m + row)] = a(row, i);
  }
  for (i64 column = 0; column < n && accumulate; ++column) {
    for (i64 row = 0; row < m; ++row) product[std::size_t(column * m + row)] = double(c[row + column * ldc]);
  }
  multiply(n, m, k, {left.data(), k, 1}, {right.data(), m, 1}, product.data(), m);
  for (i64 column = 0; column < n; ++column) {
    for (i64 row = 0; row < m; ++row) c[row + column * ldc] = float(product[std::size_t(column * m + row)]);
  }
}

cudaStream_t stream_of(cublasHandle_t handle) { return handles().contains(handle) ? handle->stream : nullptr; }

}  // namespace md::doubles

using namespace md::doubles;  // NOLINT: the functions below are C

extern "C" {

const char* cublasGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_INTERNAL_ERROR ? "made to fail" : "refused by the double";
}

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  if (fails("cublasCreate")) return CUBLAS_STATUS_INTERNAL_ERROR;
  *handle = *handles().insert(new cublasContext).first;
  ++counted().handles;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  if (handles().erase(handle) == 0) return CUBLAS_STATUS_INVALID_VALUE;
  delete handle;
  --counted().handles;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  if (fails("cublasSetStream")) return CUBLAS_STATUS_INTERNAL_ERROR;
  if (!handles().contains(handle) || !stream) return CUBLAS_STATUS_INVALID_VALUE;
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, std::size_t bytes) {
  if (fails("cublasSetWorkspace")) return CUBLAS_STATUS_INTERNAL_ERROR;
  const bool valid = handles().contains(handle) && handle->stream && memory().holds(workspace, bytes);
  return valid ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  if (fails("cublasSetMathMode")) return CUBLAS_STATUS_INTERNAL_ERROR;
  products_are_tf32 = mode == CUBLAS_TF32_TENSOR_OP_MATH;
  return handles().contains(handle) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m, int n,
                              int k, const float* alpha, const float* a, int lda, const float* b, int ldb,
                              const float* beta, float* c, int ldc) {
  if (fails("cublasSgemm")) return CUBLAS_STATUS_INTERNAL_ERROR;
  if (!handles().contains(handle) || !handle->stream) return CUBLAS_STATUS_INVALID_VALUE;
  const Operand left{a, lda, op_a == CUBLAS_OP_T}, right{b, ldb, op_b == CUBLAS_OP_T}, product{c, ldc, false};
  const bool valid = left.valid(m, k) && right.valid(k, n) && product.valid(m, n) && c != a && c != b;
  if (!valid || *alpha != 1.F || (*beta != 0.F && *beta != 1.F)) return CUBLAS_STATUS_INVALID_VALUE;
  const bool accumulate = *beta == 1.F;
  handle->stream->work->push([=] { return sgemm(m, n, k, left, right, accumulate, c, ldc), cudaSuccess; });
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
