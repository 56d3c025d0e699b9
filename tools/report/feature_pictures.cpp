// All of it on the CPU, over the frames that are shown.
#include "tools/report/feature_pictures.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "data/quantile.h"
#include "engine/rng.h"

namespace md {
namespace {

constexpr i64 kPairsOfAFrame = 60'000;

double distance(const float* a, const float* b, i64 channels) {
  double squared = 0;
  for (i64 c = 0; c < channels; ++c) squared += double(a[c] - b[c]) * double(a[c] - b[c]);
  return std::sqrt(squared);
}

void put(RgbImage& image, i64 y, i64 x, std::uint8_t grey) {
  if (y < 0 || x < 0 || y >= image.height || x >= image.width) return;
  std::fill_n(image.pixels.begin() + (y * image.width + x) * 3, 3, grey);
}

}  // namespace

ComponentColours component_colours(const std::vector<Tensor>& maps) {
  ComponentColours colours{principal_components(maps)};
  std::array<std::vector<double>, 3> places;
  for (const Tensor& map : maps) {
    for (i64 i = 0; i < map.dim(0) * map.dim(1); ++i) {
      const auto place = colours.components.project(map.data() + i * map.dim(2));
      for (std::size_t k = 0; k < 3; ++k) places[k].push_back(double(place[k]));
    }
  }
  for (std::size_t k = 0; k < 3; ++k) {
    colours.low[k] = float(quantile(places[k], 0.02));
    colours.high[k] = float(quantile(std::move(places[k]), 0.98));
  }
  return colours;
}

RgbImage component_picture(const ComponentColours& colours, const Tensor& map) {
  RgbImage image{int(map.dim(0)), int(map.dim(1)), {}};
  for (i64 i = 0; i < map.dim(0) * map.dim(1); ++i) {
    const auto place = colours.components.project(map.data() + i * map.dim(2));
    for (std::size_t k = 0; k < 3; ++k) {
      const float span = std::max(colours.high[k] - colours.low[k], 1e-12F);
      image.pixels.push_back(std::uint8_t(255 * std::clamp((place[k] - colours.low[k]) / span, 0.F, 1.F) + 0.5F));
    }
  }
  return image;
}

Anchor choose_anchor(const Tensor& depth_m, float row_part, float column_part) {
  const i64 height = depth_m.dim(0), width = depth_m.dim(1);
  const i64 row = std::min(i64(row_part * float(height)), height - 1),
            column = std::min(i64(column_part * float(width)), width - 1);
  Anchor nearest{row, column};
  i64 least = -1;
  for (i64 y = 0; y < height; ++y) {
    for (i64 x = 0; x < width; ++x) {
      const i64 squared = (y - row) * (y - row) + (x - column) * (x - column);
      if (!(depth_m.data()[y * width + x] > 0) || (least >= 0 && squared >= least)) continue;
      least = squared;
      nearest = {y, x};
    }
  }
  return nearest;
}

Tensor distances_to(const Tensor& features, const Anchor& anchor) {
  const i64 height = features.dim(0), width = features.dim(1), channels = features.dim(2);
  const Tensor out = Tensor::empty({height, width});
  const float* const from = features.data() + (anchor.row * width + anchor.column) * channels;
  for (i64 i = 0; i < height * width; ++i)
    out.data()[i] = float(distance(from, features.data() + i * channels, channels));
  return out;
}

void mark_anchor(RgbImage& image, const Anchor& anchor, i64 map_height, i64 map_width) {
  const i64 y = (2 * anchor.row + 1) * image.height / (2 * map_height);
  const i64 x = (2 * anchor.column + 1) * image.width / (2 * map_width);
  const i64 arm = std::max<i64>(image.width / 32, 3);
  for (const auto& [half_width, grey] : {std::pair<i64, std::uint8_t>{1, 0}, {0, 255}}) {
    for (i64 along = -arm; along <= arm; ++along) {
      for (i64 across = -half_width; across <= half_width; ++across) {
        put(image, y + across, x + along, grey);
        put(image, y + along, x + across, grey);
      }
    }
  }
}

PairDistances pair_distances(const std::vector<Tensor>& features, const std::vector<Tensor>& depth_m, double step_m,
                             int bins, std::uint64_t seed) {
  PairDistances out{step_m, std::vector<double>(std::size_t(bins)), std::vector<double>(std::size_t(bins))};
  for (std::size_t f = 0; f < features.size(); ++f) {
    const i64 pixels = depth_m[f].numel(), channels = features[f].dim(2);
    Rng rng(seed, Purpose::metric_depth, 0, f);
    for (i64 n = 0; n < kPairsOfAFrame; ++n) {
      const i64 a = rng.integer(0, pixels - 1), b = rng.integer(0, pixels - 1);
      const float near = depth_m[f].data()[a], far = depth_m[f].data()[b];
      if (!(near > 0) || !(far > 0)) continue;
      const auto bin = std::size_t(std::abs(double(near) - double(far)) / step_m);
      if (bin >= out.distance.size()) continue;
      out.distance[bin] += distance(features[f].data() + a * channels, features[f].data() + b * channels, channels);
      out.pairs[bin] += 1;
    }
  }
  for (std::size_t bin = 0; bin < out.distance.size(); ++bin)
    out.distance[bin] = out.pairs[bin] > 0 ? out.distance[bin] / out.pairs[bin] : std::nan("");
  return out;
}

}  // namespace md
