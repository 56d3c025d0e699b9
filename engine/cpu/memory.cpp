// Memory of the CPU backend: huge pages (fewer page faults and TLB misses on the tens of megabytes of a feature map),
// plain fills, copies and sums.
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "engine/cpu/cpu_backend.h"
#include "engine/cpu/emulated_dnnl.h"
#include "engine/cpu/weight_panels.h"

namespace md::MD_KERNELS {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::ptrdiff_t kRoomToGrow = std::ptrdiff_t{1} << 38;
constexpr i64 kParallelFrom = 1 << 16;  // elements; below, a parallel region costs more than it gains

void* map(void* at, std::size_t bytes) {
  void* const block = mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return block == MAP_FAILED ? nullptr : block;
}

std::size_t behind_boundary(const void* block) { return reinterpret_cast<std::uintptr_t>(block) % kHugePage; }

/// As it comes, on a boundary of huge pages.
std::byte* map_aligned(std::byte* at, std::size_t bytes) {
  auto* const all = static_cast<std::byte*>(map(at, bytes + kHugePage));
  if (!all) return nullptr;
  const std::size_t before = (kHugePage - behind_boundary(all)) % kHugePage, after = kHugePage - before;
  if (before) munmap(all, before);
  if (after) munmap(all + before + bytes, after);
  return all + before;
}

/// Huge pages, where possible behind the last ones: the pool joins what lies side by side.
void* take(std::size_t bytes) {
  static std::byte* behind = nullptr;  // the pool takes one after the other
  void* block = behind ? map(behind, bytes) : nullptr;
  if (block && behind_boundary(block)) {
    munmap(block, bytes);
    block = nullptr;
  }
  if (!block) {
    // Far below all other mappings there is room to grow.
    std::byte probe;
    block = map_aligned(behind ? nullptr : &probe - kRoomToGrow, bytes);
  }
  if (!block) return nullptr;
  madvise(block, bytes, MADV_HUGEPAGE);  // a hint: refusal is fine
  behind = static_cast<std::byte*>(block) + bytes;
  return block;
}

void give(void* block, std::size_t bytes) { munmap(block, bytes); }

}  // namespace

CpuBackend::CpuBackend()
    : pool_({.take = take, .give = give, .unit = kHugePage, .divisible = true}),
      convolutions_(or_emulated(make_conv_primitives())),
      products_(or_emulated(make_gemm_primitives(kMostPrimitives, pack_panels))) {}
CpuBackend::~CpuBackend() = default;

void CpuBackend::keep_cached_at_most(std::size_t bytes) {
  pool_.keep_at_most(bytes);
  convolutions_->keep_at_most(kMostBetweenSizes);
  products_->keep_at_most(kMostBetweenSizes);
}

/// Never destroyed: tensors in static storage may outlive any order of destruction.
Backend& cpu_backend() {
  static auto* const it = new CpuBackend;
  return *it;
}

void CpuBackend::fill(const Tensor& y, float value) {
  const i64 n = y.numel();
  if (y.dtype() == DType::i32) {
    std::fill_n(y.data<std::int32_t>(), n, static_cast<std::int32_t>(value));
  } else if (y.dtype() == DType::u8) {
    std::memset(y.raw(), static_cast<int>(value), y.bytes());
  } else {
    with_storage(y.dtype(), [&](auto storage) {
      using T = decltype(storage);
      T* p = y.data<T>();
      const T stored = value;
#pragma omp parallel for simd if (n > kParallelFrom)
      for (i64 i = 0; i < n; ++i) p[i] = stored;
    });
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
  const i64 n = sum.numel();
  with_storage(sum.dtype(), [&](auto storage) {
    using T = decltype(storage);
    T* a = sum.data<T>();
    const T* b = x.data<T>();
#pragma omp parallel for simd if (n > kParallelFrom)
    for (i64 i = 0; i < n; ++i) a[i] = a[i] + b[i];
  });
}

}  // namespace md::MD_KERNELS
