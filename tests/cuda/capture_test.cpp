// Work that is captured in a graph: done when launched, each time on the memory that it was captured with, which nobody
// else gets; and refused where a graph would do something else than the work.
#include <gtest/gtest.h>

#include "engine/backend.h"
#include "engine/cuda/conv_cudnn.h"
#include "engine/launch.h"
#include "engine/step_number.h"
#include "layers/ops.h"
#include "tests/cuda/doubles.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

const Device kGpu{Device::cuda};

float first(const Tensor& t) { return t.to_host().front(); }

TEST(Capture, DoesTheWorkWhenItIsLaunchedAndEachTime) {
  const Tensor sum = Tensor::zeros({700}, kGpu), x = Tensor::full({700}, 3.F, kGpu);
  const auto graph = backend(kGpu).capture([&] { backend(kGpu).add_into(sum, x); });
  EXPECT_FALSE(backend(kGpu).capturing());
  EXPECT_EQ(first(sum), 0.F);
  for (const float wanted : {3.F, 6.F, 9.F}) {
    graph->launch();
    EXPECT_EQ(first(sum), wanted);
  }
  x.copy_from(Tensor::full({700}, 1.F));
  graph->launch();
  EXPECT_EQ(first(sum), 10.F) << "of what the memory holds now";
}

TEST(Capture, WhatItTookAndLetGoIsNobodyElses) {
  Backend& gpu = backend(kGpu);
  const Tensor x = Tensor::full({5, 1000}, 1.F, kGpu), y = Tensor::zeros({5, 1000}, kGpu);
  const auto work = [&] {
    const Tensor once = scale(x, 2.F), twice = scale(once, 2.F);
    y.copy_from(scale(twice, 2.F));
  };
  work();
  const PoolStats before = gpu.pool_stats();
  auto graph = gpu.capture(work);
  EXPECT_EQ(gpu.pool_stats().misses, before.misses);
  EXPECT_GT(gpu.pool_stats().bytes_in_use, before.bytes_in_use);
  std::vector<Tensor> others;
  for (int k = 0; k < 50; ++k) others.push_back(Tensor::full({i64(1) << k % 13}, 7.F, kGpu));
  graph->launch();
  EXPECT_EQ(first(y), 8.F);
  for (const Tensor& other : others) {
    for (const float v : other.to_host()) ASSERT_EQ(v, 7.F) << other.shape();
  }
  others.clear();
  graph.reset();
  EXPECT_EQ(gpu.pool_stats().bytes_in_use, before.bytes_in_use);
  EXPECT_EQ(doubles::live().graphs, 0);
}

/// A copy that is derived from a weight, say.
TEST(Capture, WhatSomebodyKeptOfItIsNobodyElsesAfterThem) {
  Backend& gpu = backend(kGpu);
  const Tensor x = Tensor::full({4000}, 1.F, kGpu);
  Tensor kept = scale(x, 2.F);
  kept = {};
  auto graph = gpu.capture([&] { kept = scale(x, 2.F); });
  graph->launch();
  EXPECT_EQ(first(kept), 2.F);
  kept = {};
  const Tensor other = Tensor::full({4000}, 7.F, kGpu);
  graph->launch();
  EXPECT_EQ(first(other), 7.F);
  const i64 in_use = gpu.pool_stats().bytes_in_use;
  graph.reset();
  EXPECT_LT(gpu.pool_stats().bytes_in_use, in_use);
}

/// One line, no graph, and all as it was.
void expect_refusal(const std::string& why, const std::function<void()>& work) {
  Backend& gpu = backend(kGpu);
  const i64 in_use = gpu.pool_stats().bytes_in_use;
  try {
    gpu.capture(work);
    ADD_FAILURE() << why << ": it was captured";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(why), std::string::npos) << error.what();
  }
  EXPECT_FALSE(gpu.capturing());
  EXPECT_EQ(gpu.pool_stats().bytes_in_use, in_use);
  EXPECT_EQ(doubles::live().graphs, 0);
  EXPECT_EQ(first(Tensor::full({3}, 5.F, kGpu)), 5.F) << "the stream works as before";
}

TEST(Capture, RefusesWhatAGraphWouldNotRepeat) {
  const Tensor x = Tensor::full({4}, 1.F, kGpu), memory = StepNumber::make_memory(kGpu);
  expect_refusal("waits for the device", [&] { x.to_host(); });
  expect_refusal("takes numbers from the host", [&] { x.copy_from(Tensor::full({4}, 2.F)); });
  expect_refusal("wants memory that the pool does not have", [] { Tensor::empty({i64(1) << 28}, kGpu); });
  expect_refusal("draws on the host", [&] { StepNumber(memory, 3, 1, 0).on_host(); });
  expect_refusal("another one is going on", [] { backend(kGpu).capture([] {}); });
  expect_refusal("of the work itself", [] { fail(ErrorKind::contract, "of the work itself"); });
  EXPECT_EQ(first(x), 1.F);
}

TEST(Capture, KeepsPlansThatTheCacheDrops) {
  const Conv2dSpec spec{.pad = 1};
  const Tensor w = test::random_tensor({8, 3, 3, 8}, 1, -1, 1, kGpu);
  const auto plans = make_conv_plans(1);
  const Tensor x = test::random_tensor({1, 4, 6, 8}, 2, -1, 1, kGpu), y = Tensor::empty({1, 4, 6, 8}, kGpu);
  const Tensor larger = test::random_tensor({1, 5, 6, 8}, 3, -1, 1, kGpu), there = Tensor::empty({1, 5, 6, 8}, kGpu);
  plans->forward(spec, x, w, {}, y);
  const std::vector<float> wanted = y.to_host();
  const auto graph = backend(kGpu).capture([&] { plans->forward(spec, x, w, {}, y); });
  plans->forward(spec, larger, w, {}, there);
  EXPECT_EQ(plans->kept(), 1);
  backend(kGpu).fill(y, 0.F);
  graph->launch();
  EXPECT_EQ(y.to_host(), wanted);
}

TEST(Capture, IsNotForTheCpu) {
  EXPECT_EQ(backend(Device{}).capture([] { FAIL(); }), nullptr);
}

}  // namespace
}  // namespace md
