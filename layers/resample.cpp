// The kernel: one sparse matrix along one axis, applied along H and along W.
#include "layers/resample.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <tuple>

#include "engine/backend.h"
#include "engine/launch.h"
#include "engine/lru_cache.h"

namespace md {
namespace {

// One output row j of y [M,to,inner] from x [M,from,inner]; `lanes` neighbouring elements a call.
struct Resample {
  const float* x;
  float* y;
  const int *begin, *index;
  const float* weight;
  i64 from, to, inner, lanes;
  MD_HD void operator()(i64 row, i64 block) const {
    const i64 j = row % to, first = block * lanes;
    const i64 count = inner - first < lanes ? inner - first : lanes;
    const float* source = x + row / to * from * inner + first;
    float* target = y + row * inner + first;
    const int end = begin[j + 1];
    if (count == 1) {  // one channel, or a GPU: the sum fits a register
      float sum = 0.F;
      for (int t = begin[j]; t < end; ++t) sum += weight[t] * source[index[t] * inner];
      *target = sum;
      return;
    }
    for (i64 i = 0; i < count; ++i) target[i] = 0.F;
    for (int t = begin[j]; t < end; ++t) {
      const float* tapped = source + index[t] * inner;
      for (i64 i = 0; i < count; ++i) target[i] += weight[t] * tapped[i];
    }
  }
};

template <class T>
Tensor upload(const std::vector<T>& values, DType dtype, Device device) {
  const Tensor t = Tensor::empty({std::max<i64>(1, static_cast<i64>(values.size()))}, device, dtype);
  backend(device).to_device(t.raw(), values.data(), values.size() * sizeof(T));
  return t;
}

// A sparse matrix in the memory of a device.
class Matrix {
 public:
  Matrix(const Taps& taps, Device device)
      : from_(taps.from),
        to_(taps.to()),
        device_(device),
        begin_(upload(taps.begin, DType::i32, device)),
        index_(upload(taps.index, DType::i32, device)),
        weight_(upload(taps.weight, DType::f32, device)) {}

  /// x [outer,from,inner] -> y [outer,to,inner]
  void apply(i64 outer, i64 inner, const float* x, float* y) const {
    // On a CPU a call fills some registers' worth, which vectorises at any number of channels; on a GPU neighbouring
    // threads take neighbouring elements.
    const i64 lanes = device_.kind == Device::cpu ? 64 : 1;
    launch(device_, outer * to_, (inner + lanes - 1) / lanes,
           Resample{x, y, begin_.data<int>(), index_.data<int>(), weight_.data(), from_, to_, inner, lanes});
  }
  i64 from() const { return from_; }
  i64 to() const { return to_; }

 private:
  i64 from_, to_;
  Device device_;
  Tensor begin_, index_, weight_;
};

Taps transposed(const Taps& taps) {
  Taps out;
  out.from = taps.to();
  std::vector<std::vector<std::pair<i64, float>>> columns(taps.from);
  for (i64 j = 0; j < taps.to(); ++j) {
    for (int t = taps.begin[j]; t < taps.begin[j + 1]; ++t) columns[taps.index[t]].emplace_back(j, taps.weight[t]);
  }
  for (const auto& column : columns) {
    for (const auto& [j, weight] : column) out.tap(j, weight);
    out.end_row();
  }
  return out;
}

/// The matrix of an axis and its transpose, which is the gradient's.
struct Matrices {
  Matrices(const Taps& taps, Device device) : forward(taps, device), backward(transposed(taps), device) {}
  Matrix forward, backward;
};
using MatricesPtr = std::shared_ptr<const Matrices>;

/// Matrices live on: on a GPU, sending one would make the host wait in every step.
MatricesPtr matrices(const Axis& axis, Device device) {
  constexpr std::size_t kMost = 256;  // a few KB each
  using Key = std::tuple<std::uintptr_t, i64, i64, Corners, double, Device>;
  static std::mutex mutex;
  static LruCache<Key, MatricesPtr> made(kMost);
  const Key key(reinterpret_cast<std::uintptr_t>(axis.taps), axis.from, axis.to, axis.how.corners,
                axis.how.scale_factor, device);
  const std::lock_guard lock(mutex);
  return made.find_or_make(key, [&] { return std::make_shared<const Matrices>(axis.taps(axis), device); });
}

// The pass that shrinks goes first. A CPU goes image by image, so that the map between the two passes stays in its
// cache; for a GPU every launch costs.
Tensor apply(const Matrix& rows, const Matrix& columns, const Tensor& x) {
  const Device device = x.device();
  const i64 images = x.dim(0), channels = x.dim(3), at_once = device.kind == Device::cpu ? 1 : images;
  const Tensor y = Tensor::empty({images, rows.to(), columns.to(), channels}, device);
  const bool rows_first = rows.to() < rows.from();
  const Shape between = rows_first ? Shape{at_once, rows.to(), columns.from(), channels}
                                   : Shape{at_once, rows.from(), columns.to(), channels};
  const Tensor half = Tensor::empty(between, device);
  for (i64 n = 0; n < images; n += at_once) {
    const float* source = x.data() + n * rows.from() * columns.from() * channels;
    float* target = y.data() + n * rows.to() * columns.to() * channels;
    if (rows_first) {
      rows.apply(at_once, columns.from() * channels, source, half.data());
      columns.apply(at_once * rows.to(), channels, half.data(), target);
    } else {
      columns.apply(at_once * rows.from(), channels, source, half.data());
      rows.apply(at_once, columns.to() * channels, half.data(), target);
    }
  }
  return y;
}

}  // namespace

Taps copying_taps(i64 from, i64 to, const std::function<i64(i64)>& source) {
  Taps taps;
  taps.from = from;
  for (i64 j = 0; j < to; ++j) {
    taps.tap(source(j), 1.F);
    taps.end_row();
  }
  return taps;
}

// y[j,k] = sum over i,l of R[j,i] x[i,l] C[k,l]: dx[i,l] = sum over j,k of R[j,i] dy[j,k] C[k,l], the same map with
// both matrices transposed.
Tensor resample(const Op& op, const Tensor& x, const Axis& rows, const Axis& columns) {
  const MatricesPtr r = matrices(rows, x.device()), c = matrices(columns, x.device());
  return record(op, apply(r->forward, c->forward, x), {x},
                [r, c](const Tensor& dy, Needs) -> Grads { return {apply(r->backward, c->backward, dy)}; });
}

}  // namespace md
