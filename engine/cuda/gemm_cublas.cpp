// Matrix products on cuBLAS. Exact f32 unless the operands' device has TF32 or bf16; the same bits on every run, as
// there is one stream. Factors of bf16 maps are bf16, a weight by a copy, and their products are added in f32. What
// goes along with a product is cuBLASLt's (gemm_cublaslt.h). There is no batched form: only window attention multiplies
// many small matrices, and its scores must not leave the kernel (window_attention.cu).
#include <algorithm>
#include <limits>

#include "engine/cuda/conv_kernels.h"
#include "engine/cuda/cublas.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/gemm_cublaslt.h"
#include "engine/cuda/runtime.h"
#include "engine/cuda/weight_copies.h"

namespace md {
namespace cuda {
namespace {

/// cuBLAS's context with memory of ours: of its own it would ask the driver for some, also in the middle of a graph.
class Handle {
 public:
  Handle() {
    cublasHandle_t it = nullptr;
    MD_CUBLAS(cublasCreate(&it));
    it_.reset(it);
    MD_CUBLAS(cublasSetStream(it, runtime().compute));
    workspace_ = Tensor::empty({kWorkspace}, {Device::cuda, runtime().index}, DType::u8);
    MD_CUBLAS(cublasSetWorkspace(it, workspace_.raw(), workspace_.bytes()));
  }
  cublasHandle_t get() const { return it_.get(); }

 private:
  struct Destroy {
    void operator()(cublasHandle_t it) const { cublasDestroy(it); }
  };
  static constexpr i64 kWorkspace = i64{32} << 20;  // bytes: what NVIDIA recommends for Hopper
  Tensor workspace_;
  std::unique_ptr<cublasContext, Destroy> it_;
};

cublasOperation_t stored(bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; }

/// c = a b + share * c.
void multiply(const GemmSpec& s, const Tensor& a, const Tensor& b, float share, const Tensor& c) {
  const Product p(s, a, b, c);
  const float one = 1.F;
  MD_CUBLAS(cublasGemmEx(cublas(), p.b_stored, p.a_stored, p.N, p.M, p.K, &one, p.b, data_type(p.factors), p.b_row, p.a,
                         data_type(p.factors), p.a_row, &share, p.c, data_type(p.sums), p.N, p.how,
                         CUBLAS_GEMM_DEFAULT));
}

}  // namespace

void check(cublasStatus_t status, const char* call, const char* file, int line) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail(ErrorKind::no_device, "device cuda: ", call, ": ", cublasGetStatusString(status), " (", file, ":", line, ")");
}

/// As the library is large; never destroyed, as the runtime may be gone by then.
cublasHandle_t cublas() {
  static const auto* const it = new Handle;
  return it->get();
}

cudaDataType_t data_type(DType dtype) { return dtype == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F; }

Product::Product(const GemmSpec& s, const Tensor& left, const Tensor& right, const Tensor& result)
    : a_stored(stored(s.transpose_a)),
      b_stored(stored(s.transpose_b)),
      a(left.raw()),
      b(right.dtype() == left.dtype() ? right.raw() : library_copy(right, left.dtype())),
      c(result.raw()),
      factors(left.dtype()),
      sums(result.dtype()),
      how(factors == DType::f32 && left.device().precision != Precision::f32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                             : CUBLAS_COMPUTE_32F) {
  const i64 columns = result.dim(-1), rows = result.numel() / columns, terms = left.numel() / rows;
  MD_CHECK(std::max({rows, columns, terms}) <= std::numeric_limits<int>::max(), "gemm: ", rows, " x ", terms, " by ",
           terms, " x ", columns);
  M = int(rows), N = int(columns), K = int(terms);
  a_row = s.transpose_a ? M : K;
  b_row = s.transpose_b ? K : N;
}

}  // namespace cuda

void CudaBackend::gemm(const GemmSpec& s, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c) {
  if (bias && cuda::gemm_with(cuda::Beside::bias, s, a, b, bias, c)) return;
  cuda::multiply(s, a, b, 0.F, c);
  if (bias) cuda::add_bias_and_activate(c, bias, false, {}, c);
}

void CudaBackend::add_gemm(const GemmSpec& s, const Tensor& a, const Tensor& b, const Tensor& c) {
  cuda::multiply(s, a, b, 1.F, c);
}

void CudaBackend::linear_dw(const Tensor& dy, const Tensor& x, const Tensor& dw, const Tensor& dbias) {
  const GemmSpec s{.transpose_a = true};
  if (dbias && cuda::gemm_with(cuda::Beside::bias_gradient, s, dy, x, dbias, dw)) return;
  Backend::linear_dw(dy, x, dw, dbias);
}

}  // namespace md
