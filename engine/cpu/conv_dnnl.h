// Convolutions on oneDNN, cached by shape. Thread-safe.
#pragma once
#include <memory>

#include "engine/backend.h"

namespace md {

/// The passes of a convolution, each planned once for its shapes. Operands as of Backend::conv2d and its gradients.
class ConvPrimitives {
 public:
  virtual ~ConvPrimitives() = default;
  /// y = act(conv(x, w) + bias (+ y, where it accumulates)); `bias` may be empty.
  virtual void forward(const Conv2dSpec&, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) = 0;
  /// dx from dz, the gradient before the activation.
  virtual void data_gradient(const Conv2dSpec&, const Tensor& dz, const Tensor& w, const Tensor& dx) = 0;
  /// dw from dz, and dbias unless it is empty.
  virtual void weight_gradient(const Conv2dSpec&, const Tensor& dz, const Tensor& x, const Tensor& dw,
                               const Tensor& dbias) = 0;
  /// Between two pieces of work: as LruCache::keep_at_most, and the library keeps none of what goes.
  virtual void keep_at_most(std::size_t primitives) = 0;
  virtual i64 created() const = 0;  // primitives, ever
  virtual i64 kept() const = 0;     // primitives in the cache now
};

/// Keeps at most so many primitives. A network's step has a few hundred; images of changing sizes have ever new ones,
/// of some 90 KB each (oneDNN 2.6.3, LT).
constexpr std::size_t kMostPrimitives = 1024;
/// Between pictures of changing sizes: those of the two sizes that LT saw last, with 60 primitives for each.
constexpr std::size_t kMostBetweenSizes = 128;
std::unique_ptr<ConvPrimitives> make_conv_primitives(std::size_t most = kMostPrimitives);

/// Depthwise weights are [kh,kw,C]; all others [O,kh,kw,I/groups].
inline bool is_depthwise(const Tensor& w) { return w.shape().rank() == 3; }

}  // namespace md
