// Every call of CUDA and cuDNN that a program makes fails once: each time the program ends in one md::Error with the
// call's text, nothing leaks, and the next attempt works.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <iostream>

#include "engine/backend.h"
#include "engine/cuda/runtime.h"
#include "engine/optim.h"
#include "engine/plan_choice.h"
#include "layers/modules.h"
#include "layers/ops.h"
#include "losses/metric_depth.h"
#include "tests/cuda/doubles.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

const Device kGpu{Device::cuda};

/// From the choice of the device to the number that training waits for, with everything that CUDA backends have.
float program(i64 rows, i64 columns) {
  const auto queue = backend(kGpu).input_queue(kGpu);
  Rng rng(1, Purpose::test);
  const Conv2d conv(rng, 3, 4, 3, {.pad = 1, .act = {Act::leaky_relu, 0.2F}});
  const BatchNorm2d norm(4);
  const Linear mix(rng, 4, 4);
  std::vector<Module::Entry> parameters;
  for (const Module* part :
       {static_cast<const Module*>(&conv), static_cast<const Module*>(&norm), static_cast<const Module*>(&mix)}) {
    part->to(kGpu);
    for (const auto& p : part->parameters()) parameters.push_back(p);
  }
  Adam adam({{parameters}}, {});
  const std::array host{test::random_tensor({2, rows, columns, 3}, 1),
                        test::random_tensor({2, rows, columns}, 2, 0.1F, 4.F)};
  const std::vector<Tensor> batch = queue->push(host);
  const Tensor features = mix.forward(norm.forward(conv.forward(batch[0])));
  const MetricDepthOptions options;
  const auto shifts = draw_shifts(options, 1, 0, 2, rows, columns);
  const Tensor loss = metric_depth(features, batch[1], shifts.list, options);
  loss.backward();
  adam.step(0.1);
  return loss.item();
}

constexpr i64 kWorkspace = i64{32} << 20;  // bytes: cuBLAS's, from its first product on

/// What the process may keep: the runtime, the contexts, plans, cuBLAS's workspace, and the pool's blocks.
void expect_no_leak(const doubles::Live& before) {
  const doubles::Live now = doubles::live();
  EXPECT_EQ(now.pinned, 0) << now;
  EXPECT_EQ(now.events, 0) << now;
  EXPECT_LE(now.streams, 2) << now;
  EXPECT_LE(now.handles, 2) << now;  // cuDNN's and cuBLAS's
  if (before.handles == 0) return;   // the backend does not exist yet
  constexpr i64 kDevice = 1;
  EXPECT_EQ(now.descriptors, kDevice + backend(kGpu).primitives_created()) << now;
  const i64 in_use = backend(kGpu).pool_stats().bytes_in_use;
  EXPECT_TRUE(in_use == 0 || in_use / kWorkspace == 1) << in_use << " bytes; " << now;
}

/// Small maps, no two of the same size, so that every one needs new plans.
float next_program() {
  static i64 n = 0;
  ++n;
  return program(3 + n % 24, 3 + n / 24);
}

/// Runs the program, in which one call is to fail; the name of the call that did.
std::string failing_call() {
  const doubles::Live before = doubles::live();
  std::string said;
  try {
    next_program();
  } catch (const Error& error) {
    said = error.what();
    EXPECT_EQ(error.kind(), ErrorKind::no_device) << said;
  }
  const std::string call = doubles::failed_call();
  doubles::fail_call(-1);
  expect_no_leak(before);
  EXPECT_EQ(call.empty(), said.empty()) << call << " failed; said: " << said;
  EXPECT_NE(said.find(call), std::string::npos) << call << " failed; said: " << said;
  EXPECT_EQ(said.find('\n'), std::string::npos) << said;
  return call;
}

/// Lets the next call of this name fail. Programs of most sizes find all memory in the pool, so it may take a few.
std::string failing_call(const std::string& name) {
  std::string call;
  for (int tries = 0; tries < 100 && call.empty(); ++tries) {
    doubles::fail_call(name);
    call = failing_call();
  }
  return call;
}

/// Lets call n of the program fail, for every n.
std::map<std::string, int> fail_every_call() {
  std::map<std::string, int> failed;
  for (i64 n = 0;;) {
    const doubles::Live before = doubles::live();
    doubles::fail_call(n);
    const std::string call = failing_call();
    if (call.empty() || ::testing::Test::HasFailure()) return failed;
    ++failed[call];
    const bool grown = doubles::live().streams + doubles::live().handles > before.streams + before.handles;
    n = grown ? 0 : n + 1;  // what exists now is not called for again
  }
}

TEST(CudaFailures, EveryCallThatFailsIsAnError) {
  const std::map<std::string, int> failed = fail_every_call();
  for (const auto& [call, times] : failed) std::cout << call << " failed " << times << " times\n";
  // Programs of other sizes ask the pool more or less often, so call n may jump over one.
  for (const auto& [call, times] : doubles::calls()) {
    if (failed.contains(call)) continue;
    EXPECT_EQ(failing_call(call), call) << "never failed";
  }
  EXPECT_TRUE(std::isfinite(next_program()));
}

// Where plans are timed there are more calls, most of them the same again and again: each name fails once.
TEST(CudaFailures, EveryKindOfCallThatFailsWhilePlansAreTimedIsAnError) {
  choose_plans({.timed = true});
  next_program();
  std::map<std::string, i64> before = doubles::calls();
  next_program();
  for (const auto& [call, times] : std::map(doubles::calls())) {
    if (times == before[call]) continue;  // made once a process
    EXPECT_EQ(failing_call(call), call) << "never failed";
  }
  choose_plans({});
  EXPECT_TRUE(std::isfinite(next_program()));
}

/// What somebody reads who asks for a GPU while that driver is installed.
std::string said_of_driver(int version) {
  doubles::install_driver(version);
  EXPECT_TRUE(cuda_device_names().empty()) << "the choice of a device takes the CPU";
  std::string said;
  try {
    const cuda::Runtime runtime(0);
  } catch (const Error& error) {
    said = error.what();
    EXPECT_EQ(error.kind(), ErrorKind::no_device) << said;
  }
  doubles::install_driver(doubles::kNewestDriver);
  return said;
}

TEST(CudaFailures, ADriverThatIsMissingOrTooOldIsNamed) {
  EXPECT_EQ(said_of_driver(0), "device cuda: no NVIDIA driver is installed; the CPU works without one");
  const std::string old = said_of_driver(11080);
  EXPECT_NE(old.find("too old: it supports CUDA 11.8, this program wants "), std::string::npos) << old;
  EXPECT_FALSE(cuda_device_names().empty());
}

TEST(CudaFailures, FullMemoryNamesTheBatch) {
  doubles::limit_memory(std::size_t{kWorkspace} + (std::size_t{256} << 10));  // its features are larger
  EXPECT_THROW(Tensor::empty({2 * kWorkspace}, kGpu), Error) << "the pool gives back what earlier programs left";
  try {
    program(2000, 5);
    ADD_FAILURE() << "there was room";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::no_device);
    EXPECT_NE(std::string(error.what()).find("smaller batch"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(std::isfinite(program(4, 30))) << "the pool gives back what it cached";
  doubles::limit_memory(doubles::kNoLimit);
  EXPECT_TRUE(std::isfinite(program(2000, 5)));
}

}  // namespace
}  // namespace md
