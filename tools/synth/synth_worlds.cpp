// Draws rooms and streets: sizes, furniture, cars, colours, and poses that see something.
#include "tools/synth/synth_worlds.h"

#include <algorithm>
#include <numbers>

#include "tools/synth/synth_detail.h"
#include "tools/synth/synth_placing.h"

namespace md::synth {
namespace {

constexpr double kPi = std::numbers::pi;

/// What the draws of one world are for (Rng's first key), so that they never share numbers.
enum Key : std::uint64_t { kRoom, kStreet, kPose, kDetail };

Texture wood_or_any(Rng& rng) {
  return rng.uniform() < 0.4 ? random_texture(rng, Pattern::grain, 0.15) : random_texture(rng, 0.04, 0.4);
}

void add_shell(World& room, Rng& rng) {
  const double x = room.size_m.x / 2, y = room.size_m.y, z = room.size_m.z;
  auto& planes = room.scene.planes;
  planes.push_back({{0, 0, 0}, {0, 1, 0}, random_texture(rng, 0.15, 0.8)});
  planes.push_back({{0, y, 0}, {0, -1, 0}, random_texture(rng, Pattern::plain, 0.5)});
  const Texture wall = random_texture(rng, 0.1, 0.9);  // two walls share it, two have their own
  planes.push_back({{-x, 0, 0}, {1, 0, 0}, wall});
  planes.push_back({{x, 0, 0}, {-1, 0, 0}, random_texture(rng, 0.1, 0.9)});
  planes.push_back({{0, 0, z}, {0, 0, -1}, wall});
  planes.push_back({{0, 0, 0}, {0, 0, 1}, random_texture(rng, 0.1, 0.9)});
}

void add_table(World& room, Rng& rng, const Vec3& foot, double yaw) {
  const Vec3 top = {rng.uniform(0.8, 1.8), 0.05, rng.uniform(0.6, 1.0)};
  const double height = rng.uniform(0.68, 0.78);
  const Texture texture = wood_or_any(rng);
  auto& boxes = room.scene.boxes;
  boxes.push_back(standing(foot + Vec3{0, height, 0}, top, yaw, texture));
  for (const double x : {-1, 1}) {
    for (const double z : {-1, 1}) {
      const Vec3 leg = local(foot, yaw, x * (top.x / 2 - 0.06), 0, z * (top.z / 2 - 0.06));
      boxes.push_back(standing(leg, {0.06, height, 0.06}, yaw, texture));
    }
  }
  const double radius = rng.uniform(0.06, 0.16);  // a ball or a box lies on it
  const Vec3 thing = local(foot, yaw, rng.uniform(-0.25, 0.25), height + 0.05, rng.uniform(-0.2, 0.2));
  if (rng.uniform() < 0.5) {
    room.scene.spheres.push_back({thing + Vec3{0, radius, 0}, radius, random_texture(rng, 0.04, 0.2)});
  } else {
    boxes.push_back(standing(thing, {2 * radius, 1.5 * radius, radius}, yaw + 0.5, random_texture(rng, 0.03, 0.1)));
  }
}

void add_chair(World& room, Rng& rng, const Vec3& foot, double yaw) {
  const Texture texture = wood_or_any(rng);
  auto& boxes = room.scene.boxes;
  boxes.push_back(standing(foot + Vec3{0, 0.42, 0}, {0.44, 0.05, 0.44}, yaw, texture));
  boxes.push_back(standing(local(foot, yaw, 0, 0.45, -0.2), {0.44, 0.5, 0.04}, yaw, texture));
  boxes.push_back(standing(foot, {0.1, 0.42, 0.1}, yaw, texture));
}

void add_sofa(World& room, Rng& rng) {
  const auto [foot, yaw] = wall_spot(room, rng, 0.85);
  const double width = rng.uniform(1.4, 2.2);
  const Texture texture = random_texture(rng, 0.05, 0.5);
  auto& boxes = room.scene.boxes;
  boxes.push_back(standing(foot, {width, 0.42, 0.85}, yaw, texture));
  boxes.push_back(standing(local(foot, yaw, 0, 0.42, -0.32), {width, 0.42, 0.2}, yaw, texture));
  for (const double side : {-1, 1}) {
    boxes.push_back(standing(local(foot, yaw, side * (width / 2 - 0.09), 0.42, 0), {0.18, 0.2, 0.85}, yaw, texture));
  }
}

/// A cupboard, a shelf or a bed: one box against a wall.
void add_cupboard(World& room, Rng& rng) {
  const bool low = rng.uniform() < 0.5;
  const Vec3 size = low ? Vec3{rng.uniform(1.2, 2.0), rng.uniform(0.45, 0.9), rng.uniform(0.4, 1.4)}
                        : Vec3{rng.uniform(0.6, 1.4), rng.uniform(1.6, 2.2), rng.uniform(0.3, 0.6)};
  const auto [foot, yaw] = wall_spot(room, rng, size.z);
  room.scene.boxes.push_back(standing(foot, size, yaw, wood_or_any(rng)));
}

void add_picture(World& room, Rng& rng) {
  const auto [foot, yaw] = wall_spot(room, rng, 0);
  const Vec3 size = {rng.uniform(0.4, 1.2), rng.uniform(0.4, 0.9), 0.03};
  const double height = rng.uniform(1.2, 1.5);
  room.scene.boxes.push_back(standing(foot + Vec3{0, height, 0}, size, yaw, random_texture(rng, 0.05, 0.5)));
}

void add_ball(World& room, Rng& rng) {
  const double radius = rng.uniform(0.1, 0.3);
  const Vec3 at = {rng.uniform(-0.4, 0.4) * room.size_m.x, radius, rng.uniform(0.1, 0.9) * room.size_m.z};
  room.scene.spheres.push_back({at, radius, random_texture(rng, 0.05, 0.3)});
}

void add_room_lights(World& room, Rng& rng) {
  const auto count = rng.integer(1, 2);
  for (i64 i = 0; i < count; ++i) {
    const Vec3 at = {rng.uniform(-0.35, 0.35) * room.size_m.x, room.size_m.y - rng.uniform(0.1, 0.6),
                     rng.uniform(0.1, 0.9) * room.size_m.z};
    room.scene.lights.push_back({at, rng.uniform(0.8, 1.4) / double(count), rng.uniform(4, 12)});
  }
  room.scene.ambient = rng.uniform(0.3, 0.6);
}

void add_car(World& street, Rng& rng, const Vec3& foot, double yaw) {
  const Texture paint = random_texture(rng, Pattern::plain, 0.6);
  const Texture glass = random_texture(rng, Pattern::stripes, 0.7), tyre = random_texture(rng, Pattern::dots, 0.1);
  const double long_m = rng.uniform(3.6, 4.8), wide_m = rng.uniform(1.65, 1.85), tall_m = rng.uniform(1.4, 1.8);
  auto& boxes = street.scene.boxes;
  boxes.push_back(standing(foot + Vec3{0, 0.25, 0}, {wide_m, 0.5 * tall_m, long_m}, yaw, paint));
  boxes.push_back(standing(local(foot, yaw, 0, 0.25 + 0.5 * tall_m, -0.1 * long_m),
                           {0.85 * wide_m, 0.35 * tall_m, 0.55 * long_m}, yaw, glass));
  for (const double x : {-1, 1}) {
    for (const double z : {-1, 1}) {
      street.scene.spheres.push_back({local(foot, yaw, x * (wide_m / 2 - 0.1), 0.32, z * 0.33 * long_m), 0.32, tyre});
    }
  }
}

void add_tree(World& street, Rng& rng, const Vec3& foot) {
  const double trunk_m = rng.uniform(2.0, 3.5), crown_m = rng.uniform(0.9, 1.8);
  street.scene.boxes.push_back(standing(foot, {0.3, trunk_m, 0.3}, 0, random_texture(rng, Pattern::grain, 0.2)));
  street.scene.spheres.push_back(
      {foot + Vec3{0, trunk_m + 0.7 * crown_m, 0}, crown_m, random_texture(rng, Pattern::dots, 0.35)});
}

void add_pole(World& street, Rng& rng, const Vec3& foot) {
  street.scene.boxes.push_back(standing(foot, {0.14, rng.uniform(2.5, 6), 0.14}, 0, random_texture(rng, 0.2, 1)));
  street.scene.boxes.push_back(
      standing(foot + Vec3{0, 2.1, 0}, {0.7, 0.7, 0.05}, 0, random_texture(rng, Pattern::dots, 0.3)));
}

/// One side of the street: pavement, facades with gaps, parked cars, trees and poles.
void add_side(World& street, Rng& rng, double side) {
  const double kerb = street.size_m.x / 2 - 3, facade = street.size_m.x / 2, end = street.size_m.z;
  auto& boxes = street.scene.boxes;
  boxes.push_back(standing({side * (kerb + 50), 0, end / 2}, {100, 0.14, end + 100}, 0, random_texture(rng, 0.4, 1.5)));
  for (double z = -10; z < end + 40;) {
    const double wide_m = rng.uniform(6, 18), back_m = rng.uniform(0, 4);
    const Vec3 size = {10, rng.uniform(4, 14), wide_m};
    boxes.push_back(
        standing({side * (facade + 5 + back_m), 0, z + wide_m / 2}, size, 0,
                 random_texture(rng, rng.uniform() < 0.7 ? Pattern::windows : Pattern::bricks, rng.uniform(1.2, 3))));
    z += wide_m + (rng.uniform() < 0.3 ? rng.uniform(2, 10) : 0);
  }
  for (double z = rng.uniform(0, 12); z < end; z += rng.uniform(5.5, 25)) {
    add_car(street, rng, {side * (kerb - 1.1), 0, z}, rng.uniform(-0.05, 0.05) + (side > 0 ? 0 : kPi));
  }
  for (double z = rng.uniform(0, 15); z < end; z += rng.uniform(6, 30)) {
    const Vec3 foot = {side * (kerb + rng.uniform(0.6, 1.8)), 0.14, z};
    rng.uniform() < 0.6 ? add_tree(street, rng, foot) : add_pole(street, rng, foot);
  }
}

/// Traffic: cars in our lane (x > 0) far enough ahead of the drive, and oncoming ones.
void add_traffic(World& street, Rng& rng) {
  for (double z = rng.uniform(28, 45); z < street.size_m.z; z += rng.uniform(15, 50)) {
    add_car(street, rng, {rng.uniform(1.3, 1.9), 0, z}, 0);
  }
  for (double z = rng.uniform(8, 30); z < street.size_m.z; z += rng.uniform(15, 50)) {
    add_car(street, rng, {rng.uniform(-1.9, -1.3), 0, z}, kPi);
  }
}

/// A photographer stands near one end of the room and looks along it, the camera at eye level and a little down.
Pose pose_in_room(const World& room, Rng& rng) {
  const bool far_end = rng.uniform() < 0.5;
  Vec3 best;
  double best_m = -1;
  for (int attempt = 0; attempt < 32 && best_m < 0.6; ++attempt) {  // a free spot, or the freest found
    const double from_end_m = rng.uniform(0.05, 0.35) * room.size_m.z;
    const Vec3 p = {rng.uniform(-0.4, 0.4) * room.size_m.x, rng.uniform(1.25, 1.6),
                    far_end ? room.size_m.z - from_end_m : from_end_m};
    const double clear_m = room.scene.clearance_m(p);
    if (clear_m > best_m) best = p, best_m = clear_m;
  }
  const Vec3 aim = {0, 0, (far_end ? 0.25 : 0.75) * room.size_m.z};
  const double yaw = std::atan2(aim.x - best.x, aim.z - best.z) + rng.uniform(-0.4, 0.4);
  return look(best, yaw, rng.uniform(-0.32, -0.08));
}

}  // namespace

Pose look(const Vec3& position, double yaw, double pitch) {
  const Vec3 forward = {std::sin(yaw) * std::cos(pitch), std::sin(pitch), std::cos(yaw) * std::cos(pitch)};
  const Vec3 right = {std::cos(yaw), 0, -std::sin(yaw)};
  return {position, right, cross(right, forward), forward};
}

World make_room(std::uint64_t seed, std::uint64_t number, Detail detail) {
  Rng rng(seed, Purpose::scene, kRoom, number);
  World room{WorldKind::room, seed, number, {rng.uniform(2.6, 6.0), rng.uniform(2.3, 3.0), rng.uniform(3.2, 9.0)}, {}};
  add_shell(room, rng);
  for (i64 i = rng.integer(2, 4); i > 0; --i) add_cupboard(room, rng);
  if (rng.uniform() < 0.7) add_sofa(room, rng);
  const Vec3 middle = {rng.uniform(-0.2, 0.2) * room.size_m.x, 0, rng.uniform(0.3, 0.7) * room.size_m.z};
  const double yaw = rng.uniform(0, kPi);
  add_table(room, rng, middle, yaw);
  for (i64 i = rng.integer(0, 3); i > 0; --i) {
    const double turn = yaw + double(i) * kPi / 2 + rng.uniform(-0.3, 0.3);
    add_chair(room, rng, local(middle, turn, 0, 0, -rng.uniform(0.8, 1.1)), turn);
  }
  for (i64 i = rng.integer(1, 4); i > 0; --i) add_picture(room, rng);
  for (i64 i = rng.integer(0, 3); i > 0; --i) add_ball(room, rng);
  add_room_lights(room, rng);
  if (detail == Detail::high) {
    Rng more(seed, Purpose::scene, kDetail, number);
    add_detail(room, more);
  }
  return room;
}

World make_street(std::uint64_t seed, std::uint64_t number) {
  Rng rng(seed, Purpose::scene, kStreet, number);
  World street{WorldKind::street, seed, number, {rng.uniform(15, 24), 20, 120}, {}};
  street.scene.planes.push_back({{0, 0, 0}, {0, 1, 0}, random_texture(rng, 0.3, 2)});
  // A thin strip is the lane marking; depth and texture come from the same ray.
  street.scene.boxes.push_back(standing({0, 0, 60}, {0.15, 0.005, 240}, 0, random_texture(rng, Pattern::stripes, 4)));
  for (const double side : {-1, 1}) add_side(street, rng, side);
  add_traffic(street, rng);
  const Vec3 sun = {rng.uniform(-800, 800), rng.uniform(500, 1000), rng.uniform(-800, 400)};
  street.scene.lights.push_back({sun, rng.uniform(0.6, 1.1), 1e9});
  street.scene.ambient = rng.uniform(0.3, 0.6);
  street.scene.sky = random_texture(rng, Pattern::plain, 0.3);
  return street;
}

World make_world(WorldKind kind, std::uint64_t seed, std::uint64_t number, Detail detail) {
  return kind == WorldKind::room ? make_room(seed, number, detail) : make_street(seed, number);
}

Pose pose_of(const World& world, std::uint64_t frame) {
  Rng rng(world.seed, Purpose::scene, kPose, world.number << 20U | frame);
  if (world.kind == WorldKind::room) return pose_in_room(world, rng);
  // KITTI's camera stands 1.65 m above the road; a drive covers 16 m, which traffic in our lane leaves free.
  const Vec3 position = {1.6 + rng.uniform(-0.3, 0.3), 1.65, 4.0 * double(frame) + rng.uniform(0, 2)};
  return look(position, rng.uniform(-0.04, 0.04), rng.uniform(-0.02, 0.01));
}

}  // namespace md::synth
