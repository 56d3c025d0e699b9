// Concatenation along the channels: a pixel of the result is the pixels of the parts one after the other, and its
// gradient is cut at the same places.
// Labels: devices
#include "layers/ops.h"
#include "tests/kit/host_map.h"

namespace md::test {
namespace {

Tensor op(const std::vector<Tensor>& parts) { return concat(parts); }

std::vector<Tensor> parts_of_widths(const std::vector<i64>& widths, Device device) {
  std::vector<Tensor> parts;
  for (const i64 width : widths) parts.push_back(random_tensor({2, 3, 5, width}, parts.size() + 1, -1, 1, device));
  return parts;
}

TEST(Concat, PutsChannelsSideBySide) {
  for_each_device([](Device device) {
    for (const std::vector<i64>& widths : {std::vector<i64>{4, 3}, {1, 1, 1}, {17}, {16, 48, 2}, {8, 4}}) {
      const std::vector<Tensor> parts = parts_of_widths(widths, device);
      const Tensor y = concat(parts);
      const HostMap map(y);
      i64 first = 0;
      for (const Tensor& part : parts) {
        HostMap slice(part.shape());
        for (i64 n = 0; n < 2; ++n)
          for (i64 h = 0; h < 3; ++h)
            for (i64 w = 0; w < 5; ++w)
              for (i64 c = 0; c < part.dim(3); ++c) slice(n, h, w, c) = map(n, h, w, first + c);
        EXPECT_TRUE(close(slice.tensor(), part, 0));
        first += part.dim(3);
      }
      EXPECT_EQ(y.dim(3), first);
    }
  });
}

TEST(Concat, PassesTheGradientCheck) {
  for_each_device([](Device device) { expect_gradcheck(op, parts_of_widths({4, 1, 3}, device)); });
}

TEST(Concat, TakesOnePartTwice) {
  expect_gradcheck([](const auto& in) { return concat({in[0], in[1], in[0]}); }, parts_of_widths({2, 3}, {}));
}

TEST(Concat, JoinsTokensToo) {
  const Tensor a = random_tensor({2, 6, 3}, 1), b = random_tensor({2, 6, 4}, 2);
  const Tensor y = concat({a.reshape({2, 2, 3, 3}), b.reshape({2, 2, 3, 4})});
  EXPECT_TRUE(close(concat({a, b}), y.reshape({2, 6, 7}), 0));
}

TEST(Concat, SkipsPartsThatNeedNoGradient) {
  const Tensor image = random_tensor({1, 2, 2, 3}, 1), x = random_tensor({1, 2, 2, 2}, 2);
  x.requires_grad_();
  concat({image, x}).backward(random_tensor({1, 2, 2, 5}, 3));
  EXPECT_FALSE(image.grad());
  EXPECT_TRUE(x.grad());
}

TEST(SliceChannels, TakesBackWhatConcatPutTogether) {
  for_each_device([](Device device) {
    const std::vector<Tensor> parts = parts_of_widths({4, 1, 17}, device);
    const Tensor y = concat(parts);
    EXPECT_TRUE(close(slice_channels(y, 0, 4), parts[0], 0));
    EXPECT_TRUE(close(slice_channels(y, 4, 5), parts[1], 0));
    EXPECT_TRUE(close(slice_channels(y, 5, 22), parts[2], 0));
    expect_gradcheck([](const auto& in) { return slice_channels(in[0], 1, 3); }, {parts[0]});
  });
}

TEST(ConcatErrors, NameTheShapes) {
  EXPECT_ERROR(concat({Tensor::zeros({2, 3, 4, 5}), Tensor::zeros({2, 4, 3, 5})}),
               "concat: part [2,4,3,5] does not fit beside [2,3,4,5]");
  EXPECT_ERROR(concat({}), "concat: no parts");
  EXPECT_ERROR(concat({Tensor::zeros({2, 3, 4, 0})}), "concat: part [2,3,4,0] is empty");
  EXPECT_ERROR(concat({Tensor::zeros({2, 5}), Tensor::zeros({2, 5}, {}, DType::u8)}),
               "concat: [2,5] u8 beside [2,5] f32");
  EXPECT_ERROR(slice_channels(Tensor::zeros({2, 3}), 1, 4), "slice_channels: input [2,3] has no channels 1 to 4");
  EXPECT_ERROR(slice_channels(Tensor::zeros({2, 3}), 2, 2), "slice_channels: input [2,3] has no channels 2 to 2");
}

}  // namespace
}  // namespace md::test
