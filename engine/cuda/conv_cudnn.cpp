// A plan costs milliseconds to seconds, so plans are cached; running one asks the pool for its workspace and nothing of
// the host but a list of addresses. Of bf16 maps cuDNN wants all of a convolution in bf16, weight and bias too, and
// adds in f32; where it has such a kernel with an f32 result at all, that is compiled at run time. So a weight's
// gradient is rounded to bf16 once, as in PyTorch's autocast, and a narrow output, which is f32, is made of x in f32.
#include "engine/cuda/conv_cudnn.h"

#include "engine/cuda/conv_chooser.h"
#include "engine/cuda/conv_kernels.h"
#include "engine/cuda/runtime.h"
#include "engine/cuda/weight_copies.h"
#include "engine/lru_cache.h"

namespace md {
namespace {

using cuda::ChosenPlan;
using cuda::ConvPass;
using cuda::ConvPlan;
using cuda::ConvProblem;
using cuda::Descriptor;

bool is_depthwise(const Tensor& w) { return w.shape().rank() == 3; }

/// cuDNN's context, on the stream that all computing runs on.
class Handle {
 public:
  Handle() {
    cudnnHandle_t it = nullptr;
    MD_CUDNN(cudnnCreate(&it));
    it_.reset(it);
    MD_CUDNN(cudnnSetStream(it, cuda::runtime().compute));
  }
  cudnnHandle_t get() const { return it_.get(); }

 private:
  struct Destroy {
    void operator()(cudnnHandle_t it) const { cudnnDestroy(it); }
  };
  std::unique_ptr<cudnnContext, Destroy> it_;
};

/// What the kernels may assume of every address: the pool's blocks are aligned, ranges of axis 0 need not be.
i64 alignment(std::initializer_list<const void*> addresses) {
  std::uintptr_t bits = 16;
  for (const void* address : addresses) bits |= reinterpret_cast<std::uintptr_t>(address);
  return static_cast<i64>(bits & (~bits + 1));  // the lowest bit that is set
}

void* address(const Tensor& t) { return t ? t.raw() : nullptr; }

int attribute(cudaDeviceAttr which) {
  int value = 0;
  MD_CUDA(cudaDeviceGetAttribute(&value, which, cuda::runtime().index));
  return value;
}

/// Plans of this GPU are as good on another one that says the same.
cuda::PlanOwner this_gpu() {
  return {cudnnGetVersion(), cat(cuda::runtime().name, ", sm_", attribute(cudaDevAttrComputeCapabilityMajor),
                                 attribute(cudaDevAttrComputeCapabilityMinor), ", ",
                                 attribute(cudaDevAttrMultiProcessorCount), " multiprocessors")};
}

class CudnnConvPlans final : public ConvPlans {
 public:
  CudnnConvPlans(std::size_t most, std::unique_ptr<cuda::PlanClock> clock)
      : chooser_(this_gpu(), cuda::device_properties(cuda::runtime().index, handle_.get()), std::move(clock)),
        plans_(most) {}

  void forward(const Conv2dSpec& s, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) override {
    if (x.dtype() != y.dtype()) return forward(s, in_f32(x), w, bias, y);
    void *const weight = cuda::library_copy(w, x.dtype()), *const plans_bias =
                                                               bias ? cuda::library_copy(bias, x.dtype()) : nullptr;
    const Tensor z = s.accumulate ? Tensor::empty(y.shape(), y.device(), y.dtype()) : y;
    ConvProblem p = problem(ConvPass::forward, s, x, w, z);
    p.bias = bool(bias);
    p.alignment = alignment({x.raw(), weight, z.raw(), plans_bias});
    const auto run = [&](const ConvPlan& plan, bool accumulate, const Tensor& to) {
      const cuda::EngineChoice& does = plan.choice;
      execute(plan, x.raw(), weight, z.raw(), does.adds_bias ? plans_bias : nullptr, s.act.slope);
      const Tensor left_bias = does.adds_bias ? Tensor() : bias;
      const Activation left_act = does.activates ? Activation{} : s.act;
      if (left_bias || left_act.kind != Act::none || accumulate)
        cuda::add_bias_and_activate(z, left_bias, accumulate, left_act, to);
    };
    run(find(p, [&](const ConvPlan& plan) { run(plan, false, z); }), s.accumulate, y);
  }

  void data_gradient(const Conv2dSpec& s, const Tensor& dz, const Tensor& w, const Tensor& dx) override {
    void* const weight = cuda::library_copy(w, dx.dtype());
    ConvProblem p = problem(ConvPass::data_gradient, s, dx, w, dz);
    p.alignment = alignment({dx.raw(), weight, dz.raw()});
    const auto run = [&](const ConvPlan& plan) { execute(plan, dx.raw(), weight, dz.raw()); };
    run(find(p, run));
  }

  void weight_gradient(const Conv2dSpec& s, const Tensor& dz, const Tensor& x, const Tensor& dw) override {
    const bool as_it_is = !is_depthwise(dw) && x.dtype() == dw.dtype();
    const Tensor gradient = as_it_is ? dw : Tensor::empty(dw.shape(), dw.device(), x.dtype());
    ConvProblem p = problem(ConvPass::weight_gradient, s, x, dw, dz);
    p.alignment = alignment({x.raw(), gradient.raw(), dz.raw()});
    const auto run = [&](const ConvPlan& plan) { execute(plan, x.raw(), gradient.raw(), dz.raw()); };
    run(find(p, run));
    if (!as_it_is) cuda::take_gradient(gradient, dw);
  }

  i64 created() const override { return static_cast<i64>(plans_.made()); }
  i64 kept() const override { return static_cast<i64>(plans_.size()); }

  std::string chosen() const override {
    cuda::PlanList list = chooser_.taken();
    plans_.for_each([&](const ConvProblem&, const auto& its) { list[its->problem] = its->plan.choice; });
    return to_text(chooser_.owner(), list);
  }

  std::string take(const std::string& text) override {
    const auto [owner, list] = cuda::read_list(text);
    if (!(owner == chooser_.owner()))
      return cat("the plans of its convolutions are of ", owner, ", not of ", chooser_.owner(),
                 ": others are chosen, and results are the same up to rounding, not bit for bit");
    MD_CUDA(cudaStreamSynchronize(cuda::runtime().compute));
    plans_.clear();
    chooser_.take(list);
    return "";
  }

 private:
  static ConvProblem problem(ConvPass pass, const Conv2dSpec& s, const Tensor& x, const Tensor& w, const Tensor& y) {
    ConvProblem p = cuda::describe_conv(pass, s, x.shape(), w.shape(), y.shape(), x.dtype());
    p.tf32 = x.device().precision != Precision::f32 && p.dtype == DType::f32;
    return p;
  }

  static Tensor in_f32(const Tensor& x) {
    const Tensor copy = Tensor::empty(x.shape(), x.device());
    cuda::convert(x, copy);
    return copy;
  }

  /// `run` as of ConvChooser. cuDNN does not say that a plan, and with it code that was compiled for it, may go before
  /// the GPU has run it for the last time.
  template <class Run>
  const ConvPlan& find(const ConvProblem& p, const Run& run) {
    const std::shared_ptr<const ChosenPlan>& found = plans_.find_or_make(p, [&] {
      if (plans_.full()) MD_CUDA(cudaStreamSynchronize(cuda::runtime().compute));
      return std::make_shared<const ChosenPlan>(chooser_.choose(p, run));
    });
    backend(here_).keep_for_graph(found);
    return found->plan;
  }

  /// The workspace may go back to the pool at once: whoever gets it next is behind this on the stream.
  void execute(const ConvPlan& plan, void* x, void* w, void* y, void* bias = nullptr, float slope = 0.F) {
    std::vector<i64> ids{cuda::tensor_id::x, cuda::tensor_id::w, cuda::tensor_id::y};
    std::vector<void*> addresses{x, w, y};
    if (bias) {
      ids.push_back(cuda::tensor_id::bias);
      addresses.push_back(bias);
    }
    if (plan.choice.activates) {
      ids.push_back(cuda::tensor_id::slope);
      addresses.push_back(&slope);
    }
    const i64 bytes = static_cast<i64>(plan.workspace_bytes);
    const Tensor workspace = bytes > 0 ? Tensor::empty({bytes}, here_, DType::u8) : Tensor();
    Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.set_list(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids)
        .set_list(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, addresses)
        .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, address(workspace))
        .finalize();
    MD_CUDNN(cudnnBackendExecute(handle_.get(), plan.plan.raw(), pack.raw()));
  }

  const Device here_{Device::cuda, cuda::runtime().index};
  Handle handle_;
  cuda::ConvChooser chooser_;
  LruCache<ConvProblem, std::shared_ptr<const ChosenPlan>> plans_;
};

}  // namespace

std::unique_ptr<ConvPlans> make_conv_plans(std::size_t most, std::unique_ptr<cuda::PlanClock> clock) {
  return std::make_unique<CudnnConvPlans>(most, clock ? std::move(clock) : cuda::gpu_clock());
}

}  // namespace md
