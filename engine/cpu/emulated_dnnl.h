// Convolutions and products of bf16 on a processor that has no instructions for them: for tests.
#pragma once
#include "engine/cpu/conv_dnnl.h"
#include "engine/cpu/gemm_dnnl.h"

namespace md {

/// The same primitives; while emulate_bf16_products() is on, those of bf16 are computed by f32 ones.
std::unique_ptr<ConvPrimitives> or_emulated(std::unique_ptr<ConvPrimitives>);
std::unique_ptr<GemmPrimitives> or_emulated(std::unique_ptr<GemmPrimitives>);

}  // namespace md
