// KITTI's own protocol on streets with holes in the predictions, against its devkit's evaluation in loops.
#include <algorithm>
#include <cmath>

#include "data/score.h"
#include "tests/kit/testing.h"
#include "tools/synth/synth_render.h"

namespace md {
namespace {

constexpr int kHeight = 94, kWidth = 311;

struct Street {
  std::vector<float> truth_m, pred_m;  // [H,W], 0: not measured, unknown; both in 1/256 m
};

float in_file(float depth_m) { return std::trunc(depth_m * 256) / 256; }

/// LiDAR's every fourth pixel of every third row, and predictions off by some per cent, of which `holes` are unknown.
Street street(std::uint64_t number, float holes) {
  const synth::World world = synth::make_street(3, number);
  const synth::Camera camera{synth::pose_of(world, 0), kHeight, kWidth, 180};
  const std::vector<float> depth_m = synth::render_depth(world.scene, camera);
  const Shape shape{i64(depth_m.size())};
  const std::vector<float> off = test::random_tensor(shape, number + 1, 0.85F, 1.2F).to_host();
  const std::vector<float> draw = test::random_tensor(shape, number + 100, 0.F, 1.F).to_host();
  Street made;
  for (std::size_t i = 0; i < depth_m.size(); ++i) {
    const bool measured = i / kWidth % 3 == 0 && i % 4 == 1 && depth_m[i] < 80;
    made.truth_m.push_back(measured ? in_file(depth_m[i]) : 0);
    const float depth = depth_m[i] > 0 ? depth_m[i] : 80;
    made.pred_m.push_back(draw[i] < holes ? 0 : in_file(std::min(depth * off[i], 100.F)));
  }
  return made;
}

/// What the devkit makes of it: rows, then columns from both ends, then float32 sums column by column.
double devkit_silog(const Street& street) {
  std::vector<float> p = street.pred_m;
  const auto at = [](int y, int x) { return std::size_t(y * kWidth + x); };
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      if (street.pred_m[at(y, x)] > 0) continue;
      int left = x, right = x;
      while (left >= 0 && street.pred_m[at(y, left)] <= 0) --left;
      while (right < kWidth && street.pred_m[at(y, right)] <= 0) ++right;
      const float none = INFINITY;
      const float a = left < 0 ? none : street.pred_m[at(y, left)],
                  b = right == kWidth ? none : street.pred_m[at(y, right)];
      p[at(y, x)] = std::min(a, b) == none ? 0 : std::min(a, b);
    }
  }
  for (int x = 0; x < kWidth; ++x) {
    for (int y = 1; y < kHeight; ++y) p[at(y, x)] = p[at(y, x)] > 0 ? p[at(y, x)] : p[at(y - 1, x)];
    for (int y = kHeight - 2; y >= 0; --y) p[at(y, x)] = p[at(y, x)] > 0 ? p[at(y, x)] : p[at(y + 1, x)];
  }
  float squares = 0, sum = 0, count = 0;
  for (int x = 0; x < kWidth; ++x) {
    for (int y = 0; y < kHeight; ++y) {
      const float g = street.truth_m[at(y, x)];
      if (g <= 0) continue;
      const float error = std::log(g) - std::log(p[at(y, x)]);
      squares += error * error, sum += error, count += 1;
    }
  }
  return 100 * std::sqrt(double(squares / count - sum * sum / (count * count)));
}

double silog(const Street& street, ZeroDepth zero_depth) {
  Protocol official = named_protocol("kitti_official", "kitti");
  official.zero_depth = zero_depth;
  const Tensor pred_m = Tensor::from_host(street.pred_m, {kHeight, kWidth});
  const Tensor truth_m = Tensor::from_host(street.truth_m, {kHeight, kWidth});
  return score(official, pred_m, truth_m, {0, 0, kHeight, kWidth}, "street").metrics->silog;
}

// The devkit's float32 sums over some thousand pixels: the fifth digit.
constexpr double kFifthDigit = 1e-4;

TEST(KittiOfficial, FillsAsTheDevkit) {
  for (std::uint64_t number = 0; number < 4; ++number) {
    const Street holes = street(number, 0.08F);
    const double want = devkit_silog(holes);
    EXPECT_NEAR(silog(holes, ZeroDepth::filled), want, want * kFifthDigit) << number;
    EXPECT_LT(want, 30) << "depth of some per cent";
    EXPECT_GT(silog(holes, ZeroDepth::clamped), 150) << "zeros taken for a millimetre";
  }
}

TEST(KittiOfficial, DensePredictionsAreWhatTheyWere) {
  for (std::uint64_t number = 0; number < 2; ++number) {
    const Street dense = street(number, 0);
    EXPECT_EQ(silog(dense, ZeroDepth::filled), silog(dense, ZeroDepth::clamped));
    EXPECT_NEAR(silog(dense, ZeroDepth::filled), devkit_silog(dense), devkit_silog(dense) * kFifthDigit);
  }
}

}  // namespace
}  // namespace md
