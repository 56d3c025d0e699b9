// Which steps change anything is decided where their numbers are.
// Labels: devices
#include "engine/finite_check.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/optim.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargest = std::numeric_limits<float>::max();

Tensor numbers_on(Device device) { return test::random_tensor({400}, 1, -kLargest, kLargest, device); }

/// Another number in one place.
void put(const Tensor& numbers, i64 place, float value) {
  numbers.rows(place, place + 1).copy_from(Tensor::full({1}, value));
}

TEST(FiniteCheck, SeesOneBadNumberAnywhere) {
  test::for_each_device([](Device device) {
    const Tensor numbers = numbers_on(device);
    const FiniteCheck check(numbers);
    for (const float bad : {kNaN, kInfinity, -kInfinity}) {
      for (const i64 place : {0, 17, 399}) {
        put(numbers, place, bad);
        check.look();
        EXPECT_TRUE(std::isnan(check.verdict().item())) << bad << " at " << place;
        put(numbers, place, kLargest);
      }
      check.look();
      EXPECT_EQ(check.verdict().item(), 0.F) << "though their sum may be infinite";
    }
  });
}

TEST(FiniteCheck, CopiesOnlyWhereSomethingIsNotFinite) {
  test::for_each_device([](Device device) {
    const Tensor numbers = numbers_on(device);
    const FiniteCheck check(numbers);
    const Tensor to = Tensor::full({3, 700}, 1.F, device), count = Tensor::full({}, 5, device, DType::i32);
    const Tensor from = Tensor::full({3, 700}, 2.F, device), before = Tensor::full({}, 4, device, DType::i32);
    const auto counted = [&] { return *count.to(Device{}).data<std::int32_t>(); };
    for (const bool bad : {false, true}) {
      put(numbers, 3, bad ? kNaN : 0.F);
      check.look();
      check.copy_each_unless_finite({to, count}, {from, before});
      for (const float v : to.to_host()) ASSERT_EQ(v, bad ? 2.F : 1.F);
      EXPECT_EQ(counted(), bad ? 4 : 5);
    }
    EXPECT_EQ(to.version(), 2U);
  });
}

/// NaN gradients times nothing would be NaN.
TEST(FiniteCheck, KeepsAnUpdateFromTouchingAnything) {
  test::for_each_device([](Device device) {
    const Tensor numbers = numbers_on(device), p = test::random_tensor({1500}, 2, -1, 1, device);
    const FiniteCheck check(numbers);
    p.requires_grad_();
    Adam adam({{{{"p", p}}, 0.1F}}, {});
    p.set_grad(test::random_tensor({1500}, 3, -1, 1, device));
    adam.step(0.1);
    const std::vector<float> before = p.to_host();
    const State moments = adam.state();
    adam.set_rates(0.1);
    p.set_grad(Tensor::full({1500}, kNaN, device));
    put(numbers, 0, kNaN);
    check.look();
    adam.update(check.verdict());
    EXPECT_EQ(p.to_host(), before);
    for (const auto& [name, tensor] : adam.state()) EXPECT_EQ(tensor.to_host(), moments.at(name).to_host()) << name;
    p.set_grad(test::random_tensor({1500}, 4, -1, 1, device));
    put(numbers, 0, 0.F);
    check.look();
    adam.update(check.verdict());
    adam.count_update();
    EXPECT_NE(p.to_host(), before);
    EXPECT_EQ(adam.state().at("step.p").item(), 2.F);
  });
}

}  // namespace
}  // namespace md
