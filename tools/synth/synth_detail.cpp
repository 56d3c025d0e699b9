// Windows and lamps bring the light, the furniture gets its traces of use, and what lies about comes last.
#include "tools/synth/synth_detail.h"

#include <algorithm>
#include <numbers>
#include <optional>
#include <utility>

#include "tools/synth/synth_clutter.h"
#include "tools/synth/synth_placing.h"

namespace md::synth {
namespace {

constexpr double kPi = std::numbers::pi;

Texture in_colour(Rng& rng, Pattern pattern, double cell_m, const Vec3& colour) {
  Texture t = random_texture(rng, pattern, cell_m);
  t.base = rng.uniform(0.8, 1.1) * colour;
  return another_piece(rng, t);
}

/// Of any colour; half of them painted white.
Texture joinery(Rng& rng) {
  if (rng.uniform() < 0.5) return in_colour(rng, Pattern::plain, 0.2, {0.75, 0.74, 0.7});
  return another_piece(rng, random_texture(rng, Pattern::grain, 0.12));
}

void age_surfaces(World& room, Rng& rng) {
  Scene& scene = room.scene;
  for (Plane& each : scene.planes) each.texture = another_piece(rng, each.texture);
  for (Box& each : scene.boxes) each.texture = another_piece(rng, each.texture);
  for (Sphere& each : scene.spheres) each.texture = another_piece(rng, each.texture);
}

/// A spot at which nothing stands before the wall within `free_m` of a piece's middle at `height_m`; the best of a few.
std::optional<WallSpot> free_spot(const World& room, Rng& rng, double depth_m, double height_m, double free_m) {
  for (int attempt = 0; attempt < 24; ++attempt) {
    const WallSpot spot = wall_spot(room, rng, depth_m);
    const Vec3 middle = local(spot.foot, spot.yaw, 0, height_m, 0.05);
    if (room.scene.clearance_m(middle) > free_m) return spot;
  }
  return std::nullopt;
}

/// Four bars around an opening whose lower edge's middle is `foot`.
void add_frame(Shapes& to, const Vec3& foot, double yaw, const Vec3& opening, double bar_m, const Texture& texture) {
  const double deep = opening.z, outer = opening.x + 2 * bar_m;
  to.boxes.push_back(standing(local(foot, yaw, 0, -bar_m, 0), {outer, bar_m, deep}, yaw, texture));
  to.boxes.push_back(standing(local(foot, yaw, 0, opening.y, 0), {outer, bar_m, deep}, yaw, texture));
  for (const double side : {-0.5, 0.5}) {
    const Vec3 at = local(foot, yaw, side * (opening.x + bar_m), 0, 0);
    to.boxes.push_back(standing(at, {bar_m, opening.y, deep}, yaw, texture));
  }
}

/// Folds that hang beside a window.
void add_curtain(Shapes& to, Rng& rng, const Vec3& foot, double yaw, double height_m, const Texture& cloth) {
  const i64 folds = rng.integer(3, 6);
  for (i64 i = 0; i < folds; ++i) {
    const Vec3 at = local(foot, yaw, (double(i) - double(folds) / 2) * 0.07, 0, rng.uniform(-0.02, 0.02));
    to.cylinders.push_back(standing(at, 0.045, height_m, cloth));
  }
}

Texture outdoors(Rng& rng, bool night) {
  Texture t = random_texture(rng, Pattern::outdoors, rng.uniform(0.5, 1));
  t.base = {rng.uniform(0.5, 0.9), rng.uniform(0.6, 0.9), rng.uniform(0.7, 1)};
  t.accent = {rng.uniform(0.05, 0.4), rng.uniform(0.1, 0.4), rng.uniform(0.05, 0.3)};
  t.emits = night ? 0.02 : rng.uniform(0.8, 2.5);
  t.reflects = night ? 0.3 : 0.06;
  return t;
}

void add_window(World& room, Rng& rng) {
  const Vec3 opening = {rng.uniform(0.7, 1.7), rng.uniform(0.8, 1.2), 0.06};
  const double sill_m = rng.uniform(0.8, 1.0);
  const auto spot = free_spot(room, rng, opening.z, sill_m + opening.y / 2, 0.5 * opening.x);
  if (!spot) return;
  const bool night = rng.uniform() < 0.2;
  const Texture wood = joinery(rng);
  const Vec3 foot = spot->foot + Vec3{0, sill_m, 0};
  Shapes shapes;
  shapes.boxes.push_back(standing(foot, {opening.x, opening.y, 0.02}, spot->yaw, outdoors(rng, night)));
  add_frame(shapes, foot, spot->yaw, opening, 0.06, wood);
  shapes.boxes.push_back(standing(foot, {0.04, opening.y, 0.04}, spot->yaw, wood));  // between its wings
  shapes.boxes.push_back(
      standing(local(foot, spot->yaw, 0, -0.09, 0.06), {opening.x + 0.2, 0.03, 0.2}, spot->yaw, wood));
  if (rng.uniform() < 0.6) {
    const Texture cloth = another_piece(rng, random_texture(rng, 0.05, 0.3));
    const double height_m = rng.uniform() < 0.5 ? opening.y + 0.3 : opening.y + sill_m - 0.05;
    for (const double side : {-1, 1}) {
      const Vec3 at = local(foot, spot->yaw, side * (opening.x / 2 + 0.15), opening.y + 0.12 - height_m, 0.12);
      add_curtain(shapes, rng, at, spot->yaw, height_m, cloth);
    }
  }
  if (!night)
    room.scene.lights.push_back(
        {local(foot, spot->yaw, 0, opening.y / 2, 0.3), rng.uniform(0.6, 1.4), rng.uniform(2, 5), {0.9, 0.97, 1.05}});
  room.scene.clusters.push_back(cluster_of(std::move(shapes)));
}

/// A shade that shines, and its light.
void add_shade(World& room, Rng& rng, Shapes& to, const Vec3& middle) {
  Texture shade = in_colour(rng, Pattern::plain, 0.1, {0.95, 0.8, 0.55});
  shade.emits = rng.uniform(0.6, 1.6);
  if (rng.uniform() < 0.5) {
    to.spheres.push_back({middle, rng.uniform(0.1, 0.18), shade});
  } else {
    to.cylinders.push_back({middle, rng.uniform(0.1, 0.2), rng.uniform(0.09, 0.15), shade});
  }
  room.scene.lights.push_back({middle, rng.uniform(0.4, 0.9), rng.uniform(1.5, 4), {1.1, 0.95, 0.75}});
}

void add_floor_lamp(World& room, Rng& rng) {
  const auto spot = free_spot(room, rng, 0.4, 0.3, 0.25);
  if (!spot) return;
  const double height_m = rng.uniform(1.3, 1.7);
  const Texture metal = in_colour(rng, Pattern::plain, 0.1, {0.3, 0.3, 0.3});
  Shapes shapes;
  shapes.cylinders.push_back(standing(spot->foot, 0.14, 0.02, metal));
  shapes.cylinders.push_back(standing(spot->foot, 0.015, height_m, metal));
  add_shade(room, rng, shapes, spot->foot + Vec3{0, height_m, 0});
  room.scene.clusters.push_back(cluster_of(std::move(shapes)));
}

void add_hanging_lamp(World& room, Rng& rng) {
  const double drop_m = rng.uniform(0.25, 0.6);
  const Vec3 at = {rng.uniform(-0.2, 0.2) * room.size_m.x, room.size_m.y - drop_m,
                   rng.uniform(0.35, 0.65) * room.size_m.z};
  Shapes shapes;
  shapes.cylinders.push_back(standing(at, 0.01, drop_m, in_colour(rng, Pattern::plain, 0.1, {0.2, 0.2, 0.2})));
  add_shade(room, rng, shapes, at);
  room.scene.clusters.push_back(cluster_of(std::move(shapes)));
}

/// A mirror or a dark screen on a wall.
void add_glass(World& room, Rng& rng, bool mirror) {
  const Vec3 size = mirror ? Vec3{rng.uniform(0.4, 0.9), rng.uniform(0.6, 1.3), 0.03}
                           : Vec3{rng.uniform(0.7, 1.2), rng.uniform(0.4, 0.7), 0.05};
  const double height_m = rng.uniform(0.8, 1.1);
  const auto spot = free_spot(room, rng, size.z, height_m + size.y / 2, 0.5 * size.x);
  if (!spot) return;
  Texture glass = in_colour(rng, Pattern::plain, 0.3, {0.02, 0.02, 0.025});
  glass.reflects = mirror ? 0.9 : 0.1;
  const Vec3 foot = spot->foot + Vec3{0, height_m, 0};
  Shapes shapes;
  shapes.boxes.push_back(standing(foot, {size.x, size.y, 0.7 * size.z}, spot->yaw, glass));
  add_frame(shapes, foot, spot->yaw, size, mirror ? 0.05 : 0.02, joinery(rng));
  room.scene.clusters.push_back(cluster_of(std::move(shapes)));
}

void add_door(World& room, Rng& rng) {
  const auto spot = free_spot(room, rng, 0.05, 1, 0.5);
  if (!spot) return;
  const Vec3 leaf = {0.85, 2.02, 0.05};
  const Texture wood = joinery(rng), metal = in_colour(rng, Pattern::plain, 0.1, {0.5, 0.48, 0.42});
  Shapes shapes;
  shapes.boxes.push_back(standing(spot->foot, {leaf.x, leaf.y, 0.03}, spot->yaw, wood));
  add_frame(shapes, spot->foot, spot->yaw, leaf, 0.07, joinery(rng));
  shapes.boxes.push_back(
      standing(local(spot->foot, spot->yaw, 0.32, 1.02, 0.05), {0.12, 0.02, 0.02}, spot->yaw, metal));
  room.scene.clusters.push_back(cluster_of(std::move(shapes)));
}

void add_bookcase(World& room, Rng& rng) {
  const Vec3 size = {rng.uniform(0.6, 1.2), rng.uniform(1.2, 2.0), 0.28};
  const auto spot = free_spot(room, rng, size.z, 0.6, 0.5);
  if (!spot) return;
  const auto [foot, yaw] = *spot;
  const Texture wood = joinery(rng);
  Shapes shapes;
  shapes.boxes.push_back(standing(local(foot, yaw, 0, 0, -0.13), {size.x, size.y, 0.02}, yaw, wood));
  for (const double side : {-0.5, 0.5})
    shapes.boxes.push_back(standing(local(foot, yaw, side * size.x, 0, 0), {0.03, size.y, size.z}, yaw, wood));
  const auto shelves = i64(size.y / rng.uniform(0.32, 0.4));
  for (i64 i = 0; i <= shelves; ++i) {
    const double height_m = double(i) * (size.y - 0.03) / double(shelves);
    const auto on_board = [&](double x) { return local(foot, yaw, x, height_m + 0.03, 0.01); };
    shapes.boxes.push_back(standing(local(foot, yaw, 0, height_m, 0), {size.x, 0.03, size.z}, yaw, wood));
    if (i == shelves) break;
    if (rng.uniform() < 0.75) {
      const double width_m = rng.uniform(0.4, 0.95) * (size.x - 0.05);
      add_books(shapes, rng, on_board((rng.uniform() < 0.5 ? -0.5 : 0.5) * (size.x - 0.05 - width_m)), yaw, width_m);
    } else {
      add_small_thing(shapes, rng, on_board(rng.uniform(-0.3, 0.3) * size.x));
    }
  }
  room.scene.clusters.push_back(cluster_of(std::move(shapes)));
}

void add_rug_and_skirting(World& room, Rng& rng) {
  const Vec3 rug = {rng.uniform(1.0, 2.4), 0.012, rng.uniform(0.8, 1.8)};
  const Vec3 at = {rng.uniform(-0.15, 0.15) * room.size_m.x, 0, rng.uniform(0.3, 0.7) * room.size_m.z};
  if (rng.uniform() < 0.7)
    room.scene.boxes.push_back(
        standing(at, rug, rng.uniform(0, kPi), another_piece(rng, random_texture(rng, 0.08, 0.5))));
  const Texture wood = joinery(rng);
  const double x = room.size_m.x, z = room.size_m.z, high = rng.uniform(0.06, 0.12);
  for (const double side : {-0.5, 0.5}) {
    room.scene.boxes.push_back(standing({side * x, 0, z / 2}, {0.03, high, z}, 0, wood));
    room.scene.boxes.push_back(standing({0, 0, z / 2 + side * z}, {x, high, 0.03}, 0, wood));
  }
}

/// Things on every piece of furniture whose top is one to put things on.
void fill_tops(World& room, Rng& rng) {
  const std::vector<Box> furniture = room.scene.boxes;
  for (const Box& box : furniture) {
    const double top = box.centre.y + box.half.y, narrow = std::min(box.half.x, box.half.z);
    if (narrow < 0.15 || top < 0.25 || top > room.size_m.y - 0.4) continue;
    const double yaw = std::atan2(box.sin_yaw, box.cos_yaw);
    Shapes shapes;
    for (i64 i = rng.integer(0, 2 + i64(20 * box.half.x * box.half.z)); i > 0; --i) {
      const double x = box.half.x - 0.12, z = box.half.z - 0.12;
      const Vec3 at = local({box.centre.x, 0, box.centre.z}, yaw, rng.uniform(-x, x), top, rng.uniform(-z, z));
      if (room.scene.clearance_m(at + Vec3{0, 0.08, 0}) > 0.06) add_small_thing(shapes, rng, at);
    }
    if (shapes.boxes.size() + shapes.spheres.size() + shapes.cylinders.size() > 0)
      room.scene.clusters.push_back(cluster_of(std::move(shapes)));
  }
}

void fill_floor(World& room, Rng& rng) {
  for (i64 i = rng.integer(5, 12); i > 0; --i) {
    const double x = room.size_m.x / 2 - 0.3;
    const Vec3 at = {rng.uniform(-x, x), 0, rng.uniform(0.3, room.size_m.z - 0.3)};
    if (room.scene.clearance_m(at + Vec3{0, 0.25, 0}) < 0.2) continue;
    Shapes shapes;
    add_floor_thing(shapes, rng, at);
    room.scene.clusters.push_back(cluster_of(std::move(shapes)));
  }
}

}  // namespace

void add_detail(World& room, Rng& rng) {
  age_surfaces(room, rng);
  for (Light& light : room.scene.lights) light.strength *= 0.5;  // windows and lamps bring the rest
  room.scene.ambient *= rng.uniform(0.5, 0.9);
  for (i64 i = rng.integer(1, 2); i > 0; --i) add_window(room, rng);
  if (rng.uniform() < 0.7) add_door(room, rng);
  if (rng.uniform() < 0.7) add_bookcase(room, rng);
  if (rng.uniform() < 0.4) add_glass(room, rng, true);
  if (rng.uniform() < 0.5) add_glass(room, rng, false);
  if (rng.uniform() < 0.6) add_floor_lamp(room, rng);
  if (rng.uniform() < 0.6) add_hanging_lamp(room, rng);
  add_rug_and_skirting(room, rng);
  fill_tops(room, rng);
  fill_floor(room, rng);
}

}  // namespace md::synth
