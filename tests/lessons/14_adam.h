// Lesson 14: Adam
// After lesson 13, MetricDepth. Ops: Adam.
//
// 1. Idea
//
// Thirteen lessons made a gradient; this one uses it. A gradient says in which direction the loss grows and how fast.
// It does not say how far to go the other way. Adam (Kingma and Ba 2015) keeps two running means for each parameter: m,
// of its gradients, and v, of their squares. It steps by m divided by the root of v.
//
// Where the gradients of a parameter agree, m is as large as the root of v, and the step has the size of the learning
// rate. Where they change sign, m is small and so is the step. How large the gradients are does not matter: multiply
// the loss by 1000, and m and the root of v both grow by 1000. That answers the exercise of lesson 13.
#pragma once
#include <cmath>

#include "engine/optim.h"
#include "tests/kit/lesson.h"

namespace md::lessons::adam {
using namespace test;

/// How it steps: the learning rate of each step, the decay of the parameters, and the numbers of the rule.
struct Plan {
  std::vector<double> lr = {};
  double decay = 0;
  AdamSpec spec = {};
};

Definition steps(const char* name, const Plan&);  // part 4

// 2. By hand
//
// One parameter, p = 10, and two steps with the gradients 3 and 1. The learning rate is 1. m keeps beta1 = 0.25 of what
// it was and takes 0.75 of the new gradient; v keeps beta2 = 0.6 and takes 0.4 of its square. (Networks take 0.9 and
// 0.999; these make the roots come out.) Both begin at 0.
//
// *Step 1.* m = 0.75 * 3 = 2.25 and v = 0.4 * 9 = 3.6. Both are too small, because they began at 0: only 0.75 and 0.4
// of a mean are there. So they are divided by 1 - 0.25 and 1 - 0.6, which gives 3 and 9. The step is 3 / sqrt(9) = 1,
// and p = 9. The first step is always as large as the learning rate, whatever the gradient.
//
// *Step 2.* m = 0.25 * 2.25 + 0.75 * 1 = 1.3125 and v = 0.6 * 3.6 + 0.4 * 1 = 2.56. Now 1 - 0.25^2 = 0.9375 and 1 -
// 0.6^2 = 0.64 are there: 1.3125 / 0.9375 = 1.4 and 2.56 / 0.64 = 4. The step is 1.4 / 2 = 0.7, and p = 8.3.
//
// A step is made of products, sums and a root, so it has derivatives like any op. What do the two gradients do to p?
// Let dy be 64. The last gradient is in m and in v. Through m, its step grows by 0.75 / 0.9375 / 2 = 0.4 for each unit.
// Through v, the mean of the squares grows by 0.4 * 2 * 1 / 0.64 = 1.25, and 1.4 / sqrt(4) falls by 1.4 / (2 * 4 * 2) =
// 0.0875 for each unit of that. p falls where the step grows:
//
//     dg2 = 64 * (-0.4 + 1.25 * 0.0875) = -18.6
//
// The first gradient is in both steps. In step 1 its two paths cancel. In step 2 it is what m and v remember, 0.25 of
// the 0.4 above and 0.6 of 0.4 * 2 * 3 / 0.64 = 3.75:
//
//     dg1 = 64 * (-0.25 * 0.4 + 0.6 * 3.75 * 0.0875) = 6.2
//
// 3 * 6.2 + 1 * -18.6 = 0: if both gradients grow by the same part of themselves, p stays where it is.
inline std::vector<ByHand> by_hand() {
  return {{.op = steps("Adam", {.lr = {1, 1}, .spec = {.beta1 = 0.25, .beta2 = 0.6, .eps = 0}}),
           .inputs = {{"p", {1}, {10}}, {"g1", {1}, {3}}, {"g2", {1}, {1}}},
           // blank numbers: p after both steps
           .y = {"y", {1}, {8.3}},
           // end of blank
           .dy = {"dy", {1}, {64}},
           .gradients = {{"dp", {1}, {64}}, {"dg1", {1}, {6.2}}, {"dg2", {1}, {-18.6}}}}};
}

// 3. Definition
//
// In step t, counted from 1, with g the gradient:
//
//     m = beta1 * m + (1 - beta1) * g
//     v = beta2 * v + (1 - beta2) * g^2
//     mhat = m / (1 - beta1^t),  vhat = v / (1 - beta2^t)
//     p = p - lr * mhat / (sqrt(vhat) + eps)
//
// Why these divisors? After t steps with the same gradient g, m is g * (1 - beta1^t): what is missing is what is still
// kept of the 0 that it began with. eps, 1e-8, keeps a parameter that has no gradient from a division by 0.
//
// *Decay* pulls parameters towards 0. AdamW (Loshchilov and Hutter 2019) multiplies p by 1 - lr * decay before the
// step. Adam as it was adds decay * p to the gradient, where it is then divided by the root of v like everything else.

/// What a step computes on its way, of one number.
struct Step {
  double g, m, v, m_there, v_there, root;  // `there`: the part of a mean that is there, 1 - beta^t
};

/// One step: moves p, m and v.
inline Step step_of(double& p, double& m, double& v, double g, i64 t, const Plan& plan) {
  const AdamSpec& s = plan.spec;
  const double lr = plan.lr[std::size_t(t - 1)];
  if (s.decoupled_decay) {
    p *= 1 - lr * plan.decay;
  } else {
    g += plan.decay * p;
  }
  const double m_there = 1 - std::pow(s.beta1, t), v_there = 1 - std::pow(s.beta2, t);
  double root = 0;
  // blank: m, v, root (that of vhat) and p, in this order
  m = s.beta1 * m + (1 - s.beta1) * g;
  v = s.beta2 * v + (1 - s.beta2) * g * g;
  root = std::sqrt(v / v_there);
  p -= lr * (m / m_there) / (root + s.eps);
  // end of blank
  return {g, m, v, m_there, v_there, root};
}

/// Parameter i after a step for each gradient; `took`, if given, gets the steps.
inline double stepped(double p, const Arrays& gradients, i64 i, const Plan& plan, std::vector<Step>* took = nullptr) {
  double m = 0, v = 0;
  for (std::size_t t = 1; t <= gradients.size(); ++t) {
    const Step step = step_of(p, m, v, gradients[t - 1][i], i64(t), plan);
    if (took != nullptr) took->push_back(step);
  }
  return p;
}

// 4. Derivation
//
// The steps are a list, as in lesson 1, and the gradient walks it backwards. dp, dm and dv are what L wants of p, m and
// v as they are after the step; dm and dv are 0 behind the last one.
//
// *The step itself.* p falls by lr * mhat / (root + eps). m is in it through mhat, v through the root, whose derivative
// by v is 1 / (2 * root * (1 - beta2^t)):
//
//     dm = dm - dp * lr / ((1 - beta1^t) * (root + eps))
//     dv = dv + dp * lr * mhat / (2 * root * (1 - beta2^t) * (root + eps)^2)
//
// *The running means.* The new gradient comes in with the factors of both, and what was kept goes to the step before:
//
//     dg = (1 - beta1) * dm + (1 - beta2) * 2 * g * dv
//     dm = beta1 * dm,  dv = beta2 * dv  "for the step before"
//
// *The parameter.* p goes into the new p as it is, times 1 - lr * decay where the decay is AdamW's. Where it is added
// to the gradient, p also gets decay * dg.
//
// Training does not need any of this. It is the rule of lesson 1, for a thing that is no layer, and what programs use
// that learn a learning rate.
inline Arrays gradients_of_steps(const Arrays& in, const Array& dy, const Plan& plan, const Terms& term) {
  const AdamSpec& s = plan.spec;
  const Arrays gradients(in.begin() + 1, in.end());
  Arrays d;
  for (const Array& each : in) d.emplace_back(each.shape());
  for (i64 i = 0; i < dy.numel(); ++i) {
    std::vector<Step> took;
    stepped(in[0][i], gradients, i, plan, &took);
    double dp = dy[i], dm = 0, dv = 0;
    for (std::size_t t = took.size(); t > 0; --t) {
      const Step& at = took[t - 1];
      const double lr = plan.lr[t - 1], divisor = at.root + s.eps, mhat = at.m / at.m_there;
      double dg = 0;
      // blank: what the step adds to dm and dv; then dg; then dm and dv of the step before
      dm -= dp * lr / at.m_there / divisor;
      dv += dp * lr * mhat / (divisor * divisor) / (2 * at.root * at.v_there);
      dg = term("through m", (1 - s.beta1) * dm) + term("through v", (1 - s.beta2) * 2 * at.g * dv);
      dm *= s.beta1;
      dv *= s.beta2;
      // end of blank
      dp = term("what p keeps", dp * (s.decoupled_decay ? 1 - lr * plan.decay : 1));
      if (!s.decoupled_decay) dp += term("decay * dg", plan.decay * dg);
      d[t][i] = dg;
    }
    d[0][i] = dp;
  }
  return d;
}

/// What the engine's optimiser makes of the first tensor with the others as its gradients.
inline Tensor run_adam(const std::vector<Tensor>& in, const Plan& plan) {
  const Tensor p = in[0].clone().requires_grad_();
  Adam adam({{{{"p", p, Layout::same}}, float(plan.decay)}}, plan.spec);
  for (std::size_t t = 1; t < in.size(); ++t) {
    p.set_grad(in[t]);
    adam.step(plan.lr[t - 1]);
  }
  return p.detach();
}

inline Definition steps(const char* name, const Plan& plan) {
  std::vector<std::string> inputs = {"p"};
  for (std::size_t t = 1; t <= plan.lr.size(); ++t) inputs.push_back(cat("g", t));
  return {.name = name,
          .inputs = inputs,
          .value =
              [=](const Arrays& in) {
                Array p = in[0];
                for (i64 i = 0; i < p.numel(); ++i) p[i] = stepped(p[i], Arrays(in.begin() + 1, in.end()), i, plan);
                return p;
              },
          .gradients = [=](const Arrays& in, const Array& dy,
                           const Terms& term) { return gradients_of_steps(in, dy, plan, term); },
          .kernel = [=](const std::vector<Tensor>& in) { return run_adam(in, plan); },
          .differentiable_kernel = false};
}

// 5. Check
//
// Three steps with a learning rate that falls, and gradients that change sign. The engine's optimiser has no gradient
// of its own; its parameters after the steps are compared.
inline std::vector<Check> checks() {
  const Arrays in = {random_array({7}, 1), random_array({7}, 2, 0.5, 2), random_array({7}, 3, -2, -0.5),
                     random_array({7}, 4, 0.5, 2)};
  const Plan decoupled{.lr = {0.3, 0.2, 0.1}, .decay = 0.4, .spec = {.beta1 = 0.8, .beta2 = 0.9, .eps = 0.1}};
  Plan in_the_gradient = decoupled;
  in_the_gradient.spec.decoupled_decay = false;
  constexpr double kTolerance = 1e-6;  // ten operations a step, in float
  return {{steps("Adam", decoupled), in, kTolerance},
          {steps("Adam with decay in the gradient", in_the_gradient), in, kTolerance}};
}

// 6. Adjoint
//
// With AdamW's decay the steps are the same wherever p is, so the result is linear in p: after three steps, p times the
// product of the three factors, minus the steps. In the gradients nothing is linear, and where the decay is one of
// them, neither is p.
inline std::vector<Linear> linear() { return {{"Adam", {"p"}}}; }

// 7. Lost terms
//
// A rule that is wrong still trains, only worse, and no curve tells by what. So the definition is held against the
// engine number by number, and PyTorch's own steps are in tests/goldens.
inline std::vector<TermList> terms() {
  return {{"Adam", {"through m", "through v", "what p keeps"}},
          {"Adam with decay in the gradient", {"through m", "through v", "what p keeps", "decay * dg"}}};
}

// 8. Trap and exercise
//
// The trap is where eps stands. With 1e-8 behind the root, a parameter whose gradients are 1e-6 steps by 1e-6 / (1e-6 +
// 1e-8), which is 0.99 of the learning rate. Inside of the root, sqrt(1e-12 + 1e-8) is 1e-4, and the parameter steps by
// 0.01: it stands still, and nothing tells why. The test takes one such step.
inline std::string eps_in_the_root() {
  const Tensor p = run_adam({Tensor::zeros({1}), Tensor::full({1}, 1e-6F)}, {.lr = {1}});
  const double step = -double(p.item());
  return std::fabs(step - 1 / 1.01) < 1e-4 ? "" : cat("a gradient of 1e-6 makes a step of ", step, " and not of 0.99");
}

// Exercise. Softplus is y = ln(1 + e^x), a relu without its kink. Write lesson 15 about it, with all eight parts: what
// is its slope, what does e^x do at x = 100, and what would a network learn with it at the end that predicts a depth?
// (The op is in tests/examples/softplus.cpp.)

inline Lesson lesson() {
  return {14, "Adam", by_hand(), checks(), linear(), terms(), {{"where eps stands", eps_in_the_root}}};
}

}  // namespace md::lessons::adam
