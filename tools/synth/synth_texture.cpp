// Patterns by lattice cells; their colours differ by hue and brightness.
#include "tools/synth/synth_texture.h"

#include <algorithm>

namespace md::synth {
namespace {

/// A number in [0,1) for a lattice point; philox would be too slow for every pixel.
double hashed(std::uint32_t seed, std::int64_t i, std::int64_t j) {
  std::uint32_t h = seed ^ (std::uint32_t(i) * 0x9E3779B1U) ^ (std::uint32_t(j) * 0x85EBCA77U);  // the primes of xxHash
  h = (h ^ (h >> 15)) * 0x2C1B3C6DU;
  h = (h ^ (h >> 12)) * 0x297A2D39U;
  return (h ^ (h >> 15)) * 0x1p-32;
}

double fraction(double x) { return x - std::floor(x); }

/// Two octaves of noise, in [0,1).
double mottle_at(const Texture& t, double u_m, double v_m) {
  const double coarse = value_noise(t.seed, u_m / t.cell_m, v_m / t.cell_m);
  const double fine = value_noise(t.seed + 1, 7 * u_m / t.cell_m, 7 * v_m / t.cell_m);
  return 0.6 * coarse + 0.4 * fine;
}

/// How much of the accent colour stands at (u, v), in units of the pattern's period.
double accent_share(const Texture& t, double u, double v) {
  const auto row = std::int64_t(std::floor(v));
  switch (t.pattern) {
    case Pattern::plain:
      return 0;
    case Pattern::checks:
      return double((std::int64_t(std::floor(u)) + row) & 1);
    case Pattern::stripes:
      return fraction(u) < 0.4 ? 1.0 : 0.0;
    case Pattern::bricks:  // mortar around rows of bricks, every other row shifted by half a brick
      return fraction(2 * v) < 0.12 || fraction(u + 0.5 * double(std::int64_t(std::floor(2 * v)) & 1)) < 0.06 ? 1 : 0;
    case Pattern::dots:
      return std::hypot(fraction(u) - 0.5, fraction(v) - 0.5) < 0.3 ? 1 : 0;
    case Pattern::grain:  // rings of wood: stripes bent by noise
      return 0.5 + 0.5 * std::sin(12.566 * (u + 1.5 * value_noise(t.seed + 2, u, 0.3 * v)));
    case Pattern::windows:  // panes of different brightness in a facade
      if (fraction(u) < 0.3 || fraction(v) < 0.35) return 0;
      return 0.4 + 0.6 * hashed(t.seed, std::int64_t(std::floor(u)), row);
    case Pattern::spines:  // a title across each
      return std::abs(fraction(0.25 * v + hashed(t.seed, std::int64_t(std::floor(u)), 0)) - 0.5) < 0.05 ? 1 : 0;
    case Pattern::outdoors:  // the base colour is the sky's, the accent that of what grows below it
      return v + 1.2 * value_noise(t.seed + 2, 2 * u, 0) < 0.3 ? 1 : 0;
  }
  return 0;
}

void bend(const Texture& t, double& u, double& v) {
  if (t.own.bend == 0) return;
  const double along = value_noise(t.seed + 3, 0.7 * u, 0.7 * v), across = value_noise(t.seed + 4, 0.7 * u, 0.7 * v);
  u += t.own.bend * (2 * along - 1);
  v += t.own.bend * (2 * across - 1);
}

/// Each tile, plank or book has its own brightness, and a little of its own hue.
Vec3 cell_colour(const Texture& t, double u, double v, const Vec3& colour) {
  const auto i = std::int64_t(std::floor(u)), j = t.pattern == Pattern::spines ? 0 : std::int64_t(std::floor(v));
  const double all = hashed(t.seed + 5, i, j), weight = t.own.cells;
  const auto channel = [&](std::uint32_t n, double value) {
    return value * (1 + weight * (0.7 * all + 0.3 * hashed(t.seed + 5 + n, i, j) - 0.5));
  };
  return {channel(1, colour.x), channel(2, colour.y), channel(3, colour.z)};
}

Vec3 worn(const Texture& t, double u_m, double v_m, const Vec3& colour) {
  const double stain = value_noise(t.seed + 9, 2 * u_m, 2 * v_m) * value_noise(t.seed + 10, 5 * u_m, 5 * v_m);
  return (1 - t.own.wear * std::min(1.0, 2 * stain)) * colour;
}

Vec3 random_colour(Rng& rng) { return {rng.uniform(0.05, 0.9), rng.uniform(0.05, 0.9), rng.uniform(0.05, 0.9)}; }

}  // namespace

double value_noise(std::uint32_t seed, double u, double v) {
  const double i = std::floor(u), j = std::floor(v);
  const auto smooth = [](double t) { return t * t * (3 - 2 * t); };
  const double a = smooth(u - i), b = smooth(v - j);
  const auto x = std::int64_t(i), y = std::int64_t(j);
  const double top = std::lerp(hashed(seed, x, y), hashed(seed, x + 1, y), a);
  const double bottom = std::lerp(hashed(seed, x, y + 1), hashed(seed, x + 1, y + 1), a);
  return std::lerp(top, bottom, b);
}

Vec3 colour_at(const Texture& t, double u_m, double v_m) {
  u_m += t.own.shift_u_m;
  v_m += t.own.shift_v_m;
  double u = u_m / t.cell_m, v = v_m / t.cell_m;
  bend(t, u, v);
  Vec3 colour = mix(t.base, t.accent, accent_share(t, u, v));
  if (t.own.cells > 0) colour = cell_colour(t, u, v, colour);
  if (t.own.wear > 0) colour = worn(t, u_m, v_m, colour);
  return t.mottle > 0 ? (1 + t.mottle * (mottle_at(t, u_m, v_m) - 0.5)) * colour : colour;
}

Texture random_texture(Rng& rng, Pattern pattern, double cell_m) {
  Texture t;
  t.pattern = pattern;
  t.base = random_colour(rng);
  t.accent = mix(t.base, random_colour(rng), rng.uniform(0.3, 1));
  t.cell_m = cell_m;
  t.mottle = rng.uniform(0.1, 0.7);
  t.seed = rng.bits();
  return t;
}

Texture random_texture(Rng& rng, double small_m, double large_m) {
  const auto pattern = Pattern(rng.integer(0, int(Pattern::grain)));
  const double cell_m = small_m * std::pow(large_m / small_m, rng.uniform());
  return random_texture(rng, pattern, cell_m);
}

Texture another_piece(Rng& rng, const Texture& material) {
  Texture t = material;
  t.base = rng.uniform(0.85, 1.15) * t.base;
  t.accent = rng.uniform(0.85, 1.15) * t.accent;
  t.seed = rng.bits();
  t.own = {.shift_u_m = rng.uniform(0, 1),
           .shift_v_m = rng.uniform(0, 1),
           .bend = rng.uniform(0, 0.1),
           .cells = rng.uniform(0.1, 0.5),
           .wear = rng.uniform(0, 0.45)};
  return t;
}

}  // namespace md::synth
