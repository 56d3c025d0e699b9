// oneDNN chooses among its own kernels as we do among ours.
#pragma once
#include <string>

namespace md {

/// No instructions beyond those of this set of own kernels ("avx2", ...); of any other name, whatever it likes.
/// REQUIRES: nothing has been computed with it yet.
void hold_dnnl_to(const std::string& set);

/// Whether it has instructions for products of bf16, and may use them; or emulate_bf16_products() is on.
bool can_multiply_bf16();

/// How many times as many bf16 as f32 multiply-adds its kernels make in a second, from the instructions and the maker:
/// mdbench's peaks (tools/bench/README.md). REQUIRES: can_multiply_bf16().
double bf16_rate();

/// For tests: from now on (or, where the rate is 0, no longer) convolutions and products of bf16 are computed on any
/// processor, in f32 of rounded factors: what the instructions give, but for the order of sums
/// (engine/cpu/emulated_dnnl.cpp). What depends on bf16_rate() is done as at this rate.
void emulate_bf16_products(double rate);
bool bf16_products_emulated();  // whether they are

}  // namespace md
