// cuBLASLt on the GPU of gpu.h: its choice of an algorithm, and the product. Descriptors and preferences stay real, so
// that cuBLASLt itself takes what is written into them; it says here what that was.
#include <cublasLt.h>

#include <optional>

#include "tests/cuda/blas.h"
#include "tests/cuda/doubles.h"
#include "tests/cuda/gpu.h"

namespace md::doubles {
namespace {

bool& refusing() {
  static bool it = false;
  return it;
}

/// An attribute, by the function that reads such; `otherwise` where nobody has set it to a T.
template <class T, class Object, class Attribute>
T attribute(cublasStatus_t (*get)(Object, Attribute, void*, std::size_t, std::size_t*), Object of, Attribute which) {
  T value{};
  std::size_t written = 0;
  return get(of, which, &value, sizeof(value), &written) == CUBLAS_STATUS_SUCCESS && written == sizeof(value) ? value
                                                                                                              : T{};
}
template <class T>
T of_work(cublasLtMatmulDesc_t work, cublasLtMatmulDescAttributes_t which) {
  return attribute<T>(cublasLtMatmulDescGetAttribute, work, which);
}
template <class T>
T of_preference(cublasLtMatmulPreference_t wanted, cublasLtMatmulPreferenceAttributes_t which) {
  return attribute<T>(cublasLtMatmulPreferenceGetAttribute, wanted, which);
}

/// As a descriptor has it; by columns.
struct Layout {
  explicit Layout(cublasLtMatrixLayout_t it)
      : rows(i64(attribute<std::uint64_t>(cublasLtMatrixLayoutGetAttribute, it, CUBLASLT_MATRIX_LAYOUT_ROWS))),
        columns(i64(attribute<std::uint64_t>(cublasLtMatrixLayoutGetAttribute, it, CUBLASLT_MATRIX_LAYOUT_COLS))),
        stride(attribute<std::int64_t>(cublasLtMatrixLayoutGetAttribute, it, CUBLASLT_MATRIX_LAYOUT_LD)),
        type(cudaDataType_t(
            attribute<std::uint32_t>(cublasLtMatrixLayoutGetAttribute, it, CUBLASLT_MATRIX_LAYOUT_TYPE))) {}
  /// The matrix of such a layout.
  Operand of(const void* at, bool transposed = false) const {
    return {{const_cast<void*>(at), type}, stride, transposed};
  }
  i64 rows, columns, stride;
  cudaDataType_t type;
};

/// d [m,n] = a [m,k] b [k,n] and its vector; none where the parts do not fit each other.
struct Problem {
  i64 m, n, k;
  bool a_is_transposed, b_is_transposed;
  cublasLtEpilogue_t epilogue;
  cublasComputeType_t how;
  cudaDataType_t vector;
  auto operator<=>(const Problem&) const = default;
};
std::optional<Problem> problem_of(cublasLtMatmulDesc_t work, const Layout& a, const Layout& b, const Layout& d) {
  const auto op_a = of_work<cublasOperation_t>(work, CUBLASLT_MATMUL_DESC_TRANSA),
             op_b = of_work<cublasOperation_t>(work, CUBLASLT_MATMUL_DESC_TRANSB);
  const Problem p{d.rows,
                  d.columns,
                  op_a == CUBLAS_OP_T ? a.rows : a.columns,
                  op_a == CUBLAS_OP_T,
                  op_b == CUBLAS_OP_T,
                  of_work<cublasLtEpilogue_t>(work, CUBLASLT_MATMUL_DESC_EPILOGUE),
                  of_work<cublasComputeType_t>(work, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE),
                  cudaDataType_t(of_work<std::int32_t>(work, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE))};
  const bool fits = (p.a_is_transposed ? a.columns : a.rows) == p.m &&
                    (p.b_is_transposed ? b.rows : b.columns) == p.n && (p.b_is_transposed ? b.columns : b.rows) == p.k;
  const bool known = p.epilogue == CUBLASLT_EPILOGUE_BIAS || p.epilogue == CUBLASLT_EPILOGUE_BGRADB;
  const bool of_types = p.vector == d.type && multiplies(p.how, a.of(nullptr), b.of(nullptr), d.of(nullptr));
  return fits && known && of_types ? std::optional(p) : std::nullopt;
}

/// What stands in an algorithm of the double.
struct Algorithm {
  static constexpr std::uint64_t kOurs = 0x6D64;
  std::uint64_t whose;
  std::uint32_t aligned;  // what addresses divide by
  std::int32_t m, n, k;
  std::int32_t epilogue;
};
static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t));

constexpr std::size_t kWorkspace = 512;

/// The sums of each column of b over its rows, in double.
void sum_columns(i64 rows, i64 columns, const Operand& b, const Elements& sums) {
  for (i64 column = 0; column < columns; ++column) {
    double sum = 0;
    for (i64 row = 0; row < rows; ++row) sum += b(row, column);
    sums.set(column, sum);
  }
}

bool aligned(const void* address, std::uint32_t bytes) {
  return reinterpret_cast<std::uintptr_t>(address) % bytes == 0;
}

}  // namespace

void refuse_epilogues(bool on) { refusing() = on; }

}  // namespace md::doubles

using namespace md::doubles;  // NOLINT: the functions below are C

extern "C" {

cublasStatus_t __wrap_cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t work,
                                                     cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                                     cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                                     cublasLtMatmulPreference_t wanted, int,
                                                     cublasLtMatmulHeuristicResult_t* found, int* count) {
  if (fails("cublasLtMatmulAlgoGetHeuristic")) return CUBLAS_STATUS_INTERNAL_ERROR;
  *count = 0;
  const auto problem = problem_of(work, Layout(a), Layout(b), Layout(d));
  if (!stream_of(reinterpret_cast<cublasHandle_t>(handle)) || !problem || c != d) return CUBLAS_STATUS_INVALID_VALUE;
  if (refusing()) return CUBLAS_STATUS_NOT_SUPPORTED;
  const auto reductions = of_preference<std::uint32_t>(wanted, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK);
  const bool has_room = of_preference<std::uint64_t>(wanted, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) >= kWorkspace;
  if ((reductions & CUBLASLT_REDUCTION_SCHEME_INPLACE) || !has_room) return CUBLAS_STATUS_NOT_SUPPORTED;
  const Algorithm algorithm{
      Algorithm::kOurs,         of_preference<std::uint32_t>(wanted, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES),
      std::int32_t(problem->m), std::int32_t(problem->n),
      std::int32_t(problem->k), std::int32_t(problem->epilogue)};
  *found = {};
  std::memcpy(&found->algo, &algorithm, sizeof(algorithm));
  found->workspaceSize = kWorkspace;
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t __wrap_cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t work, const void* alpha,
                                     const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                                     cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                                     cublasLtMatrixLayout_t c_layout, void* d, cublasLtMatrixLayout_t d_layout,
                                     const cublasLtMatmulAlgo_t* algo, void* workspace, std::size_t workspace_bytes,
                                     cudaStream_t stream) {
  if (fails("cublasLtMatmul")) return CUBLAS_STATUS_INTERNAL_ERROR;
  const Layout la(a_layout), lb(b_layout), ld(d_layout);
  const auto p = problem_of(work, la, lb, ld);
  if (!stream_of(reinterpret_cast<cublasHandle_t>(handle)) || !stream || !p || c != d || c_layout != d_layout)
    return CUBLAS_STATUS_INVALID_VALUE;
  Algorithm chosen{};
  std::memcpy(&chosen, algo, sizeof(chosen));
  const bool for_this = chosen.whose == Algorithm::kOurs && chosen.m == p->m && chosen.n == p->n && chosen.k == p->k &&
                        chosen.epilogue == p->epilogue;
  const Operand left = la.of(a, p->a_is_transposed), right = lb.of(b, p->b_is_transposed), product = ld.of(d);
  const Elements vector{of_work<void*>(work, CUBLASLT_MATMUL_DESC_BIAS_POINTER), p->vector};
  const bool adds = p->epilogue == CUBLASLT_EPILOGUE_BIAS;
  bool valid = for_this && left.valid(p->m, p->k) && right.valid(p->k, p->n) && product.valid(p->m, p->n) &&
               memory().holds(vector.at, std::size_t(vector.bytes(adds ? p->m : p->n))) &&
               workspace_bytes >= kWorkspace && memory().holds(workspace, workspace_bytes);
  for (const void* address : {a, b, c, static_cast<const void*>(vector.at)})
    valid = valid && aligned(address, chosen.aligned);
  if (!valid || *static_cast<const float*>(alpha) != 1.F || *static_cast<const float*>(beta) != 0.F)
    return CUBLAS_STATUS_INVALID_VALUE;
  stream->work->push([=, p = *p] {
    multiply(p.m, p.n, p.k, left, right, false, product, adds ? &vector : nullptr);
    if (!adds) sum_columns(p.k, p.n, right, vector);
    return cudaSuccess;
  });
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
