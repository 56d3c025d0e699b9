// Turning about the vertical is all that furniture does.
#include "tools/synth/synth_placing.h"

#include <numbers>

namespace md::synth {

Box standing(Vec3 foot, const Vec3& size, double yaw, const Texture& texture) {
  foot.y += size.y / 2;
  return {foot, 0.5 * size, texture, std::cos(yaw), std::sin(yaw)};
}

Cylinder standing(const Vec3& foot, double radius_m, double height_m, const Texture& texture) {
  return {foot + Vec3{0, height_m / 2, 0}, radius_m, height_m / 2, texture};
}

Vec3 local(const Vec3& foot, double yaw, double x, double y, double z) {
  return foot + Vec3{std::cos(yaw) * x + std::sin(yaw) * z, y, -std::sin(yaw) * x + std::cos(yaw) * z};
}

WallSpot wall_spot(const World& room, Rng& rng, double depth_m) {
  const double half_x = room.size_m.x / 2, z = room.size_m.z, margin = 0.6, gap = depth_m / 2 + 0.02;
  switch (rng.integer(0, 3)) {
    case 0:
      return {{-half_x + gap, 0, rng.uniform(margin, z - margin)}, std::numbers::pi / 2};
    case 1:
      return {{half_x - gap, 0, rng.uniform(margin, z - margin)}, -std::numbers::pi / 2};
    case 2:
      return {{rng.uniform(-half_x + margin, half_x - margin), 0, gap}, 0};
    default:
      return {{rng.uniform(-half_x + margin, half_x - margin), 0, z - gap}, std::numbers::pi};
  }
}

}  // namespace md::synth
