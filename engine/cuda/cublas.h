// cuBLAS, as the files that multiply matrices share it: its context, and its errors as ours. It thinks of matrices as
// stored by columns, to which ours look transposed: c = a b is asked for as c' = b' a'.
#pragma once
#include <cublas_v2.h>

#include "engine/backend.h"

namespace md::cuda {

/// Throws (ErrorKind::no_device) with the call's text unless it succeeded.
void check(cublasStatus_t, const char* call, const char* file, int line);
#define MD_CUBLAS(call) ::md::cuda::check((call), #call, __FILE__, __LINE__)

/// Its context, on the stream that all computing runs on; made by the first product.
cublasHandle_t cublas();

/// c [M,N] = a [M,K] b [K,N], as Backend::gemm has them. Throws where a side is no int.
struct Product {
  Product(const GemmSpec&, const Tensor& a, const Tensor& b, const Tensor& c);
  int M, N, K;
  int a_row, b_row;  // elements of a row in memory; of c's, N
  cublasOperation_t a_stored, b_stored;
  const void *a, *b;
  void* c;
  DType factors, sums;  // what a and b are, and c; added up is in f32
  cublasComputeType_t how;
};
/// cuBLAS's name of it.
cudaDataType_t data_type(DType);

}  // namespace md::cuda
