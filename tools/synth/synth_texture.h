// Procedural surface textures: a pattern of two colours in metres on the surface, mottled by value noise. Colours and
// patterns are drawn per object, so colour says nothing about depth.
#pragma once
#include <cstdint>

#include "engine/rng.h"
#include "tools/synth/synth_vec.h"

namespace md::synth {

/// How a surface is painted.
enum class Pattern : std::uint8_t { plain, checks, stripes, bricks, dots, grain, windows };

/// A pattern in two colours, with noise.
struct Texture {
  Pattern pattern = Pattern::plain;
  Vec3 base = {0.5, 0.5, 0.5}, accent = {0.2, 0.2, 0.2};  // linear RGB, 0..1
  double cell_m = 0.3;                                    // period of the pattern
  double mottle = 0;                                      // strength of the noise, 0..1
  std::uint32_t seed = 0;
};

/// Linear RGB of the texture at (u, v), metres along the surface.
Vec3 colour_at(const Texture&, double u_m, double v_m);

/// Smooth noise in [0,1) with the given seed, period about 1.
double value_noise(std::uint32_t seed, double u, double v);

/// Any pattern in any colours, with periods between `small_m` and `large_m`.
Texture random_texture(Rng&, double small_m, double large_m);
/// The given pattern in any colours.
Texture random_texture(Rng&, Pattern, double cell_m);

}  // namespace md::synth
