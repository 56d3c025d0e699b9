// Channels to pixels and pixels to channels: every value moves, none changes.
// Labels: devices
#include "layers/ops.h"
#include "tests/kit/host_map.h"

namespace md::test {
namespace {

HostMap shuffled(const HostMap& x, i64 r) {
  HostMap y({x.dim(0), x.dim(1) * r, x.dim(2) * r, x.dim(3) / (r * r)});
  for (i64 n = 0; n < y.dim(0); ++n)
    for (i64 h = 0; h < y.dim(1); ++h)
      for (i64 w = 0; w < y.dim(2); ++w)
        for (i64 c = 0; c < y.dim(3); ++c) y(n, h, w, c) = x(n, h / r, w / r, (c * r + h % r) * r + w % r);
  return y;
}

/// The order of the quarters is Swin's: down before right.
HostMap merged(const HostMap& x) {
  const i64 H = x.dim(1), W = x.dim(2), C = x.dim(3);
  HostMap y({x.dim(0), (H + 1) / 2, (W + 1) / 2, 4 * C});
  const i64 down[] = {0, 1, 0, 1}, right[] = {0, 0, 1, 1};
  for (i64 n = 0; n < y.dim(0); ++n)
    for (i64 h = 0; h < y.dim(1); ++h)
      for (i64 w = 0; w < y.dim(2); ++w)
        for (i64 quarter = 0; quarter < 4; ++quarter) {
          const i64 row = 2 * h + down[quarter], column = 2 * w + right[quarter];
          if (row >= H || column >= W) continue;  // zeros
          for (i64 c = 0; c < C; ++c) y(n, h, w, quarter * C + c) = x(n, row, column, c);
        }
  return y;
}

TEST(PixelShuffle, EqualsItsDefinition) {
  for_each_device([](Device device) {
    const Tensor x = random_tensor({2, 3, 5, 36}, 1, -1, 1, device);
    for (const i64 r : {1, 2, 3, 6}) EXPECT_TRUE(close(pixel_shuffle(x, r), shuffled(HostMap(x), r).tensor(), 0)) << r;
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
      EXPECT_TRUE(close(merge_patches(x), merged(HostMap(x)).tensor(), 0)) << shape;
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
