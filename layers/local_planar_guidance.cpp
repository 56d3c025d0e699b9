// Local planar guidance (Lee et al. 2019, section 3.3, as the BTS code has it): a coarse map of planes n . p = n4 is
// intersected with the ray of every pixel in its cell of r x r.
//   plane_equation: theta = pi/3 sigmoid(x0), phi = 2 pi sigmoid(x1), n4 = max_distance sigmoid(x2),
//                   n = (sin theta cos phi, sin theta sin phi, cos theta)
//   local_planar_guidance: depth = n4 / D,  D = n1 u + n2 v + n3
// with u = (j - (r-1)/2) / r along columns and v = (i - (r-1)/2) / r along rows of the cell. Nothing keeps D from 0: it
// reaches cos(pi/3) - sin(pi/3) sqrt(2) (r-1)/(2r), which is -0.036 for r = 8, 0.04 for r = 4 and 0.19 for r = 2.
#include <cmath>

#include "engine/autograd.h"
#include "engine/launch.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

constexpr float kPi = 3.14159265358979F;

/// sigmoid(x), and how fast it grows.
struct Squashed {
  float value, slope;
};
MD_HD inline Squashed squash(float x) {
  const float s = 1.F / (1.F + expf(-x));
  return {s, s * (1.F - s)};
}

struct PlaneEquation {
  const float* logits;  // [pixels,3]
  float* plane;         // [pixels,4]
  float max_distance_m;
  MD_HD void operator()(i64 pixel, i64) const {
    const float* x = logits + pixel * 3;
    const float theta = kPi / 3 * squash(x[0]).value, phi = 2 * kPi * squash(x[1]).value;
    float* n = plane + pixel * 4;
    n[0] = sinf(theta) * cosf(phi);
    n[1] = sinf(theta) * sinf(phi);
    n[2] = cosf(theta);
    n[3] = max_distance_m * squash(x[2]).value;
  }
};

// dn/dtheta = (cos theta cos phi, cos theta sin phi, -sin theta),  dn/dphi = (-sin theta sin phi, sin theta cos phi, 0)
struct PlaneEquationGradient {
  const float *dplane, *logits;
  float* dlogits;
  float max_distance_m;
  MD_HD void operator()(i64 pixel, i64) const {
    const float *x = logits + pixel * 3, *dn = dplane + pixel * 4;
    const Squashed inclination = squash(x[0]), direction = squash(x[1]), distance = squash(x[2]);
    const float theta = kPi / 3 * inclination.value, phi = 2 * kPi * direction.value;
    const float outward = dn[0] * cosf(phi) + dn[1] * sinf(phi), around = dn[1] * cosf(phi) - dn[0] * sinf(phi);
    float* dx = dlogits + pixel * 3;
    dx[0] = (outward * cosf(theta) - dn[2] * sinf(theta)) * (kPi / 3 * inclination.slope);
    dx[1] = around * sinf(theta) * (2 * kPi * direction.slope);
    dx[2] = dn[3] * (max_distance_m * distance.slope);
  }
};

/// The place of row (or column) i of a cell of r.
MD_HD inline float offset(i64 i, i64 r) { return (float(i) - 0.5F * float(r - 1)) / float(r); }

struct Intersect {
  const float* plane;  // [N,h,w,4]
  float* depth_m;      // [N,h*r,w*r]
  i64 width, r;        // w*r
  MD_HD void operator()(i64 row, i64 x) const {
    const float* n = plane + (row / r * (width / r) + x / r) * 4;  // rows of all images are one column of cells
    depth_m[row * width + x] = n[3] / (n[0] * offset(x % r, r) + n[1] * offset(row % r, r) + n[2]);
  }
};

// d depth / dn4 = 1/D,  d depth / d(n1,n2,n3) = -depth/D (u,v,1); summed over the cell.
struct IntersectGradient {
  const float *ddepth, *plane;
  float* dplane;
  i64 width, r;
  MD_HD void operator()(i64 cell_row, i64 cell) const {
    const i64 at = (cell_row * (width / r) + cell) * 4;
    const float* n = plane + at;
    float sum[4] = {};
    for (i64 i = 0; i < r; ++i) {
      for (i64 j = 0; j < r; ++j) {
        const float u = offset(j, r), v = offset(i, r), inverse = 1.F / (n[0] * u + n[1] * v + n[2]);
        const float d4 = ddepth[(cell_row * r + i) * width + cell * r + j] * inverse, d = -d4 * n[3] * inverse;
        sum[0] += d * u;
        sum[1] += d * v;
        sum[2] += d;
        sum[3] += d4;
      }
    }
    for (int k = 0; k < 4; ++k) dplane[at + k] = sum[k];
  }
};

}  // namespace

Tensor plane_equation(const Tensor& logits, float max_distance_m) {
  require_image("plane_equation", logits);
  MD_CHECK(logits.dim(3) == 3, "plane_equation: input ", logits.shape(), " wants 3 channels");
  const i64 pixels = logits.numel() / 3;
  const Tensor plane = Tensor::empty({logits.dim(0), logits.dim(1), logits.dim(2), 4}, logits.device());
  launch(logits.device(), pixels, 1, PlaneEquation{logits.data(), plane.data(), max_distance_m});
  return record({"plane_equation", max_distance_m}, plane, {logits},
                [max_distance_m, x = Saved(logits)](const Tensor& dplane, Needs) -> Grads {
                  const Tensor dx = Tensor::empty(x.shape(), dplane.device());
                  const PlaneEquationGradient gradient{dplane.data(), x->data(), dx.data(), max_distance_m};
                  launch(dplane.device(), dx.numel() / 3, 1, gradient);
                  return {dx};
                });
}

Tensor local_planar_guidance(const Tensor& plane, int r) {
  require_image("local_planar_guidance", plane);
  MD_CHECK(plane.dim(3) == 4 && r > 0, "local_planar_guidance: input ", plane.shape(), " wants 4 channels; r = ", r);
  const i64 N = plane.dim(0), h = plane.dim(1), w = plane.dim(2), width = w * r;
  const Tensor depth_m = Tensor::empty({N, h * r, width, 1}, plane.device());
  launch(plane.device(), N * h * r, width, Intersect{plane.data(), depth_m.data(), width, r});
  return record("local_planar_guidance", depth_m, {plane},
                [r, plane = Saved(plane)](const Tensor& ddepth, Needs) -> Grads {
                  const Tensor dplane = Tensor::empty(plane.shape(), ddepth.device());
                  const IntersectGradient gradient{ddepth.data(), plane->data(), dplane.data(), ddepth.dim(2), r};
                  launch(ddepth.device(), dplane.dim(0) * dplane.dim(1), dplane.dim(2), gradient);
                  return {dplane};
                });
}

}  // namespace md
