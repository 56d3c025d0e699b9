// Four neighbouring numbers as one element of a map: a GPU moves 16 bytes with the instruction that moves four, and
// finds one place in place of four. A functor that is templated on the type that stores its maps takes them as it takes
// single numbers; its channels are then a quarter as many.
#pragma once
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "engine/bf16.h"
#include "engine/launch.h"

namespace md {

/// Uninitialised unless it is given a number, which all four are then.
struct alignas(4 * sizeof(float)) Four {
  float of[4];
  Four() = default;
  constexpr explicit Four(float all) : of{all, all, all, all} {}
};

/// The same, stored as bf16. Uninitialised unless it is given a number.
struct alignas(4 * sizeof(bf16)) FourBf16 {
  bf16 of[4];
  FourBf16() = default;
  constexpr explicit FourBf16(float all) : FourBf16(Four(all)) {}
  constexpr FourBf16(const Four& x) : of{x.of[0], x.of[1], x.of[2], x.of[3]} {}
  constexpr operator Four() const {
    Four x(0.F);
    for (int i = 0; i < 4; ++i) x.of[i] = of[i];
    return x;
  }
};

/// Number by number.
constexpr Four operator+(Four a, const Four& b) {
  for (int i = 0; i < 4; ++i) a.of[i] += b.of[i];
  return a;
}
/// Likewise.
constexpr Four operator*(Four a, const Four& b) {
  for (int i = 0; i < 4; ++i) a.of[i] *= b.of[i];
  return a;
}
/// Each times the factor.
constexpr Four operator*(float factor, Four x) {
  for (float& v : x.of) v *= factor;
  return x;
}

/// a * b + c, rounded once.
MD_HD inline float multiply_add(float a, float b, float c) { return std::fma(a, b, c); }
MD_HD inline Four multiply_add(float a, const Four& b, Four c) {
  for (int i = 0; i < 4; ++i) c.of[i] = std::fma(a, b.of[i], c.of[i]);
  return c;
}

/// Whether an element is four numbers.
template <class T>
constexpr bool kIsFour = std::is_same_v<T, Four> || std::is_same_v<T, FourBf16>;

/// What elements that are stored as T are added up in.
template <class T>
using SumOf = std::conditional_t<kIsFour<T>, Four, float>;

/// f of each number of an element, or of two elements.
template <class F, class T>
MD_HD SumOf<T> each(const F& f, const T& a) {
  if constexpr (kIsFour<T>) {
    Four y;
    for (int i = 0; i < 4; ++i) y.of[i] = f(a.of[i]);
    return y;
  } else {
    return f(a);
  }
}
template <class F, class T>
MD_HD SumOf<T> each(const F& f, const T& a, const T& b) {
  if constexpr (kIsFour<T>) {
    Four y;
    for (int i = 0; i < 4; ++i) y.of[i] = f(a.of[i], b.of[i]);
    return y;
  } else {
    return f(a, b);
  }
}

/// The type that stores four numbers of this one.
template <class Number>
using FourOf = std::conditional_t<std::is_same_v<Number, bf16>, FourBf16, Four>;
/// And of a single one of an element.
template <class T>
using NumberOf = std::conditional_t<std::is_same_v<T, FourBf16> || std::is_same_v<T, bf16>, bf16, float>;

/// The tensor's elements, or its fours.
template <class T>
T* elements(const Tensor& t) {
  return reinterpret_cast<T*>(t.data<NumberOf<T>>());
}

/// Calls f(T(), n) for the type T that stores n neighbours of maps of one dtype, of which each begins somewhere and
/// goes on in steps of these lengths: FourOf and 4 where they are a GPU's and all of it divides by four; else as
/// with_storage(), and 1.
template <class F>
void with_wide_storage(std::initializer_list<Tensor> maps, [[maybe_unused]] std::initializer_list<i64> lengths,
                       const F& f) {
  const Tensor& first = *maps.begin();
#ifdef MD_DEVICE_CODE
  bool wide = first.device().kind != Device::cpu;
  for (const Tensor& map : maps)
    wide = wide && reinterpret_cast<std::uintptr_t>(map.raw()) % (4 * size_of(first.dtype())) == 0;
  for (const i64 length : lengths) wide = wide && length % 4 == 0;
  if (wide) return with_storage(first.dtype(), [&](auto storage) { f(FourOf<decltype(storage)>(), i64{4}); });
#endif
  with_storage(first.dtype(), [&](auto storage) { f(storage, i64{1}); });
}

}  // namespace md
