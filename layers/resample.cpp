// The kernel: a sparse matrix along H and one along W, applied at once.
#include "layers/resample.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <tuple>

#include "engine/backend.h"
#include "engine/lru_cache.h"
#include "engine/unravel.h"
#include "layers/copy_channels.h"

namespace md {
namespace {

/// A sparse matrix as a kernel reads it.
struct MatrixView {
  const int *begin, *index;
  const float* weight;
  i64 from, to;
};

/// y [N,rows.to,columns.to,y_pixel] from x [N,rows.from,columns.from,x_pixel], of which the first C channels are
/// written and read.
template <class T>
struct Maps {
  MatrixView rows, columns;
  const T* x;
  T* y;
  i64 C, x_pixel, y_pixel;

  MD_HD const T* image(i64 n) const { return x + n * rows.from * columns.from * x_pixel; }
  /// Row j, column k of one channel. It rounds alike wherever the channel lies.
  MD_HD SumOf<T> element(const T* image, i64 j, i64 k) const {
    SumOf<T> sum(0.F);
    for (int r = rows.begin[j]; r < rows.begin[j + 1]; ++r) {
      const T* line = image + rows.index[r] * columns.from * x_pixel;
      SumOf<T> along(0.F);
      for (int t = columns.begin[k]; t < columns.begin[k + 1]; ++t)
        along = multiply_add(columns.weight[t], static_cast<SumOf<T>>(line[columns.index[t] * x_pixel]), along);
      sum = multiply_add(rows.weight[r], along, sum);
    }
    return sum;
  }
};

/// For a GPU: a call makes one element.
template <class T>
struct ResampleElement {
  Maps<T> of;
  MD_HD void operator()(i64 row, i64 at) const {
    const auto [n, j] = unravel(row, {kAnyExtent, of.rows.to});
    const auto [k, c] = unravel(at, {kAnyExtent, of.C});
    of.y[(row * of.columns.to + k) * of.y_pixel + c] = of.element(of.image(n) + c, j, k);
  }
};

/// For a CPU: a call makes `block` channels of `pixels` neighbours. What they read of the rows is added up first, in a
/// line that stays in the cache; of a line that would be too long, each element is made by itself.
template <class T>
struct ResampleSegment {
  static constexpr i64 kLine = 2048, kBlock = 64;  // floats; the most channels
  Maps<T> of;
  i64 block, pixels;

  MD_HD void operator()(i64 row, i64 part) const {
    const MatrixView& columns = of.columns;
    const i64 blocks = (of.C + block - 1) / block, c = part % blocks * block, n = least(block, of.C - c);
    const i64 first = part / blocks * pixels, last = least(first + pixels, columns.to), j = row % of.rows.to;
    const T* source = of.image(row / of.rows.to) + c;
    T* target = of.y + (row * columns.to + first) * of.y_pixel + c;
    i64 from = columns.from, to = 0;  // the columns that these pixels read
    for (int t = columns.begin[first]; t < columns.begin[last]; ++t) {
      from = least(from, columns.index[t]);
      to = to > columns.index[t] ? to : columns.index[t] + 1;
    }
    float line[kLine];
    const bool fits = (to - from) * n <= kLine;
    if (fits) add_rows(j, source + from * of.x_pixel, to - from, n, line);
    for (i64 k = first; k < last; ++k, target += of.y_pixel) {
      if (fits) {
        add_columns(k, line, from, n, target);
      } else {
        for (i64 i = 0; i < n; ++i) target[i] = of.element(source + i, j, k);
      }
    }
  }

 private:
  MD_HD static i64 least(i64 a, i64 b) { return a < b ? a : b; }
  MD_HD void add_rows(i64 j, const T* source, i64 width, i64 n, float* line) const {
    for (i64 i = 0; i < width * n; ++i) line[i] = 0.F;
    for (int r = of.rows.begin[j]; r < of.rows.begin[j + 1]; ++r) {
      const float weight = of.rows.weight[r];
      const T* tapped = source + of.rows.index[r] * of.columns.from * of.x_pixel;
      if (n == of.x_pixel) {
        for (i64 i = 0; i < width * n; ++i) line[i] += weight * tapped[i];
      } else {
        for (i64 s = 0; s < width; ++s)
          for (i64 i = 0; i < n; ++i) line[s * n + i] += weight * tapped[s * of.x_pixel + i];
      }
    }
  }
  MD_HD void add_columns(i64 k, const float* line, i64 from, i64 n, bf16* target) const {
    float sums[kBlock];
    add_columns(k, line, from, n, sums);
    for (i64 i = 0; i < n; ++i) target[i] = sums[i];
  }
  MD_HD void add_columns(i64 k, const float* line, i64 from, i64 n, float* target) const {
    const MatrixView& m = of.columns;
    const int begin = m.begin[k], end = m.begin[k + 1];
    if (n == 1) {  // the sum fits a register
      float sum = 0.F;
      for (int t = begin; t < end; ++t) sum += m.weight[t] * line[m.index[t] - from];
      *target = sum;
      return;
    }
    for (i64 i = 0; i < n; ++i) target[i] = 0.F;
    for (int t = begin; t < end; ++t) {
      const float weight = m.weight[t];
      const float* tapped = line + (m.index[t] - from) * n;
      for (i64 i = 0; i < n; ++i) target[i] += weight * tapped[i];
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
        begin_(upload(taps.begin, DType::i32, device)),
        index_(upload(taps.index, DType::i32, device)),
        weight_(upload(taps.weight, DType::f32, device)) {}

  MatrixView view() const { return {begin_.data<int>(), index_.data<int>(), weight_.data(), from_, to_}; }
  i64 from() const { return from_; }

 private:
  i64 from_, to_;
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

void apply_on_gpu(const Matrix& rows, const Matrix& columns, i64 channels, const Tensor& x, const Tensor& y) {
  with_wide_storage({x, y}, {channels, x.dim(3), y.dim(3)}, [&](auto storage, i64 n) {
    using T = decltype(storage);
    const Maps<T> maps{rows.view(),  columns.view(), elements<T>(x), elements<T>(y),
                       channels / n, x.dim(3) / n,   y.dim(3) / n};
    launch(x.device(), y.dim(0) * y.dim(1), y.dim(2) * channels / n, ResampleElement<T>{maps});
  });
}

template <class T>
void apply_on_cpu(const Matrix& rows, const Matrix& columns, i64 channels, const Tensor& x, const Tensor& y) {
  using Segment = ResampleSegment<T>;
  const Maps<T> maps{rows.view(), columns.view(), x.data<T>(), y.data<T>(), channels, x.dim(3), y.dim(3)};
  const i64 lines = y.dim(0) * y.dim(1), width = y.dim(2);
  const i64 block = std::min(channels, Segment::kBlock), blocks = (channels + block - 1) / block;
  constexpr i64 kCalls = 16384;  // enough for launch() to divide them among threads
  const i64 most = std::min((Segment::kLine / block - 4) * width / columns.from(), lines * width * blocks / kCalls);
  const i64 pixels = std::clamp<i64>(most, 1, width);
  launch(x.device(), lines, (width + pixels - 1) / pixels * blocks, Segment{maps, block, pixels});
}

/// The first `channels` channels of x and of y, which are maps of any number of channels.
void apply(const Matrix& rows, const Matrix& columns, i64 channels, const Tensor& x, const Tensor& y) {
  if (x.device().kind != Device::cpu) return apply_on_gpu(rows, columns, channels, x, y);
  with_storage(x.dtype(), [&](auto storage) { apply_on_cpu<decltype(storage)>(rows, columns, channels, x, y); });
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
// both matrices transposed. What stands beside is copied, and its gradient is its slice of dy.
Tensor resample(const Op& op, const Tensor& x, const Axis& rows, const Axis& columns, const Tensor& beside) {
  const Device device = x.device();
  const MatricesPtr r = matrices(rows, device), c = matrices(columns, device);
  for (const MatricesPtr& it : {r, c}) backend(device).keep_for_graph(it);
  const i64 C = x.dim(3), K = beside ? beside.dim(3) : 0, pixels = x.dim(0) * rows.to * columns.to;
  const Tensor y = Tensor::empty({x.dim(0), rows.to, columns.to, C + K}, device, x.dtype());
  apply(r->forward, c->forward, C, x, y);
  std::vector<Tensor> inputs = {x};
  if (beside) {
    copy_channels({beside, K}, {y, C + K, C}, pixels, K);
    inputs.push_back(beside);
  }
  const DType beside_dtype = beside ? beside.dtype() : x.dtype();
  return record(op, y, inputs,
                [r, c, C, K, pixels, beside_dtype, shape = x.shape()](const Tensor& dy, Needs needs) -> Grads {
                  Grads grads(K > 0 ? 2 : 1);
                  if (needs[0]) {
                    grads[0] = Tensor::empty(shape, dy.device(), dy.dtype());
                    apply(r->backward, c->backward, C, dy, grads[0]);
                  }
                  if (needs[1]) {
                    grads[1] = Tensor::empty({dy.dim(0), dy.dim(1), dy.dim(2), K}, dy.device(), beside_dtype);
                    copy_channels({dy, C + K, C}, {grads[1], K}, pixels, K);
                  }
                  return grads;
                });
}

}  // namespace md
