// What upsampling, adaptive pooling, padding and cropping have in common: each is a linear map along H and one along W,
// the same for every channel, so y = R x C' with two sparse matrices and the gradient is dx = R' dy C (' = transposed).
// An op only says which taps its matrices have; the one kernel, and with it the backward, is here.
#pragma once
#include <functional>
#include <vector>

#include "engine/autograd.h"
#include "layers/ops.h"

namespace md {

/// A sparse matrix [to, from] by rows: output j is the sum over t in [begin[j], begin[j+1]) of weight[t] * x[index[t]].
struct Taps {
  i64 from = 0;
  std::vector<int> begin = {0}, index;
  std::vector<float> weight;

  /// How many outputs it has.
  i64 to() const { return static_cast<i64>(begin.size()) - 1; }
  /// One more input that the output under way reads.
  void tap(i64 source, float w) {
    index.push_back(static_cast<int>(source));
    weight.push_back(w);
  }
  /// The output under way has all its taps; what follows are the next one's.
  void end_row() { begin.push_back(static_cast<int>(index.size())); }
};

/// One axis of a map, by all that decides its taps.
struct Axis {
  Taps (*taps)(const Axis&);  // makes them; a function of what follows alone
  i64 from, to;               // pixels of the input and of the output
  Interpolation how = {};     // of upsampling
};

/// Every output j copies the one input source(j).
Taps copying_taps(i64 from, i64 to, const std::function<i64(i64)>& source);

/// x [N,rows.from,columns.from,C] -> [N,rows.to,columns.to,C], recorded on the tape as `op`. The matrices of an axis
/// are made once for each device and kept. With `beside` [N,rows.to,columns.to,K], an input too, the result is both
/// side by side, [N,rows.to,columns.to,C+K].
Tensor resample(const Op& op, const Tensor& x, const Axis& rows, const Axis& columns, const Tensor& beside = {});

}  // namespace md
