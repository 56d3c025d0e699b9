// Ray against plane, sphere, box and cylinder, and the light that falls on what was hit.
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

/// Whether the ray's line passes a sphere: cheaper than what stands in it, and most rays do.
bool passes_by(double radius_squared, const Vec3& from_centre, const Vec3& direction) {
  const double along = dot(from_centre, direction), dd = dot(direction, direction);
  return dot(from_centre, from_centre) * dd - along * along > radius_squared * dd;
}
bool passes_by(const Cluster& c, const Ray& ray) {
  return passes_by(c.radius_m * c.radius_m, ray.origin - c.centre, ray.direction);
}

double reach_m(const Sphere& s) { return s.radius_m; }
double reach_m(const Box& b) { return length(b.half); }
double reach_m(const Cylinder& c) { return std::hypot(c.radius_m, c.half_m); }

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

void describe(const Cylinder& c, Hit& hit) {
  const Vec3 d = hit.point - c.centre;
  const double around = std::hypot(d.x, d.z) - c.radius_m;
  if (std::abs(d.y) - c.half_m >= around) {
    hit.normal = {0, std::copysign(1.0, d.y), 0};
    hit.u_m = d.x;
    hit.v_m = d.z;
  } else {
    hit.normal = unit({d.x, 0, d.z});
    hit.u_m = c.radius_m * std::atan2(d.x, d.z);
    hit.v_m = d.y;
  }
}

double distance_m(const Cylinder& c, const Vec3& p) {
  const Vec3 d = p - c.centre;
  return std::hypot(std::max(0.0, std::hypot(d.x, d.z) - c.radius_m), std::max(0.0, std::abs(d.y) - c.half_m));
}

double distance_m(const Sphere& s, const Vec3& p) { return std::max(0.0, length(p - s.centre) - s.radius_m); }

double distance_m(const Box& b, const Vec3& p) {
  const Vec3 d = to_box(b, p - b.centre);
  return length({std::max(0.0, std::abs(d.x) - b.half.x), std::max(0.0, std::abs(d.y) - b.half.y),
                 std::max(0.0, std::abs(d.z) - b.half.z)});
}

/// Whether a shape that `counts` lies on the way from one point to the other.
template <class Counts>
bool stands_between(const Scene& scene, const Vec3& from, const Vec3& to, Counts counts) {
  const Ray ray{from, to - from};
  const auto between = [&](const auto& shape) { return meet(shape, ray) < 1 && counts(shape.texture); };
  const auto any_of = [&](const Shapes& shapes) {
    return std::ranges::any_of(shapes.boxes, between) || std::ranges::any_of(shapes.spheres, between) ||
           std::ranges::any_of(shapes.cylinders, between);
  };
  return any_of(scene) || std::ranges::any_of(scene.clusters, [&](const Cluster& cluster) {
           return !passes_by(cluster, ray) && any_of(cluster.shapes);
         });
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
  if (passes_by(dot(b.half, b.half), from_centre, ray.direction)) return kNothing;
  const Vec3 o = to_box(b, from_centre), d = to_box(b, ray.direction);
  double enter = -kNothing, leave = kNothing;
  clip_to_slab(o.x, d.x, b.half.x, enter, leave);
  clip_to_slab(o.y, d.y, b.half.y, enter, leave);
  clip_to_slab(o.z, d.z, b.half.z, enter, leave);
  if (enter > leave) return kNothing;
  return enter > kSkin ? enter : leave > kSkin ? leave : kNothing;
}

double meet(const Cylinder& c, const Ray& ray) {
  const Vec3 o = ray.origin - c.centre, d = ray.direction;
  double enter = -kNothing, leave = kNothing;
  clip_to_slab(o.y, d.y, c.half_m, enter, leave);
  // Around the axis: |o + t d|^2 = r^2 of x and z.
  const double a = d.x * d.x + d.z * d.z, b = o.x * d.x + o.z * d.z,
               e = o.x * o.x + o.z * o.z - c.radius_m * c.radius_m;
  if (a > 0) {
    const double root = b * b - a * e;
    if (root < 0) return kNothing;
    enter = std::max(enter, (-b - std::sqrt(root)) / a);
    leave = std::min(leave, (-b + std::sqrt(root)) / a);
  } else if (e > 0) {
    return kNothing;
  }
  if (enter > leave) return kNothing;
  return enter > kSkin ? enter : leave > kSkin ? leave : kNothing;
}

Cluster cluster_of(Shapes shapes) {
  Vec3 low = {kNothing, kNothing, kNothing}, high = {-kNothing, -kNothing, -kNothing};
  const auto each_shape = [&](const auto& visit) {
    for (const Sphere& s : shapes.spheres) visit(s);
    for (const Box& b : shapes.boxes) visit(b);
    for (const Cylinder& c : shapes.cylinders) visit(c);
  };
  each_shape([&](const auto& shape) {
    const Vec3 &c = shape.centre, r = reach_m(shape) * Vec3{1, 1, 1};
    low = {std::min(low.x, c.x - r.x), std::min(low.y, c.y - r.y), std::min(low.z, c.z - r.z)};
    high = {std::max(high.x, c.x + r.x), std::max(high.y, c.y + r.y), std::max(high.z, c.z + r.z)};
  });
  const Vec3 centre = mix(low, high, 0.5);
  double radius_m = 0;
  each_shape([&](const auto& shape) { radius_m = std::max(radius_m, length(shape.centre - centre) + reach_m(shape)); });
  return {std::move(shapes), centre, radius_m};
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
  const auto search_all = [&](const Shapes& shapes) {
    search(shapes.boxes);
    search(shapes.spheres);
    search(shapes.cylinders);
  };
  search(planes);
  search_all(*this);
  for (const Cluster& cluster : clusters) {
    if (!passes_by(cluster, ray)) search_all(cluster.shapes);
  }
  return hit;
}

bool Scene::blocked(const Vec3& from, const Vec3& to) const {
  return stands_between(*this, from, to, [](const Texture&) { return true; });
}

bool Scene::shaded(const Vec3& from, const Vec3& light) const {
  return stands_between(*this, from, light, [](const Texture& t) { return t.emits == 0; });
}

double Scene::clearance_m(const Vec3& point) const {
  double nearest_m = kNothing;
  const auto look_at = [&](const Shapes& all) {
    for (const Box& b : all.boxes) nearest_m = std::min(nearest_m, distance_m(b, point));
    for (const Sphere& s : all.spheres) nearest_m = std::min(nearest_m, distance_m(s, point));
    for (const Cylinder& c : all.cylinders) nearest_m = std::min(nearest_m, distance_m(c, point));
  };
  look_at(*this);
  for (const Cluster& cluster : clusters) look_at(cluster.shapes);
  return nearest_m;
}

Vec3 Scene::light_on(const Hit& hit) const {
  Vec3 light = {ambient, ambient, ambient};
  const Vec3 start = hit.point + 1e-4 * hit.normal;  // off the surface, or it would shade itself
  for (const Light& l : lights) {
    const Vec3 to_light = l.position - start;
    const double distance = length(to_light), slope = dot(to_light, hit.normal) / distance;
    if (slope <= 0 || shaded(start, l.position)) continue;
    const double fall = 1 + distance / l.reach_m;
    light = light + (l.strength * slope / (fall * fall)) * l.tint;
  }
  return light;
}

Vec3 Scene::colour(const Ray& ray, bool in_mirror) const {
  const Hit hit = nearest(ray);
  if (!hit) {
    const Vec3 d = unit(ray.direction);
    return colour_at(sky, d.x, d.y);
  }
  const Texture& t = *hit.texture;
  const Vec3 colour = product(light_on(hit) + Vec3{t.emits, t.emits, t.emits}, colour_at(t, hit.u_m, hit.v_m));
  if (t.reflects == 0 || in_mirror) return colour;
  const Vec3 away = ray.direction - 2 * dot(ray.direction, hit.normal) * hit.normal;
  return mix(colour, this->colour({hit.point + 1e-4 * hit.normal, away}, true), t.reflects);
}

Vec3 Scene::colour(const Ray& ray) const { return colour(ray, false); }

}  // namespace md::synth
