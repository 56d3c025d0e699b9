// Pictures of any size through a network: what it is given, what comes back, and memory that does not stay.
#include "tools/eval/picture_predictor.h"

#include <gtest/gtest.h>

#include <limits>

#include "engine/backend.h"
#include "nets/registry.h"
#include "tests/data/test_images.h"
#include "tests/kit/caught.h"

namespace md::test {
namespace {

/// Says what it sees: depth is the focal length, or without one the number of rows, or NaN.
class Witness : public DepthNet {
 public:
  explicit Witness(float answer = 0) : DepthNet({}), answer_(answer) { param("none", Tensor::full({1}, 1.F)); }

 private:
  DepthMaps forward_aligned(const Tensor& image, const Tensor& focal_px, const ForwardContext&) const override {
    const float says = answer_ != 0 ? answer_ : focal_px ? focal_px.data()[0] : float(image.dim(1));
    return {Tensor::full({1, image.dim(1), image.dim(2), 1}, says), Tensor::full({1, 1, 1, 1}, 0.F)};
  }
  float answer_;
};

const InputSize kTrained{.trained_at = {64, 64}};

TEST(PicturePredictor, TheFocalLengthIsThatOfThePictureAsItGoesIn) {
  Witness net;
  const PicturePredictor predict(net, kTrained, {});
  EXPECT_FLOAT_EQ(predict(test_image(128, 256), {128, 256}, 700).depth_m.data()[0], 350);
  EXPECT_FLOAT_EQ(predict(test_image(64, 96), {64, 96}, 700).depth_m.data()[0], 700);
  EXPECT_FLOAT_EQ(predict(test_image(96, 128), {960, 1280}, 900).depth_m.data()[0], 900.F * 85 / 1280)
      << "of the whole picture, whatever was read of it";
}

TEST(PicturePredictor, MapsHaveTheWorkingSize) {
  Witness net;
  const PicturePredictor predict(net, kTrained, {});
  const PictureDepth depth = predict(test_image(192, 256), {1920, 2560}, 0);
  EXPECT_EQ(depth.depth_m.shape(), (Shape{64, 85}));
  EXPECT_EQ(depth.picture, (ImageSize{1920, 2560}));
}

TEST(PicturePredictor, RefusesNumbersThatAreNone) {
  for (const float answer : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Witness net(answer);
    const PicturePredictor predict(net, kTrained, {});
    EXPECT_TRUE(fails([&] { predict(test_image(64, 64), {64, 64}, 0); }, ErrorKind::not_finite, "not finite"));
  }
}

TEST(PicturePredictor, ASmallPictureAfterALargeOneTakesLittle) {
  const auto net = make_net("lt", {});
  const PicturePredictor predict(*net, {.how = InputSize::How::native}, {});
  predict(test_image(64, 64), {64, 64}, 0);
  predict(test_image(1024, 1024), {1024, 1024}, 0);
  predict(test_image(64, 96), {64, 96}, 0);
  EXPECT_LE(backend({}).pool_stats().bytes_reserved, i64{320} << 20);
}

TEST(PicturePredictor, EqualPicturesAskTheSystemForNothing) {
  const auto net = make_net("lt", {});
  const PicturePredictor predict(*net, {.how = InputSize::How::native}, {});
  const RgbImage image = test_image(480, 640);
  for (int i = 0; i < 3; ++i) predict(image, {480, 640}, 0);
  const i64 misses = backend({}).pool_stats().misses;
  predict(image, {480, 640}, 0);
  EXPECT_EQ(backend({}).pool_stats().misses, misses);
}

}  // namespace
}  // namespace md::test
