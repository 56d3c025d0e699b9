#include "tests/cuda/recorder.h"

#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "engine/cuda/conv_chooser.h"
#include "nets/registry.h"
#include "tests/cuda/gpu_profile.h"
#include "tools/train/train_step.h"

namespace md::record {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// Device memory: addresses that nobody may touch.
class Addresses {
 public:
  Addresses() {
    void* const range = mmap(nullptr, kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    MD_CHECK(range != MAP_FAILED, "no address range for device memory");
    base_ = static_cast<std::byte*>(range);
  }
  void* take(std::size_t bytes) {
    constexpr std::size_t kAlign = 512;
    std::byte* const block = base_ + used_;
    used_ += (bytes + kAlign - 1) / kAlign * kAlign;
    return used_ <= kSize ? block : nullptr;
  }
  bool contains(const void* p) const { return p >= base_ && p < base_ + kSize; }

  void lend(void* block, std::size_t bytes) { lent_[static_cast<std::byte*>(block)] = i64(bytes); }
  void give_back(void* block) { lent_.erase(static_cast<std::byte*>(block)); }
  /// How many bytes of the tensor at `p` are behind it; 0 if there is none.
  i64 behind(const void* p) const {
    const auto* const at = static_cast<const std::byte*>(p);
    auto next = lent_.upper_bound(const_cast<std::byte*>(at));
    if (!contains(p) || next == lent_.begin()) return 0;
    --next;
    return std::max<i64>(0, next->first + next->second - at);
  }

 private:
  static constexpr std::size_t kSize = std::size_t{1} << 40;
  std::byte* base_ = nullptr;
  std::size_t used_ = 0;
  std::map<std::byte*, i64> lent_;  // by the engine's pool
};
Addresses& addresses() {
  static auto* const it = new Addresses;
  return *it;
}

struct State {
  Recording now;
  bool plans = false;
  std::map<cudnnBackendDescriptor_t, Convolution> planned;
};
State& state() {
  static auto* const it = new State;
  return *it;
}

/// Kernels by the address that stands for them on the host.
std::map<const void*, KernelCode>& kernels() {
  static auto* const it = new std::map<const void*, KernelCode>;
  return *it;
}

/// How often launch() and pointwise() call their functor, from the parameters of their kernels (engine/launch.h,
/// engine/pointwise.h); 0 for other kernels.
i64 calls_of(const KernelCode& code, void* const* arguments) {
  if (code.name.find("md::cuda::pointwise<") != std::string::npos) return *static_cast<const i64*>(arguments[0]);
  if (code.name.find("md::cuda::run<") == std::string::npos) return 0;
  const auto number = [&](int i) { return i64{*static_cast<const unsigned*>(arguments[i])}; };
  return number(1) * number(2);
}

void record_launch(const void* function, dim3 grid, dim3 block, std::size_t shared, void* const* arguments) {
  const KernelCode& code = kernels().at(function);
  Launch launch{&code, i64{grid.x} * grid.y * grid.z, i64{block.x} * block.y * block.z, i64(shared),
                {},    calls_of(code, arguments)};
  const auto named = [&](const char* word) { return code.name.find(word) != std::string::npos; };
  const i64 element = named("md::bf16") && !named("float") ? 2 : 4, word = named("md::Four") ? 4 * element : element;
  for (std::size_t i = 0; i < code.parameters.size(); ++i) {
    for (int at = 0; at + 8 <= code.parameters[i].bytes; at += 8) {
      const void* pointer = nullptr;
      std::memcpy(&pointer, static_cast<const std::byte*>(arguments[i]) + at, sizeof(pointer));
      i64 bytes = addresses().behind(pointer);
      if (launch.calls > 0) bytes = std::min(bytes, word * launch.calls);
      if (bytes > 0) launch.bytes.push_back(bytes);
    }
  }
  state().now.launches.push_back(std::move(launch));
}

/// In place of a plan that cuDNN makes: takes along what PlanProposals lets it take along.
cuda::ConvPlan no_plan(const cuda::ConvProblem& p) {
  const bool act = p.spec.act.kind == Act::leaky_relu;
  return {{p.bias && (act || p.spec.act.kind == Act::none), act, -1},
          0,
          false,
          cuda::Descriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)};
}

Precision precision_of(cudaDataType_t factors, cublasComputeType_t how) {
  if (factors == CUDA_R_16BF) return Precision::bf16;
  return how == CUBLAS_COMPUTE_32F_FAST_TF32 ? Precision::tf32 : Precision::f32;
}
i64 bytes_of(cudaDataType_t type) { return type == CUDA_R_16BF ? 2 : 4; }

/// An attribute of one of cuBLASLt's descriptors, by the function that reads such.
template <class T, class Object, class Attribute>
T attribute(cublasStatus_t (*get)(Object, Attribute, void*, std::size_t, std::size_t*), Object of, Attribute which) {
  T value{};
  std::size_t bytes = 0;
  get(of, which, &value, sizeof(value), &bytes);
  return value;
}

}  // namespace

Recording record_step(const StepOptions& o) {
  state().plans = o.plans;
  choose_plans({.timed = o.timed_plans, .folder = o.plan_folder});
  const Device device{Device::cuda, 0, o.precision};
  TrainOptions options;
  options.metric_depth = o.metric_depth;
  const auto net = make_net(o.net, {.seed = std::nullopt});
  net->to(device);
  TrainStep step(options, *net, 1000);
  const std::unique_ptr<InputQueue> queue = backend(device).input_queue(device);
  const Tensor image = Tensor::empty({o.batch, o.height, o.width, 3}),
               depth_m = Tensor::full({o.batch, o.height, o.width}, 1.F), focal_px = Tensor::full({o.batch}, 500.F);
  Recording made, repeated;
  for (int k = 0; k < 4; ++k) {
    const double plan_s = state().now.plan_s;
    const i64 plans = state().now.plans;
    state().now = {};
    state().now.plan_s = plan_s;
    state().now.plans = plans;
    const std::vector<Tensor> here = queue->push(std::array{image, depth_m, focal_px});
    Clock::time_point begin = Clock::now();
    step.begin({.image = here[0], .depth_m = here[1], .focal_px = here[2], .names = {}}, k);
    state().now.begin_ms = 1e3 * seconds_since(begin);
    begin = Clock::now();
    step.finish();
    state().now.finish_ms = 1e3 * seconds_since(begin);
    if (k == 1) made = state().now;
  }
  repeated = std::exchange(state().now, {});
  made.repeated = {i64(repeated.launches.size()), repeated.graphs, repeated.copies,
                   repeated.begin_ms + repeated.finish_ms};
  made.peak_bytes = backend(device).pool_stats().bytes_peak;
  return made;
}

}  // namespace md::record

// What the linker is told to call in place of the engine's own (--wrap, CMakeLists.txt), and theirs.
namespace md {

void* real_alloc(Pool*, std::size_t) asm("__real__ZN2md4Pool5allocEm");
void* wrapped_alloc(Pool*, std::size_t) asm("__wrap__ZN2md4Pool5allocEm");
void* wrapped_alloc(Pool* pool, std::size_t bytes) {
  void* const block = real_alloc(pool, bytes);
  if (record::addresses().contains(block)) record::addresses().lend(block, bytes);
  return block;
}

void real_free(Pool*, void*, std::size_t) asm("__real__ZN2md4Pool4freeEPvm");
void wrapped_free(Pool*, void*, std::size_t) asm("__wrap__ZN2md4Pool4freeEPvm");
void wrapped_free(Pool* pool, void* block, std::size_t bytes) {
  record::addresses().give_back(block);
  real_free(pool, block, bytes);
}

namespace cuda {

ChosenPlan real_choose(ConvChooser*, const ConvProblem&, const ConvChooser::Run&) asm(
    "__real__ZN2md4cuda11ConvChooser6chooseERKNS0_11ConvProblemERKSt8functionIFvRKNS0_8ConvPlanEEE");
ChosenPlan wrapped_choose(ConvChooser*, const ConvProblem&, const ConvChooser::Run&) asm(
    "__wrap__ZN2md4cuda11ConvChooser6chooseERKNS0_11ConvProblemERKSt8functionIFvRKNS0_8ConvPlanEEE");
ChosenPlan wrapped_choose(ConvChooser* chooser, const ConvProblem& p, const ConvChooser::Run& run) {
  record::State& s = record::state();
  const auto begin = record::Clock::now();
  ChosenPlan chosen = s.plans ? real_choose(chooser, p, run) : ChosenPlan{record::no_plan(p), p.key()};
  s.now.plan_s += record::seconds_since(begin);
  ++s.now.plans;
  s.planned[chosen.plan.plan.raw()] = {p, chosen.plan.choice.engine, i64(chosen.plan.workspace_bytes)};
  return chosen;
}

Descriptor wrapped_properties(int, cudnnHandle_t) asm("__wrap__ZN2md4cuda17device_propertiesEiP12cudnnContext");
Descriptor wrapped_properties(int, cudnnHandle_t) { return test::describe(test::kH100); }

}  // namespace cuda
}  // namespace md

using namespace md::record;  // NOLINT: the functions below are C

extern "C" {

// What nvcc's registration of kernels calls, before main.
void** __cudaRegisterFatBinary(void* wrapper) {
  return reinterpret_cast<void**>(new std::map<std::string, KernelCode>(kernels_of(wrapper)));
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterFunction(void** handle, const char* host, char*, const char* name, int, uint3*, uint3*, dim3*, dim3*,
                            int*) {
  const auto& all = *reinterpret_cast<const std::map<std::string, KernelCode>*>(handle);
  if (const auto found = all.find(name); found != all.end()) kernels()[host] = found->second;
}
cudaError_t __cudaGetKernel(cudaKernel_t*, const void*) { return cudaSuccess; }
cudaError_t __cudaLaunchKernel(cudaKernel_t, dim3, dim3, void**, std::size_t, cudaStream_t) { return cudaErrorUnknown; }
cudaError_t __cudaPopCallConfiguration(dim3*, dim3*, std::size_t*, void*) { return cudaErrorUnknown; }

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* function, void** arguments) {
  return record_launch(function, config->gridDim, config->blockDim, config->dynamicSmemBytes, arguments), cudaSuccess;
}
cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return cudaSuccess; }
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, const void*) { return cudaSuccess; }

const char* cudaGetErrorString(cudaError_t) { return "an error of the recorder"; }
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaDriverGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
  *p = {};
  std::strcpy(p->name, md::test::kH100.name);
  p->multiProcessorCount = md::test::kH100.multiprocessors;
  p->totalGlobalMem = std::size_t{80} << 30;
  p->major = md::test::kH100.sm / 10;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int) {
  *value = which == cudaDevAttrMultiProcessorCount      ? md::test::kH100.multiprocessors
           : which == cudaDevAttrComputeCapabilityMajor ? md::test::kH100.sm / 10
                                                        : 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  static std::array<char, 8> streams;
  static std::size_t next = 0;
  return *stream = reinterpret_cast<cudaStream_t>(&streams.at(next++)), cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return *event = nullptr, cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t, cudaEvent_t) { return *ms = 1, cudaSuccess; }

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) { return cudaSuccess; }
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) { return *graph = nullptr, cudaSuccess; }
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t, unsigned long long) {
  return *executable = nullptr, cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t) { return ++state().now.graphs, cudaSuccess; }
cudaError_t cudaGraphDestroy(cudaGraph_t) { return cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) { return cudaSuccess; }

cudaError_t cudaMallocAsync(void** block, std::size_t bytes, cudaStream_t) {
  *block = addresses().take(bytes);
  return *block ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeAsync(void*, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaMallocHost(void** block, std::size_t bytes) { return *block = std::calloc(1, bytes), cudaSuccess; }
cudaError_t cudaFreeHost(void* block) { return std::free(block), cudaSuccess; }
cudaError_t cudaMemsetAsync(void*, int, std::size_t, cudaStream_t) { return ++state().now.memsets, cudaSuccess; }
/// What comes from the device is 0: finite, so that a step ends as usual.
cudaError_t cudaMemcpyAsync(void* to, const void*, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
  if (kind == cudaMemcpyDeviceToHost) std::memset(to, 0, bytes);
  return ++state().now.copies, cudaSuccess;
}

const char* cublasGetStatusString(cublasStatus_t) { return "an error of the recorder"; }
cublasStatus_t cublasCreate_v2(cublasHandle_t*) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasDestroy_v2(cublasHandle_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetStream_v2(cublasHandle_t, cudaStream_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void*, std::size_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasGemmEx(cublasHandle_t, cublasOperation_t, cublasOperation_t, int m, int n, int k, const void*,
                            const void*, cudaDataType_t factors, int, const void*, cudaDataType_t, int, const void*,
                            void*, cudaDataType_t sums, int, cublasComputeType_t how, cublasGemmAlgo_t) {
  state().now.products.push_back({n, m, k, precision_of(factors, how), bytes_of(factors), bytes_of(sums)});
  return CUBLAS_STATUS_SUCCESS;
}

/// Each has a kernel.
cublasStatus_t __wrap_cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                                     cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                                     cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int,
                                                     cublasLtMatmulHeuristicResult_t* found, int* count) {
  return *found = {}, *count = 1, CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t __wrap_cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t work, const void*, const void*,
                                     cublasLtMatrixLayout_t a, const void*, cublasLtMatrixLayout_t, const void*,
                                     const void*, cublasLtMatrixLayout_t, void*, cublasLtMatrixLayout_t d,
                                     const cublasLtMatmulAlgo_t*, void*, std::size_t, cudaStream_t) {
  const auto side = [](cublasLtMatrixLayout_t of, cublasLtMatrixLayoutAttribute_t which) {
    return md::i64(attribute<std::uint64_t>(cublasLtMatrixLayoutGetAttribute, of, which));
  };
  const auto type = [](cublasLtMatrixLayout_t of) {
    return attribute<cudaDataType_t>(cublasLtMatrixLayoutGetAttribute, of, CUBLASLT_MATRIX_LAYOUT_TYPE);
  };
  const auto op = attribute<cublasOperation_t>(cublasLtMatmulDescGetAttribute, work, CUBLASLT_MATMUL_DESC_TRANSA);
  const auto how =
      attribute<cublasComputeType_t>(cublasLtMatmulDescGetAttribute, work, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE);
  state().now.products.push_back(
      {side(d, CUBLASLT_MATRIX_LAYOUT_COLS), side(d, CUBLASLT_MATRIX_LAYOUT_ROWS),
       side(a, op == CUBLAS_OP_T ? CUBLASLT_MATRIX_LAYOUT_ROWS : CUBLASLT_MATRIX_LAYOUT_COLS),
       precision_of(type(a), how), bytes_of(type(a)), bytes_of(type(d))});
  return CUBLAS_STATUS_SUCCESS;
}

cudnnStatus_t __wrap_cudnnCreate(cudnnHandle_t*) { return CUDNN_STATUS_SUCCESS; }
cudnnStatus_t __wrap_cudnnDestroy(cudnnHandle_t) { return CUDNN_STATUS_SUCCESS; }
cudnnStatus_t __wrap_cudnnSetStream(cudnnHandle_t, cudaStream_t) { return CUDNN_STATUS_SUCCESS; }
cudnnStatus_t __wrap_cudnnBackendExecute(cudnnHandle_t, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t) {
  const auto chosen = state().planned.find(plan);  // the others are only timed
  if (chosen != state().planned.end()) state().now.convolutions.push_back(chosen->second);
  return CUDNN_STATUS_SUCCESS;
}

}  // extern "C"
