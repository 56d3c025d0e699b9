// What the ops share: argument checks in one wording, and how a pointwise op cuts memory into rows for launch().
#pragma once
#include "engine/tensor.h"

namespace md {

/// What launch() takes: `outer` rows of `inner` elements.
struct Rows {
  i64 outer, inner;
};

/// Any shape as rows for launch(): trailing axes are merged until a row is long enough to vectorise.
inline Rows pointwise_rows(const Shape& shape) {
  constexpr i64 kLongEnough = 512;
  i64 inner = 1;
  for (int axis = shape.rank() - 1; axis >= 0 && inner < kLongEnough; --axis) inner *= shape[axis];
  return {inner > 0 ? shape.numel() / inner : 0, inner};
}

/// The same shape with another last axis.
inline Shape with_channels(const Shape& shape, i64 channels) {
  std::vector<i64> dims;
  for (int axis = 0; axis + 1 < shape.rank(); ++axis) dims.push_back(shape[axis]);
  dims.push_back(channels);
  return Shape(dims);
}

/// Throws unless x is a map [N,H,W,C] with at least one element.
inline void require_image(const char* op, const Tensor& x) {
  MD_CHECK(x.shape().rank() == 4 && x.numel() > 0, op, ": input ", x.shape(), " is not a map [N,H,W,C]");
}

/// Throws unless t is on the device of `first`, and of the dtype that is wanted.
inline void require_beside(const char* op, const Tensor& first, const Tensor& t, DType wanted) {
  MD_CHECK(t.dtype() == wanted && t.device() == first.device(), op, ": ", t.shape(), " ", name_of(t.dtype()),
           " beside ", first.shape(), " ", name_of(first.dtype()),
           t.device() == first.device() ? "" : ", on another device");
}

/// What a map may be: f32, or on a bf16 device bf16. Of a tensor that is neither, f32.
inline DType dtype_as_map(const Tensor& t) {
  return t.dtype() == DType::bf16 && t.device().precision == Precision::bf16 ? DType::bf16 : DType::f32;
}

/// What an op reads together, on one device: maps of one dtype, and parameters, f32. Empty handles (no bias) are
/// skipped.
inline void require_together(const char* op, std::initializer_list<Tensor> maps,
                             std::initializer_list<Tensor> parameters = {}) {
  const Tensor& first = *maps.begin();
  for (const Tensor& map : maps) {
    if (map) require_beside(op, first, map, dtype_as_map(first));
  }
  for (const Tensor& parameter : parameters) {
    if (parameter) require_beside(op, first, parameter, DType::f32);
  }
}

/// The mean of each image, off the tape: [N,H,W,C] -> [N,1,1,C] (layers/adaptive_avg_pool.cpp).
Tensor mean_of_pixels(const Tensor& x);

/// Memory for a gradient that is made of dy element by element: dy's own where nobody else has it.
inline Tensor in_place_of(const Tensor& dy) {
  return dy.unique() ? dy : Tensor::empty(dy.shape(), dy.device(), dy.dtype());
}

/// The numbers as that dtype, off the tape; the tensor itself where they are.
Tensor as_dtype(const Tensor& x, DType);  // layers/cast.cpp

/// Throws unless both are maps of one dtype, on one device and of one shape.
inline void require_same_shape(const char* op, const Tensor& a, const Tensor& b) {
  require_together(op, {a, b});
  MD_CHECK(a.shape() == b.shape(), op, ": shapes ", a.shape(), " and ", b.shape(), " differ");
}

}  // namespace md
