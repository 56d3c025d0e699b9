// Padding at the bottom and right by reflection: behind the last row H-1 come H-2, H-3, ... (the edge row itself is not
// repeated). A side shorter than its padding has nothing to reflect; the edge row is repeated instead. The gradient of
// a pixel sums over all of its copies. Padding by zeros copies nothing. Cropping keeps the top left.
// Labels: devices
#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/lessons/06_pad.h"

namespace md::test {
namespace {

Tensor column(const std::vector<float>& rows) {
  return Tensor::from_host(rows, {1, static_cast<i64>(rows.size()), 1, 1});
}

TEST(PadReflect, MirrorsAtTheLastPixel) {
  EXPECT_EQ(pad_reflect(column({1, 2, 3, 4}), 7, 1).to_host(), (std::vector<float>{1, 2, 3, 4, 3, 2, 1}));
}

TEST(PadReflect, RepeatsTheEdgeWhereTheSideIsTooShort) {
  EXPECT_EQ(pad_reflect(column({1, 2, 3}), 6, 1).to_host(), (std::vector<float>{1, 2, 3, 3, 3, 3}));
  EXPECT_EQ(pad_reflect(column({5}), 3, 1).to_host(), (std::vector<float>{5, 5, 5}));
}

TEST(PadReflect, CopiesRowsAndColumnsExactly) {
  for_each_device([](Device device) {
    const Tensor x = random_tensor({2, 5, 4, 3}, 1, -1, 1, device);
    const Array want = lessons::pad::moved(Array(x), lessons::pad::reflected(x.shape(), 8, 6));
    EXPECT_TRUE(close(pad_reflect(x, 8, 6), want.tensor(), 0));
  });
}

TEST(PadReflect, PassesTheGradientCheck) {
  for_each_device([](Device device) {
    expect_gradcheck([](const auto& in) { return pad_reflect(in[0], 8, 6); },
                     {random_tensor({2, 5, 4, 3}, 1, -1, 1, device)});
    expect_gradcheck([](const auto& in) { return pad_reflect(in[0], 7, 3); },
                     {random_tensor({1, 3, 1, 2}, 1, -1, 1, device)});
  });
}

TEST(PadZero, ContinuesWithZerosAndBlocksTheirGradient) {
  for_each_device([](Device device) {
    const Tensor x = random_tensor({2, 3, 2, 3}, 1, 1, 2, device), y = pad_zero(x, 5, 4);
    EXPECT_TRUE(close(crop(y, 3, 2), x, 0));
    EXPECT_FLOAT_EQ(sum(y).item(), sum(x).item());  // of positive numbers: so the rest is 0
    expect_gradcheck([](const auto& in) { return pad_zero(in[0], 5, 4); }, {x});
  });
}

TEST(Crop, UndoesThePadding) {
  for_each_device([](Device device) {
    const Tensor x = random_tensor({2, 5, 4, 3}, 1, -1, 1, device);
    EXPECT_TRUE(close(crop(pad_reflect(x, 8, 7), 5, 4), x, 0));
    expect_gradcheck([](const auto& in) { return crop(in[0], 3, 2); }, {x});
  });
}

TEST(PadAndCrop, LeaveAMapOfTheRightSizeAlone) {
  const Tensor x = random_tensor({1, 3, 4, 2}, 1);
  EXPECT_EQ(pad_reflect(x, 3, 4).data(), x.data());
  EXPECT_EQ(crop(x, 3, 4).data(), x.data());
}

TEST(PadAndCropErrors, NameTheShapes) {
  const Tensor x = Tensor::zeros({1, 3, 4, 2});
  EXPECT_ERROR(pad_reflect(x, 2, 8), "pad_reflect: input [1,3,4,2] is larger than 2 x 8");
  EXPECT_ERROR(crop(x, 3, 5), "crop: input [1,3,4,2] has no 3 x 5 pixels");
  EXPECT_ERROR(crop(x, 0, 1), "has no 0 x 1 pixels");
}

}  // namespace
}  // namespace md::test
