// A course is an ellipse with a bulge; of several the one that keeps the largest distance is walked.
#include "tools/synth/synth_path.h"

#include <algorithm>
#include <numbers>

namespace md::synth {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kSpeed = 0.5, kLeastLap = 16;  // metres a second; seconds, or the eyes would turn too fast
constexpr int kCourses = 24, kPlaces = 64;      // that are compared; of each that are looked at

/// What the draws are for (Rng's first key); worlds have the numbers below.
enum Key : std::uint64_t { kMotion = 0x100, kWalk };

}  // namespace

Motion motion_of(const World& world, std::uint64_t frame) {
  Rng rng(world.seed, Purpose::scene, kMotion, world.number << 20U | frame);
  if (world.kind == WorldKind::street)
    return {{rng.uniform(-0.2, 0.2), 0, rng.uniform(4, 14)}, 0.1 * rng.normal(), 0.03 * rng.normal()};
  const Vec3 velocity = {0.3 * rng.normal(), 0.1 * rng.normal(), 0.3 * rng.normal()};
  return {velocity, 0.5 * rng.normal(), 0.25 * rng.normal()};
}

Pose moved(const Pose& pose, const Motion& motion, double seconds) {
  const double yaw = std::atan2(pose.forward.x, pose.forward.z), pitch = std::asin(pose.forward.y);
  return look(pose.position + seconds * motion.velocity_m_s, yaw + seconds * motion.yaw_rad_s,
              pitch + seconds * motion.pitch_rad_s);
}

Vec3 Walk::position(const Course& c, double turn) const {
  const double reach = 1 + c.bulge * std::sin(3 * turn + c.begin);
  return c.middle +
         Vec3{c.across_m * reach * std::sin(turn), 0.03 * std::sin(5 * turn), c.along_m * reach * std::cos(turn)};
}

Walk::Course Walk::draw(Rng& rng) const {
  const double across = room_.size_m.x / 2 - 0.5, along = room_.size_m.z / 2 - 0.5;  // from the walls
  const double wide = rng.uniform(0.35, 0.75), large = rng.uniform(0.35, 0.75);
  const Vec3 middle = {rng.uniform(-0.2, 0.2) * across, rng.uniform(1.35, 1.6),
                       room_.size_m.z / 2 + rng.uniform(-0.2, 0.2) * along};
  return {middle,
          wide * across,
          large * along,
          rng.uniform(-0.06, 0.06),
          rng.uniform(0, 2 * kPi),
          rng.uniform() < 0.5 ? -1.0 : 1.0};
}

double Walk::clearance_m(const Course& course) const {
  double least = kNothing;
  for (int i = 0; i < kPlaces; ++i)
    least = std::min(least, room_.scene.clearance_m(position(course, 2 * kPi * i / kPlaces)));
  return least;
}

Walk::Walk(const World& room) : room_(room) {
  Rng rng(room.seed, Purpose::scene, kWalk, room.number);
  double best_m = -1;
  for (int i = 0; i < kCourses; ++i) {
    const Course drawn = draw(rng);
    const double clear_m = clearance_m(drawn);
    if (clear_m > best_m) course_ = drawn, best_m = clear_m;
  }
  lap_s_ = std::max(kLeastLap, 2 * kPi * std::max(course_.across_m, course_.along_m) / kSpeed);
}

Pose Walk::at(double seconds) const {
  const double turn = course_.begin + course_.direction * 2 * kPi * seconds / lap_s_;
  const Vec3 here = position(course_, turn);
  const Vec3 there = position(course_, turn + kPi + 0.5 * std::sin(2 * turn)) - here;
  return look(here, std::atan2(there.x, there.z), -0.2 + 0.06 * std::sin(3 * turn));
}

}  // namespace md::synth
