// The algorithm for a shape is the first that cuBLASLt's heuristics name, of those that add parts of a sum in a fixed
// order; it is asked for once. Which one depends on the library and the GPU.
#include "engine/cuda/gemm_cublaslt.h"

#include <cublasLt.h>

#include "engine/cuda/cublas.h"
#include "engine/cuda/runtime.h"
#include "engine/lru_cache.h"

namespace md::cuda {
namespace {

struct Destroy {
  void operator()(cublasLtMatmulDescOpaque_t* it) const { cublasLtMatmulDescDestroy(it); }
  void operator()(cublasLtMatrixLayoutOpaque_t* it) const { cublasLtMatrixLayoutDestroy(it); }
  void operator()(cublasLtMatmulPreferenceOpaque_t* it) const { cublasLtMatmulPreferenceDestroy(it); }
};
template <class T>
using Owned = std::unique_ptr<T, Destroy>;
using Work = Owned<cublasLtMatmulDescOpaque_t>;
using Layout = Owned<cublasLtMatrixLayoutOpaque_t>;
using Preference = Owned<cublasLtMatmulPreferenceOpaque_t>;

void set_bias(const Work& work, const Tensor& bias) {
  void* const address = bias.raw();
  MD_CUBLAS(cublasLtMatmulDescSetAttribute(work.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, &address, sizeof(address)));
}

Work work_of(const Product& p, Beside beside, const Tensor& bias) {
  cublasLtMatmulDesc_t it = nullptr;
  MD_CUBLAS(cublasLtMatmulDescCreate(&it, p.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F));
  Work work(it);
  const auto set = [it](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
    MD_CUBLAS(cublasLtMatmulDescSetAttribute(it, attribute, &value, sizeof(value)));
  };
  set(CUBLASLT_MATMUL_DESC_TRANSA, p.b_stored);
  set(CUBLASLT_MATMUL_DESC_TRANSB, p.a_stored);
  set(CUBLASLT_MATMUL_DESC_EPILOGUE, beside == Beside::bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_BGRADB);
  set_bias(work, bias);
  return work;
}

/// Of a matrix that is stored by columns, each `rows` long.
Layout layout_of(int rows, int columns) {
  cublasLtMatrixLayout_t it = nullptr;
  MD_CUBLAS(cublasLtMatrixLayoutCreate(&it, CUDA_R_32F, std::uint64_t(rows), std::uint64_t(columns), rows));
  return Layout(it);
}

/// What every address divides by, of 16 bytes.
std::uint32_t alignment(std::initializer_list<Tensor> tensors) {
  std::uintptr_t bits = 16;
  for (const Tensor& t : tensors) bits |= reinterpret_cast<std::uintptr_t>(t.raw());
  return std::uint32_t(bits & (~bits + 1));  // the lowest bit that is set
}

Preference preference(std::uint32_t aligned) {
  constexpr std::size_t kWorkspace = std::size_t{32} << 20;  // what NVIDIA recommends for Hopper
  cublasLtMatmulPreference_t it = nullptr;
  MD_CUBLAS(cublasLtMatmulPreferenceCreate(&it));
  Preference preference(it);
  const auto set = [it](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    MD_CUBLAS(cublasLtMatmulPreferenceSetAttribute(it, attribute, &value, sizeof(value)));
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspace);
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  for (const auto matrix : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    set(matrix, aligned);
  return preference;
}

struct Key {
  int M, N, K;
  cublasOperation_t a_stored, b_stored;
  bool tf32;
  Beside beside;
  std::uint32_t aligned;
  auto operator<=>(const Key&) const = default;
};

struct Plan {
  Work work;
  Layout b, a, c;
  cublasLtMatmulHeuristicResult_t found{};
  bool exists = false;
};

cublasLtHandle_t handle() { return reinterpret_cast<cublasLtHandle_t>(cublas()); }  // a cublasHandle_t is one too

Plan plan_for(const Product& p, Beside beside, const Tensor& bias, std::uint32_t aligned) {
  const bool a_is_transposed = p.a_stored == CUBLAS_OP_T, b_is_transposed = p.b_stored == CUBLAS_OP_T;
  Plan plan{work_of(p, beside, bias), layout_of(p.b_row, b_is_transposed ? p.N : p.K),
            layout_of(p.a_row, a_is_transposed ? p.K : p.M), layout_of(p.N, p.M)};
  const Preference wanted = preference(aligned);
  int found = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(handle(), plan.work.get(), plan.b.get(), plan.a.get(), plan.c.get(), plan.c.get(),
                                     wanted.get(), 1, &plan.found, &found);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED) check(status, "cublasLtMatmulAlgoGetHeuristic", __FILE__, __LINE__);
  plan.exists = status == CUBLAS_STATUS_SUCCESS && found > 0 && plan.found.state == CUBLAS_STATUS_SUCCESS;
  return plan;
}

}  // namespace

bool gemm_with(Beside what, const GemmSpec& s, const Tensor& a, const Tensor& b, const Tensor& beside,
               const Tensor& c) {
  static auto* const plans = new LruCache<Key, Plan>(1024);  // never destroyed: the library may be gone by then
  const Product p(s, a, c);
  const Key key{p.M, p.N, p.K, p.a_stored, p.b_stored, p.tf32, what, alignment({a, b, beside, c})};
  const Plan& plan = plans->find_or_make(key, [&] { return plan_for(p, what, beside, key.aligned); });
  if (!plan.exists) return false;
  set_bias(plan.work, beside);
  const std::size_t bytes = plan.found.workspaceSize;
  const Tensor workspace = bytes > 0 ? Tensor::empty({i64(bytes)}, c.device(), DType::u8) : Tensor();
  const float one = 1.F, zero = 0.F;
  MD_CUBLAS(cublasLtMatmul(handle(), plan.work.get(), &one, b.raw(), plan.b.get(), a.raw(), plan.a.get(), &zero,
                           c.raw(), plan.c.get(), c.raw(), plan.c.get(), &plan.found.algo,
                           workspace ? workspace.raw() : nullptr, bytes, runtime().compute));
  return true;
}

}  // namespace md::cuda
