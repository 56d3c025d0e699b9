// How a camera sets its exposure by itself.
#pragma once
#include <span>

#include "tools/synth/synth_vec.h"

namespace md::synth {

/// The factor that brings the logarithmic mean of a picture's luminance to 0.18, the middle grey that cameras aim at
/// (Reinhard et al., "Photographic Tone Reproduction for Digital Images", SIGGRAPH 2002, Eq. 1 and 2). 1 of a black
/// one.
double automatic_gain(std::span<const Vec3> light);

/// Multiplies all of it.
void expose(std::span<Vec3> light, double gain);

}  // namespace md::synth
