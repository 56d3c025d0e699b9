// Convolutions and products of bf16 where oneDNN has none, on a processor without the instructions (for tests), or a
// wrong one.
#pragma once
#include "engine/cpu/conv_dnnl.h"
#include "engine/cpu/gemm_dnnl.h"

namespace md {

/// The same primitives; while emulate_bf16_products() is on, those of bf16 are computed by f32 ones, and so are always
/// data gradients of 1x1 convolutions to an odd number of channels.
std::unique_ptr<ConvPrimitives> or_emulated(std::unique_ptr<ConvPrimitives>);
std::unique_ptr<GemmPrimitives> or_emulated(std::unique_ptr<GemmPrimitives>);

}  // namespace md
