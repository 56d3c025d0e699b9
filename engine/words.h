// Tensors of four bytes an element as a kernel copies them, many at once (engine/launch_many.h).
#pragma once
#include <cstdint>
#include <vector>

#include "engine/tensor.h"

namespace md {

/// `count` elements to be copied.
struct Words {
  std::uint32_t* to;
  const std::uint32_t* from;
  i64 count;
};

/// From each to each; throws for other elements than f32 and i32.
inline std::vector<Words> words_of(const std::vector<Tensor>& to, const std::vector<Tensor>& from) {
  std::vector<Words> words;
  for (std::size_t k = 0; k < to.size(); ++k) {
    MD_CHECK(size_of(to[k].dtype()) == sizeof(std::uint32_t), "copy_each: ", name_of(to[k].dtype()));
    words.push_back(
        {static_cast<std::uint32_t*>(to[k].raw()), static_cast<const std::uint32_t*>(from[k].raw()), to[k].numel()});
  }
  return words;
}

}  // namespace md
