// The tables, thinned to 16 anchors.
#include "data/colormap.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "engine/check.h"

namespace md {
namespace {

using Anchors = std::array<Rgb, 16>;

constexpr Anchors turbo{{{48, 18, 59},
                         {65, 67, 167},
                         {71, 113, 233},
                         {62, 155, 254},
                         {34, 197, 226},
                         {26, 228, 182},
                         {70, 248, 132},
                         {136, 255, 78},
                         {185, 246, 53},
                         {225, 221, 55},
                         {250, 186, 57},
                         {253, 141, 39},
                         {240, 91, 18},
                         {214, 53, 6},
                         {175, 24, 1},
                         {122, 4, 3}}};
constexpr Anchors magma{{{0, 0, 4},
                         {11, 9, 36},
                         {32, 17, 75},
                         {59, 15, 112},
                         {87, 21, 126},
                         {114, 31, 129},
                         {140, 41, 129},
                         {168, 50, 125},
                         {196, 60, 117},
                         {222, 73, 104},
                         {241, 96, 93},
                         {250, 127, 94},
                         {254, 159, 109},
                         {254, 191, 132},
                         {253, 222, 160},
                         {252, 253, 191}}};

constexpr Anchors viridis{{{68, 1, 84},
                           {72, 24, 106},
                           {71, 45, 123},
                           {66, 64, 134},
                           {59, 82, 139},
                           {51, 99, 141},
                           {44, 114, 142},
                           {38, 130, 142},
                           {33, 145, 140},
                           {31, 160, 136},
                           {40, 174, 128},
                           {63, 188, 115},
                           {94, 201, 98},
                           {132, 212, 75},
                           {173, 220, 48},
                           {253, 231, 37}}};

constexpr std::array<std::pair<std::string_view, Colormap>, 3> kNames = {
    {{"turbo", Colormap::turbo}, {"magma", Colormap::magma}, {"viridis", Colormap::viridis}}};

const Anchors& anchors_of(Colormap map) {
  switch (map) {
    case Colormap::turbo:
      return turbo;
    case Colormap::magma:
      return magma;
    case Colormap::viridis:
      break;
  }
  return viridis;
}

}  // namespace

Colormap colormap(const std::string& name) {
  for (const auto& [known, map] : kNames) {
    if (known == name) return map;
  }
  fail(ErrorKind::usage, "no colormap '", name, "' (turbo, magma, viridis)");
}

std::vector<std::string> colormap_names() {
  std::vector<std::string> names;
  for (const auto& [name, map] : kNames) names.emplace_back(name);
  return names;
}

Rgb colour_between(std::span<const Rgb> anchors, float t) {
  const float place = std::clamp(t, 0.F, 1.F) * float(anchors.size() - 1);
  const std::size_t below = std::min(std::size_t(place), anchors.size() - 2);
  const float above_weight = place - float(below);
  Rgb color;
  for (std::size_t c = 0; c < 3; ++c) {
    const float low = anchors[below][c], high = anchors[below + 1][c];
    color[c] = std::uint8_t(low + (high - low) * above_weight + 0.5F);
  }
  return color;
}

Rgb colour_at(Colormap map, float t) { return colour_between(anchors_of(map), t); }

RgbImage colorize(const Tensor& depth_m, const ColorRange& range, Colormap map) {
  MD_CHECK(range.far_m > range.near_m, "colorize: range ", range.near_m, "..", range.far_m, " is empty");
  const i64 height = depth_m.dim(0), width = depth_m.dim(1);
  RgbImage image{int(height), int(width), std::vector<std::uint8_t>(std::size_t(height * width * 3))};
  for (i64 i = 0; i < height * width; ++i) {
    const float z_m = depth_m.data()[i];
    if (!(z_m > 0)) continue;  // stays black
    const Rgb color = colour_at(map, (z_m - range.near_m) / (range.far_m - range.near_m));
    std::copy(color.begin(), color.end(), image.pixels.begin() + i * 3);
  }
  return image;
}

}  // namespace md
