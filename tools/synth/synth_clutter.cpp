// Each thing is a few boxes, spheres and cylinders; which one it is, is drawn from a table.
#include "tools/synth/synth_clutter.h"

#include <numbers>

#include "tools/synth/synth_placing.h"

namespace md::synth {
namespace {

constexpr double kPi = std::numbers::pi;

Texture any_surface(Rng& rng) { return another_piece(rng, random_texture(rng, 0.02, 0.12)); }

/// In one colour, more or less.
Texture painted(Rng& rng, const Vec3& colour) {
  Texture t = random_texture(rng, Pattern::plain, 0.1);
  t.base = rng.uniform(0.6, 1.2) * colour;
  return another_piece(rng, t);
}

void book_pile(Shapes& to, Rng& rng, const Vec3& foot) {
  double height = 0;
  const double yaw = rng.uniform(0, kPi);
  for (i64 i = rng.integer(1, 5); i > 0; --i) {
    const Vec3 size = {rng.uniform(0.14, 0.24), rng.uniform(0.012, 0.045), rng.uniform(0.11, 0.17)};
    to.boxes.push_back(standing(foot + Vec3{0, height, 0}, size, yaw + rng.uniform(-0.3, 0.3), any_surface(rng)));
    height += size.y;
  }
}

void mug(Shapes& to, Rng& rng, const Vec3& foot) {
  to.cylinders.push_back(standing(foot, rng.uniform(0.035, 0.05), rng.uniform(0.07, 0.12), any_surface(rng)));
}

void bottle(Shapes& to, Rng& rng, const Vec3& foot) {
  const double radius = rng.uniform(0.03, 0.045), body = rng.uniform(0.15, 0.22);
  const Texture glass = any_surface(rng);
  to.cylinders.push_back(standing(foot, radius, body, glass));
  to.cylinders.push_back(standing(foot + Vec3{0, body, 0}, 0.4 * radius, rng.uniform(0.05, 0.1), glass));
}

void bowl_of_fruit(Shapes& to, Rng& rng, const Vec3& foot) {
  to.cylinders.push_back(standing(foot, 0.12, 0.05, any_surface(rng)));
  const Vec3 colour = {rng.uniform(0.3, 0.9), rng.uniform(0.1, 0.8), rng.uniform(0.02, 0.2)};
  for (i64 i = rng.integer(2, 5); i > 0; --i) {
    const double radius = rng.uniform(0.03, 0.045), turn = double(i) * 1.3;
    const Vec3 at = foot + Vec3{0.065 * std::cos(turn), 0.05 + 0.8 * radius, 0.065 * std::sin(turn)};
    to.spheres.push_back({at, radius, painted(rng, colour)});
  }
}

void packet(Shapes& to, Rng& rng, const Vec3& foot) {
  const Vec3 size = {rng.uniform(0.05, 0.22), rng.uniform(0.04, 0.28), rng.uniform(0.04, 0.16)};
  to.boxes.push_back(standing(foot, size, rng.uniform(0, kPi), any_surface(rng)));
}

void papers(Shapes& to, Rng& rng, const Vec3& foot) {
  for (i64 i = rng.integer(1, 3); i > 0; --i) {
    const Vec3 at = foot + Vec3{rng.uniform(-0.04, 0.04), 0.002 * double(3 - i), rng.uniform(-0.04, 0.04)};
    to.boxes.push_back(standing(at, {0.21, 0.002, 0.297}, rng.uniform(0, kPi), painted(rng, {0.8, 0.8, 0.75})));
  }
}

void laptop(Shapes& to, Rng& rng, const Vec3& foot) {
  const double yaw = rng.uniform(0, 2 * kPi);
  const Texture shell = painted(rng, {0.3, 0.3, 0.32});
  Texture screen = painted(rng, {0.1, 0.15, 0.25});
  screen.emits = rng.uniform() < 0.5 ? 1.5 : 0;
  screen.reflects = 0.08;
  to.boxes.push_back(standing(foot, {0.3, 0.02, 0.21}, yaw, shell));
  to.boxes.push_back(standing(local(foot, yaw, 0, 0.02, -0.1), {0.3, 0.2, 0.01}, yaw, shell));
  to.boxes.push_back(standing(local(foot, yaw, 0, 0.03, -0.094), {0.28, 0.18, 0.002}, yaw, screen));
}

void small_ball(Shapes& to, Rng& rng, const Vec3& foot) {
  const double radius = rng.uniform(0.03, 0.11);
  to.spheres.push_back({foot + Vec3{0, radius, 0}, radius, any_surface(rng)});
}

/// Leaves are balls around a stem.
void plant_of(Shapes& to, Rng& rng, const Vec3& foot, double height_m) {
  const double pot = 0.28 * height_m, radius = 0.16 * height_m;
  to.cylinders.push_back(standing(foot, radius, pot, any_surface(rng)));
  to.cylinders.push_back(standing(foot, 0.02 * height_m, 0.75 * height_m, painted(rng, {0.25, 0.2, 0.08})));
  const Vec3 green = {rng.uniform(0.03, 0.2), rng.uniform(0.2, 0.5), rng.uniform(0.03, 0.15)};
  for (i64 i = rng.integer(5, 9); i > 0; --i) {
    const double turn = 2.4 * double(i), out = rng.uniform(0.05, 0.2) * height_m;
    const Vec3 at = foot + Vec3{out * std::cos(turn), rng.uniform(0.45, 0.9) * height_m, out * std::sin(turn)};
    to.spheres.push_back({at, rng.uniform(0.06, 0.13) * height_m, painted(rng, green)});
  }
}

void small_plant(Shapes& to, Rng& rng, const Vec3& foot) { plant_of(to, rng, foot, rng.uniform(0.2, 0.4)); }
void large_plant(Shapes& to, Rng& rng, const Vec3& foot) { plant_of(to, rng, foot, rng.uniform(0.7, 1.2)); }

void shoes(Shapes& to, Rng& rng, const Vec3& foot) {
  const double yaw = rng.uniform(0, 2 * kPi);
  const Texture leather = any_surface(rng);
  for (const double side : {-0.07, 0.07}) {
    const double turn = yaw + rng.uniform(-0.3, 0.3);
    to.boxes.push_back(standing(local(foot, yaw, side, 0, 0), {0.09, 0.05, 0.27}, turn, leather));
    to.boxes.push_back(standing(local(foot, yaw, side, 0.05, -0.08), {0.08, 0.05, 0.1}, turn, leather));
  }
}

void bin(Shapes& to, Rng& rng, const Vec3& foot) {
  to.cylinders.push_back(standing(foot, rng.uniform(0.11, 0.17), rng.uniform(0.25, 0.45), any_surface(rng)));
}

void carton(Shapes& to, Rng& rng, const Vec3& foot) {
  const Vec3 size = {rng.uniform(0.2, 0.45), rng.uniform(0.15, 0.4), rng.uniform(0.2, 0.4)};
  const double yaw = rng.uniform(0, kPi);
  to.boxes.push_back(standing(foot, size, yaw, painted(rng, {0.45, 0.3, 0.17})));
  if (rng.uniform() < 0.4) packet(to, rng, foot + Vec3{0, size.y, 0});
}

void stool(Shapes& to, Rng& rng, const Vec3& foot) {
  const double height = rng.uniform(0.4, 0.5);
  const Texture wood = another_piece(rng, random_texture(rng, Pattern::grain, 0.12));
  to.cylinders.push_back(standing(foot + Vec3{0, height, 0}, 0.17, 0.04, wood));
  for (int i = 0; i < 3; ++i) {
    const double turn = 2.1 * i;
    to.cylinders.push_back(standing(foot + Vec3{0.12 * std::cos(turn), 0, 0.12 * std::sin(turn)}, 0.018, height, wood));
  }
}

void floor_ball(Shapes& to, Rng& rng, const Vec3& foot) {
  const double radius = rng.uniform(0.06, 0.16);
  to.spheres.push_back({foot + Vec3{0, radius, 0}, radius, any_surface(rng)});
}

using Add = void (*)(Shapes&, Rng&, const Vec3&);

template <std::size_t N>
void add_one_of(const Add (&things)[N], Shapes& to, Rng& rng, const Vec3& foot) {
  things[rng.integer(0, i64(N) - 1)](to, rng, foot);
}

}  // namespace

void add_small_thing(Shapes& to, Rng& rng, const Vec3& foot) {
  static constexpr Add kThings[] = {book_pile, book_pile, mug,    bottle,     bottle,      bowl_of_fruit,
                                    packet,    packet,    papers, small_ball, small_plant, laptop};
  add_one_of(kThings, to, rng, foot);
}

void add_floor_thing(Shapes& to, Rng& rng, const Vec3& foot) {
  static constexpr Add kThings[] = {large_plant, shoes, bin, carton, carton, stool, floor_ball, book_pile, packet};
  add_one_of(kThings, to, rng, foot);
}

void add_books(Shapes& to, Rng& rng, const Vec3& foot, double yaw, double width_m) {
  Texture spines = random_texture(rng, Pattern::spines, rng.uniform(0.025, 0.05));
  for (double from = 0; from < width_m;) {
    const double wide = std::min(rng.uniform(0.08, 0.3), width_m - from);
    const Vec3 size = {wide, rng.uniform(0.17, 0.27), rng.uniform(0.13, 0.18)};
    spines = another_piece(rng, spines);
    spines.own.cells = 1;
    spines.own.bend = 0;
    to.boxes.push_back(standing(local(foot, yaw, from + wide / 2 - width_m / 2, 0, 0), size, yaw, spines));
    from += wide + 0.002;
  }
}

}  // namespace md::synth
