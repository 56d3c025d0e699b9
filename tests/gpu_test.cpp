// What needs a GPU: label `gpu`, run by `tools/check --gpu`, skipped by name elsewhere.
#include <gtest/gtest.h>

#include "engine/tensor.h"
#include "tests/testing.h"

namespace md {
namespace {

class GpuTest : public testing::Test {
 protected:
  void SetUp() override {
    try {
      Tensor::zeros({1}, gpu_);
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
  }
  const Device gpu_{Device::cuda};
};

TEST_F(GpuTest, GivesBackWhatItWasGiven) {
  const Tensor x = test::random_tensor({3, 5, 7}, 1);
  EXPECT_EQ(x.to(gpu_).to(Device{}).to_host(), x.to_host());
}

}  // namespace
}  // namespace md
