// Procedural surface textures: a pattern of two colours in metres on the surface, mottled by value noise. Colours and
// patterns are drawn per object, so colour says nothing about depth.
#pragma once
#include <cstdint>

#include "engine/rng.h"
#include "tools/synth/synth_vec.h"

namespace md::synth {

/// How a surface is painted; `spines` are those of books, `outdoors` is what a window shows.
enum class Pattern : std::uint8_t { plain, checks, stripes, bricks, dots, grain, windows, spines, outdoors };

/// What one object's surface has to itself, so that no two of a material are equal; all 0: nothing.
struct Variation {
  double shift_u_m = 0, shift_v_m = 0;  // where the pattern begins
  double bend = 0;                      // how far noise bends its lines, in periods
  double cells = 0;                     // how much the colours of its cells differ, 0..1
  double wear = 0;                      // strength of dark stains half a metre large, 0..1
};

/// A pattern in two colours, with noise.
struct Texture {
  Pattern pattern = Pattern::plain;
  Vec3 base = {0.5, 0.5, 0.5}, accent = {0.2, 0.2, 0.2};  // linear RGB, 0..1
  double cell_m = 0.3;                                    // period of the pattern
  double mottle = 0;                                      // strength of the noise, 0..1
  std::uint32_t seed = 0;
  Variation own = {};
  double emits = 0;     // light that a lamp or the sky behind a window sends, as a multiple of its colour
  double reflects = 0;  // part of the light that comes as from a mirror: glass, screens, mirrors
};

/// Linear RGB of the texture at (u, v), metres along the surface.
Vec3 colour_at(const Texture&, double u_m, double v_m);

/// Smooth noise in [0,1) with the given seed, period about 1.
double value_noise(std::uint32_t seed, double u, double v);

/// Any pattern in any colours, with periods between `small_m` and `large_m`.
Texture random_texture(Rng&, double small_m, double large_m);
/// The given pattern in any colours.
Texture random_texture(Rng&, Pattern, double cell_m);
/// The same material on another object: a little lighter or darker, with stains, noise and variations of its own.
Texture another_piece(Rng&, const Texture&);

}  // namespace md::synth
