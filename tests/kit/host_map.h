// A map [N,H,W,C] of doubles on the host: what the definitions in the layer tests are written on.
#pragma once
#include <vector>

#include "tests/kit/testing.h"

namespace md::test {

class HostMap {
 public:
  explicit HostMap(const Shape& shape) : shape_(shape), values_(static_cast<std::size_t>(shape.numel())) {}
  explicit HostMap(const Tensor& t) : shape_(t.shape()), values_(to_double(t)) {}

  i64 dim(int axis) const { return shape_[axis]; }
  double& operator()(i64 n, i64 h, i64 w, i64 c) { return values_[index(n, h, w, c)]; }
  double operator()(i64 n, i64 h, i64 w, i64 c) const { return values_[index(n, h, w, c)]; }
  double& operator[](i64 i) { return values_.at(static_cast<std::size_t>(i)); }

  Tensor tensor() const { return Tensor::from_host(std::vector<float>(values_.begin(), values_.end()), shape_); }

 private:
  std::size_t index(i64 n, i64 h, i64 w, i64 c) const {
    MD_CHECK(n < dim(0) && h < dim(1) && w < dim(2) && c < dim(3), "HostMap: outside of ", shape_);
    return static_cast<std::size_t>(((n * dim(1) + h) * dim(2) + w) * dim(3) + c);
  }
  Shape shape_;
  std::vector<double> values_;
};

/// What the op says about bad arguments; fails the test if it says nothing.
template <class F>
std::string error_of(const F& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return {};
}

#define EXPECT_ERROR(call, text) EXPECT_NE(::md::test::error_of([&] { (void)(call); }).find(text), std::string::npos)

}  // namespace md::test
