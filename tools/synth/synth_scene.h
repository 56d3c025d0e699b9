// Scene: textured planes, spheres and boxes under lights, and the rays that meet them. A ray's direction need not have
// unit length: with a forward component of 1 in the camera's frame, the parameter of a hit IS its z-depth.
#pragma once
#include <limits>
#include <vector>

#include "tools/synth/synth_texture.h"
#include "tools/synth/synth_vec.h"

namespace md::synth {

/// The ray parameter of a ray that meets nothing.
inline constexpr double kNothing = std::numeric_limits<double>::infinity();

/// Points origin + t * direction, t >= 0.
struct Ray {
  Vec3 origin, direction;
  /// The point at parameter t.
  Vec3 at(double t) const { return origin + t * direction; }
};

/// An infinite plane.
struct Plane {
  Vec3 point, normal;  // unit normal, towards the viewer
  Texture texture;
};
/// A sphere.
struct Sphere {
  Vec3 centre;
  double radius_m;
  Texture texture;
};
/// Turned by a yaw about the vertical axis through its centre.
struct Box {
  Vec3 centre, half;
  Texture texture;
  double cos_yaw = 1, sin_yaw = 0;
};
struct Light {
  Vec3 position;
  double strength;
  double reach_m;  // a quarter of the strength is left at this distance
};

/// Smallest ray parameter > 0 at which the ray meets the surface, or kNothing.
double meet(const Plane&, const Ray&);
double meet(const Sphere&, const Ray&);
double meet(const Box&, const Ray&);

/// Where a ray meets a surface.
struct Hit {
  double t = kNothing;
  Vec3 point, normal;       // the normal looks outwards
  double u_m = 0, v_m = 0;  // along the surface
  const Texture* texture = nullptr;
  /// True where it meets one.
  explicit operator bool() const { return t < kNothing; }
};

/// Surfaces and lights; lengths in metres.
struct Scene {
  std::vector<Plane> planes;
  std::vector<Sphere> spheres;
  std::vector<Box> boxes;
  std::vector<Light> lights;
  double ambient = 0.3;
  Texture sky;  // what rays that meet nothing see

  /// The surface that the ray meets first.
  Hit nearest(const Ray&) const;
  /// True if a box or sphere stands between the two points. Planes bound the scene: none stands between its points.
  bool blocked(const Vec3& from, const Vec3& to) const;
  /// Distance from a point to the nearest sphere or box (0 inside), metres.
  double clearance_m(const Vec3& point) const;
  /// Linear RGB that arrives along a ray: texture times ambient light and what the lights give without being blocked.
  Vec3 colour(const Ray&) const;
};

}  // namespace md::synth
