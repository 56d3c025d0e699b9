// What happens to a prediction under a protocol: which pixels are scored, how it is prepared, and what the peers do
// differently. The official evaluators' numbers are in golden_test (metrics/).
#include "data/score.h"

#include <cmath>
#include <limits>
#include <vector>

#include "tests/kit/testing.h"

namespace md {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

Tensor map_of(const std::vector<float>& values, i64 height, i64 width) {
  return Tensor::from_host(values, {height, width});
}

/// Every pixel of a frame is scored.
Tensor everywhere(i64 height, i64 width) {
  const Tensor scored = Tensor::zeros({height, width}, {}, DType::u8);
  std::fill_n(scored.data<std::uint8_t>(), scored.numel(), std::uint8_t{1});
  return scored;
}

EvalCrop whole(const Tensor& map) { return {0, 0, int(map.dim(0)), int(map.dim(1))}; }

/// What fails with an md::Error, and how.
template <class F>
std::pair<std::optional<ErrorKind>, std::string> failure(F f) {
  try {
    f();
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  }
  return {std::nullopt, ""};
}

TEST(Score, CropBoxes) {
  const auto expect_box = [](ScoreCrop crop, i64 h, i64 w, const Box& want) {
    const Box got = score_box(crop, h, w, "a.png");
    EXPECT_EQ(got.top, want.top);
    EXPECT_EQ(got.left, want.left);
    EXPECT_EQ(got.bottom, want.bottom);
    EXPECT_EQ(got.right, want.right);
  };
  expect_box(ScoreCrop::none, 7, 9, {0, 0, 7, 9});
  expect_box(ScoreCrop::eigen_nyu, 480, 640, {45, 41, 471, 601});
  // Fractions of TRAINING-CONFIGS section 3, times the size, truncated: worked out by hand.
  expect_box(ScoreCrop::garg, 375, 1242, {153, 44, 371, 1197});
  expect_box(ScoreCrop::eigen_kitti, 375, 1242, {124, 44, 342, 1197});
  expect_box(ScoreCrop::garg, 352, 1216, {143, 43, 349, 1172});
  // KITTI's other sizes; at 370 rows the fractions are a hair below whole numbers.
  expect_box(ScoreCrop::garg, 370, 1226, {151, 44, 366, 1181});
  expect_box(ScoreCrop::garg, 374, 1238, {152, 44, 370, 1193});
  expect_box(ScoreCrop::garg, 376, 1241, {153, 44, 372, 1196});
  expect_box(ScoreCrop::eigen_kitti, 370, 1226, {122, 44, 337, 1181});
  expect_box(ScoreCrop::eigen_kitti, 374, 1238, {124, 44, 341, 1193});
  expect_box(ScoreCrop::eigen_kitti, 376, 1241, {124, 44, 343, 1196});
  const auto [code, what] = failure([] { score_box(ScoreCrop::eigen_nyu, 240, 320, "a.png"); });
  EXPECT_EQ(code, ErrorKind::bad_data);
  EXPECT_NE(what.find("a.png"), std::string::npos);
}

TEST(Score, ScoredDepthIsStrictlyInside) {
  const Protocol nyu = named_protocol("plain", "nyu");
  // One millimetre in the file is exactly float(1e-3), and so not above it.
  const Tensor gt = map_of({0.F, 1.F / 1000, 2.F / 1000, 9.999F, 10.F, 11.F, std::nanf("")}, 1, 7);
  const Tensor scored = scored_pixels(nyu, gt, "a.png");
  const std::vector<int> want{0, 0, 1, 1, 0, 0, 0};
  for (i64 i = 0; i < 7; ++i) EXPECT_EQ(scored.data<std::uint8_t>()[i], want[std::size_t(i)]) << i;
}

TEST(Score, PredictionIsClamped) {
  const Protocol nyu = named_protocol("plain", "nyu");
  const Tensor pred = map_of({-1.F, 0.F, 5.F, 12.F}, 2, 2);
  EXPECT_EQ(finish_prediction(nyu, pred, whole(pred), everywhere(2, 2), "a").to_host(),
            (std::vector<float>{1e-3F, 1e-3F, 5.F, 10.F}));
}

TEST(Score, NonFinitePredictionIsAnErrorThatNamesTheImage) {
  Protocol nyu = named_protocol("plain", "nyu");
  for (const float bad : {std::nanf(""), infinity, -infinity}) {
    const Tensor pred = map_of({1.F, bad}, 1, 2);
    const auto [code, what] =
        failure([&] { finish_prediction(nyu, pred, whole(pred), everywhere(1, 2), "kitchen/rgb_1.jpg"); });
    EXPECT_EQ(code, ErrorKind::not_finite);
    EXPECT_NE(what.find("kitchen/rgb_1.jpg"), std::string::npos) << what;
  }
  apply_compat(nyu, "bts");
  const Tensor pred = map_of({std::nanf(""), infinity, -infinity, 2.F}, 1, 4);
  EXPECT_EQ(finish_prediction(nyu, pred, whole(pred), everywhere(1, 4), "a").to_host(),
            (std::vector<float>{1e-3F, 10.F, 1e-3F, 2.F}));
}

TEST(Score, WhatIsNotFiniteCountsOnlyWhereItIsScored) {
  const Protocol nyu = named_protocol("plain", "nyu");
  const Tensor gt = map_of({2.F, 0.F, 3.F, 20.F}, 2, 2);  // the second is not measured, the last is beyond the cap
  for (const float bad : {std::nanf(""), infinity, -infinity}) {
    const Tensor beside = map_of({2.F, bad, 3.F, bad}, 2, 2), within = map_of({bad, bad, bad, 1.F}, 2, 2);
    EXPECT_EQ(score(nyu, beside, gt, whole(beside), "a").metrics->abs_rel, 0) << bad;
    const auto [code, what] = failure([&] { score(nyu, within, gt, whole(within), "a.png", "out/a.npy"); });
    EXPECT_EQ(code, ErrorKind::not_finite);
    EXPECT_EQ(what, "out/a.npy: the prediction has NaN or infinite values at 2 scored pixels");
  }
}

TEST(Score, ZerosAreClampedAndCountedWhereTheyAreScored) {
  const Protocol nyu = named_protocol("plain", "nyu");
  const Tensor gt = map_of({2.F, 0.F, 3.F, 4.F}, 2, 2), pred = map_of({0.F, 0.F, -1.F, 4.F}, 2, 2);
  const Scored scored = score(nyu, pred, gt, whole(pred), "a");
  EXPECT_EQ(scored.zeros, 2);
  EXPECT_EQ(scored.filled, 0);
  EXPECT_EQ(scored.pred_m.data()[0], nyu.min_m);
  EXPECT_EQ(score(nyu, map_of({1e-6F, 1.F, 1.F, 1.F}, 2, 2), gt, whole(pred), "a").zeros, 0);
}

TEST(Score, KittiFillsZerosBeforeAnythingElse) {
  Protocol official = named_protocol("kitti_official", "kitti");
  const Tensor gt = Tensor::full({3, 4}, 10.F);
  const Tensor pred = map_of({8.F, 0.F, 0.F, 6.F, 0.F, 0.F, 9.F, 0.F, 0.F, 0.F, 0.F, 0.F}, 3, 4);
  const std::vector<float> want{8.F, 6.F, 6.F, 6.F, 9.F, 9.F, 9.F, 9.F, 9.F, 9.F, 9.F, 9.F};
  const Scored scored = score(official, pred, gt, whole(pred), "a");
  EXPECT_EQ(scored.pred_m.to_host(), want);
  EXPECT_EQ(scored.filled, 9);
  EXPECT_EQ(scored.filled_scored, 9);
  EXPECT_EQ(scored.zeros, 0);
  EXPECT_EQ(pred.data()[1], 0.F) << "the caller's map stays";
  // The median is that of the filled map: 9 of seven pixels.
  official.median_scaling = true;
  EXPECT_NEAR(score(official, pred, gt, whole(pred), "a").pred_m.data()[0], 8 * 10 / 9.F, 1e-5);
  // Outside of a pasted crop there is no prediction either.
  official.median_scaling = false;
  const Tensor part = map_of({2.F, 3.F}, 1, 2);
  const Scored pasted = score(official, part, gt, {1, 1, 1, 2}, "a");
  EXPECT_EQ(pasted.pred_m.to_host(), (std::vector<float>{2, 2, 3, 3, 2, 2, 3, 3, 2, 2, 3, 3}));
  EXPECT_EQ(pasted.filled, 10);
}

TEST(Score, WhatKittiCannotFillIsAnErrorWhereItIsScored) {
  const Protocol official = named_protocol("kitti_official", "kitti");
  const Tensor gt = Tensor::full({3, 2}, 10.F);
  const auto error = [&](const Tensor& pred, const Tensor& truth) {
    return failure([&] { score(official, pred, truth, whole(pred), "a.png", "out/a.png (a.png)"); });
  };
  const auto nothing = error(Tensor::zeros({3, 2}), gt);
  EXPECT_EQ(nothing.first, ErrorKind::bad_data);
  EXPECT_EQ(nothing.second,
            "out/a.png (a.png): the prediction is 0 everywhere: KITTI's rule has nothing to fill it from");
  const Tensor empty_row = map_of({1.F, 2.F, 0.F, 0.F, 3.F, 0.F}, 3, 2);
  const auto between = error(empty_row, gt);
  EXPECT_EQ(between.first, ErrorKind::bad_data);
  EXPECT_EQ(
      between.second,
      "out/a.png (a.png): the prediction is 0 at 2 scored pixels of whole rows between others, which KITTI's rule "
      "does not fill");
  EXPECT_EQ(error(empty_row, map_of({1.F, 2.F, 0.F, 0.F, 3.F, 3.F}, 3, 2)).first, std::nullopt) << "not scored there";
}

/// A prediction without holes gives what it gave before there was a rule.
TEST(Score, KittisRuleLeavesDensePredictionsAlone) {
  Protocol filled = named_protocol("kitti_official", "kitti"), clamped = filled;
  clamped.zero_depth = ZeroDepth::clamped;
  const Tensor gt = test::random_tensor({9, 14}, 1, -20.F, 80.F), pred = test::random_tensor({9, 14}, 2, 0.01F, 90.F);
  for (const bool median : {false, true}) {
    filled.median_scaling = clamped.median_scaling = median;
    const Scored got = score(filled, pred, gt, whole(pred), "a"), want = score(clamped, pred, gt, whole(pred), "a");
    EXPECT_EQ(got.pred_m.to_host(), want.pred_m.to_host());
    for (const MetricField& field : metric_fields) EXPECT_EQ(*got.metrics.*field.value, *want.metrics.*field.value);
    EXPECT_EQ(got.filled, 0);
  }
}

TEST(Score, CropIsPastedBackWhereItWasCut) {
  Protocol protocol = named_protocol("plain", "kitti");
  const Tensor pred = map_of({1.F, 2.F}, 1, 2);
  const EvalCrop crop{2, 1, 1, 2};
  const float low = protocol.min_m;
  EXPECT_EQ(finish_prediction(protocol, pred, crop, everywhere(3, 4), "a").to_host(),
            (std::vector<float>{low, low, low, low, low, low, low, low, low, 1.F, 2.F, low}));
  protocol.evaluator = Evaluator::pngs;  // outside is 0
  EXPECT_EQ(finish_prediction(protocol, pred, crop, everywhere(3, 4), "a").to_host()[0], 0.F);
  EXPECT_THROW(finish_prediction(protocol, pred, {3, 1, 1, 2}, everywhere(3, 4), "a"), Error);
}

TEST(Score, PngEvaluatorRefusesWhatItCannotScore) {
  Protocol protocol = named_protocol("plain", "kitti");
  const Tensor pred = map_of({1.F, 2.F}, 1, 2), gt = Tensor::full({2, 2}, 3.F);
  const EvalCrop crop{1, 0, 1, 2};
  EXPECT_TRUE(score(protocol, pred, gt, crop, "a").metrics);
  protocol.evaluator = Evaluator::pngs;
  EXPECT_EQ(failure([&] { score(protocol, pred, gt, crop, "a.png"); }).first, ErrorKind::not_finite);
}

TEST(Score, GroundTruthMayBeCutToTheCrop) {
  Protocol protocol = named_protocol("plain", "kitti");
  const Tensor gt = test::random_tensor({6, 8}, 1, 1.F, 50.F), pred = test::random_tensor({2, 3}, 2, 1.F, 50.F);
  const EvalCrop crop{4, 2, 2, 3};
  Tensor inside = Tensor::empty({2, 3});
  for (i64 y = 0; y < 2; ++y) {
    for (i64 x = 0; x < 3; ++x) inside.data()[y * 3 + x] = gt.data()[(4 + y) * 8 + 2 + x];
  }
  const double want = score(protocol, pred, inside, whole(pred), "a").metrics->rmse;
  EXPECT_NE(score(protocol, pred, gt, crop, "a").metrics->rmse, want);
  protocol.gt_kb_crop = true;
  EXPECT_EQ(score(protocol, pred, gt, crop, "a").metrics->rmse, want);
}

TEST(Score, MedianScalingMakesRelativeDepthMetric) {
  Protocol protocol = named_protocol("plain", "nyu");
  protocol.median_scaling = true;
  // Scored are 2, 3, 4, 8 m: the median is 3.5. The prediction's there: 0.25; what is not scored does not matter.
  const Tensor gt = map_of({2.F, 0.F, 3.F, 4.F, 8.F, 20.F}, 2, 3);
  const Tensor pred = map_of({0.1F, 7.F, 0.2F, 0.3F, 0.4F, 9.F}, 2, 3);
  const Scored scored = score(protocol, pred, gt, whole(pred), "a");
  const std::vector<float> want{1.4F, 10.F, 2.8F, 4.2F, 5.6F, 10.F};  // clamped after
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(scored.pred_m.to_host()[i], want[i], 1e-6) << i;
  EXPECT_NEAR(scored.metrics->abs_rel, (0.6 / 2 + 0.2 / 3 + 0.2 / 4 + 2.4 / 8) / 4, 1e-6);
  const auto refused = failure([&] { score(protocol, Tensor::zeros({2, 3}), gt, whole(pred), "b.png"); });
  EXPECT_EQ(refused.first, ErrorKind::not_finite);
  EXPECT_NE(refused.second.find("b.png"), std::string::npos);
}

TEST(Score, NoScoredPixelGivesNothing) {
  const Tensor gt = Tensor::zeros({4, 4}), pred = Tensor::full({4, 4}, 1.F);
  EXPECT_FALSE(score(named_protocol("plain", "nyu"), pred, gt, whole(pred), "a").metrics);
}

TEST(Score, PngStorageTruncates) {
  const Tensor stored = through_png(map_of({1.9999F, 0.5F, 100.F, -1.F}, 1, 4), 1000);
  EXPECT_EQ(stored.to_host(), (std::vector<float>{1.999F, 0.5F, 65.535F, 0.F}));
  EXPECT_TRUE(std::isnan(through_png(map_of({std::nanf("")}, 1, 1), 1000).item()));
}

TEST(Score, FlipAverageTakesEachSideFromOneMap) {
  const i64 width = 101;  // x / (W - 1) in steps of 1 %
  const Tensor mixed = flip_average(Tensor::full({1, width}, 2.F), Tensor::full({1, width}, 4.F));
  EXPECT_EQ(mixed.data()[0], 4.F);  // the flipped one alone
  EXPECT_EQ(mixed.data()[5], 4.F);
  EXPECT_NEAR(mixed.data()[7], 0.6 * 4 + 0.4 * 3, 1e-5);  // on the ramp: 1 - 20 * 0.02
  EXPECT_EQ(mixed.data()[50], 3.F);
  EXPECT_NEAR(mixed.data()[93], 0.6 * 2 + 0.4 * 3, 1e-5);
  EXPECT_EQ(mixed.data()[100], 2.F);
}

TEST(Score, FlipAverageMirrorsTheSecondMap) {
  std::vector<float> rising(101);
  for (std::size_t x = 0; x < rising.size(); ++x) rising[x] = float(x + 1);
  const std::vector<float> falling(rising.rbegin(), rising.rend());
  const Tensor mixed = flip_average(map_of(rising, 1, 101), map_of(falling, 1, 101));
  for (std::size_t x = 0; x < rising.size(); ++x) EXPECT_NEAR(mixed.data()[x], rising[x], 1e-4) << x;
}

}  // namespace
}  // namespace md
