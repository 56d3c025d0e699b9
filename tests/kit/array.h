// An array of doubles on the host with an index for each axis: what the definitions in the tests are written on.
#pragma once
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "engine/tensor.h"

namespace md::test {

/// Row-major, of any shape. x(n, y, x, c) checks every index, so that two of them swapped are found at once.
class Array {
 public:
  Array() = default;
  explicit Array(const Shape& shape) : Array(shape, std::vector<double>(std::size_t(shape.numel()))) {}  // zeros
  Array(const Shape& shape, std::vector<double> values) : shape_(shape), values_(std::move(values)) {
    MD_CHECK(i64(values_.size()) == shape.numel(), "array ", shape, " of ", values_.size(), " numbers");
    for (int axis = 0; axis < shape.rank(); ++axis) dims_[std::size_t(axis)] = shape[axis];
  }
  explicit Array(const Tensor& t) : Array(t.shape()) {
    const std::vector<float> floats = t.to_host();
    values_.assign(floats.begin(), floats.end());
  }

  const Shape& shape() const { return shape_; }
  i64 dim(int axis) const { return shape_[axis]; }
  i64 numel() const { return i64(values_.size()); }
  const std::vector<double>& values() const { return values_; }

  template <class... At>
  double& operator()(At... at) {
    return values_[index(i64(at)...)];
  }
  template <class... At>
  double operator()(At... at) const {
    return values_[index(i64(at)...)];
  }
  /// By the place in memory.
  double& operator[](i64 i) { return values_.at(std::size_t(i)); }
  double operator[](i64 i) const { return values_.at(std::size_t(i)); }

  Tensor tensor() const { return Tensor::from_host(std::vector<float>(values_.begin(), values_.end()), shape_); }

 private:
  template <class... At>
  std::size_t index(At... at) const {
    bool inside = int(sizeof...(at)) == shape_.rank();
    i64 flat = 0;
    std::size_t axis = 0;
    ((inside = inside && at >= 0 && at < dims_[axis], flat = inside ? flat * dims_[axis] + at : 0, ++axis), ...);
    if (!inside) outside({at...});
    return std::size_t(flat);
  }
  [[noreturn]] void outside(const std::vector<i64>& at) const {
    std::string place;
    for (const i64 each : at) place += cat(place.empty() ? "" : ",", each);
    fail(ErrorKind::usage, "there is no (", place, ") in an array ", shape_,
         ": an index is swapped, or a border is not checked");
  }

  Shape shape_;
  std::array<i64, 8> dims_{};  // as shape_, whose own are checked at each reading
  std::vector<double> values_;
};

}  // namespace md::test
