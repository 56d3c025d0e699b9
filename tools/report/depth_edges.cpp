// The distance transform goes along columns, then rows: each is the lower envelope of parabolas.
#include "tools/report/depth_edges.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace md {
namespace {

constexpr double kFar = std::numeric_limits<double>::infinity();

/// Squared distances along a line, from squared distances across it, in place.
class LineTransform {
 public:
  explicit LineTransform(std::size_t size) : from_(size), at_(size), begin_(size + 1) {}

  void run(double* line, std::size_t n, std::size_t stride) {
    for (std::size_t i = 0; i < n; ++i) from_[i] = line[i * stride];
    std::size_t k = 0;  // of the envelope's last parabola
    bool any = false;
    for (std::size_t q = 0; q < n; ++q) {
      if (from_[q] == kFar) continue;
      double begin = -kFar;
      if (any) {
        begin = crossing(at_[k], q);
        while (begin <= begin_[k]) begin = crossing(at_[--k], q);
        ++k;
      }
      any = true;
      at_[k] = q;
      begin_[k] = begin;
    }
    if (!any) return;
    const std::size_t last = k;
    k = 0;
    for (std::size_t i = 0; i < n; ++i) {
      while (k < last && begin_[k + 1] < double(i)) ++k;
      const double d = double(i) - double(at_[k]);
      line[i * stride] = d * d + from_[at_[k]];
    }
  }

 private:
  /// Where the parabola of q comes below that of p, p < q.
  double crossing(std::size_t p, std::size_t q) const {
    const auto square = [](double x) { return x * x; };
    return (from_[q] + square(double(q)) - from_[p] - square(double(p))) / (2 * (double(q) - double(p)));
  }

  std::vector<double> from_;
  std::vector<std::size_t> at_;
  std::vector<double> begin_;
};

}  // namespace

Tensor depth_edges(const Tensor& depth_m) {
  const i64 height = depth_m.dim(0), width = depth_m.dim(1);
  const Tensor edges = Tensor::empty({height, width}, Device{}, DType::u8);
  const float* const depth = depth_m.data();
  auto* const out = edges.data<std::uint8_t>();
  std::fill_n(out, height * width, std::uint8_t(0));
  const auto compare = [&](i64 a, i64 b) {
    const float near = std::min(depth[a], depth[b]), far = std::max(depth[a], depth[b]);
    if (near > 0 && far >= near * kDepthEdgeRatio) out[a] = out[b] = 1;
  };
  for (i64 y = 0; y < height; ++y) {
    for (i64 x = 0; x < width; ++x) {
      const i64 here = y * width + x;
      if (x + 1 < width) compare(here, here + 1);
      if (y + 1 < height) compare(here, here + width);
    }
  }
  return edges;
}

Tensor distance_to(const Tensor& marked) {
  const auto height = std::size_t(marked.dim(0)), width = std::size_t(marked.dim(1));
  std::vector<double> squared(height * width);
  for (std::size_t i = 0; i < squared.size(); ++i) squared[i] = marked.data<std::uint8_t>()[i] ? 0 : kFar;
  LineTransform line(std::max(height, width));
  for (std::size_t x = 0; x < width; ++x) line.run(squared.data() + x, height, width);
  for (std::size_t y = 0; y < height; ++y) line.run(squared.data() + y * width, width, 1);
  const Tensor out = Tensor::empty(marked.shape());
  for (std::size_t i = 0; i < squared.size(); ++i) out.data()[i] = float(std::sqrt(squared[i]));
  return out;
}

}  // namespace md
