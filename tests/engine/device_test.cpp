// Choosing a device, moving a network to it and feeding it batches.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "engine/backend.h"
#include "engine/optim.h"
#include "layers/modules.h"
#include "layers/ops.h"
#include "tests/kit/testing.h"
#include "tools/train/train_command.h"

namespace md {
namespace {

using test::random_tensor;

TEST(Device, NamesAreChecked) {
  for (const char* good : {"auto", "cpu", "cuda", "cuda:0", "cuda:12"}) EXPECT_EQ(is_device_name(good), "") << good;
  for (const char* bad : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1234", "CPU"})
    EXPECT_NE(is_device_name(bad), "") << bad;
}

TEST(Device, AutoIsAGpuOrTheCpu) {
  EXPECT_EQ(choose_device({.name = "cpu"}).kind, Device::cpu);
  EXPECT_EQ(choose_device({}).kind, cuda_device_names().empty() ? Device::cpu : Device::cuda);
}

TEST(Device, CudaWithoutAGpuSaysWhyInOneLine) {
  if (!cuda_device_names().empty()) GTEST_SKIP() << "this machine has a GPU";
  try {
    choose_device({.name = "cuda"});
    FAIL() << "there is no GPU, but no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::no_device);
    EXPECT_EQ(std::string(error.what()).find("device cuda"), 0U) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
  }
}

TEST(Device, AMovedNetworkKeepsItsValuesAndTrains) {
  test::for_each_device([](Device device) {
    Rng rng(1, Purpose::test);
    const Conv2d conv(rng, 3, 4, 3, {.pad = 1});
    const State before = conv.state();
    conv.to(device);
    for (const auto& [name, value] : conv.state()) EXPECT_EQ(value.to_host(), before.at(name).to_host()) << name;
    Adam adam({{conv.parameters()}}, {});
    sum(conv.forward(random_tensor({1, 5, 6, 3}, 2, -1, 1, device))).backward();
    adam.step(0.1);
    for (const auto& [name, value] : conv.state()) EXPECT_NE(value.to_host(), before.at(name).to_host()) << name;
  });
}

// The pool hands out a block with what it held before: whoever reads it before writing gets a plausible number.
TEST(Device, FreshMemoryIsNanInDebugBuilds) {
#ifdef NDEBUG
  GTEST_SKIP() << "not a debug build";
#else
  test::for_each_device([](Device device) {
    const void* const before = Tensor::full({1000}, 1, device).raw();
    const Tensor fresh = Tensor::empty({1000}, device);
    ASSERT_EQ(fresh.raw(), before) << "another block";
    for (const float v : fresh.to_host()) EXPECT_TRUE(std::isnan(v));
  });
#endif
}

TEST(Device, BatchesArriveInOrderAndHoldForTwoCalls) {
  test::for_each_device([](Device device) {
    const auto queue = backend(device).input_queue();
    std::vector<Tensor> last;
    for (std::uint64_t k = 0; k < 5; ++k) {
      // The last batch of an epoch may be of another size.
      const std::array host{random_tensor({k == 3 ? 1 : 2, 4, 5, 3}, 2 * k), random_tensor({2, 4}, 2 * k + 1)};
      const std::vector<Tensor> here = queue->push(host);
      ASSERT_EQ(here.size(), host.size());
      for (std::size_t i = 0; i < host.size(); ++i) {
        EXPECT_EQ(here[i].device(), device);
        EXPECT_EQ(here[i].to_host(), host[i].to_host()) << k;
      }
      if (k > 0) {
        EXPECT_EQ(last[0].to_host(), random_tensor({k - 1 == 3 ? 1 : 2, 4, 5, 3}, 2 * (k - 1)).to_host());
      }
      last = here;
    }
  });
}

}  // namespace
}  // namespace md
