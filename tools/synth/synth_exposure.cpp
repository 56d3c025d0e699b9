// Luminance is that of linear sRGB.
#include "tools/synth/synth_exposure.h"

namespace md::synth {

double automatic_gain(std::span<const Vec3> light) {
  constexpr double kMiddleGrey = 0.18, kDarkest = 1e-4;
  double sum = 0;
  for (const Vec3& c : light) sum += std::log(kDarkest + 0.2126 * c.x + 0.7152 * c.y + 0.0722 * c.z);
  const double mean = std::exp(sum / double(light.size()));
  return mean > 2 * kDarkest ? kMiddleGrey / mean : 1;
}

void expose(std::span<Vec3> light, double gain) {
  for (Vec3& pixel : light) pixel = gain * pixel;
}

}  // namespace md::synth
