// Ray against plane, sphere and box, and the light that falls on what was hit.
#include "tools/synth/synth_scene.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace md::synth {
namespace {

constexpr double kSkin = 1e-6;  // a surface does not meet the rays that start on it

Vec3 to_box(const Box& b, const Vec3& d) {
  return {b.cos_yaw * d.x - b.sin_yaw * d.z, d.y, b.sin_yaw * d.x + b.cos_yaw * d.z};
}
Vec3 from_box(const Box& b, const Vec3& d) {
  return {b.cos_yaw * d.x + b.sin_yaw * d.z, d.y, -b.sin_yaw * d.x + b.cos_yaw * d.z};
}

/// Narrows [enter, leave] to where one coordinate of the ray is within +-half.
void clip_to_slab(double origin, double direction, double half, double& enter, double& leave) {
  const double per = 1 / direction, a = (-half - origin) * per, b = (half - origin) * per;
  enter = std::max(enter, std::min(a, b));
  leave = std::min(leave, std::max(a, b));
}

/// Whether the ray's line passes the sphere around the box: cheaper than the box, and most rays do.
bool passes_by(const Box& b, const Vec3& from_centre, const Vec3& direction) {
  const double along = dot(from_centre, direction), dd = dot(direction, direction);
  return dot(from_centre, from_centre) * dd - along * along > dot(b.half, b.half) * dd;
}

void describe(const Plane& p, Hit& hit) {
  const Vec3 along = std::abs(p.normal.y) > 0.9 ? Vec3{1, 0, 0} : unit(cross({0, 1, 0}, p.normal));
  const Vec3 d = hit.point - p.point;
  hit.normal = p.normal;
  hit.u_m = dot(d, along);
  hit.v_m = dot(d, cross(p.normal, along));
}

void describe(const Sphere& s, Hit& hit) {
  hit.normal = (1 / s.radius_m) * (hit.point - s.centre);
  hit.u_m = s.radius_m * std::atan2(hit.normal.x, hit.normal.z);
  hit.v_m = s.radius_m * std::asin(std::clamp(hit.normal.y, -1.0, 1.0));
}

void describe(const Box& b, Hit& hit) {
  const Vec3 d = to_box(b, hit.point - b.centre);
  const double x = std::abs(d.x) - b.half.x, y = std::abs(d.y) - b.half.y, z = std::abs(d.z) - b.half.z;
  if (y >= x && y >= z) {
    hit.normal = {0, std::copysign(1.0, d.y), 0};
    hit.u_m = d.x;
    hit.v_m = d.z;
  } else {
    const bool side = x >= z;
    hit.normal = from_box(b, side ? Vec3{std::copysign(1.0, d.x), 0, 0} : Vec3{0, 0, std::copysign(1.0, d.z)});
    hit.u_m = side ? d.z : d.x;
    hit.v_m = d.y;
  }
}

double distance_m(const Sphere& s, const Vec3& p) { return std::max(0.0, length(p - s.centre) - s.radius_m); }

double distance_m(const Box& b, const Vec3& p) {
  const Vec3 d = to_box(b, p - b.centre);
  return length({std::max(0.0, std::abs(d.x) - b.half.x), std::max(0.0, std::abs(d.y) - b.half.y),
                 std::max(0.0, std::abs(d.z) - b.half.z)});
}

}  // namespace

double meet(const Plane& p, const Ray& ray) {
  const double t = dot(p.point - ray.origin, p.normal) / dot(ray.direction, p.normal);
  return t > kSkin && t < kNothing ? t : kNothing;
}

double meet(const Sphere& s, const Ray& ray) {
  // |o + t d|^2 = r^2 with o from the centre: a t^2 + 2 b t + c = 0.
  const Vec3 o = ray.origin - s.centre;
  const double a = dot(ray.direction, ray.direction), b = dot(o, ray.direction),
               c = dot(o, o) - s.radius_m * s.radius_m;
  const double root = b * b - a * c;
  if (root < 0) return kNothing;
  const double q = std::sqrt(root), near = (-b - q) / a, far = (-b + q) / a;
  return near > kSkin ? near : far > kSkin ? far : kNothing;
}

double meet(const Box& b, const Ray& ray) {
  const Vec3 from_centre = ray.origin - b.centre;
  if (passes_by(b, from_centre, ray.direction)) return kNothing;
  const Vec3 o = to_box(b, from_centre), d = to_box(b, ray.direction);
  double enter = -kNothing, leave = kNothing;
  clip_to_slab(o.x, d.x, b.half.x, enter, leave);
  clip_to_slab(o.y, d.y, b.half.y, enter, leave);
  clip_to_slab(o.z, d.z, b.half.z, enter, leave);
  if (enter > leave) return kNothing;
  return enter > kSkin ? enter : leave > kSkin ? leave : kNothing;
}

Hit Scene::nearest(const Ray& ray) const {
  Hit hit;
  const auto search = [&](const auto& shapes) {
    for (const auto& shape : shapes) {
      const double t = meet(shape, ray);
      if (t >= hit.t) continue;
      hit.t = t;
      hit.point = ray.at(t);
      hit.texture = &shape.texture;
      describe(shape, hit);
    }
  };
  search(planes);
  search(boxes);
  search(spheres);
  return hit;
}

bool Scene::blocked(const Vec3& from, const Vec3& to) const {
  const Ray ray{from, to - from};
  const auto between = [&](const auto& shape) { return meet(shape, ray) < 1; };
  return std::ranges::any_of(boxes, between) || std::ranges::any_of(spheres, between);
}

double Scene::clearance_m(const Vec3& point) const {
  double nearest_m = kNothing;
  for (const Box& b : boxes) nearest_m = std::min(nearest_m, distance_m(b, point));
  for (const Sphere& s : spheres) nearest_m = std::min(nearest_m, distance_m(s, point));
  return nearest_m;
}

Vec3 Scene::colour(const Ray& ray) const {
  const Hit hit = nearest(ray);
  if (!hit) {
    const Vec3 d = unit(ray.direction);
    return colour_at(sky, d.x, d.y);
  }
  double light = ambient;
  const Vec3 start = hit.point + 1e-4 * hit.normal;  // off the surface, or it would shade itself
  for (const Light& l : lights) {
    const Vec3 to_light = l.position - start;
    const double distance = length(to_light), slope = dot(to_light, hit.normal) / distance;
    if (slope <= 0 || blocked(start, l.position)) continue;
    const double fall = 1 + distance / l.reach_m;
    light += l.strength * slope / (fall * fall);
  }
  return light * colour_at(*hit.texture, hit.u_m, hit.v_m);
}

}  // namespace md::synth
