// The report's numbers, each against its definition: curves, axes, edges, breakdowns, components, choices, the paper's
// rows.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/rng.h"
#include "tests/kit/testing.h"
#include "tools/report/axis.h"
#include "tools/report/breakdown.h"
#include "tools/report/depth_edges.h"
#include "tools/report/feature_pictures.h"
#include "tools/report/frame_choice.h"
#include "tools/report/paper_results.h"
#include "tools/report/smoothing.h"

namespace md {
namespace {

TEST(Smoothing, HalvesTheWeightOfAValueAHalfLifeAgo) {
  const Curve flat = smoothed({{1, 2, 3}, {5, 5, 5}}, 2);
  for (const double y : flat.y) EXPECT_DOUBLE_EQ(y, 5);
  // A value of 1 and, a half-life later, 0: weights 1/2 (1 - k) and (1 - k) with k = 1/2, divided by their sum.
  const Curve two = smoothed({{0, 1}, {1, 0}}, 1);
  EXPECT_DOUBLE_EQ(two.y[0], 1);
  EXPECT_DOUBLE_EQ(two.y[1], 1.0 / 3);
}

TEST(Smoothing, ThinningKeepsTheExtremes) {
  Curve raw;
  for (int i = 0; i < 1000; ++i) {
    raw.x.push_back(i);
    raw.y.push_back(i == 500 ? 9 : i % 2);
  }
  const ThinnedCurve thin = thinned(raw, raw, 50);
  EXPECT_EQ(thin.x.size(), 50U);
  EXPECT_EQ(*std::ranges::max_element(thin.high), 9);
  EXPECT_EQ(*std::ranges::min_element(thin.low), 0);
  EXPECT_EQ(thinned(raw, raw, 5000).x.size(), 1000U);
}

TEST(Axis, TicksAreRoundAndInside) {
  EXPECT_EQ(nice_ticks({0, 1}, 5), (std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}));
  EXPECT_EQ(nice_ticks({-3, 8}, 5), (std::vector<double>{-2, 0, 2, 4, 6, 8}));
  const AxisRange grown = nice_range({0.13, 0.87}, 5);
  EXPECT_LE(grown.low, 0.13);
  EXPECT_GE(grown.high, 0.87);
  const AxisRange around = nice_range({2, 2}, 5);
  EXPECT_LT(around.low, 2);
  EXPECT_GT(around.high, 2);
  EXPECT_EQ(nice_above(0.13), 0.2);
  EXPECT_EQ(nice_above(5), 5);
  EXPECT_EQ(tick_label(0.30000000000000004, 0.1), "0.3");
  EXPECT_EQ(tick_label(2500, 500), "2500");
}

TEST(DepthEdges, AreWhereMeasuredNeighboursDiffer) {
  // 2 to 2.1 m is no edge, 2.1 to 3 m is; beside a gap is none.
  const Tensor depth_m = Tensor::from_host(std::vector<float>{2.F, 2.1F, 3.F, 0.F, 9.F}, {1, 5});
  const Tensor edges = depth_edges(depth_m);
  const std::vector<int> want{0, 1, 1, 0, 0};
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_EQ(edges.data<std::uint8_t>()[i], want[i]) << i;
}

TEST(DepthEdges, DistanceIsThatOfTheNearest) {
  constexpr i64 h = 13, w = 17;
  const Tensor marked = Tensor::full({h, w}, 0.F, {}, DType::u8);
  Rng rng(3, Purpose::test);
  for (int i = 0; i < 6; ++i) marked.data<std::uint8_t>()[rng.integer(0, h * w - 1)] = 1;
  const Tensor got = distance_to(marked);
  for (i64 at = 0; at < h * w; ++at) {
    double nearest = std::numeric_limits<double>::infinity();
    for (i64 to = 0; to < h * w; ++to) {
      if (marked.data<std::uint8_t>()[to])
        nearest = std::min(nearest, std::hypot(double(at / w - to / w), double(at % w - to % w)));
    }
    EXPECT_NEAR(got.data()[at], nearest, 1e-5) << at;
  }
  EXPECT_TRUE(std::isinf(distance_to(Tensor::full({2, 3}, 0.F, {}, DType::u8)).data()[4]));
}

/// A scored frame whose prediction is `factor` times the ground truth.
Scored scaled(const std::vector<float>& gt_m, const Shape& shape, float factor) {
  Scored scored{.pred_m = Tensor::empty(shape),
                .gt_m = Tensor::from_host(gt_m, shape),
                .pixels = Tensor::full(shape, 1.F, {}, DType::u8),
                .metrics = Metrics{}};
  for (i64 i = 0; i < shape.numel(); ++i) scored.pred_m.data()[i] = gt_m[std::size_t(i)] * factor;
  return scored;
}

TEST(Breakdown, SumsBelongToTheirBins) {
  Breakdown breakdown(10.F);
  std::vector<float> gt_m(36, 0.5F);
  gt_m[35] = 9.5F;  // bottom right, beside an edge
  const Scored scored = scaled(gt_m, {6, 6}, 1.1F);
  const EvalFrame frame;
  breakdown.add({frame, scored.pred_m, &scored});
  EXPECT_EQ(breakdown.by_depth()[0].pixels, 35);
  EXPECT_EQ(breakdown.by_depth()[9].pixels, 1);
  EXPECT_NEAR(breakdown.by_depth()[9].abs_rel(), 0.1, 1e-6);
  EXPECT_NEAR(breakdown.by_depth()[9].rmse_m(), 0.95, 1e-5);
  EXPECT_TRUE(std::isnan(breakdown.by_depth()[5].abs_rel()));
  EXPECT_EQ(breakdown.by_region()[0].pixels, 4);
  EXPECT_NEAR(breakdown.by_region()[8].rmse_m(), std::sqrt((3 * 0.05 * 0.05 + 0.95 * 0.95) / 4), 1e-5);
  EXPECT_EQ(breakdown.by_edge()[0].pixels, 8)
      << "three at the edge, five at a distance of 1 or sqrt 2 from one of them";
  EXPECT_NEAR(breakdown.scales().front(), 1.1, 1e-6);
}

TEST(PrincipalComponents, AreTheAxesOfTheCloud) {
  // Variance 9 along (3, 4, 0) / 5, 1 along the third axis, none along the rest.
  const Tensor map = Tensor::empty({40, 50, 3});
  Rng rng(5, Purpose::test);
  for (i64 i = 0; i < 2000; ++i) {
    const double along = 3 * rng.normal(), third = rng.normal();
    map.data()[i * 3] = float(1 + 0.6 * along);
    map.data()[i * 3 + 1] = float(2 + 0.8 * along);
    map.data()[i * 3 + 2] = float(third);
  }
  const PrincipalComponents components = principal_components({map});
  EXPECT_NEAR(components.directions[0][0], 0.6, 0.02);
  EXPECT_NEAR(components.directions[0][1], 0.8, 0.02);
  EXPECT_NEAR(std::abs(components.directions[1][2]), 1, 0.02);
  EXPECT_NEAR(components.shares[0], 0.9, 0.02);
  EXPECT_NEAR(components.shares[2], 0, 1e-6);
}

TEST(FeaturePictures, DistancesAreEuclidean) {
  const Tensor features = Tensor::from_host(std::vector<float>{0, 0, 3, 4, 6, 8}, {1, 3, 2});
  const Tensor distances = distances_to(features, {0, 0});
  EXPECT_FLOAT_EQ(distances.data()[1], 5);
  EXPECT_FLOAT_EQ(distances.data()[2], 10);
  // Depths 1, 1.05 and 2 m: pairs 0 to 0.1 m, 0.95 m and 1 m apart.
  const PairDistances pairs =
      pair_distances({features}, {Tensor::from_host(std::vector<float>{1, 1.05F, 2}, {1, 3})}, 0.1, 12, 1);
  EXPECT_GT(pairs.pairs[0], 0);
  EXPECT_NEAR(pairs.distance[9], 5, 1e-9);
  EXPECT_NEAR(pairs.distance[10], 10, 1e-9);
  EXPECT_TRUE(std::isnan(pairs.distance[5]));
}

TEST(FeaturePictures, TheAnchorIsMeasured) {
  const Tensor depth_m = Tensor::from_host(std::vector<float>{1, 0, 0, 0, 0, 2, 0, 0, 0}, {3, 3});
  const Anchor anchor = choose_anchor(depth_m, 0.5F, 0.5F);
  EXPECT_EQ(anchor.row, 1);
  EXPECT_EQ(anchor.column, 2);
}

Evaluation evaluation_of(const std::vector<double>& abs_rel) {
  Evaluation evaluation;
  for (const double error : abs_rel) {
    evaluation.per_image.push_back({"x", std::nullopt});
    if (error >= 0) evaluation.per_image.back().metrics = Metrics{.abs_rel = error};
  }
  return evaluation;
}

TEST(FrameChoice, TakesBothEndsAndTheMiddle) {
  const Evaluation evaluation = evaluation_of({0.1, 0.9, -1, 0.5, 0.2, 0.8, 0.4});
  std::string chosen;
  for (const ChosenFrame& frame : choose_frames({&evaluation}, 3)) chosen += cat(frame.why, " ", frame.index, "; ");
  EXPECT_EQ(chosen, "worst 1; median 3; best 0; ");
  EXPECT_EQ(choose_frames({&evaluation}, 40).size(), 6U) << "each scored frame once";
  const Evaluation other = evaluation_of({0.1, 0.1, 9, -1, 0.2, 0.8, 0.4});
  EXPECT_EQ(choose_frames({&evaluation, &other}, 1).front().index, 5) << "by the mean of both";
}

TEST(PaperResults, OnlyTheSameTestIsComparable) {
  Results results{.protocol = named_protocol("nyu_eigen", "nyu")};
  results.evaluation.images = 654;
  EXPECT_TRUE(not_comparable(results).empty());
  results.evaluation.images = 40;
  EXPECT_EQ(not_comparable(results).size(), 1U);
  results.protocol = named_protocol("plain", "nyu");
  EXPECT_EQ(not_comparable(results).size(), 2U);
  results.protocol = named_protocol("plain", "tum");
  EXPECT_EQ(not_comparable(results).front(), "the paper has no results on tum");
}

TEST(PaperResults, HaveTheTablesOfThePaper) {
  const auto lt = paper_rows("lt", "nyu"), bts = paper_rows("bts_resnet101", "kitti");
  ASSERT_TRUE(lt && bts);
  EXPECT_EQ(lt->rows.size(), 2U);
  EXPECT_EQ(lt->rows[1].measures.at("abs_rel"), ".136");
  EXPECT_EQ(bts->rows[0].measures.at("rmse"), "2.803");
  EXPECT_FALSE(paper_rows("lt", "tum"));
  EXPECT_FALSE(paper_rows("resnet", "nyu"));
}

}  // namespace
}  // namespace md
