// Tensor: dense row-major memory behind a cheap handle. A view shares its storage and therefore its version.
#include "engine/tensor.h"

#include <gtest/gtest.h>

namespace md {
namespace {

TEST(Shape, CountsPrintsAndRefuses) {
  const Shape s{2, 480, 640, 3};
  EXPECT_EQ(s.str(), "[2,480,640,3]");
  EXPECT_EQ(s.numel(), 2 * 480 * 640 * 3);
  EXPECT_EQ(s[-1], 3);
  EXPECT_EQ(Shape{}.numel(), 1);  // a scalar
  EXPECT_THROW(s[4], Error);
  EXPECT_THROW(Shape({2, -1}), Error);
}

TEST(Tensor, CopiesShareAndClonesDoNot) {
  const Tensor a = Tensor::full({2, 3}, 1.F);
  const Tensor b = a, c = a.clone();
  a.data()[0] = 5.F;
  EXPECT_EQ(b.data()[0], 5.F);
  EXPECT_EQ(c.data()[0], 1.F);
}

TEST(Tensor, ViewsShareMemoryAndVersion) {
  const Tensor a = Tensor::from_host(std::vector<float>{0, 1, 2, 3, 4, 5}, {3, 2});
  const Tensor flat = a.reshape({6}), middle = a.rows(1, 2);
  EXPECT_EQ(middle.shape(), (Shape{1, 2}));
  EXPECT_EQ(middle.data()[1], 3.F);
  flat.data()[3] = 7.F;
  EXPECT_EQ(middle.data()[1], 7.F);
  flat.bump_version();
  EXPECT_EQ(middle.version(), 1U);
  EXPECT_THROW(a.reshape({5}), Error);
  EXPECT_THROW(a.rows(2, 4), Error);
}

TEST(Tensor, CopyFromRaisesTheVersion) {
  const Tensor a = Tensor::zeros({4});
  a.copy_from(Tensor::full({4}, 2.F));
  EXPECT_EQ(a.to_host(), std::vector<float>(4, 2.F));
  EXPECT_EQ(a.version(), 1U);
  EXPECT_THROW(a.copy_from(Tensor::zeros({5})), Error);
}

TEST(Tensor, RefusesTheWrongType) {
  const Tensor a = Tensor::zeros({2}, {}, DType::i32);
  EXPECT_THROW(a.data<float>(), Error);
  EXPECT_THROW(Tensor().shape(), Error);
  EXPECT_THROW(Tensor::zeros({2}).item(), Error);
}

TEST(Tensor, NamesTheDeviceThatThisProgramLacks) {
#ifndef MD_WITH_CUDA
  try {
    Tensor::zeros({1}, {Device::cuda, 0});
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::no_device);
    EXPECT_STREQ(e.what(), "device cuda:0: this program was built without CUDA");
  }
#endif
}

}  // namespace
}  // namespace md
