// The algorithm for a shape is the first that cuBLASLt's heuristics name, of those that add parts of a sum in a fixed
// order; it is asked for once. Which one depends on the library and the GPU.
#include "engine/cuda/gemm_cublaslt.h"

#include <cublasLt.h>

#include "engine/cuda/cublas.h"
#include "engine/cuda/runtime.h"
#include "engine/cuda/weight_copies.h"
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

void set_bias(const Work& work, void* address) {
  MD_CUBLAS(cublasLtMatmulDescSetAttribute(work.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, &address, sizeof(address)));
}

Work work_of(const Product& p, Beside beside, void* bias) {
  cublasLtMatmulDesc_t it = nullptr;
  MD_CUBLAS(cublasLtMatmulDescCreate(&it, p.how, CUDA_R_32F));
  Work work(it);
  const auto set = [it](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
    MD_CUBLAS(cublasLtMatmulDescSetAttribute(it, attribute, &value, sizeof(value)));
  };
  set(CUBLASLT_MATMUL_DESC_TRANSA, p.b_stored);
  set(CUBLASLT_MATMUL_DESC_TRANSB, p.a_stored);
  set(CUBLASLT_MATMUL_DESC_EPILOGUE, beside == Beside::bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_BGRADB);
  set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, std::int32_t(data_type(p.sums)));
  set_bias(work, bias);
  return work;
}

/// Of a matrix that is stored by columns, each `rows` long.
Layout layout_of(DType dtype, int rows, int columns) {
  cublasLtMatrixLayout_t it = nullptr;
  MD_CUBLAS(cublasLtMatrixLayoutCreate(&it, data_type(dtype), std::uint64_t(rows), std::uint64_t(columns), rows));
  return Layout(it);
}

/// What every address divides by, of 16 bytes.
std::uint32_t alignment(std::initializer_list<const void*> addresses) {
  std::uintptr_t bits = 16;
  for (const void* address : addresses) bits |= reinterpret_cast<std::uintptr_t>(address);
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
  DType factors, sums;
  cublasComputeType_t how;
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

Plan plan_for(const Product& p, Beside beside, void* bias, std::uint32_t aligned) {
  const bool a_is_transposed = p.a_stored == CUBLAS_OP_T, b_is_transposed = p.b_stored == CUBLAS_OP_T;
  Plan plan{work_of(p, beside, bias), layout_of(p.factors, p.b_row, b_is_transposed ? p.N : p.K),
            layout_of(p.factors, p.a_row, a_is_transposed ? p.K : p.M), layout_of(p.sums, p.N, p.M)};
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
  const Product p(s, a, b, c);
  void* const vector = what == Beside::bias ? library_copy(beside, p.sums) : beside.raw();  // of c's type
  const Key key{p.M,       p.N,    p.K,   p.a_stored, p.b_stored,
                p.factors, p.sums, p.how, what,       alignment({p.a, p.b, vector, p.c})};
  const Plan& plan = plans->find_or_make(key, [&] { return plan_for(p, what, vector, key.aligned); });
  if (!plan.exists) return false;
  set_bias(plan.work, vector);
  const std::size_t bytes = plan.found.workspaceSize;
  const Tensor workspace = bytes > 0 ? Tensor::empty({i64(bytes)}, c.device(), DType::u8) : Tensor();
  const float one = 1.F, zero = 0.F;
  MD_CUBLAS(cublasLtMatmul(handle(), plan.work.get(), &one, p.b, plan.b.get(), p.a, plan.a.get(), &zero, p.c,
                           plan.c.get(), p.c, plan.c.get(), &plan.found.algo, workspace ? workspace.raw() : nullptr,
                           bytes, runtime().compute));
  return true;
}

}  // namespace md::cuda
