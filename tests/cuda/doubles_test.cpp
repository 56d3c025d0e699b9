// The doubles refuse what a GPU would refuse, or would silently compute wrong.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>

#include "engine/backend.h"
#include "engine/bf16.h"
#include "engine/cuda/conv_cudnn.h"
#include "engine/cuda/conv_plan.h"
#include "engine/cuda/runtime.h"
#include "engine/launch.h"
#include "layers/ops.h"
#include "tests/cuda/doubles.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

const Device kGpu{Device::cuda};

cudaStream_t compute() { return cuda::runtime(0).compute; }
cudaStream_t copies() { return cuda::runtime(0).copies; }

struct CudnnHandle {
  CudnnHandle() {
    MD_CUDNN(cudnnCreate(&it));
    MD_CUDNN(cudnnSetStream(it, compute()));
  }
  ~CudnnHandle() { cudnnDestroy(it); }
  cudnnHandle_t it = nullptr;
};

/// A forward convolution [1,4,5,8] * [8,3,3,8] of cuDNN's, and what its execution is given.
struct Execution {
  Tensor x = test::random_tensor({1, 4, 5, 8}, 1, -1, 1, kGpu), w = test::random_tensor({8, 3, 3, 8}, 2, -1, 1, kGpu),
         y = Tensor::empty({1, 4, 5, 8}, kGpu);
  cuda::ConvPlan plan = cuda::plan_conv(
      cuda::describe_conv(cuda::ConvPass::forward, {.pad = 1}, x.shape(), w.shape(), y.shape(), DType::f32),
      cuda::device_properties(0, nullptr));
  Tensor workspace = Tensor::empty({i64(plan.workspace_bytes) + 1}, kGpu, DType::u8);
  std::vector<i64> ids{cuda::tensor_id::x, cuda::tensor_id::w, cuda::tensor_id::y};
  std::vector<void*> addresses{x.raw(), w.raw(), y.raw()};
  bool finalised = true;

  /// Empty, or what the double says.
  std::string run() const {
    const CudnnHandle handle;
    cuda::Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.set_list(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids)
        .set_list(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, addresses)
        .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace.raw());
    if (finalised) pack.finalize();
    try {
      MD_CUDNN(cudnnBackendExecute(handle.it, plan.plan.raw(), pack.raw()));
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }
};

void expect_refusal(const char* why, const std::function<void(Execution&)>& spoil) {
  Execution execution;
  spoil(execution);
  const std::string said = execution.run();
  EXPECT_NE(said.find(why), std::string::npos) << "said: " << said;
}

TEST(CudnnDouble, ExecutesWhatItIsGiven) {
  const Execution execution;
  EXPECT_EQ(execution.run(), "");
  for (const float v : execution.y.to_host()) EXPECT_TRUE(std::isfinite(v));
}

TEST(CudnnDouble, RefusesWhatDoesNotFitThePlan) {
  expect_refusal("not finalised", [](Execution& e) { e.finalised = false; });
  expect_refusal("no address", [](Execution& e) { e.ids.back() = 77; });
  expect_refusal("addresses for", [](Execution& e) {
    e.ids.push_back(77);
    e.addresses.push_back(e.workspace.raw());
  });
  expect_refusal("not aligned", [](Execution& e) { e.addresses[0] = static_cast<char*>(e.addresses[0]) + 4; });
  expect_refusal("overlaps", [](Execution& e) { e.addresses[2] = e.addresses[0]; });
  alignas(16) static std::array<float, 160> on_the_host{};
  expect_refusal("not device memory", [](Execution& e) { e.addresses[0] = on_the_host.data(); });
  expect_refusal("not device memory", [](Execution& e) {
    static Tensor small;  // in a block that ends too early
    small = Tensor::empty({64}, kGpu);
    e.addresses[0] = small.raw();
  });
}

/// `host` rounded to bf16, on the GPU.
Tensor as_bf16(const Tensor& host) {
  const Tensor short_one = Tensor::empty(host.shape(), {}, DType::bf16);
  for (i64 i = 0; i < host.numel(); ++i) short_one.data<bf16>()[i] = host.data()[i];
  return short_one.to(kGpu);
}
Tensor as_f32(const Tensor& on_gpu) {
  const Tensor host = on_gpu.to(Device{}), long_one = Tensor::empty(host.shape());
  for (i64 i = 0; i < host.numel(); ++i) long_one.data()[i] = host.data<bf16>()[i];
  return long_one;
}

/// Sums are f32, and so are a weight, of which a copy is rounded, and its gradient.
TEST(CudnnDouble, ConvolvesBf16) {
  const Conv2dSpec spec{.stride = 2, .pad = 1};
  const Tensor x = as_bf16(test::random_tensor({2, 5, 6, 8}, 1)), dy = as_bf16(test::random_tensor({2, 3, 3, 16}, 3));
  const Tensor w = as_f32(as_bf16(test::random_tensor({16, 3, 3, 8}, 2))), weight = w.to(kGpu);
  const auto like = [](const Tensor& t) { return Tensor::empty(t.shape(), kGpu, DType::bf16); };
  const Tensor y = like(dy), dx = like(x), dw = Tensor::empty(w.shape(), kGpu);
  Backend& gpu = backend(kGpu);
  gpu.conv2d(spec, x, weight, {}, y);
  gpu.conv2d_dx(spec, dy, weight, dx);
  gpu.conv2d_dw(spec, dy, x, dw, {});
  const Tensor cpu_y = Tensor::empty(dy.shape()), cpu_dx = Tensor::empty(x.shape()), cpu_dw = Tensor::empty(w.shape());
  Backend& cpu = backend(Device{});
  cpu.conv2d(spec, as_f32(x), w, {}, cpu_y);
  cpu.conv2d_dx(spec, as_f32(dy), w, cpu_dx);
  cpu.conv2d_dw(spec, as_f32(dy), as_f32(x), cpu_dw, {});
  constexpr double kRounding = 0x1p-9;  // of a result, once
  EXPECT_TRUE(test::close(as_f32(y), cpu_y, kRounding));
  EXPECT_TRUE(test::close(as_f32(dx), cpu_dx, kRounding));
  EXPECT_TRUE(test::close(dw.to({}), cpu_dw, kRounding));
}

TEST(CudnnDouble, WantsAPlanUntilItHasRun) {
  auto execution = std::make_unique<Execution>();
  EXPECT_EQ(execution->run(), "");
  execution.reset();
  EXPECT_EQ(cudaStreamSynchronize(compute()), cudaErrorLaunchFailure);
}

TEST(Precision, IsThatOfTheOperandsDevice) {
  const Device rounded{Device::cuda, 0, Precision::tf32};
  EXPECT_EQ(&backend(rounded), &backend(kGpu));
  const Tensor x = test::random_tensor({1, 4, 5, 8}, 1), w = test::random_tensor({8, 3, 3, 8}, 2),
               matrix = test::random_tensor({6, 8}, 3);
  for (const Device device : {kGpu, rounded}) {
    const i64 plans = backend(device).primitives_created();
    const Tensor y = conv2d(x.to(device), w.to(device), {}, {.pad = 1});
    EXPECT_EQ(backend(device).primitives_created(), plans + 1) << "each precision has plans of its own";
    EXPECT_EQ(linear(y, matrix.to(device), {}).device(), device);
    EXPECT_EQ(doubles::tf32_products(), device == rounded);
  }
  EXPECT_THROW(conv2d(x.to(kGpu), w.to(rounded), {}, {.pad = 1}), Error);
  EXPECT_THROW(linear(x.to(rounded), matrix.to(kGpu), {}), Error);
  EXPECT_EQ(x.to(kGpu).to(rounded).to_host(), x.to_host());
}

/// A step of linear() on the GPU: the output and the gradients of x, weight and bias.
std::vector<Tensor> step_of_linear(const Tensor& x, const Tensor& w, const Tensor& bias) {
  std::vector<Tensor> in = {x.to(kGpu), w.to(kGpu), bias.to(kGpu)};
  for (const Tensor& t : in) t.requires_grad_();
  const Tensor y = linear(in[0], in[1], in[2]);
  y.backward(test::random_tensor(y.shape(), 4, -1, 1, kGpu));
  return {y, in[0].grad(), in[1].grad(), in[2].grad()};
}

// A bias is added, and its gradient summed, by cuBLASLt; where it has no kernel for a shape, by kernels of ours.
TEST(Products, TakeABiasAlongOrDoWithout) {
  std::map<std::string, i64> before = doubles::calls();
  const auto made = [&](const char* call) {
    std::map<std::string, i64> now = doubles::calls();
    return now[call] - before[call];
  };
  const Tensor x = test::random_tensor({30, 20}, 1), bias = test::random_tensor({12}, 3);
  const std::vector<Tensor> along = step_of_linear(x, test::random_tensor({12, 20}, 2), bias);
  EXPECT_EQ(made("cublasLtMatmul"), 2);
  EXPECT_EQ(made("cublasGemmEx"), 1) << "the gradient of x";
  EXPECT_EQ(made("emulate"), 4) << "which bring the operands";
  step_of_linear(x, test::random_tensor({12, 20}, 2), bias);
  EXPECT_EQ(made("cublasLtMatmulAlgoGetHeuristic"), 2) << "asked for once";

  doubles::refuse_epilogues(true);
  const Tensor wider = test::random_tensor({31, 20}, 1);  // another shape: rows of which the first 30 are the same
  wider.rows(0, 30).copy_from(x);
  before = doubles::calls();
  const std::vector<Tensor> without = step_of_linear(wider, test::random_tensor({12, 20}, 2), bias);
  doubles::refuse_epilogues(false);
  EXPECT_EQ(made("cublasLtMatmul"), 0);
  EXPECT_EQ(made("cublasGemmEx"), 3);
  EXPECT_TRUE(test::close(without[0].rows(0, 30).to({}), along[0].to({}), 1e-6));
}

// As when a folder of pictures of ever new sizes is predicted. Nobody waits between two convolutions.
TEST(ConvPlans, AreKeptForAFewSizesAndGoOnlyWhenTheyHaveRun) {
  constexpr i64 kSizes = 10, kMost = 4;
  const Conv2dSpec spec{.pad = 1};
  const Tensor w = test::random_tensor({8, 3, 3, 8}, 1), w_there = w.to(kGpu);
  const auto plans = make_conv_plans(kMost);
  std::vector<Tensor> x, y;
  const i64 descriptors = doubles::live().descriptors;
  for (i64 height = 3; height < 3 + kSizes; ++height) {
    x.push_back(test::random_tensor({1, height, 6, 8}, std::uint64_t(height)));
    y.push_back(Tensor::empty(x.back().shape(), kGpu));
    plans->forward(spec, x.back().to(kGpu), w_there, {}, y.back());
    EXPECT_LE(plans->kept(), kMost);
  }
  EXPECT_EQ(plans->created(), kSizes);
  EXPECT_EQ(doubles::live().descriptors, descriptors + kMost);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Tensor want = Tensor::empty(x[i].shape());
    backend(Device{}).conv2d(spec, x[i], w, {}, want);
    EXPECT_TRUE(test::close(y[i].to({}), want, 1e-6)) << x[i].shape();
  }
}

TEST(RuntimeDouble, WorksWhenSomebodyWaits) {
  Tensor y = Tensor::full({8}, 1.F, kGpu);
  std::array<float, 8> host{};
  MD_CUDA(cudaStreamSynchronize(compute()));
  const i64 waits = doubles::host_waits();
  void* pinned = nullptr;
  MD_CUDA(cudaMallocHost(&pinned, sizeof(host)));
  MD_CUDA(cudaMemsetAsync(y.raw(), 0, sizeof(host), compute()));
  MD_CUDA(cudaMemcpyAsync(pinned, y.raw(), sizeof(host), cudaMemcpyDeviceToHost, compute()));
  static_cast<float*>(pinned)[3] = 5.F;
  EXPECT_EQ(static_cast<float*>(pinned)[3], 5.F) << "nobody has waited for the copy";
  EXPECT_EQ(doubles::host_waits(), waits);
  MD_CUDA(cudaStreamSynchronize(compute()));
  EXPECT_EQ(static_cast<float*>(pinned)[3], 0.F);
  EXPECT_EQ(doubles::host_waits(), waits + 1);
  MD_CUDA(cudaFreeHost(pinned));
}

// What an input queue without events would do, on a GPU that is slow in the one or the other stream.
TEST(RuntimeDouble, ShowsCopiesThatNobodyOrdered) {
  const Tensor batch = Tensor::full({4}, 1.F, kGpu), seen = Tensor::empty({4}, kGpu);
  MD_CUDA(cudaStreamSynchronize(compute()));
  void* pinned = nullptr;
  MD_CUDA(cudaMallocHost(&pinned, batch.bytes()));
  std::fill_n(static_cast<float*>(pinned), 4, 2.F);
  const auto race = [&](bool ordered) {
    cuda::Event copied;
    MD_CUDA(cudaMemcpyAsync(batch.raw(), pinned, batch.bytes(), cudaMemcpyHostToDevice, copies()));
    copied.record(copies());
    if (ordered) copied.hold_back(compute());
    seen.copy_from(batch);
    return seen.to_host()[0];
  };
  EXPECT_EQ(race(false), 1.F) << "the compute stream was first";
  EXPECT_EQ(race(true), 2.F);
  doubles::hurry(copies(), true);
  seen.copy_from(batch);
  std::fill_n(static_cast<float*>(pinned), 4, 3.F);
  MD_CUDA(cudaMemcpyAsync(batch.raw(), pinned, batch.bytes(), cudaMemcpyHostToDevice, copies()));
  EXPECT_EQ(seen.to_host()[0], 3.F) << "the copy stream was first";
  doubles::hurry(copies(), false);
  MD_CUDA(cudaFreeHost(pinned));
}

TEST(RuntimeDouble, RefusesAddressesAndStreamsThatItDoesNotKnow) {
  std::array<float, 4> host{};
  const Tensor x = Tensor::zeros({4}, kGpu);
  EXPECT_EQ(cudaMemsetAsync(host.data(), 0, 16, compute()), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(x.raw(), host.data(), 1 << 20, cudaMemcpyHostToDevice, compute()), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(host.data(), host.data(), 16, cudaMemcpyDeviceToHost, compute()), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(x.raw(), x.raw(), 16, cudaMemcpyHostToDevice, compute()), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(x.raw(), 0, 16, nullptr), cudaErrorInvalidResourceHandle) << "the default stream";
  EXPECT_EQ(cudaFreeAsync(host.data(), compute()), cudaErrorInvalidValue);
}

}  // namespace
}  // namespace md
