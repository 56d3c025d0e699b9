// Some channels of the rows of one map into some of another's: a kernel of concat, of slices, of whoever makes a
// concatenation himself, and of casts.
#pragma once
#include "engine/four.h"
#include "engine/launch.h"

namespace md {

/// to[r, c] = from[r, c], with rows of their own lengths on either side, and types of their own.
template <class From, class To>
struct CopyChannels {
  const From* from;
  To* to;
  i64 from_row, to_row;  // channels of a whole row on either side
  MD_HD void operator()(i64 row, i64 c) const { to[row * to_row + c] = from[row * from_row + c]; }
};

/// Channels from `first` on of a map that is seen as rows of so many.
struct Channels {
  const Tensor& map;
  i64 row, first = 0;
};

/// to = from, in `rows` rows of `channels`.
inline void copy_channels(const Channels& from, const Channels& to, i64 rows, i64 channels) {
  if (from.map.dtype() == to.map.dtype()) {
    return with_wide_storage({from.map, to.map}, {channels, from.row, from.first, to.row, to.first},
                             [&](auto storage, i64 n) {
                               using T = decltype(storage);
                               launch(from.map.device(), rows, channels / n,
                                      CopyChannels<T, T>{elements<T>(from.map) + from.first / n,
                                                         elements<T>(to.map) + to.first / n, from.row / n, to.row / n});
                             });
  }
  with_storage(from.map.dtype(), [&](auto from_storage) {
    with_storage(to.map.dtype(), [&](auto to_storage) {
      using From = decltype(from_storage);
      using To = decltype(to_storage);
      launch(
          from.map.device(), rows, channels,
          CopyChannels<From, To>{from.map.data<From>() + from.first, to.map.data<To>() + to.first, from.row, to.row});
    });
  });
}

}  // namespace md
