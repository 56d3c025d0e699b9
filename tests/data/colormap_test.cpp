// Colours of depth: end points, order, what has no depth, and a fixed range.
#include "data/colormap.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace md {
namespace {

using Rgb = std::array<int, 3>;

Rgb color_of(float depth_m, const ColorRange& range, Colormap map) {
  const RgbImage image = colorize(Tensor::from_host(std::vector<float>{depth_m}, {1, 1}), range, map);
  return {image.pixels[0], image.pixels[1], image.pixels[2]};
}

TEST(Colormap, HasAName) {
  EXPECT_EQ(colormap_names(), (std::vector<std::string>{"turbo", "magma", "viridis"}));
  EXPECT_EQ(colormap("turbo"), Colormap::turbo);
  EXPECT_EQ(colormap("magma"), Colormap::magma);
  EXPECT_EQ(colormap("viridis"), Colormap::viridis);
  EXPECT_THROW(colormap("jet"), Error);
}

TEST(Colormap, EndsAreThePublishedColours) {
  const ColorRange range{1.F, 5.F};
  EXPECT_EQ(color_of(1.F, range, Colormap::turbo), (Rgb{48, 18, 59}));
  EXPECT_EQ(color_of(5.F, range, Colormap::turbo), (Rgb{122, 4, 3}));
  EXPECT_EQ(color_of(1.F, range, Colormap::magma), (Rgb{0, 0, 4}));
  EXPECT_EQ(color_of(5.F, range, Colormap::magma), (Rgb{252, 253, 191}));
  EXPECT_EQ(color_of(1.F, range, Colormap::viridis), (Rgb{68, 1, 84}));
  EXPECT_EQ(color_of(5.F, range, Colormap::viridis), (Rgb{253, 231, 37}));
}

TEST(Colormap, MiddleIsNearThePublishedTable) {
  // Entry 128 of 256; 7 is the error that the header promises.
  const Rgb turbo = color_of(128.F / 255, {0.F, 1.F}, Colormap::turbo);
  const Rgb want_turbo{164, 252, 60}, want_magma{183, 55, 121}, want_viridis{33, 145, 140};
  const Rgb magma = color_of(128.F / 255, {0.F, 1.F}, Colormap::magma);
  const Rgb viridis = color_of(128.F / 255, {0.F, 1.F}, Colormap::viridis);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(turbo[c], want_turbo[c], 7);
    EXPECT_NEAR(magma[c], want_magma[c], 7);
    EXPECT_NEAR(viridis[c], want_viridis[c], 7);
  }
}

TEST(Colormap, BeyondTheRangeTheColourStays) {
  const ColorRange range{1.F, 5.F};
  EXPECT_EQ(color_of(0.5F, range, Colormap::turbo), color_of(1.F, range, Colormap::turbo));
  EXPECT_EQ(color_of(std::numeric_limits<float>::infinity(), range, Colormap::turbo),
            color_of(5.F, range, Colormap::turbo));
}

TEST(Colormap, NoMeasurementIsBlack) {
  for (const float none : {0.F, -1.F, std::nanf("")}) {
    EXPECT_EQ(color_of(none, {0.F, 10.F}, Colormap::turbo), (Rgb{0, 0, 0}));
  }
}

TEST(Colormap, MagmaAndViridisGetBrighterWithDepth) {
  for (const Colormap map : {Colormap::magma, Colormap::viridis}) {
    int before = -1;
    for (int i = 0; i <= 255; ++i) {
      const Rgb c = color_of(float(i) / 255 + 1.F, {1.F, 2.F}, map);
      const int brightness = 299 * c[0] + 587 * c[1] + 114 * c[2];
      EXPECT_GE(brightness, before - 1000);  // rounding of one channel by one step
      before = brightness;
    }
  }
}

TEST(Colormap, EmptyRangeIsAnError) { EXPECT_THROW(color_of(1.F, {2.F, 2.F}, Colormap::turbo), Error); }

}  // namespace
}  // namespace md
