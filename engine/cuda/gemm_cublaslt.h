// Products that take a pass over memory along: cuBLASLt adds a bias to what it has in registers, and sums the rows of a
// factor while it reads them. (Its GELU is the tanh approximation, other numbers than ours, and is not asked for.)
#pragma once
#include "engine/backend.h"

namespace md::cuda {

/// What a product c [M,N] = a [M,K] b [K,N] has beside it.
enum class Beside {
  bias,           // [N], read: added to every row of c; to a bf16 one as bf16
  bias_gradient,  // [M], written: the sum of each row of a; for a = dy' the gradient of a bias
};

/// As Backend::gemm, in the precision of the operands' device. False where the library has no kernel that does both;
/// then nothing has happened.
bool gemm_with(Beside, const GemmSpec&, const Tensor& a, const Tensor& b, const Tensor& beside, const Tensor& c);

}  // namespace md::cuda
