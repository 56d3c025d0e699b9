// One ray a pixel for depth, a few for colour; then what the sensor loses.
#include "tools/synth/synth_render.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace md::synth {
namespace {

/// sRGB's transfer curve, to a byte.
std::uint8_t to_byte(double linear) {
  const double c = std::clamp(linear, 0.0, 1.0);
  const double s = c <= 0.0031308 ? 12.92 * c : 1.055 * std::pow(c, 1 / 2.4) - 0.055;
  return std::uint8_t(std::lround(255 * s));
}

/// A draw in [0,1) that belongs to pixel `p` of the frame with this key.
double pixel_draw(std::uint64_t noise_key, std::size_t p) { return philox(noise_key, 0, p)[0] * 0x1p-32; }

}  // namespace

Ray Camera::ray(double x, double y) const {
  const double right = (x - 0.5 * width) / focal_px, down = (y - 0.5 * height) / focal_px;
  return {pose.position, pose.forward + right * pose.right + down * pose.down};
}

std::vector<float> render_depth(const Scene& scene, const Camera& camera) {
  std::vector<float> depth_m;
  depth_m.reserve(std::size_t(camera.height) * std::size_t(camera.width));
  for (int y = 0; y < camera.height; ++y) {
    for (int x = 0; x < camera.width; ++x) {
      const Hit hit = scene.nearest(camera.ray(x + 0.5, y + 0.5));
      depth_m.push_back(hit ? float(hit.t) : 0.F);
    }
  }
  return depth_m;
}

std::vector<Vec3> render_light(const Scene& scene, std::span<const Camera> while_open) {
  constexpr double kPlaces[4][2] = {{0.25, 0.25}, {0.75, 0.25}, {0.25, 0.75}, {0.75, 0.75}};
  const Camera& first = while_open.front();
  const std::size_t rays = while_open.size() == 1 ? 4 : while_open.size();
  std::vector<Vec3> light;
  light.reserve(std::size_t(first.height) * std::size_t(first.width));
  for (int y = 0; y < first.height; ++y) {
    for (int x = 0; x < first.width; ++x) {
      Vec3 sum;
      for (std::size_t i = 0; i < rays; ++i) {
        const auto& [dx, dy] = kPlaces[i % 4];
        sum = sum + scene.colour(while_open[i % while_open.size()].ray(x + dx, y + dy));
      }
      light.push_back((1 / double(rays)) * sum);
    }
  }
  return light;
}

std::vector<std::uint8_t> srgb_bytes(std::span<const Vec3> light) {
  std::vector<std::uint8_t> rgb;
  rgb.reserve(3 * light.size());
  for (const Vec3& pixel : light) {
    for (const double channel : {pixel.x, pixel.y, pixel.z}) rgb.push_back(to_byte(channel));
  }
  return rgb;
}

std::vector<std::uint8_t> render_colour(const Scene& scene, const Camera& camera) {
  return srgb_bytes(render_light(scene, std::span(&camera, 1)));
}

void keep_structured_light(const Scene& scene, const Camera& camera, std::uint64_t noise_key, double speckle,
                           std::span<float> depth_m) {
  const Vec3 projector = camera.pose.position + 0.075 * camera.pose.right;
  for (std::size_t p = 0; p < depth_m.size(); ++p) {
    const int y = int(p) / camera.width, x = int(p) % camera.width;
    const Ray ray = camera.ray(x + 0.5, y + 0.5);
    const Hit hit = scene.nearest(ray);
    const bool in_range = hit.t > 0.4 && hit.t < 10;
    const bool grazing = hit && std::abs(dot(hit.normal, unit(ray.direction))) < 0.06;
    if (!in_range || grazing || pixel_draw(noise_key, p) < speckle ||
        scene.blocked(hit.point + 1e-3 * hit.normal, projector)) {
      depth_m[p] = 0;
    }
  }
}

void keep_lidar_lines(const Camera& camera, std::uint64_t noise_key, std::span<float> depth_m) {
  constexpr int kLines = 40;
  constexpr double kShare = 0.11;  // of all pixels, before the sky and the far distance are lost
  const double highest = std::tan(2 * std::numbers::pi / 180), lowest = -0.5 * camera.height / camera.focal_px;
  const double keep = std::min(1.0, kShare * camera.height / kLines);
  std::vector<bool> scanned(depth_m.size());
  for (int line = 0; line < kLines; ++line) {
    const double slope = highest + (lowest - highest) * (line + 0.5) / kLines;  // rise over horizontal distance
    for (int x = 0; x < camera.width; ++x) {
      // A level beam's cone cuts the image in a hyperbola: the horizontal distance at z = 1 is sqrt(1 + right^2).
      const double right = (x + 0.5 - 0.5 * camera.width) / camera.focal_px;
      const double row = 0.5 * camera.height - camera.focal_px * slope * std::sqrt(1 + right * right);
      if (row < 0 || row >= camera.height) continue;
      const std::size_t p = std::size_t(row) * std::size_t(camera.width) + std::size_t(x);
      scanned[p] = pixel_draw(noise_key, p) < keep;
    }
  }
  for (std::size_t p = 0; p < depth_m.size(); ++p) {
    if (!scanned[p] || depth_m[p] > 80) depth_m[p] = 0;
  }
}

}  // namespace md::synth
