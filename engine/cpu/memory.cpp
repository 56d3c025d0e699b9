// Memory of the CPU backend: aligned blocks, large ones on huge pages (fewer page faults and TLB misses on the tens of
// megabytes of a feature map), plain fills, copies and sums.
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "engine/cpu/cpu_backend.h"

namespace md::MD_KERNELS {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr i64 kParallelFrom = 1 << 16;  // elements; below, a parallel region costs more than it gains

void* take(std::size_t bytes) {
  const bool large = bytes >= 2 * kHugePage;
  void* block = nullptr;
  if (posix_memalign(&block, large ? kHugePage : 64, bytes) != 0) return nullptr;
  if (large) madvise(block, bytes, MADV_HUGEPAGE);  // a hint: refusal is fine
  return block;
}

}  // namespace

CpuBackend::CpuBackend()
    : pool_(take, [](void* block, std::size_t) { std::free(block); }),
      convolutions_(make_conv_primitives()),
      products_(make_gemm_primitives(kMostPrimitives)) {}
CpuBackend::~CpuBackend() = default;

/// Never destroyed: tensors in static storage may outlive any order of destruction.
Backend& cpu_backend() {
  static auto* const it = new CpuBackend;
  return *it;
}

void CpuBackend::fill(const Tensor& y, float value) {
  const i64 n = y.numel();
  if (y.dtype() == DType::f32) {
    float* p = y.data();
#pragma omp parallel for simd if (n > kParallelFrom)
    for (i64 i = 0; i < n; ++i) p[i] = value;
  } else if (y.dtype() == DType::i32) {
    std::fill_n(y.data<std::int32_t>(), n, static_cast<std::int32_t>(value));
  } else {
    MD_CHECK(value == 0.F || y.dtype() == DType::u8, "fill: ", name_of(y.dtype()), " with ", value);
    std::memset(y.raw(), static_cast<int>(value), y.bytes());
  }
}

void CpuBackend::copy(void* to, const void* from, std::size_t bytes) {
  constexpr std::size_t kPart = std::size_t{1} << 20;
  const i64 parts = static_cast<i64>((bytes + kPart - 1) / kPart);
#pragma omp parallel for if (parts > 1)
  for (i64 p = 0; p < parts; ++p) {
    const std::size_t begin = static_cast<std::size_t>(p) * kPart;
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin, std::min(kPart, bytes - begin));
  }
}

void CpuBackend::add_into(const Tensor& sum, const Tensor& x) {
  float* a = sum.data();
  const float* b = x.data();
  const i64 n = sum.numel();
#pragma omp parallel for simd if (n > kParallelFrom)
  for (i64 i = 0; i < n; ++i) a[i] += b[i];
}

}  // namespace md::MD_KERNELS
