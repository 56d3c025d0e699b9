// Whether all of some numbers are finite, decided by the device that has them: what depends on it can be asked for
// before anybody knows.
#pragma once
#include <vector>

#include "engine/tensor.h"

namespace md {

/// Looks at numbers that change, always the same ones.
class FiniteCheck {
 public:
  /// Of f32 [n], whose memory it shares.
  explicit FiniteCheck(const Tensor& numbers);
  /// Looks at them as they are when the device comes to it.
  void look() const;
  /// What it saw last, f32 [1] on the device: 0 where all are finite, else NaN.
  const Tensor& verdict() const { return verdict_; }
  /// to[k] = from[k] where the verdict is not 0 when the device comes to it. f32 or i32; raises versions in any case.
  void copy_each_unless_finite(const std::vector<Tensor>& to, const std::vector<Tensor>& from) const;

 private:
  Tensor numbers_, zeros_, verdict_;
};

}  // namespace md
