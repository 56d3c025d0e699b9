// Bounds on what a training step of real size asks of a GPU: launches, and the bytes that the engine's own kernels move
// beyond those that they have to. Who needs more of either changes a number here, knowingly. No plans are made: that
// takes cuDNN longer than all of this.
#include <gtest/gtest.h>

#include <iostream>

#include "tests/cuda/step_model.h"

namespace md::record {
namespace {

struct Bound {
  StepOptions step;
  i64 launches;
  double gigabytes;  // moved by own kernels
};

class Recorded : public testing::TestWithParam<Bound> {};

TEST_P(Recorded, StaysWithinItsBounds) {
  const Bound& bound = GetParam();
  const Recording recording = record_step(bound.step);
  const StepCost cost = cost_of(recording, kGpus[0]);
  std::cout << recording.launches.size() << " launches, " << cost.own.moved_bytes / 1e9 << " GB\n";
  EXPECT_GT(recording.convolutions.size() + recording.products.size(), 100U);
  EXPECT_LE(i64(recording.launches.size()), bound.launches);
  EXPECT_LE(cost.own.moved_bytes / 1e9, bound.gigabytes);
  EXPECT_EQ(recording.repeated.graphs, 2);
  EXPECT_LE(recording.repeated.launches, 4) << "what changes from step to step";
  for (const Launch& l : recording.launches) {
    const bool rotates =
        l.code->name.find("PlaneEquation") != std::string::npos;  // sinf of large angles wants an array
    EXPECT_TRUE(rotates || l.code->spills == 0) << l.code->name;
  }
}

/// Of LT with MetricDepth, BTS and NeWCRFs-large.
std::vector<Bound> steps(Precision precision, const Bound (&bounds)[3]) {
  std::vector<Bound> all(std::begin(bounds), std::end(bounds));
  all[0].step = {.net = "lt", .metric_depth = true};
  all[1].step = {.net = "bts", .batch = 4};
  all[2].step = {.net = "newcrfs_large07", .batch = 4, .height = 480, .width = 640};
  for (Bound& bound : all) bound.step.precision = precision;
  return all;
}

const auto kName = [](const auto& step) { return step.param.step.net; };
INSTANTIATE_TEST_SUITE_P(Tf32, Recorded,
                         testing::ValuesIn(steps(Precision::tf32, {{{}, 326, 7.5}, {{}, 492, 20.2}, {{}, 685, 42.1}})),
                         kName);
INSTANTIATE_TEST_SUITE_P(Bf16, Recorded,
                         testing::ValuesIn(steps(Precision::bf16, {{{}, 350, 4.4}, {{}, 550, 12.3}, {{}, 721, 27.7}})),
                         kName);

}  // namespace
}  // namespace md::record
