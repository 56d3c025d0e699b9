// Channels to pixels and pixels to channels, at every size and on every device, against lesson 6
// (tests/lessons/06_pad.h).
// Labels: devices
#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/lessons/06_pad.h"

namespace md::test {
namespace {

using lessons::pad::moved;

TEST(PixelShuffle, EqualsItsDefinition) {
  for_each_device([](Device device) {
    const Tensor x = random_tensor({2, 3, 5, 36}, 1, -1, 1, device);
    for (const i64 r : {1, 2, 3, 6}) {
      const Array want = moved(Array(x), lessons::pad::shuffled(x.shape(), r));
      EXPECT_TRUE(close(pixel_shuffle(x, r), want.tensor(), 0)) << r;
    }
  });
}

TEST(PixelShuffle, PassesTheGradientCheck) {
  for_each_device([](Device device) {
    expect_gradcheck([](const auto& in) { return pixel_shuffle(in[0], 2); },
                     {random_tensor({2, 3, 2, 8}, 1, -1, 1, device)});
  });
}

TEST(MergePatches, EqualsItsDefinitionAtEvenAndOddSides) {
  for_each_device([](Device device) {
    for (const Shape& shape : {Shape{2, 4, 6, 3}, Shape{1, 5, 7, 2}, Shape{2, 5, 4, 1}, Shape{1, 2, 3, 5},
                               Shape{1, 1, 1, 3}, Shape{2, 3, 5, 8}}) {
      const Tensor x = random_tensor(shape, 1, -1, 1, device);
      EXPECT_TRUE(close(merge_patches(x), moved(Array(x), lessons::pad::merged(shape)).tensor(), 0)) << shape;
    }
  });
}

TEST(MergePatches, PassesTheGradientCheck) {
  for_each_device([](Device device) {
    expect_gradcheck([](const auto& in) { return merge_patches(in[0]); },
                     {random_tensor({2, 3, 5, 2}, 1, -1, 1, device)});
  });
}

TEST(PixelShuffleErrors, NameTheShapes) {
  EXPECT_ERROR(pixel_shuffle(Tensor::zeros({1, 2, 2, 6}), 2),
               "pixel_shuffle: input [1,2,2,6] has no multiple of 4 channels");
  EXPECT_ERROR(merge_patches(Tensor::zeros({2, 4, 6})), "is not a map [N,H,W,C]");
}

}  // namespace
}  // namespace md::test
