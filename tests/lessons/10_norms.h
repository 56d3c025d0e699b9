// Lesson 10: The norms
// After lesson 9, convolution. Ops: batch_norm, layer_norm, group_norm, l2_normalize.
//
// 1. Idea
//
// A norm takes a group of numbers, subtracts their mean and divides by their standard deviation. What comes out has
// mean 0 and variance 1, whatever came in. Then each channel is multiplied by a `weight` and moved by a `bias`, which
// are learned. Batch norm, layer norm and group norm are one op; they differ in which numbers form a group.
//
// What is new is that a number acts on others. In lesson 9 a number of x stood in a few products. Here it moves the
// mean and the variance of its group, and with them every output of the group. So there are three paths from x to the
// loss: the number itself, the mean, the variance. A gradient that has only the first is wrong by little where groups
// are large, and easily taken for right.
#pragma once
#include <cmath>

#include "layers/ops.h"
#include "tests/kit/lesson.h"

namespace md::lessons::norms {
using namespace test;

Definition batch(double eps);                                                          // part 4
Definition layer(double eps);                                                          // part 4
Definition group(i64 groups, double eps);                                              // part 4
Definition batch_in_evaluation(const Array& mean, const Array& variance, double eps);  // part 4
Definition length();                                                                   // part 4

// 2. By hand
//
// *Batch norm.* An image of 2x2 pixels with one channel: 1, 1, 5, 1. The mean is 8 / 4 = 2. The deviations from it are
// -1, -1, 3, -1, so the variance is (1 + 1 + 9 + 1) / 4 = 3. A small number `eps` is added, so that nothing is divided
// by 0; here it is 1, far more than any network takes, and makes the root come out: sqrt(3 + 1) = 2. The normalised
// numbers are called xhat:
//
//     xhat = (x - mean) / sqrt(variance + eps) = -0.5, -0.5, 1.5, -0.5
//
// With weight 2 and bias 1, y = 2 * xhat + 1 = 0, 0, 4, 0.
//
// Let dy be 1, 2, 4, 1. Each number of x gets three terms, which part 4 derives. The mean of dy is 2. The mean of dy *
// xhat is (-0.5 - 1 + 6 - 0.5) / 4 = 1. The factor in front is weight / sqrt(variance + eps) = 2 / 2 = 1:
//
//     dx[0,0] = 1 * (1 - 2 - -0.5 * 1) = -0.5
//     dx[0,1] = 1 * (2 - 2 - -0.5 * 1) = 0.5
//     dx[1,0] = 1 * (4 - 2 - 1.5 * 1) = 0.5
//     dx[1,1] = 1 * (1 - 2 - -0.5 * 1) = -0.5
//
// They add up to 0. The weight is multiplied by xhat at every pixel: dweight = -0.5 - 1 + 6 - 0.5 = 4. The bias is
// added to every pixel: dbias = 1 + 2 + 4 + 1 = 8.
//
// *Layer norm.* The same four numbers as the channels of one pixel, so xhat is the same. Now the weights differ, 1, 2,
// 1, 3, and so do the biases, 0, 1, 0, 1: `y = xhat * weight + bias` is -0.5, 0, 1.5, -0.5. What arrives at xhat is `g
// = dy * weight`, and g takes the place of dy in the means. Let dy be 2, 1, 4, 0. Then g is 2, 2, 4, 0, its mean is 2,
// the mean of g * xhat is (-1 - 1 + 6 + 0) / 4 = 1, and the factor in front is 1 / 2:
//
//     dx[3] = (0 - 2 - -0.5 * 1) / 2 = -0.75
//
// Each channel occurs once here, so dweight is dy * xhat, without a sum, and dbias is dy.
//
// *A length.* l2_normalize divides a row by its length. The row 3, 4 has the length 5 and becomes 0.6, 0.8. Let dy be
// 25, 0. Then the sum of y * dy is 15, and
//
//     dx[0] = (25 - 0.6 * 15) / 5 = 3.2
//     dx[1] = (0 - 0.8 * 15) / 5 = -2.4
//
// The second number gets a gradient, although dy is 0 there: it is part of the length.
inline std::vector<ByHand> by_hand() {
  return {{.op = batch(1),
           .inputs = {{"x", {1, 2, 2, 1}, {1, 1, 5, 1}}, {"weight", {1}, {2}}, {"bias", {1}, {1}}},
           .y = {"y", {1, 2, 2, 1}, {0, 0, 4, 0}},
           .dy = {"dy", {1, 2, 2, 1}, {1, 2, 4, 1}},
           // blank numbers: three terms for each pixel; dx adds up to 0
           .gradients = {{"dx", {1, 2, 2, 1}, {-0.5, 0.5, 0.5, -0.5}}, {"dweight", {1}, {4}}, {"dbias", {1}, {8}}}},
          // end of blank
          {.op = layer(1),
           .inputs = {{"x", {1, 1, 1, 4}, {1, 1, 5, 1}}, {"weight", {4}, {1, 2, 1, 3}}, {"bias", {4}, {0, 1, 0, 1}}},
           .y = {"y", {1, 1, 1, 4}, {-0.5, 0, 1.5, -0.5}},
           .dy = {"dy", {1, 1, 1, 4}, {2, 1, 4, 0}},
           .gradients = {{"dx", {1, 1, 1, 4}, {0.25, 0.25, 0.25, -0.75}},
                         {"dweight", {4}, {-1, -0.5, 6, 0}},
                         {"dbias", {4}, {2, 1, 4, 0}}}},
          {.op = length(),
           .inputs = {{"x", {1, 1, 1, 2}, {3, 4}}},
           .y = {"y", {1, 1, 1, 2}, {0.6, 0.8}},
           .dy = {"dy", {1, 1, 1, 2}, {25, 0}},
           .gradients = {{"dx", {1, 1, 1, 2}, {3.2, -2.4}}}}};
}

// 3. Definition
//
// Let a group have M numbers, and let i and j count them.
//
//     mu = mean over i of x[i]
//     variance = mean over i of (x[i] - mu)^2
//     xhat[i] = (x[i] - mu) * rstd,  rstd = 1 / sqrt(variance + eps)
//     y[i] = weight[c] * xhat[i] + bias[c]
//
// c is the channel that the number belongs to; weight and bias always go by channels. A map is x[n,h,w,c]: image, row,
// column, channel. The groups are
//
// - batch norm: all numbers of one channel, over all images and pixels of the batch;
// - layer norm: all channels of one pixel;
// - group norm: neighbouring channels of one image, over all its pixels.

/// How many groups there are, and the number of the one that x(n,h,w,c) is in.
struct Groups {
  i64 count;
  std::function<i64(i64 n, i64 h, i64 w, i64 c)> of;
};

inline Groups by_channel(const Shape& x) {
  return {x[3], [](i64, i64, i64, i64 c) { return c; }};
}
inline Groups by_pixel(const Shape& x) {
  return {x[0] * x[1] * x[2], [=](i64 n, i64 h, i64 w, i64) { return (n * x[1] + h) * x[2] + w; }};
}
inline Groups by_part_of_channels(const Shape& x, i64 groups) {
  return {x[0] * groups, [=](i64 n, i64, i64, i64 c) { return n * groups + c / (x[3] / groups); }};
}

/// Calls body(n, h, w, c) for every number of a map.
template <class F>
void for_each_number(const Shape& x, const F& body) {
  for (i64 n = 0; n < x[0]; ++n)
    for (i64 h = 0; h < x[1]; ++h)
      for (i64 w = 0; w < x[2]; ++w)
        for (i64 c = 0; c < x[3]; ++c) body(n, h, w, c);
}

/// The mean of value(n, h, w, c) over each group.
template <class F>
Array means(const Shape& x, const Groups& groups, const F& value) {
  const double M = double(x.numel()) / double(groups.count);
  Array mean({groups.count});
  for_each_number(x, [&](i64 n, i64 h, i64 w, i64 c) { mean(groups.of(n, h, w, c)) += value(n, h, w, c) / M; });
  return mean;
}

/// Of each group. `constant`: they do not come from x (part 4, evaluation).
struct Statistics {
  Array mean, variance;
  bool constant = false;
};

inline Statistics statistics(const Array& x, const Groups& groups) {
  const Array mean = means(x.shape(), groups, [&](i64 n, i64 h, i64 w, i64 c) { return x(n, h, w, c); });
  const auto square = [&](i64 n, i64 h, i64 w, i64 c) {
    const double deviation = x(n, h, w, c) - mean(groups.of(n, h, w, c));
    return deviation * deviation;
  };
  return {mean, means(x.shape(), groups, square)};
}

/// What makes a norm out of a map.
struct Norm {
  Groups groups;
  Statistics of;
  double eps;
  double rstd(i64 group) const { return 1 / std::sqrt(of.variance(group) + eps); }
};

inline Array normalise(const Array& x, const Norm& norm) {
  Array xhat(x.shape());
  for_each_number(x.shape(), [&](i64 n, i64 h, i64 w, i64 c) {
    const i64 group = norm.groups.of(n, h, w, c);
    // blank: xhat(n, h, w, c), from x, the mean of the group and norm.rstd(group)
    xhat(n, h, w, c) = (x(n, h, w, c) - norm.of.mean(group)) * norm.rstd(group);
    // end of blank
  });
  return xhat;
}

/// x [N,H,W,C], weight and bias [C] -> y as x.
inline Array normalise_and_scale(const Array& x, const Array& weight, const Array& bias, const Norm& norm) {
  Array y = normalise(x, norm);
  for_each_number(x.shape(), [&](i64 n, i64 h, i64 w, i64 c) { y(n, h, w, c) = weight(c) * y(n, h, w, c) + bias(c); });
  return y;
}

// 4. Derivation
//
// *Weight and bias* are a product and a sum as in lesson 1, added up over all numbers of a channel as in lesson 3:
//
//     dL/dweight[c] = sum over (n,h,w) of dy[n,h,w,c] * xhat[n,h,w,c]
//     dL/dbias[c] = sum over (n,h,w) of dy[n,h,w,c]
//
// *What arrives at xhat* is g[i] = dy[i] * weight[c]. From here on everything happens inside of one group. Make x[i]
// larger by a small e. L changes along three paths.
//
// *Path 1, the number itself.* xhat[i] grows by rstd * e. The gradient gets
//
//     rstd * g[i]
//
// *Path 2, the mean.* mu grows by e / M, and every xhat[j] of the group falls by rstd * e / M. That is a sum over all j
// of g[j], with the factor -rstd / M:
//
//     -rstd * mean over j of g[j]
//
// *Path 3, the variance.* First, how it moves: the variance is the mean of the squares (x[j] - mu)^2. The square of i
// changes by 2 * (x[i] - mu) * e. That mu moves too does nothing here: all deviations fall by the same e / M, their
// squares by 2 * (x[j] - mu) * e / M, and the deviations add up to 0. So
//
//     "change of the variance" = 2 / M * (x[i] - mu) * e
//
// Then rstd = (variance + eps)^(-1/2), and the derivative of that is -1/2 * (variance + eps)^(-3/2) = -1/2 * rstd^3:
//
//     "change of rstd" = -rstd^3 * (x[i] - mu) * e / M = -rstd^2 * xhat[i] * e / M
//
// Every xhat[j] = (x[j] - mu) * rstd of the group feels it, and L with g[j]. (x[j] - mu) * rstd is xhat[j] again, so
// one rstd of the square goes into it:
//
//     -rstd * xhat[i] * mean over j of (g[j] * xhat[j])
//
// All three together:
//
//     dL/dx[i] = rstd * (g[i] - mean over j of g[j] - xhat[i] * mean over j of (g[j] * xhat[j]))
//
// What does it mean? A norm does not notice if all numbers of a group grow by the same amount, nor (up to eps) if all
// deviations are multiplied by the same factor. So the gradient must have nothing in these two directions. Path 2 takes
// away the mean of g, path 3 what g has along xhat.
//
// This also answers the exercise of lesson 9. A bias in front of the norm moves all numbers of a channel, and the mean
// with them: y does not change, and the gradient of that bias, the sum of dx over the group, is 0.
inline Arrays norm_gradients(const Array& x, const Array& weight, const Array& dy, const Norm& norm,
                             const Terms& term) {
  const Shape& shape = x.shape();
  const Array xhat = normalise(x, norm);
  Array dx(shape), dweight(weight.shape()), dbias(weight.shape());
  for_each_number(shape, [&](i64 n, i64 h, i64 w, i64 c) {
    dweight(c) += term("dy * xhat", dy(n, h, w, c) * xhat(n, h, w, c));
    dbias(c) += term("dy", dy(n, h, w, c));
  });
  const auto g = [&](i64 n, i64 h, i64 w, i64 c) { return dy(n, h, w, c) * weight(c); };
  const Array mean_g = means(shape, norm.groups, g);
  const Array mean_g_xhat =
      means(shape, norm.groups, [&](i64 n, i64 h, i64 w, i64 c) { return g(n, h, w, c) * xhat(n, h, w, c); });
  for_each_number(shape, [&](i64 n, i64 h, i64 w, i64 c) {
    const i64 group = norm.groups.of(n, h, w, c);
    const double rstd = norm.rstd(group);
    dx(n, h, w, c) += term("g", rstd * g(n, h, w, c));
    if (norm.of.constant) return;
    // blank: path 2 and path 3, with mean_g(group) and mean_g_xhat(group)
    dx(n, h, w, c) += term("mean(g)", -rstd * mean_g(group));
    dx(n, h, w, c) += term("xhat * mean(g * xhat)", -rstd * xhat(n, h, w, c) * mean_g_xhat(group));
    // end of blank
  });
  return {dx, dweight, dbias};
}

/// A norm whose kernel takes x, weight and bias; `of_map` says how it normalises a map.
template <class Kernel>
Definition norm(const char* name, const std::function<Norm(const Array& x)>& of_map, const Kernel& kernel) {
  return {.name = name,
          .inputs = {"x", "weight", "bias"},
          .value = [=](const Arrays& in) { return normalise_and_scale(in[0], in[1], in[2], of_map(in[0])); },
          .gradients = [=](const Arrays& in, const Array& dy,
                           const Terms& term) { return norm_gradients(in[0], in[1], dy, of_map(in[0]), term); },
          .kernel = [=](const std::vector<Tensor>& in) { return kernel(in[0], in[1], in[2]); }};
}

inline Definition batch(double eps) {
  return norm(
      "batch_norm",
      [=](const Array& x) {
        const Groups groups = by_channel(x.shape());
        return Norm{groups, statistics(x, groups), eps};
      },
      [=](const Tensor& x, const Tensor& weight, const Tensor& bias) {
        const BatchNormState state{Tensor::zeros(weight.shape()), Tensor::full(weight.shape(), 1), 0.1F, true};
        return batch_norm(x, weight, bias, state, {.eps = float(eps)});
      });
}

inline Definition layer(double eps) {
  return norm(
      "layer_norm",
      [=](const Array& x) {
        const Groups groups = by_pixel(x.shape());
        return Norm{groups, statistics(x, groups), eps};
      },
      [=](const Tensor& x, const Tensor& weight, const Tensor& bias) {
        return layer_norm(x, weight, bias, float(eps));
      });
}

inline Definition group(i64 groups, double eps) {
  return norm(
      "group_norm",
      [=](const Array& x) {
        const Groups of = by_part_of_channels(x.shape(), groups);
        return Norm{of, statistics(x, of), eps};
      },
      [=](const Tensor& x, const Tensor& weight, const Tensor& bias) {
        return group_norm(x, groups, weight, bias, float(eps));
      });
}

// *Evaluation.* A batch norm that is not in training takes a mean and a variance that were collected before. They are
// constants: x does not move them, paths 2 and 3 are not there, and dx = rstd * g. The same layer has two gradients.
inline Definition batch_in_evaluation(const Array& mean, const Array& variance, double eps) {
  return norm(
      "batch_norm in evaluation",
      [=](const Array& x) {
        return Norm{by_channel(x.shape()), {mean, variance, true}, eps};
      },
      [=](const Tensor& x, const Tensor& weight, const Tensor& bias) {
        return batch_norm(x, weight, bias, {mean.tensor(), variance.tensor()}, {.eps = float(eps)});
      });
}

// *A length.* y[i] = x[i] / r, where r = sqrt(sum over j of x[j]^2) is the length of a row. There are two paths. The
// number itself gives dy[i] / r. The length grows by x[i] / r = y[i] for each unit of x[i], and with it every y[j] =
// x[j] / r falls by y[j] / r. Together
//
//     dL/dx[i] = (dy[i] - y[i] * sum over j of (y[j] * dy[j])) / r
//
// This is path 3 again: what dy has along y only makes the row longer, and y has forgotten its length. (A row shorter
// than 1e-12 is divided by 1e-12, so that a row of zeros stays zero.)
inline Array lengths(const Array& x) {
  Array length({x.dim(0), x.dim(1), x.dim(2)});
  for_each_number(x.shape(), [&](i64 n, i64 h, i64 w, i64 c) { length(n, h, w) += x(n, h, w, c) * x(n, h, w, c); });
  for (i64 i = 0; i < length.numel(); ++i) length[i] = std::max(1e-12, std::sqrt(length[i]));
  return length;
}

inline Array divide_by_length(const Array& x) {
  const Array length = lengths(x);
  Array y(x.shape());
  for_each_number(x.shape(), [&](i64 n, i64 h, i64 w, i64 c) { y(n, h, w, c) = x(n, h, w, c) / length(n, h, w); });
  return y;
}

inline Definition length() {
  return {.name = "l2_normalize",
          .inputs = {"x"},
          .value = [](const Arrays& in) { return divide_by_length(in[0]); },
          .gradients =
              [](const Arrays& in, const Array& dy, const Terms& term) {
                const Array length = lengths(in[0]), y = divide_by_length(in[0]);
                Array dx(y.shape()), along(length.shape());
                for_each_number(y.shape(),
                                [&](i64 n, i64 h, i64 w, i64 c) { along(n, h, w) += y(n, h, w, c) * dy(n, h, w, c); });
                for_each_number(y.shape(), [&](i64 n, i64 h, i64 w, i64 c) {
                  // blank: the two paths of the length; along(n, h, w) is the sum of y * dy of the row
                  dx(n, h, w, c) += term("dy", dy(n, h, w, c) / length(n, h, w));
                  dx(n, h, w, c) += term("y * (y . dy)", -y(n, h, w, c) * along(n, h, w) / length(n, h, w));
                  // end of blank
                });
                return Arrays{dx};
              },
          .kernel = [](const std::vector<Tensor>& in) { return l2_normalize(in[0]); }};
}

// 5. Check
//
// x lies off centre, so that a forgotten mean shows, and dy is drawn apart from x: where dy is a multiple of y, or the
// same everywhere, dx is 0 and any mixture of the three paths passes.
inline std::vector<Check> checks() {
  constexpr double kEps = 1e-3;
  // A mean, a variance and a root in float, over at most 60 numbers of a group: some ten roundings of 6e-8.
  constexpr double kTolerance = 2e-6;
  const auto inputs = [](const Shape& x, std::uint64_t seed) {
    return Arrays{random_array(x, seed, -1, 3), random_array({x[3]}, seed + 1, 0.5, 1.5),
                  random_array({x[3]}, seed + 2)};
  };
  const Array mean = random_array({3}, 10), variance = random_array({3}, 11, 0.5, 2);
  return {{batch(kEps), inputs({2, 4, 5, 3}, 1), kTolerance},
          {batch_in_evaluation(mean, variance, kEps), inputs({2, 4, 5, 3}, 4), kTolerance},
          {layer(kEps), inputs({2, 3, 4, 7}, 7), kTolerance},
          {group(2, kEps), inputs({3, 2, 5, 6}, 12), kTolerance},
          {length(), {random_array({2, 3, 5, 4}, 15, -2, 2)}, kTolerance}};
}

// 6. Adjoint
//
// A norm is linear in weight and in bias, and there the equation of lesson 9 holds to the last digits. It is not linear
// in x, because the variance depends on x. But its derivative at a given x is a matrix J, of which nobody writes down
// the M * M entries of a group, and dx = J' dy. So the test is dot(dy, J v) = dot(J' dy, v) with one random direction
// v, and J v is a central difference: y at x + h * v, minus y at x - h * v, divided by 2 * h. In evaluation mode the
// statistics are constants and the norm is linear in x too.
inline std::vector<Linear> linear() {
  return {{"batch_norm", {"weight", "bias"}},
          {"batch_norm in evaluation", {"x", "weight", "bias"}},
          {"layer_norm", {"weight", "bias"}},
          {"group_norm", {"weight", "bias"}}};
}

// 7. Lost terms
//
// Each path is left out once, and once taken with the wrong sign. In a large batch paths 2 and 3 are small: a mean of g
// over M numbers of random signs is of the size 1 / sqrt(M). This is why wrong norms train at all, and why the check
// takes a small map.
inline std::vector<TermList> terms() {
  const std::vector<std::string> all = {"g", "mean(g)", "xhat * mean(g * xhat)", "dy * xhat", "dy"};
  return {{"batch_norm", all},
          {"batch_norm in evaluation", {"g", "dy * xhat", "dy"}},
          {"layer_norm", all},
          {"group_norm", all},
          {"l2_normalize", {"dy", "y * (y . dy)"}}};
}

// 8. Trap and exercise
//
// The variance is also the mean of x^2 minus the square of the mean, and that needs one pass over the numbers in place
// of two. In float it is a trap. For numbers around 1000 both are near 1000000, of which a float keeps 7 digits: their
// difference is known to about 0.1, and a variance of 0.25 is lost. It may come out as 0, or negative, and the root as
// NaN. The test normalises 1000, 1001, 1000, 1001, ... The right answer is -1, 1, -1, 1, ...
inline std::string a_mean_far_from_zero_hides_the_spread() {
  Array x({1000, 1});
  for (i64 m = 0; m < 1000; ++m) x(m, 0) = 1000 + double(m % 2);
  const Tensor one = Tensor::full({1}, 1), zero = Tensor::zeros({1});
  const Array y(batch_norm(x.tensor(), one, zero, {zero.clone(), one.clone(), 0.1F, true}, {.eps = 0}));
  for (i64 m = 0; m < 1000; ++m) {
    if (!(std::fabs(y(m, 0) - (m % 2 == 0 ? -1 : 1)) < 1e-3)) return cat(x(m, 0), " becomes ", y(m, 0));
  }
  return "";
}

// Exercise. Divide a row of positive numbers not by its length but by its sum: y[i] = x[i] / S, S the sum over j of
// x[j]. Which paths are there, and what is dx? Then let x[i] = e^(z[i]): what is dz? (Lesson 11 has the answer. The op
// is called softmax.)

inline Lesson lesson() {
  return {10,
          "The norms",
          by_hand(),
          checks(),
          linear(),
          terms(),
          {{"a mean far from zero", a_mean_far_from_zero_hides_the_spread}}};
}

}  // namespace md::lessons::norms
