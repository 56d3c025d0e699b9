// Weights in another layout or type, kept with the weight they were made of.
#pragma once
#include <memory>
#include <mutex>

#include "engine/tensor.h"

namespace md {

/// Of the layouts that one storage's copies have; the library's layouts count from 0 and from 2^32 on.
constexpr std::uint64_t kFirstWinogradLayout = std::uint64_t{1} << 33;
constexpr std::uint64_t kFirstWidenedLayout = std::uint64_t{1} << 34;

/// Held while a weight's copies are looked at.
inline std::mutex weight_copies;

/// A copy of w in that layout, filled by fill(data) where there is none of this version. Evaluation makes the copy
/// once; training, which uses each version once, keeps none.
template <class Fill>
std::shared_ptr<Storage> weight_copy(const Tensor& w, std::uint64_t layout, std::size_t bytes, const Fill& fill) {
  const std::lock_guard lock(weight_copies);
  Storage::Derived& derived = w.storage().derived[{layout, w.raw()}];
  const bool seen = derived.version == w.version();
  if (seen && derived.copy) return derived.copy;
  const auto copy = std::make_shared<Storage>(Device{}, bytes);
  fill(copy->data);
  derived = {w.version(), seen ? copy : nullptr};
  return copy;
}

}  // namespace md
