// What a device hands out: fresh memory, and batches in their order.
// Labels: devices
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/backend.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

using test::random_tensor;

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

TEST(Device, HasReadTheHostsMemoryWhenACopyReturns) {
  test::for_each_device([](Device device) {
    const Tensor host = random_tensor({3, 5}, 1);
    const std::vector<float> before = host.to_host();
    const Tensor there = Tensor::empty(host.shape(), device);
    there.copy_from(host);
    std::fill_n(host.data(), host.numel(), 7.F);
    EXPECT_EQ(there.to_host(), before);
  });
}

TEST(Device, BatchesArriveInOrderAndHoldForTwoCalls) {
  test::for_each_device([](Device device) {
    const auto queue = backend(device).input_queue(device);
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
