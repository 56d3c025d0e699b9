// Where things stand in a world: on a height, beside another thing, at a wall.
#pragma once
#include "engine/rng.h"
#include "tools/synth/synth_worlds.h"

namespace md::synth {

/// A box that stands on height `foot.y` with its centre over (foot.x, foot.z); `size` is its full width, height, depth.
Box standing(Vec3 foot, const Vec3& size, double yaw, const Texture&);
/// A cylinder that stands there.
Cylinder standing(const Vec3& foot, double radius_m, double height_m, const Texture&);

/// A point given in the frame of something at `foot` turned by `yaw`.
Vec3 local(const Vec3& foot, double yaw, double x, double y, double z);

/// A point on the floor at a wall's foot, and the yaw that turns a piece's back (-z) to it.
struct WallSpot {
  Vec3 foot;
  double yaw;
};
/// Any place at one of a room's four walls for a piece that is so deep.
WallSpot wall_spot(const World& room, Rng&, double depth_m);

}  // namespace md::synth
