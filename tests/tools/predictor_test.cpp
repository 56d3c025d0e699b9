// A network as a predictor: what mdeval's evaluation and `mdeval predict` get from it is the same.
#include "tools/eval/predictor.h"

#include <gtest/gtest.h>

#include "data/score.h"
#include "engine/rng.h"
#include "nets/registry.h"

namespace md {
namespace {

Tensor random_images(const Shape& shape) {
  Rng rng(1, Purpose::test);
  const Tensor images = Tensor::empty(shape);
  for (i64 i = 0; i < images.numel(); ++i) images.data()[i] = float(rng.normal());
  return images;
}

TEST(Predictor, MirrorsEachRow) {
  const Tensor images = Tensor::from_host(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {2, 1, 2, 3});
  EXPECT_EQ(mirrored(images).to_host(), (std::vector<float>{4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9}));
}

TEST(Predictor, GivesAMapForEachImage) {
  const auto net = make_net("lt", {.max_depth_m = 10});
  const NetPredictor predict(*net);
  const Tensor images = random_images({2, 32, 64, 3});
  const std::vector<Tensor> maps_m = predict(images, {});
  ASSERT_EQ(maps_m.size(), 2U);
  for (i64 i = 0; i < 2; ++i) {
    EXPECT_EQ(maps_m[std::size_t(i)].shape(), (Shape{32, 64}));
    const std::vector<Tensor> alone = predict(images.rows(i, i + 1), {518.F});
    EXPECT_EQ(alone.front().to_host(), maps_m[std::size_t(i)].to_host())
        << "the batch and the focal length play no role";
  }
}

TEST(Predictor, AveragesWithTheMirroredImage) {
  const auto net = make_net("lt", {.max_depth_m = 10});
  const Tensor images = random_images({1, 32, 64, 3});
  const Tensor average = NetPredictor(*net, {.flip_average = true})(images, {}).front();
  const NetPredictor plain(*net);
  const Tensor want = flip_average(plain(images, {}).front(), plain(mirrored(images), {}).front());
  EXPECT_EQ(average.to_host(), want.to_host());
}

TEST(Predictor, LeavesTheNetworkInItsMode) {
  const auto net = make_net("lt", {.max_depth_m = 10});
  for (const bool training : {true, false}) {
    net->train(training);
    {
      const NetPredictor predict(*net);
      EXPECT_FALSE(net->training());
    }
    EXPECT_EQ(net->training(), training);
  }
}

}  // namespace
}  // namespace md
