// Products on a GPU's tensor cores, by a warp: 16x8 sums of 8 terms at a time, of factors rounded to TF32. A lane, 4 g
// + t, holds parts of the factors and of the sums; which, says multiply_add. Device code.
#pragma once
#include <cstdint>
#include <cstring>

#include "engine/cuda/warp.h"

namespace md::cuda {

/// Terms of a step, and rows and columns of the sums.
constexpr int kTermsOfStep = 8, kRowsOfStep = 16, kColumnsOfStep = 8;

/// A lane's part of a [16,8]: at rows g, g + 8, g, g + 8 and columns t, t, t + 4, t + 4.
struct LeftFactor {
  float of[4];
};
/// Of b [8,8]: at rows t and t + 4 of column g.
struct RightFactor {
  float of[2];
};
/// Of sums [16,8]: at columns 2t and 2t + 1 of row g, then of row g + 8.
struct Sums {
  float of[4] = {};
};

/// Rounded to TF32's 10 bits of fraction, to the nearest; of two as near the one farther from 0.
__device__ inline float round_to_tf32(float x) {
  std::uint32_t bits = 0;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
#else
  std::memcpy(&bits, &x, sizeof(bits));
  if ((bits & 0x7F800000U) != 0x7F800000U) bits += 0x1000U;
#endif
  bits &= 0xFFFFE000U;
  float rounded = 0.F;
  std::memcpy(&rounded, &bits, sizeof(rounded));
  return rounded;
}

/// sums += a b, of rounded factors. All lanes of the warp call it.
__device__ inline void multiply_add(Sums& sums, const LeftFactor& a, const RightFactor& b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  const auto bits = [](float x) { return __float_as_uint(x); };
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(sums.of[0]), "+f"(sums.of[1]), "+f"(sums.of[2]), "+f"(sums.of[3])
      : "r"(bits(a.of[0])), "r"(bits(a.of[1])), "r"(bits(a.of[2])), "r"(bits(a.of[3])), "r"(bits(b.of[0])),
        "r"(bits(b.of[1])));
#else  // an older GPU, which is not asked for it, or the emulation: from the lanes that have the factors
  const int lane = static_cast<int>(threadIdx.x) % kWarp, g = lane / 4, t = lane % 4;
  for (int k = 0; k < kTermsOfStep; ++k) {
    const float upper = __shfl_sync(kAllLanes, a.of[k / 4 * 2], 4 * g + k % 4),
                lower = __shfl_sync(kAllLanes, a.of[k / 4 * 2 + 1], 4 * g + k % 4);
    for (int i = 0; i < 2; ++i) {
      const float right = __shfl_sync(kAllLanes, b.of[k / 4], 4 * (2 * t + i) + k % 4);
      sums.of[i] += upper * right;
      sums.of[i + 2] += lower * right;
    }
  }
#endif
}

/// Whether the GPU in use has them for TF32: from Ampere on.
inline bool has_tensor_cores() { return runtime().generation >= 8; }

}  // namespace md::cuda
