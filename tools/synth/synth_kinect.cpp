// Every pixel looks a little beside its place, and at a depth a little wrong; then it is decided whether it is a hole.
#include "tools/synth/synth_kinect.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace md::synth {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kDisparityMetres = 1 / 2.85e-3;  // disparity in steps = this / depth; Khoshelham and Elberink's Eq. 13
constexpr double kColumns = 640;                  // of the sensor
constexpr double kSpeckle = 0.003;                // of the pixels are lost for no reason
constexpr double kWindow = 4;                     // pixels from the middle of what is correlated to its edge
constexpr double kJump = 1.1;                     // ratio of the depths at an edge
constexpr double kLeastLight = 0.004;             // reflectance * cosine / z^2
constexpr double kMostSlanted = 1.45;             // radians; the formulas have a pole at pi/2

/// Numbers that belong to pixel `p`: two normal ones, another one, and one uniform in [0,1).
struct PixelDraws {
  double across, down, along, chance;
};
PixelDraws draws_of(std::uint64_t noise_key, std::size_t p) {
  const auto a = philox(noise_key, 1, p), b = philox(noise_key, 2, p);
  const auto radius = [](std::uint32_t bits) { return std::sqrt(-2 * std::log((bits + 0.5) * 0x1p-32)); };
  const double turn = 2 * kPi * a[1] * 0x1p-32;
  return {radius(a[0]) * std::cos(turn), radius(a[0]) * std::sin(turn),
          radius(a[2]) * std::cos(2 * kPi * a[3] * 0x1p-32), b[0] * 0x1p-32};
}

double angle_of(const Hit& hit, const Ray& ray) {
  return std::min(kMostSlanted, std::acos(std::min(1.0, std::abs(dot(hit.normal, unit(ray.direction))))));
}

/// Pixels, Nguyen's Eq. 1.
double lateral_noise_px(double angle) { return 0.8 + 0.035 * angle / (kPi / 2 - angle); }

/// Whether too little light comes back.
bool too_dark(const Hit& hit, double angle, double chance) {
  const Vec3 colour = colour_at(*hit.texture, hit.u_m, hit.v_m);
  const double reflectance = (colour.x + colour.y + colour.z) / 3;
  return reflectance * std::cos(angle) / (hit.t * hit.t) < kLeastLight * (0.5 + chance);
}

/// Whether the pixels around lie on two depths.
bool at_edge(std::span<const float> depth_m, const Camera& camera, int x, int y, int reach) {
  const auto at = [&](int row, int column) {
    row = std::clamp(row, 0, camera.height - 1);
    column = std::clamp(column, 0, camera.width - 1);
    return double(depth_m[std::size_t(row) * std::size_t(camera.width) + std::size_t(column)]);
  };
  const auto [low, high] =
      std::minmax({at(y, x), at(y - reach, x), at(y + reach, x), at(y, x - reach), at(y, x + reach)});
  return high > kJump * low;
}

}  // namespace

double nearest_kinect_step_m(double depth_m) { return kDisparityMetres / std::round(kDisparityMetres / depth_m); }

double kinect_axial_noise_m(double depth_m, double angle) {
  const double slanted = angle / (kPi / 2 - angle);
  return 0.0012 + 0.0019 * (depth_m - 0.4) * (depth_m - 0.4) + 0.0001 / std::sqrt(depth_m) * slanted * slanted;
}

void measure_as_kinect(const Scene& scene, const Camera& camera, std::uint64_t noise_key, std::span<float> depth_m) {
  const std::vector<float> exact(depth_m.begin(), depth_m.end());
  const double scale = camera.width / kColumns;
  const int reach = std::max(1, int(std::lround(kWindow * scale)));
  keep_structured_light(scene, camera, noise_key, kSpeckle, depth_m);
  for (std::size_t p = 0; p < depth_m.size(); ++p) {
    if (depth_m[p] == 0) continue;
    const int y = int(p) / camera.width, x = int(p) % camera.width;
    const PixelDraws draws = draws_of(noise_key, p);
    const Ray straight = camera.ray(x + 0.5, y + 0.5);
    const double beside_px = scale * lateral_noise_px(angle_of(scene.nearest(straight), straight));
    const Ray ray = camera.ray(x + 0.5 + beside_px * draws.across, y + 0.5 + beside_px * draws.down);
    const Hit hit = scene.nearest(ray);
    depth_m[p] = 0;
    if (!hit || hit.texture->reflects > 0) continue;
    const double angle = angle_of(hit, ray);
    // Whole stretches of an edge are lost, and others are not.
    const bool edge_lost = value_noise(std::uint32_t(noise_key), x / (8 * scale), y / (8 * scale)) > 0.35;
    if (too_dark(hit, angle, draws.chance) || (edge_lost && at_edge(exact, camera, x, y, reach))) continue;
    const double step_m = nearest_kinect_step_m(hit.t + kinect_axial_noise_m(hit.t, angle) * draws.along);
    if (step_m > 0.4 && step_m < 10) depth_m[p] = float(step_m);
  }
}

}  // namespace md::synth
