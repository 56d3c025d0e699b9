// SkipEncoder: what BTS's decoder needs of an encoder, whichever it is.
#pragma once
#include <array>

#include "layers/modules.h"

namespace md {

/// An encoder whose maps on the way down the decoder reads as well.
class SkipEncoder : public Module {
 public:
  /// image [N,H,W,3], whose sides are multiples of 32 -> maps at H/2, H/4, H/8, H/16 and H/32.
  virtual std::array<Tensor, 5> forward(const Tensor& image) const = 0;
  /// What PyTorch's code calls the layers that the maps come from.
  virtual std::array<const char*, 5> layer_names() const = 0;
  /// Whether the last map has no negative numbers.
  virtual bool ends_in_relu() const = 0;
};

}  // namespace md
