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

bool products_were_tf32 = false;

}  // namespace

bool tf32_products() { return products_were_tf32; }

bool Operand::valid(i64 rows, i64 columns) const {
  if (transposed) std::swap(rows, columns);
  return numbers.known() && stride >= rows &&
         memory().holds(numbers.at, std::size_t(numbers.bytes(rows + (columns - 1) * stride)));
}

/// The product of rows, c' = b' a': columns of c are its rows.
void multiply(i64 m, i64 n, i64 k, const Operand& a, const Operand& b, bool accumulate, const Operand& c,
              const Elements* bias) {
  std::vector<double> left(std::size_t(n * k)), right(std::size_t(k * m)), product(std::size_t(n * m));
  for (i64 i = 0; i < k; ++i) {
    for (i64 column = 0; column < n; ++column) left[std::size_t(column * k + i)] = b(i, column);
    for (i64 row = 0; row < m; ++row) right[std::size_t(i * m + row)] = a(row, i);
  }
  for (i64 column = 0; column < n && accumulate; ++column) {
    for (i64 row = 0; row < m; ++row) product[std::size_t(column * m + row)] = c(row, column);
  }
  multiply(n, m, k, {left.data(), k, 1}, {right.data(), m, 1}, product.data(), m);
  for (i64 column = 0; column < n; ++column) {
    for (i64 row = 0; row < m; ++row)
      c.set(row, column, product[std::size_t(column * m + row)] + (bias ? (*bias)[row] : 0.));
  }
}

bool multiplies(cublasComputeType_t how, const Operand& a, const Operand& b, const Operand& c) {
  const cudaDataType_t factors = a.numbers.type, sums = c.numbers.type;
  products_were_tf32 = how == CUBLAS_COMPUTE_32F_FAST_TF32;
  const bool exists = factors == CUDA_R_32F ? sums == CUDA_R_32F : sums == CUDA_R_32F || sums == CUDA_R_16BF;
  return b.numbers.type == factors && exists &&
         (how == CUBLAS_COMPUTE_32F || (products_were_tf32 && factors == CUDA_R_32F));
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

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m, int n, int k,
                            const void* alpha, const void* a, cudaDataType_t a_type, int lda, const void* b,
                            cudaDataType_t b_type, int ldb, const void* beta, void* c, cudaDataType_t c_type, int ldc,
                            cublasComputeType_t how, cublasGemmAlgo_t algorithm) {
  if (fails("cublasGemmEx")) return CUBLAS_STATUS_INTERNAL_ERROR;
  if (!handles().contains(handle) || !handle->stream) return CUBLAS_STATUS_INVALID_VALUE;
  const Operand left{{const_cast<void*>(a), a_type}, lda, op_a == CUBLAS_OP_T},
      right{{const_cast<void*>(b), b_type}, ldb, op_b == CUBLAS_OP_T}, product{{c, c_type}, ldc};
  const float share = *static_cast<const float*>(beta);
  const bool valid = left.valid(m, k) && right.valid(k, n) && product.valid(m, n) && c != a && c != b &&
                     multiplies(how, left, right, product) && algorithm == CUBLAS_GEMM_DEFAULT;
  if (!valid || *static_cast<const float*>(alpha) != 1.F || (share != 0.F && share != 1.F))
    return CUBLAS_STATUS_INVALID_VALUE;
  handle->stream->work->push([=] { return multiply(m, n, k, left, right, share == 1.F, product), cudaSuccess; });
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
