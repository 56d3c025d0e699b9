// Lesson 2: Pointwise
// After lesson 1, the tape. Ops: relu, relu6, leaky_relu, elu, hardswish, hardsigmoid, sigmoid, gelu, activate, scale,
// cast.
//
// 1. Idea
//
// Between two layers a network bends its numbers, each by itself, with one curve: y = f(x). Without such a curve any
// number of linear layers in a row would be one linear layer.
//
// Lesson 1 asked how large the matrix of all slopes dy_i/dx_j is. For a million numbers it has 10^12 entries, and all
// but those on the diagonal are 0, since y_i depends on x_i alone. So the op never makes the matrix. It multiplies each
// number of dy with the slope of the curve at its own x.
//
// Nearly every op of a network is like that: its matrix of slopes (the *Jacobian*) is huge and regular, and its
// backward pass is a way to multiply with it without writing it down.
#pragma once
#include <cmath>
#include <numbers>

#include "layers/ops.h"
#include "tests/kit/lesson.h"

namespace md::lessons::pointwise {
using namespace test;

// The curves, part 3, that part 2 works out.
Definition relu_op();
Definition hardswish_op();

// 2. By hand
//
// relu keeps what is positive: f(x) = max(0, x). Its slope is 1 above 0 and 0 below, so it lets the gradient of
// positive numbers through and stops the others:
//
//     x = (-2, 0, 3), y = (0, 0, 3)
//     dx = (1 * 0, 2 * 0, 5 * 1) = (0, 0, 5)
//
// At 0 itself the curve has a corner and no slope. Any number between 0 and 1 would do; PyTorch and this engine take 0.
//
// hardswish is smooth in between: 0 up to -3, x from 3 on, and x * (x + 3) / 6 between them, with the slope
// x/3 + 1/2 there. At 1.5 it is 1.5 * 4.5 / 6 = 1.125, its slope is 0.5 + 0.5 = 1; at 0 the slope is 1/2:
//
//     x = (0, 1.5, 6), y = (0, 1.125, 6)
//     dx = (2 * 0.5, 4 * 1, 5 * 1) = (1, 4, 5)
inline std::vector<ByHand> by_hand() {
  return {{
              .op = relu_op(),
              .inputs = {{"x", {3}, {-2, 0, 3}}},
              // blank numbers: max(0, x)
              .y = {"y", {3}, {0, 0, 3}},
              // end of blank
              .dy = {"dy", {3}, {1, 2, 5}},
              // blank numbers: dy times the slope, 0 at the corner
              .gradients = {{"dx", {3}, {0, 0, 5}}}
              // end of blank
          },
          {
              .op = hardswish_op(),
              .inputs = {{"x", {3}, {0, 1.5, 6}}},
              .y = {"y", {3}, {0, 1.125, 6}},
              .dy = {"dy", {3}, {2, 4, 5}},
              // blank numbers: dy times the slope
              .gradients = {{"dx", {3}, {1, 4, 5}}}
              // end of blank
          }};
}

// 3. Definition
//
// A curve is its value and its slope at x, and the points where it has a corner. A slope that is a sum names its terms.
//
//     relu(x) = max(0, x)
//     relu6(x) = min(max(0, x), 6)
//     elu(x) = x "if" x > 0, "else" e^x - 1
//     sigmoid(x) = 1 / (1 + e^(-x))
//     gelu(x) = x * Phi(x)
//
// leaky_relu is x above 0 and a fraction of x below. hardsigmoid is relu6(x + 3) / 6, a sigmoid of straight lines, and
// hardswish is x times that. Phi is the share of a normal distribution that lies below x; its slope is the bell curve
// phi(x) = e^(-x*x/2) / sqrt(2 pi).

/// A curve, with the slope that PyTorch takes where there is a corner.
struct Curve {
  const char* name;
  Tensor (*op)(const Tensor&);
  double (*value)(double x);
  double (*slope)(double x, const Terms& term);
  std::vector<float> corners;
};

inline double clamp6(double x) { return std::min(std::max(x, 0.), 6.); }
inline double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
inline double normal_below(double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }
inline double bell(double x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi); }

// 4. Derivation
//
// If x_i grows by a small e, y_i grows by f'(x_i) * e and no other y moves, so L grows by dy_i * f'(x_i) * e:
//
//     dL/dx[i] = dy[i] * f'(x[i])
//
// The slopes, one by one. relu, relu6, leaky_relu and hardsigmoid are straight lines between corners. elu below 0 is an
// exponential, which is its own slope. hardswish between -3 and 3 is (x^2 + 3 * x) / 6, with the slope x/3 + 1/2. gelu
// is a product: the slope of its first factor is 1, which leaves Phi(x), and the slope of Phi is the bell curve, times
// x.
//
// For the sigmoid, s = 1 / (1 + u) with u = e^(-x). The slope of u is -u, that of 1/(1 + u) is -1/(1 + u)^2, and the
// two signs cancel:
//
//     ds/dx = u / (1 + u)^2
//     = (1 + u - 1) / (1 + u)^2 = s - s^2
//
// The slope can be computed from the output alone, as s * (1 - s). So the op keeps y for the walk back and lets x go.
// The same holds for relu (y > 0 where x > 0) and elu (e^x = y + 1).
inline const std::vector<Curve>& curves() {
  static const std::vector<Curve> all = {
      {"relu",
       relu,
       [](double x) { return std::max(x, 0.); },
       [](double x, const Terms& term) {
         double slope = 0;
         // blank: the slope of relu, 0 at its corner; term("slope", ...) around it
         slope = term("slope", x > 0 ? 1 : 0);
         // end of blank
         return slope;
       },
       {0}},
      {"relu6",
       relu6,
       clamp6,
       [](double x, const Terms& term) { return term("slope", x > 0 && x < 6 ? 1 : 0); },
       {0, 6}},
      {"leaky_relu",
       [](const Tensor& x) { return leaky_relu(x, 0.25F); },
       [](double x) { return x > 0 ? x : 0.25 * x; },
       [](double x, const Terms& term) { return term("slope", x > 0 ? 1 : 0.25); },
       {0}},
      {"hardswish",
       hardswish,
       [](double x) { return x * clamp6(x + 3) / 6; },
       [](double x, const Terms& term) {
         if (x <= -3) return 0.;
         if (x >= 3) return 1.;
         return term("x/3", x / 3) + term("1/2", 0.5);
       },
       {-3, 3}},
      {"hardsigmoid",
       hardsigmoid,
       [](double x) { return clamp6(x + 3) / 6; },
       [](double x, const Terms& term) { return term("slope", x > -3 && x < 3 ? 1 / 6. : 0); },
       {-3, 3}},
      {"elu",
       elu,
       [](double x) { return x > 0 ? x : std::expm1(x); },
       [](double x, const Terms& term) { return term("slope", x > 0 ? 1 : std::exp(x)); },
       {}},  // both sides have slope 1 at 0
      {"sigmoid",
       sigmoid,
       sigmoid_of,
       [](double x, const Terms& term) {
         const double s = sigmoid_of(x);
         double slope = 0;
         // blank: the slope of the sigmoid from s, as two terms: "s" and "s^2"
         slope = term("s", s) - term("s^2", s * s);
         // end of blank
         return slope;
       },
       {}},
      {"gelu",
       gelu,
       [](double x) { return x * normal_below(x); },
       [](double x, const Terms& term) { return term("Phi(x)", normal_below(x)) + term("x phi(x)", x * bell(x)); },
       {}},
  };
  return all;
}

/// The op that applies a curve: its backward pass is the same for all of them.
inline Definition op_of(const Curve& f, std::function<Tensor(const std::vector<Tensor>&)> kernel = {}) {
  if (!kernel) kernel = [f](const std::vector<Tensor>& in) { return f.op(in[0]); };
  return {.name = f.name,
          .inputs = {"x"},
          .value =
              [f](const Arrays& in) {
                Array y(in[0].shape());
                for (i64 i = 0; i < y.numel(); ++i) y[i] = f.value(in[0][i]);
                return y;
              },
          .gradients =
              [f](const Arrays& in, const Array& dy, const Terms& term) {
                Array dx(in[0].shape());
                for (i64 i = 0; i < dx.numel(); ++i) {
                  // blank: dx[i], from dy[i] and f.slope(in[0][i], term)
                  dx[i] = dy[i] * f.slope(in[0][i], term);
                  // end of blank
                }
                return Arrays{dx};
              },
          .kernel = kernel};
}

inline const Curve& curve(const std::string& name) {
  for (const Curve& each : curves()) {
    if (each.name == name) return each;
  }
  fail(ErrorKind::usage, "no curve ", name);
}
inline Definition relu_op() { return op_of(curve("relu")); }
inline Definition hardswish_op() { return op_of(curve("hardswish")); }

// activate is whichever curve a network's description names. scale multiplies with a fixed number: a straight line,
// whose slope is that number. cast changes how many digits a number has, and its slope counts as 1: a rounding goes up
// and down in steps, and its true slope, 0 nearly everywhere, would stop all training.
inline Curve factor_of_minus_2_5() {
  return {.name = "scale",
          .op = [](const Tensor& x) { return scale(x, -2.5F); },
          .value = [](double x) { return -2.5 * x; },
          .slope = [](double, const Terms& term) { return term("slope", -2.5); },
          .corners = {}};
}
inline Curve cast_to_half_and_back() {
  return {.name = "cast",
          .op = [](const Tensor& x) { return cast(cast(x, DType::bf16), DType::f32); },
          .value = [](double x) { return x; },
          .slope = [](double, const Terms& term) { return term("slope", 1); },
          .corners = {}};
}

// 5. Check
//
// At a corner the central difference lies: across the corner of relu it says 1/2. Inputs are random, and the few that
// come within h of a corner would be seen; with this seed there is none. relu and its relatives are also tried far out
// and at their corners in tests/layers/activation_test.cpp.
inline std::vector<Check> checks() {
  const Array x = random_array({3, 7, 11}, 1, -5, 8);
  // One rounding of numbers up to 8, a few in exponentials and quotients: 6e-8 each.
  constexpr double kTolerance = 3e-7;
  std::vector<Check> all;
  for (const Curve& each : curves()) all.push_back({op_of(each), {x}, kTolerance, each.corners});
  all.push_back({op_of(factor_of_minus_2_5()), {x}, kTolerance});

  Curve named = curve("elu");
  named.name = "activate";
  all.push_back(
      {op_of(named, [](const std::vector<Tensor>& in) { return activate(in[0], {Act::elu}); }), {x}, kTolerance});

  // bf16 has 8 bits: it holds multiples of 1/8 below 4 exactly, and rounds each number of dy by up to 2^-8 of it.
  Array eighths = random_array({4, 5}, 2, -4, 4);
  for (i64 i = 0; i < eighths.numel(); ++i) eighths[i] = std::round(8 * eighths[i]) / 8;
  all.push_back({op_of(cast_to_half_and_back()), {eighths}, 0x1p-8, {}, 0.25F});
  return all;
}

// 6. Adjoint
//
// Only scale and cast are linear, and a diagonal matrix is its own transposed one. For the curves the same test holds
// with the matrix J of slopes at x in place of A. J v is the derivative of y along v, which a central difference
// measures with two runs for all elements together:
//
//     dot(dy, J v) = dot(J' dy, v)
inline std::vector<Linear> linear() { return {{"scale", {"x"}}, {"cast", {"x"}}}; }

// 7. Lost terms
//
// Where the slope is one term, a lost term is a lost gradient. Sums can lose a part and still look plausible: without
// s^2 the sigmoid's slope is always positive, but too large; without x phi(x) gelu's lies between 0 and 1, as
// relu's does.
inline std::vector<TermList> terms() {
  return {{"relu", {"slope"}},        {"relu6", {"slope"}}, {"leaky_relu", {"slope"}}, {"hardswish", {"x/3", "1/2"}},
          {"hardsigmoid", {"slope"}}, {"elu", {"slope"}},   {"sigmoid", {"s", "s^2"}}, {"gelu", {"Phi(x)", "x phi(x)"}},
          {"activate", {"slope"}},    {"scale", {"slope"}}, {"cast", {"slope"}}};
}

// 8. Trap and exercise
//
// elu below 0 is e^x - 1. For x = -1e-6 that is -0.0000009999995. A float near 1 has steps of 6e-8, so e^x is rounded
// to a multiple of them before 1 is subtracted, and five of seven digits are gone. The right way is the function expm1,
// which never forms e^x. A network sees the loss as noise in all numbers near 0, which are many.
inline std::string elu_near_0_loses_its_digits() {
  const float x = -1e-6F;
  const double y = double(elu(Tensor::full({1}, x)).item()), want = std::expm1(double(x));
  if (std::fabs(y - want) > 2e-7 * std::fabs(want)) return cat("elu(", x, ") = ", y, ", and it is ", want);
  return "";
}

// Exercise. Let y be the sum of a million numbers. Its matrix of slopes has one row. What does the transposed matrix do
// with dy, which is a single number? And the other way round: one number is added to a million others. What is its
// gradient? (Lesson 3.)

inline Lesson lesson() {
  return {2, "Pointwise", by_hand(), checks(), linear(), terms(), {{"elu near 0", elu_near_0_loses_its_digits}}};
}

}  // namespace md::lessons::pointwise
