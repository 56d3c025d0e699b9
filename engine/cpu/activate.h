// Activations of what is in a register or in the innermost cache. Once for each set of kernels, not once for each loop
// that ends in it: that would be seven times the code.
#pragma once
#include "engine/cpu/kernel_set.h"
#include "engine/fused_activation.h"

namespace md::MD_KERNELS {

/// z = act(z), for `count` numbers.
[[gnu::noinline]] inline void activate(const Activation& act, float* z, i64 count) {
  if (act.kind == Act::none) return;
  with_curve(act, [&](auto curve) {
    for (i64 i = 0; i < count; ++i) z[i] = curve.value(z[i]);
  });
}

}  // namespace md::MD_KERNELS
