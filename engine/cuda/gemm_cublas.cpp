// Matrix products on cuBLAS. It thinks of matrices as stored by columns, to which ours look transposed: c = a b is
// asked for as c' = b' a'. Exact f32 unless the operands' device has TF32; the same bits on every run, as there is one
// stream. There is no batched form: only window attention multiplies many small matrices, and its scores must not leave
// the kernel (window_attention.cu).
#include <cublas_v2.h>

#include <algorithm>
#include <limits>

#include "engine/cuda/conv_kernels.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/runtime.h"

namespace md {
namespace {

void check(cublasStatus_t status, const char* call, const char* file, int line) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail(ErrorKind::no_device, "device cuda: ", call, ": ", cublasGetStatusString(status), " (", file, ":", line, ")");
}
#define MD_CUBLAS(call) check((call), #call, __FILE__, __LINE__)

/// cuBLAS's context, on the stream that all computing runs on.
class Handle {
 public:
  Handle() {
    cublasHandle_t it = nullptr;
    MD_CUBLAS(cublasCreate(&it));
    it_.reset(it);
    MD_CUBLAS(cublasSetStream(it, cuda::runtime().compute));
  }
  cublasHandle_t get() const { return it_.get(); }

 private:
  struct Destroy {
    void operator()(cublasHandle_t it) const { cublasDestroy(it); }
  };
  std::unique_ptr<cublasContext, Destroy> it_;
};

/// Made by the first product, as the library is large; never destroyed, as the runtime may be gone by then.
cublasHandle_t handle() {
  static const auto* const it = new Handle;
  return it->get();
}

cublasOperation_t stored(bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; }

}  // namespace

void CudaBackend::gemm(const GemmSpec& s, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c) {
  const i64 N = c.dim(-1), M = c.numel() / N, K = a.numel() / M;
  MD_CHECK(std::max({M, N, K}) <= std::numeric_limits<int>::max(), "gemm: ", M, " x ", K, " by ", K, " x ", N);
  const bool tf32 = a.device().precision == Precision::tf32;
  MD_CUBLAS(cublasSetMathMode(handle(), tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH));
  const float one = 1.F, zero = 0.F;
  MD_CUBLAS(cublasSgemm(handle(), stored(s.transpose_b), stored(s.transpose_a), int(N), int(M), int(K), &one, b.data(),
                        int(s.transpose_b ? K : N), a.data(), int(s.transpose_a ? M : K), &zero, c.data(), int(N)));
  if (bias) cuda::add_bias_and_activate(c, bias, false, {}, c);
}

}  // namespace md
