// Products of bf16 maps computed in f32, for processors that multiply bf16 more slowly than f32 (bf16_rate). Blocks of
// a map are widened where a thread's caches hold them, weights stay f32, and what is bf16 is rounded once, when it is
// written: half the memory traffic of f32 at its speed. Results do not depend on the number of threads.
#pragma once
#include "engine/backend.h"
#include "engine/cpu/kernel_set.h"

namespace md::MD_KERNELS {

/// Whether the product of a map's rows and a matrix of so many numbers is faster so.
bool widens_product(const Tensor& map, i64 matrix);

/// y = act(x w' + bias (+ y, where it accumulates)), or w in w's place where it is not `transposed`; x [...,K] bf16,
/// w [N,K,...] or [K,N,...], bias [N] or empty, y [...,N] f32 or bf16.
struct WidenedProduct {
  const Tensor &x, &w;
  Tensor bias = {};
  const Tensor& y;
  bool transposed = true;
  Activation act = {};
  bool accumulate = false;
};
void widened_product(const WidenedProduct&);

/// dw [O,I] = dz' x; dz [...,O] and x [...,I] bf16.
void widened_weight_gradient(const Tensor& dz, const Tensor& x, const Tensor& dw);

}  // namespace md::MD_KERNELS
