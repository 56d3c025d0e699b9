// Both directions of a separable filter: along each row first, then rows into rows.
#include "data/rescale.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "engine/check.h"

namespace md {
namespace {

constexpr double kLobes = 3;

/// One axis: output j is the sum of weight[t] times input first[j] + t, t from begin[j] on.
struct Filter {
  std::vector<int> first;
  std::vector<std::size_t> begin = {0};
  std::vector<float> weight;

  std::span<const float> of(std::size_t j) const { return {weight.data() + begin[j], begin[j + 1] - begin[j]}; }
};

/// Lanczos's window of three lobes, at a distance in outputs.
double lanczos(double distance) {
  if (distance == 0) return 1;
  if (std::abs(distance) >= kLobes) return 0;
  const double x = std::numbers::pi * distance;
  return kLobes * std::sin(x) * std::sin(x / kLobes) / (x * x);
}

/// As wide as three outputs to each side, or three inputs where those are wider; cut at the edges.
Filter lanczos_filter(int from, int to) {
  const double scale = double(from) / to, unit = std::max(scale, 1.0), reach = kLobes * unit;
  Filter filter;
  for (int j = 0; j < to; ++j) {
    const double center = (j + 0.5) * scale;
    const int first = std::max(int(center - reach + 0.5), 0), end = std::min(int(center + reach + 0.5), from);
    std::vector<double> weights;
    double sum = 0;
    for (int i = first; i < end; ++i) sum += weights.emplace_back(lanczos((i + 0.5 - center) / unit));
    for (const double each : weights) filter.weight.push_back(float(each / sum));
    filter.first.push_back(first);
    filter.begin.push_back(filter.weight.size());
  }
  return filter;
}

/// row [from,3] -> out [to,3]
void along(const Filter& columns, const std::uint8_t* row, float* out) {
  for (std::size_t x = 0; x < columns.first.size(); ++x, out += 3) {
    const std::uint8_t* pixel = row + std::size_t(columns.first[x]) * 3;
    float red = 0, green = 0, blue = 0;
    for (const float weight : columns.of(x)) {
      red += weight * float(pixel[0]);
      green += weight * float(pixel[1]);
      blue += weight * float(pixel[2]);
      pixel += 3;
    }
    out[0] = red;
    out[1] = green;
    out[2] = blue;
  }
}

}  // namespace

RgbImage rescaled(const RgbImage& image, int height, int width) {
  MD_CHECK(height > 0 && width > 0, "rescaled: to ", height, "x", width);
  if (image.height == height && image.width == width) return image;
  const Filter columns = lanczos_filter(image.width, width), rows = lanczos_filter(image.height, height);
  const std::size_t row_size = std::size_t(width) * 3;
  std::vector<float> sum(row_size * std::size_t(height)), row(row_size);
  std::size_t begin = 0;  // of the outputs that a row is in; their first inputs only go up
  for (int y = 0; y < image.height; ++y) {
    along(columns, image.pixels.data() + std::size_t(y) * image.width * 3, row.data());
    while (begin < rows.first.size() && rows.first[begin] + int(rows.of(begin).size()) <= y) ++begin;
    for (std::size_t j = begin; j < rows.first.size() && rows.first[j] <= y; ++j) {
      const std::span<const float> weights = rows.of(j);
      if (std::size_t(y - rows.first[j]) >= weights.size()) continue;
      const float weight = weights[std::size_t(y - rows.first[j])];
      float* const to = sum.data() + j * row_size;
      for (std::size_t i = 0; i < row_size; ++i) to[i] += weight * row[i];
    }
  }
  RgbImage out{height, width, std::vector<std::uint8_t>(sum.size())};
  std::ranges::transform(sum, out.pixels.begin(),
                         [](float value) { return std::uint8_t(std::clamp(value + 0.5F, 0.F, 255.F)); });
  return out;
}

RescaledRows::RescaledRows(const Tensor& map, int height, int width)
    : map_(map), height_(height), low_(std::size_t(width)), high_(low_), row_(low_) {
  MD_CHECK(map.shape().rank() == 2 && height > 0 && width > 0, "rescaled: ", map.shape(), " to ", height, "x", width);
  for (int x = 0; x < width; ++x) columns_.push_back(place(x, int(map.dim(1)), width));
}

RescaledRows::Place RescaledRows::place(int at, int from, int to) {
  const double center = std::clamp((at + 0.5) * from / to - 0.5, 0.0, double(from - 1));
  const int low = int(center);
  return {low, std::min(low + 1, from - 1), float(center - low)};
}

void RescaledRows::stretch(int source_row, std::vector<float>& row) const {
  const float* const source = map_.data() + i64(source_row) * map_.dim(1);
  std::ranges::transform(columns_, row.begin(),
                         [&](const Place& p) { return source[p.low] + p.fraction * (source[p.high] - source[p.low]); });
}

std::span<const float> RescaledRows::next() {
  const Place p = place(y_, int(map_.dim(0)), height_);
  y_ = (y_ + 1) % height_;
  if (p.low == high_is_) {
    std::swap(low_, high_);
    std::swap(low_is_, high_is_);
  }
  if (p.low != low_is_) stretch(low_is_ = p.low, low_);
  if (p.high != high_is_) stretch(high_is_ = p.high, high_);
  for (std::size_t x = 0; x < row_.size(); ++x) row_[x] = low_[x] + p.fraction * (high_[x] - low_[x]);
  return row_;
}

}  // namespace md
