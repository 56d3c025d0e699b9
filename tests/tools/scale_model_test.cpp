// The model of many devices: what a ring takes, what the backward hides, and what is left of a device.
#include "tools/bench/scale_model.h"

#include <gtest/gtest.h>

namespace md::test {
namespace {

constexpr Cluster kCluster{.devices_of_machine = 8, .inside_gb_s = 100, .between_gb_s = 10, .latency_us = 5};

TEST(ScaleModel, ARingSendsEachByteTwiceButForAPart) {
  EXPECT_EQ(ring_sum_s(kCluster, 1, 1e9), 0);
  EXPECT_NEAR(ring_sum_s(kCluster, 2, 1e9), 2 * 5e-6 + 0.01, 1e-9);
  EXPECT_NEAR(ring_sum_s(kCluster, 8, 1e9), 14 * 5e-6 + 1.75 * 0.01, 1e-9);
  EXPECT_NEAR(ring_sum_s(kCluster, 16, 1e9), 30 * 5e-6 + 1.875 * 0.1, 1e-9) << "between machines";
}

TEST(ScaleModel, TheBackwardHidesAllButTheLastBucket) {
  const ScaledStep step{.seconds = 1, .backward_part = 0.5, .bytes = 4e8, .bucket_bytes = 1e8};
  const ScalePrediction p = predict_scale(step, kCluster, 8);
  const double bucket_s = ring_sum_s(kCluster, 8, 1e8);
  EXPECT_NEAR(p.sums_s, 4 * bucket_s, 1e-9);
  EXPECT_NEAR(p.step_s, 1 + bucket_s, 1e-9);
  EXPECT_NEAR(p.hidden, 0.75, 1e-9);
  EXPECT_NEAR(p.efficiency, 1 / (1 + bucket_s), 1e-9);
}

TEST(ScaleModel, WhatIsLongerThanTheBackwardShows) {
  const ScaledStep step{.seconds = 0.1, .backward_part = 0.5, .bytes = 4e9, .bucket_bytes = 1e8};
  const ScalePrediction p = predict_scale(step, kCluster, 64);
  EXPECT_NEAR(p.step_s, 0.1 + p.sums_s - 0.05, 1e-9);
}

TEST(ScaleModel, OneDeviceIsItself) {
  const ScalePrediction p = predict_scale({.seconds = 2, .bytes = 1e8, .bucket_bytes = 1e6}, kCluster, 1);
  EXPECT_EQ(p.step_s, 2);
  EXPECT_EQ(p.efficiency, 1);
}

}  // namespace
}  // namespace md::test
