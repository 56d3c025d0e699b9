// Lesson 12: Depth and its loss
// After lesson 11, softmax and attention. Ops: plane_equation, local_planar_guidance, silog.
//
// 1. Idea
//
// What leaves a depth network is a distance in metres for each pixel. This lesson follows it over its last steps in BTS
// (Lee et al. 2019), from the numbers of a decoder to the loss.
//
// A decoder that works at an eighth of the size does not predict 8x8 depths for each of its pixels but a *plane*, by
// two angles and a distance. Each of the 8x8 image pixels then looks along its own ray, and its depth is where the ray
// meets the plane. That is a quotient.
//
// The *loss* compares logarithms, so that 10% too much costs the same at 1 m and at 10 m. It forgives most of an error
// that all pixels share, because one photograph does not tell how large the world is (Eigen et al. 2014). It ends in a
// root. Quotients, logarithms and roots have derivatives that divide, and what they divide by can come near 0.
#pragma once
#include <cmath>

#include "layers/ops.h"
#include "losses/silog.h"
#include "tests/kit/lesson.h"

namespace md::lessons::silog {
using namespace test;

Definition planes(double max_distance_m);                             // part 4
Definition depths(i64 r);                                             // part 4
Definition loss(const Array& target_m, const SilogOptions& options);  // part 4

// 2. By hand
//
// *A plane* (2, 0, 1, 6) above a cell of 2x2 pixels. Its pixels look along (u, v, 1), where u is -0.25 in the left
// column and 0.25 in the right one, and v the same for the rows. The ray meets the plane at the depth 6 / D with `D = 2
// * u + 0 * v + 1`, which is 0.5 on the left and 1.5 on the right: depths 12, 4, 12, 4.
//
// Let dy be 1, 9, 3, 0. A depth is n4 / D. Its derivative by n4 is 1 / D, which is 2 on the left and 2/3 on the right.
// Its derivative by D is -n4 / D^2, which is -24 and -8/3. So D gets 1 * -24, 9 * -8/3 = -24, 3 * -24 = -72 and 0, and
// these go on to what D is made of:
//
//     dn1 = -24 * -0.25 + -24 * 0.25 + -72 * -0.25 = 18
//     dn2 = -24 * -0.25 + -24 * -0.25 + -72 * 0.25 = -6
//     dn3 = -24 + -24 + -72 = -120
//     dn4 = 1 * 2 + 9 * 2/3 + 3 * 2 = 14
//
// n1 gets u times what D gets, n2 gets v times that. The plane has no slope along rows, n2 = 0, and still a gradient
// for it.
//
// *The loss.* Three pixels: predicted 8, 4, 5 metres, measured 1, 2, and nothing. The last does not count. The others
// are too far by factors 8 and 2: d = 3 * ln 2, ln 2. The mean of d^2 is (9 + 1) / 2 = 5 and the mean of d is 2, in
// units of ln 2. Of the square of the mean a part is forgiven; networks take 0.85 of it, here it is 0.25, so that the
// root comes out: 5 - 0.25 * 2^2 = 4. The loss is `10 * sqrt(4) * ln 2`, 20 times ln 2 or 13.863.
//
// Its derivative by d[i] is `100 / (n * L) * (d[i] - 0.25 * m)`, with n = 2 pixels and m the mean of d: ln 2 cancels,
// and what is left is `2.5 * (3 - 0.5) = 6.25` and `2.5 * (1 - 0.5) = 1.25`. The derivative of a logarithm is 1 /
// depth. With dy = 16:
//
//     dx[0] = 16 * 6.25 / 8 = 12.5
//     dx[1] = 16 * 1.25 / 4 = 5
//     dx[2] = 0
inline std::vector<ByHand> by_hand() {
  const Array target_m({1, 1, 3}, {1, 2, 0});
  return {{.op = depths(2),
           .inputs = {{"plane", {1, 1, 1, 4}, {2, 0, 1, 6}}},
           .y = {"y", {1, 2, 2, 1}, {12, 4, 12, 4}},
           .dy = {"dy", {1, 2, 2, 1}, {1, 9, 3, 0}},
           .gradients = {{"dplane", {1, 1, 1, 4}, {18, -6, -120, 14}}}},
          {.op = loss(target_m, {.variance_focus = 0.25F}),
           .inputs = {{"x", {1, 1, 3, 1}, {8, 4, 5}}},
           .y = {"y", {}, {13.862943611198906}},
           .dy = {"dy", {}, {16}},
           // blank numbers: one for each pixel
           .gradients = {{"dx", {1, 1, 3, 1}, {12.5, 5, 0}}}}};
  // end of blank
}

// 3. Definition
//
// *Planes.* Three numbers of a pixel become a unit vector (n1, n2, n3), the normal of a plane, and n4, its distance
// from the camera. sigmoid, lesson 2, keeps each in its range: the inclination theta below 60 degrees, the direction
// phi within a circle, the distance below a maximum of M metres.
//
//     theta = pi / 3 * sigmoid(x[0]),  phi = 2 * pi * sigmoid(x[1])
//     n1 = sin(theta) * cos(phi),  n2 = sin(theta) * sin(phi)
//     n3 = cos(theta),  n4 = M * sigmoid(x[2])
inline double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

struct Angles {
  double theta, phi;
};
inline Angles angles(double x0, double x1) {
  const double pi = std::acos(-1.);
  return {pi / 3 * sigmoid_of(x0), 2 * pi * sigmoid_of(x1)};
}

/// Numbers [N,h,w,3] -> planes [N,h,w,4].
inline Array planes_of(const Array& x, double max_distance_m) {
  Array plane({x.dim(0), x.dim(1), x.dim(2), 4});
  for (i64 n = 0; n < x.dim(0); ++n)
    for (i64 h = 0; h < x.dim(1); ++h)
      for (i64 w = 0; w < x.dim(2); ++w) {
        const auto [theta, phi] = angles(x(n, h, w, 0), x(n, h, w, 1));
        plane(n, h, w, 0) = std::sin(theta) * std::cos(phi);
        plane(n, h, w, 1) = std::sin(theta) * std::sin(phi);
        plane(n, h, w, 2) = std::cos(theta);
        plane(n, h, w, 3) = max_distance_m * sigmoid_of(x(n, h, w, 2));
      }
  return plane;
}

// *Depths.* Each plane has a cell of r x r pixels. A pixel in column j and row i of the map stands at (u,v) in its
// cell, between -1/2 and 1/2, and looks along (u, v, 1). A point at the depth z on this ray is (z * u, z * v, z), and
// lies on the plane where n1 * z * u + n2 * z * v + n3 * z = n4:
//
//     z = n4 / D,  D = n1 * u + n2 * v + n3

/// u or v of column or row k.
inline double place_in_cell(i64 k, i64 r) { return (double(k % r) - double(r - 1) / 2) / double(r); }

/// D of pixel (i,j).
inline double denominator(const Array& plane, i64 n, i64 i, i64 j, i64 r) {
  return plane(n, i / r, j / r, 0) * place_in_cell(j, r) + plane(n, i / r, j / r, 1) * place_in_cell(i, r) +
         plane(n, i / r, j / r, 2);
}

/// Planes [N,h,w,4] -> depths [N,h*r,w*r,1].
inline Array depths_of(const Array& plane, i64 r) {
  Array depth({plane.dim(0), plane.dim(1) * r, plane.dim(2) * r, 1});
  for (i64 n = 0; n < depth.dim(0); ++n)
    for (i64 i = 0; i < depth.dim(1); ++i)
      for (i64 j = 0; j < depth.dim(2); ++j)
        depth(n, i, j, 0) = plane(n, i / r, j / r, 3) / denominator(plane, n, i, j, r);
  return depth;
}

// *The loss.* Over the n pixels of a batch that were measured, with v the part that is forgiven:
//
//     d[i] = ln(depth[i] / target[i])
//     g = mean over i of d[i]^2 - v * (mean over i of d[i])^2
//     L = 10 * sqrt(g)
//
// With v = 1, g would be the variance of d, and a factor on all depths would cost nothing. That answers the exercise of
// lesson 11. With v = 0.85 a little of it is left, and the network learns metres after all.

/// The sums over the measured pixels.
struct Errors {
  Array d;  // of each pixel; 0 where it was not measured
  double count = 0, mean = 0, g = 0;
};

/// depth_m [N,H,W,1], target_m [N,H,W].
inline Errors errors_of(const Array& depth_m, const Array& target_m, const SilogOptions& options) {
  Errors e{Array(depth_m.shape())};
  double squares = 0;
  for (i64 i = 0; i < depth_m.numel(); ++i) {
    if (!(target_m[i] > double(options.min_depth_m))) continue;
    e.d[i] = std::log(depth_m[i] / target_m[i]);
    e.count += 1;
    e.mean += e.d[i];
    squares += e.d[i] * e.d[i];
  }
  e.mean /= e.count;
  // blank: e.g, from squares, e.count, e.mean and double(options.variance_focus)
  e.g = squares / e.count - double(options.variance_focus) * e.mean * e.mean;
  // end of blank
  return e;
}

// 4. Derivation
//
// *Depths.* z = n4 / D has two places where the plane comes in. n4 is the numerator, and each unit of it makes z larger
// by 1 / D. D is the denominator, and a quotient falls by n4 / D^2 for each unit of D. D grows by u for each unit of
// n1, by v for n2 and by 1 for n3. The r * r pixels of a cell share one plane, and add up:
//
//     dn1 = sum over pixels of dz * (-n4 / D^2) * u
//     dn2 = sum over pixels of dz * (-n4 / D^2) * v
//     dn3 = sum over pixels of dz * (-n4 / D^2)
//     dn4 = sum over pixels of dz / D
inline Array plane_gradient(const Array& plane, const Array& dz, i64 r, const Terms& term) {
  Array dplane(plane.shape());
  for (i64 n = 0; n < dz.dim(0); ++n)
    for (i64 i = 0; i < dz.dim(1); ++i)
      for (i64 j = 0; j < dz.dim(2); ++j) {
        const i64 h = i / r, w = j / r;
        const double u = place_in_cell(j, r), v = place_in_cell(i, r), D = denominator(plane, n, i, j, r);
        // blank: dD, what arrives at D, and what the pixel adds to the four numbers of its plane
        const double dD = dz(n, i, j, 0) * -plane(n, h, w, 3) / (D * D);
        dplane(n, h, w, 0) += term("dD * u", dD * u);
        dplane(n, h, w, 1) += term("dD * v", dD * v);
        dplane(n, h, w, 2) += term("dD", dD);
        dplane(n, h, w, 3) += term("dz / D", dz(n, i, j, 0) / D);
        // end of blank
      }
  return dplane;
}

inline Definition depths(i64 r) {
  return {.name = "local_planar_guidance",
          .inputs = {"plane"},
          .value = [=](const Arrays& in) { return depths_of(in[0], r); },
          .gradients = [=](const Arrays& in, const Array& dy,
                           const Terms& term) { return Arrays{plane_gradient(in[0], dy, r, term)}; },
          .kernel = [=](const std::vector<Tensor>& in) { return local_planar_guidance(in[0], int(r)); }};
}

// *Planes.* theta stands in n1, n2 and n3, so three terms come back to it; phi stands in n1 and n2. sin' = cos and
// cos' = -sin:
//
//     dtheta = dn1 * cos(theta) * cos(phi)
//     + dn2 * cos(theta) * sin(phi) - dn3 * sin(theta)
//     dphi = -dn1 * sin(theta) * sin(phi) + dn2 * sin(theta) * cos(phi)
//
// Each angle then passes through its sigmoid s, whose slope is s * (1 - s), and its factor pi / 3 or 2 * pi.
inline Array number_gradient(const Array& x, const Array& dplane, double max_distance_m, const Terms& term) {
  const double pi = std::acos(-1.);
  const auto slope = [](double at) { return sigmoid_of(at) * (1 - sigmoid_of(at)); };
  Array dx(x.shape());
  for (i64 n = 0; n < x.dim(0); ++n)
    for (i64 h = 0; h < x.dim(1); ++h)
      for (i64 w = 0; w < x.dim(2); ++w) {
        const auto [theta, phi] = angles(x(n, h, w, 0), x(n, h, w, 1));
        const double dn1 = dplane(n, h, w, 0), dn2 = dplane(n, h, w, 1), dn3 = dplane(n, h, w, 2),
                     dn4 = dplane(n, h, w, 3);
        double dtheta = 0, dphi = 0;
        dtheta += term("n1 by theta", dn1 * std::cos(theta) * std::cos(phi));
        dtheta += term("n2 by theta", dn2 * std::cos(theta) * std::sin(phi));
        dtheta += term("n3 by theta", -dn3 * std::sin(theta));
        dphi += term("n1 by phi", -dn1 * std::sin(theta) * std::sin(phi));
        dphi += term("n2 by phi", dn2 * std::sin(theta) * std::cos(phi));
        dx(n, h, w, 0) = dtheta * pi / 3 * slope(x(n, h, w, 0));
        dx(n, h, w, 1) = dphi * 2 * pi * slope(x(n, h, w, 1));
        dx(n, h, w, 2) = term("n4", dn4 * max_distance_m * slope(x(n, h, w, 2)));
      }
  return dx;
}

inline Definition planes(double max_distance_m) {
  return {.name = "plane_equation",
          .inputs = {"x"},
          .value = [=](const Arrays& in) { return planes_of(in[0], max_distance_m); },
          .gradients = [=](const Arrays& in, const Array& dy,
                           const Terms& term) { return Arrays{number_gradient(in[0], dy, max_distance_m, term)}; },
          .kernel = [=](const std::vector<Tensor>& in) { return plane_equation(in[0], float(max_distance_m)); }};
}

// *The loss* is a chain of three links, from its end to its beginning.
//
// The root: L = 10 * sqrt(g), and its derivative is 10 / (2 * sqrt(g)). With sqrt(g) = L / 10 that is 50 / L.
//
// g has d[i] in two places. In the mean of the squares it is d[i]^2 / n, with the derivative 2 * d[i] / n. In the
// square of the mean, m^2, each unit of d[i] moves m by 1 / n and m^2 by 2 * m / n. Both together, times the root's:
//
//     dL/dd[i] = 100 / (n * L) * (d[i] - v * m)
//
// The logarithm: d[i] = ln(depth) - ln(target), and the slope of ln is 1 / depth:
//
//     dL/ddepth[i] = 100 / (n * L) * (d[i] - v * m) / depth[i]
//
// A pixel pulls its own depth towards its target, and the second term takes back most of what all pixels want in
// common. The root has a consequence: 1 / L in front makes the gradient as large near the goal as far from it.
inline Array depth_gradient(const Array& depth_m, const Array& target_m, double dy, const SilogOptions& options,
                            const Terms& term) {
  const Errors e = errors_of(depth_m, target_m, options);
  const double L = 10 * std::sqrt(e.g);
  Array dx(depth_m.shape());
  for (i64 i = 0; i < dx.numel(); ++i) {
    if (!(target_m[i] > double(options.min_depth_m))) continue;
    const double v = double(options.variance_focus), factor = dy * 100 / (e.count * L) / depth_m[i];
    // blank: the two terms of dx[i]; `factor` is all that they have in common
    dx[i] += term("d", factor * e.d[i]);
    dx[i] += term("v * mean(d)", -factor * v * e.mean);
    // end of blank
  }
  return dx;
}

inline Definition loss(const Array& target_m, const SilogOptions& options) {
  return {.name = "silog",
          .inputs = {"x"},
          .value =
              [=](const Arrays& in) { return Array(Shape{}, {10 * std::sqrt(errors_of(in[0], target_m, options).g)}); },
          .gradients = [=](const Arrays& in, const Array& dy,
                           const Terms& term) { return Arrays{depth_gradient(in[0], target_m, dy[0], options, term)}; },
          .kernel = [=](const std::vector<Tensor>& in) { return md::silog(in[0], target_m.tensor(), options); }};
}

// 5. Check
//
// The planes face the camera, so that D stays away from 0. Some pixels of the ground truth are 0, not measured, and
// some lie below the 0.1 m from which on pixels count.
inline std::vector<Check> checks() {
  // Sines, roots and quotients of floats; the loss is a difference of sums of 30 squares of logarithms.
  constexpr double kTolerance = 3e-6;
  Array plane = random_array({2, 2, 3, 4}, 1, -0.5, 0.5), target_m = random_array({2, 3, 5}, 2, -1, 4);
  for (i64 i = 0; i < plane.numel(); ++i) plane[i] += i % 4 < 2 ? 0 : 1.3;
  for (i64 i = 0; i < target_m.numel(); ++i) target_m[i] = std::max(0., target_m[i]);
  target_m[3] = 0.05;
  return {{planes(2), {random_array({2, 3, 4, 3}, 3, -3, 3)}, kTolerance},
          {depths(4), {plane}, kTolerance},
          {loss(target_m, {}), {random_array({2, 3, 5, 1}, 4, 2, 6)}, kTolerance}};
}

// 6. Adjoint
//
// A depth is linear in n4 and in nothing else, and the loss in nothing at all: the test is the derivative along one
// random direction. One direction is known without computing: if all depths grow by the same small part e of
// themselves, each d grows by e, and L by e times the sum of all dL/dd, which is 100 / L * (1 - v) * m. With v = 1 it
// is 0.
inline std::vector<Linear> linear() { return {}; }

// 7. Lost terms
//
// Without the second term of the loss the gradient is still one of a sensible loss, that with v = 0. Training would go
// down, to somewhere else.
inline std::vector<TermList> terms() {
  return {{"plane_equation", {"n1 by theta", "n2 by theta", "n3 by theta", "n1 by phi", "n2 by phi", "n4"}},
          {"local_planar_guidance", {"dD * u", "dD * v", "dD", "dz / D"}},
          {"silog", {"d", "v * mean(d)"}}};
}

// 8. Trap and exercise
//
// The trap is the root of 0, whose slope is infinite. Where all predictions are right, g = 0, and the formula divides 0
// by 0. And where all are wrong by the same factor and v = 1, g is a difference of two equal numbers: after rounding it
// may be below 0, and its root is NaN. The kernel takes the loss and its gradient as 0 where g is not above 0. The test
// tries both.
inline std::string a_root_of_nothing() {
  const Tensor target_m = Array({1, 2, 3}, {1, 2, 3, 4, 5, 6}).tensor();
  for (const double factor : {1., 1.1, 1.7}) {
    Array predicted({1, 2, 3, 1}, {1, 2, 3, 4, 5, 6});
    for (i64 i = 0; i < predicted.numel(); ++i) predicted[i] *= factor;
    const Tensor depth_m = predicted.tensor().requires_grad_();
    const Tensor loss = md::silog(depth_m, target_m, {.variance_focus = 1});
    loss.backward();
    if (!(std::fabs(loss.item()) < 0.01F))
      return cat("the loss is ", loss.item(), " where all depths are ", factor, " times the truth");
    for (const float each : depth_m.grad().to_host())
      if (!std::isfinite(each))
        return cat("a gradient of ", each, " where all depths are ", factor, " times the truth");
  }
  return "";
}

// D has the same trap: a plane that is seen edge-on has D = 0, and its depth is infinite. With theta up to 60 degrees
// and r = 8, D reaches -0.036. BTS lives with it.
//
// Exercise. Show that the variance of d, the mean of d^2 minus the square of the mean, is half of the mean of (d[i] -
// d[j])^2 over all pairs of pixels i, j. So silog compares pixels with each other, without saying so. What does one
// pair add to the gradient of d[i], and what to that of d[j]? (Lesson 13 has a loss that says so.)

inline Lesson lesson() {
  return {12, "Depth and its loss", by_hand(), checks(), linear(), terms(), {{"a root of nothing", a_root_of_nothing}}};
}

}  // namespace md::lessons::silog
