// pointwise(device, outer, inner, f, y, x...): y[i] = f(x[i]...) for the outer * inner elements of dense maps. f is a
// plain struct with `MD_HD float operator()(float...) const`; y may be one of the x. On a GPU a thread takes four
// neighbours at once, which moves 16 bytes an access in f32; on a CPU it is launch().
#pragma once
#include <cstdint>

#include "engine/launch.h"

namespace md {

#ifdef MD_DEVICE_CODE
namespace cuda {

/// Elements that are read or written in one access.
template <class T, int kCount>
struct alignas(kCount * sizeof(T)) Neighbours {
  T of[kCount];
};

/// y[n] = f(x[n]...) for some neighbours.
template <int kCount, class F, class T, class... X>
__device__ void apply_to_neighbours(const F& f, T* y, const Neighbours<X, kCount>&... x) {
  Neighbours<T, kCount> made;
  for (int n = 0; n < kCount; ++n) made.of[n] = f(static_cast<float>(x.of[n])...);
  *reinterpret_cast<Neighbours<T, kCount>*>(y) = made;
}

/// kAtOnce elements a thread and turn; the last few are a thread's each.
template <int kAtOnce, class F, class T, class... X>
__global__ void pointwise(i64 count, F f, T* y, const X*... x) {
  const i64 thread = i64{blockIdx.x} * blockDim.x + threadIdx.x, step = i64{kAtOnce} * gridDim.x * blockDim.x;
  for (i64 i = kAtOnce * thread; i + kAtOnce <= count; i += step)
    apply_to_neighbours<kAtOnce>(f, y + i, *reinterpret_cast<const Neighbours<X, kAtOnce>*>(x + i)...);
  if (thread >= count % kAtOnce) return;
  const i64 last = count - count % kAtOnce + thread;
  y[last] = f(static_cast<float>(x[last])...);
}

/// Queues it on the compute stream.
template <class F, class T, class... X>
void launch_pointwise(i64 count, const F& f, T* y, const X*... x) {
  constexpr i64 kThreads = 256;
  constexpr int kFour = 4;
  const bool fours = (reinterpret_cast<std::uintptr_t>(y) % (kFour * sizeof(T)) == 0) &&
                     (... && (reinterpret_cast<std::uintptr_t>(x) % (kFour * sizeof(X)) == 0));
  const i64 turns = (count + (fours ? kFour : 1) - 1) / (fours ? kFour : 1);
  const auto blocks = unsigned(std::min((turns + kThreads - 1) / kThreads, kLaunchBlocks));
  launch_kernel(fours ? pointwise<kFour, F, T, X...> : pointwise<1, F, T, X...>, blocks, unsigned(kThreads), 0,
                runtime().compute, count, f, y, x...);
}

}  // namespace cuda
#endif

/// Of one map, as launch() takes it.
template <class F, class T, class A>
struct OfOne {
  F f;
  T* y;
  const A* a;
  i64 row;
  MD_HD void operator()(i64 o, i64 i) const { y[o * row + i] = f(a[o * row + i]); }
};

/// Of two.
template <class F, class T, class A, class B>
struct OfTwo {
  F f;
  T* y;
  const A* a;
  const B* b;
  i64 row;
  MD_HD void operator()(i64 o, i64 i) const { y[o * row + i] = f(a[o * row + i], b[o * row + i]); }
};

/// y[i] = f(a[i])
template <class F, class T, class A>
void pointwise(Device device, i64 outer, i64 inner, const F& f, T* y, const A* a) {
#ifdef MD_DEVICE_CODE
  if (device.kind == Device::cuda) return outer * inner > 0 ? cuda::launch_pointwise(outer * inner, f, y, a) : void();
#endif
  launch(device, outer, inner, OfOne<F, T, A>{f, y, a, inner});
}

/// y[i] = f(a[i], b[i])
template <class F, class T, class A, class B>
void pointwise(Device device, i64 outer, i64 inner, const F& f, T* y, const A* a, const B* b) {
#ifdef MD_DEVICE_CODE
  if (device.kind == Device::cuda)
    return outer * inner > 0 ? cuda::launch_pointwise(outer * inner, f, y, a, b) : void();
#endif
  launch(device, outer, inner, OfTwo<F, T, A, B>{f, y, a, b, inner});
}

}  // namespace md
