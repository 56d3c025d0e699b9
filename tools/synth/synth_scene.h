// Scene: textured planes, spheres, boxes and cylinders under lights, and the rays that meet them. A ray's direction
// need not have unit length: with a forward component of 1 in the camera's frame, the parameter of a hit IS its
// z-depth.
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
/// Upright, with a lid at each end.
struct Cylinder {
  Vec3 centre;
  double radius_m, half_m;  // half of its height
  Texture texture;
};
/// Shapes of each kind.
struct Shapes {
  std::vector<Sphere> spheres = {};
  std::vector<Box> boxes = {};
  std::vector<Cylinder> cylinders = {};
};
/// Small things that stand together: what misses the sphere around them misses them all.
struct Cluster {
  Shapes shapes;
  Vec3 centre;
  double radius_m;
};
struct Light {
  Vec3 position;
  double strength;
  double reach_m;         // a quarter of the strength is left at this distance
  Vec3 tint = {1, 1, 1};  // its colour
};

/// Smallest ray parameter > 0 at which the ray meets the surface, or kNothing.
double meet(const Plane&, const Ray&);
double meet(const Sphere&, const Ray&);
double meet(const Box&, const Ray&);
double meet(const Cylinder&, const Ray&);
/// The shapes, and the sphere around them. REQUIRES: at least one shape.
Cluster cluster_of(Shapes);

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
struct Scene : Shapes {
  std::vector<Plane> planes = {};
  std::vector<Cluster> clusters = {};
  std::vector<Light> lights = {};
  double ambient = 0.3;
  Texture sky = {};  // what rays that meet nothing see

  /// The surface that the ray meets first.
  Hit nearest(const Ray&) const;
  /// True if a shape stands between the two points. Planes bound the scene: none stands between its points.
  bool blocked(const Vec3& from, const Vec3& to) const;
  /// Distance from a point to the nearest shape (0 inside), metres.
  double clearance_m(const Vec3& point) const;
  /// Linear RGB that arrives along a ray: what a surface sends itself, and its texture times ambient light and what the
  /// lights give without being blocked; what shines blocks none. Mirrors are not seen in mirrors.
  Vec3 colour(const Ray&) const;

 private:
  bool shaded(const Vec3& from, const Vec3& light) const;
  Vec3 light_on(const Hit&) const;
  Vec3 colour(const Ray&, bool in_mirror) const;
};

}  // namespace md::synth
