// Lesson 13: MetricDepth
// After lesson 12, depth and its loss. Ops: metric_depth.
//
// 1. Idea
//
// Before its last layer a depth network has a map of features: for each pixel a vector of numbers. Pixels of nearly
// equal depth ought to have vectors that lie near each other, and pixels of different depths vectors that lie apart.
// MetricDepth (Liu, Yang, Zuo, Zang) asks for just that. It takes pairs of pixels, compares their true depths, and gets
// from each pair one of three wishes: *pull* the two vectors together, *push* them apart until they are a margin away
// from each other, or nothing.
//
// What is new is that a term of the loss has two inputs of the same kind. Both ends of a pair move, in opposite
// directions, and a pixel that is in many pairs adds up what all of them want of it.
#pragma once
#include <cmath>
#include <optional>

#include "losses/metric_depth.h"
#include "tests/kit/lesson.h"

namespace md::lessons::metric_depth {
using namespace test;

using Shift = MetricDepthPairs::Shift;

Definition of_pairs(const Array& depth_m, const std::vector<Shift>&, const MetricDepthOptions&);  // part 4

// 2. By hand
//
// Four pixels in a row, with two features each: (0,0), (3,4), (7,1), (7,1). Their depths are 1, 1, 2, 2 metres. Pixels
// whose depths differ by less than 0.1 m are pulled; those that differ by 0.5 to 1.5 m are pushed to a margin of 7.
// Each pixel is paired with its left neighbour, and the first with the last:
//
// - pixels 1 and 0: equal depths, so they are pulled. The difference of their features is (3,4), its length l is
//   sqrt(9 + 16) = 5, and that is what the pair adds to the loss.
// - pixels 2 and 1: 1 m apart, so they are pushed. The difference is (4,-3), again of length 5, and 7 - 5 = 2 is
//   missing: the pair adds 2.
// - pixels 3 and 2: equal depths and equal features. There is nothing to pull: 0.
// - pixels 0 and 3: 1 m apart. The difference is (-7,-1) of length sqrt(50), more than 7: far enough, 0.
//
// The loss is the mean over the four pairs: (5 + 2 + 0 + 0) / 4 = 1.75.
//
// Let dy be 20, so that each pair has 20 / 4 = 5 of it. A distance grows fastest along the line through both ends, at
// one unit for each unit of the way: its gradient is the difference divided by its length, at the other end the
// opposite. The pull of pixels 1 and 0 gives
//
//     df[1] = 5 / 5 * (3, 4) = (3, 4);  df[0] = (-3, -4)
//
// A gradient says where the loss grows, and training goes the other way: pixel 1 moves towards pixel 0. The push of
// pixels 2 and 1 has the opposite sign:
//
//     df[2] = -5 / 5 * (4, -3) = (-4, 3);  df[1] = (4, -3)
//
// Pixel 1 is in both pairs: (3,4) + (4,-3) = (7,1). The last two pairs add nothing. All of df adds up to (0,0): each
// pair gives its two ends opposite numbers.
inline std::vector<ByHand> by_hand() {
  const Array depth_m({1, 1, 4}, {1, 1, 2, 2});
  const MetricDepthOptions options{.ranges = {{0.5, 1.5, 7}}};
  return {{.op = of_pairs(depth_m, {{0, 0, 1}}, options),
           .inputs = {{"f", {1, 1, 4, 2}, {0, 0, 3, 4, 7, 1, 7, 1}}},
           .y = {"y", {}, {1.75}},
           .dy = {"dy", {}, {20}},
           // blank numbers: two for each pixel
           .gradients = {{"df", {1, 1, 4, 2}, {-3, -4, 7, 1, -4, 3, 0, 0}}}}};
  // end of blank
}

// 3. Definition
//
// *Which pairs.* All pairs of a map of 100,000 pixels are too many. Instead the whole map is rolled: with the shift
// (image, row, column) the partner of pixel (k,y,x) is (k - image, y - row, x - column), wrapped around at the borders.
// The pixel is called the *anchor*, its partner the *sample*. Each shift gives every pixel one sample, and each step of
// training draws some shifts at random: ten within an image, four to other images of the batch at the same place.
struct Pixel {
  i64 k, y, x;
};

inline Pixel sample_of(const Pixel& anchor, const Shift& shift, const Shape& depth) {
  const auto wrapped = [](i64 at, i64 size) { return (at % size + size) % size; };
  return {wrapped(anchor.k - shift.image, depth[0]), wrapped(anchor.y - shift.row, depth[1]),
          wrapped(anchor.x - shift.column, depth[2])};
}

// *What their depths make of them.* Let D_r be the difference of the two depths. Below the threshold r_p the pair is
// pulled. Each range (low, high) has a margin to push to. All other differences are no pair, and neither is a pixel
// whose depth was not measured. Two options of the loss change D_r to a difference of logarithms, and the margin to one
// that grows with D_r.
inline double depth_difference(double anchor_m, double sample_m, const MetricDepthOptions& options) {
  const bool relative = options.difference == MetricDepthOptions::Difference::relative;
  return std::fabs(relative ? std::log(anchor_m / sample_m) : anchor_m - sample_m);
}

/// Nothing where the pair is none; 0 where it is to be pulled; else the margin that it is to be pushed to.
inline std::optional<double> margin_of(double D_r, const MetricDepthOptions& options) {
  std::optional<double> margin;
  if (D_r < double(options.positive_below_m)) margin = 0;
  for (const MetricDepthPairs::Range& range : options.ranges) {  // where ranges overlap, the last one wins
    if (!(double(range.low) < D_r && D_r < double(range.high))) continue;
    margin = double(range.margin) * (options.proportional_margins ? D_r / double(centre_of(range)) : 1);
  }
  return margin;
}

struct Pair {
  Pixel anchor, sample;
  double margin;  // 0: pull
};

inline std::vector<Pair> pairs_of(const Array& depth_m, const std::vector<Shift>& shifts,
                                  const MetricDepthOptions& options) {
  std::vector<Pair> pairs;
  for (const Shift& shift : shifts)
    for (i64 k = 0; k < depth_m.dim(0); ++k)
      for (i64 y = 0; y < depth_m.dim(1); ++y)
        for (i64 x = 0; x < depth_m.dim(2); ++x) {
          const Pixel anchor{k, y, x}, sample = sample_of(anchor, shift, depth_m.shape());
          const double of_anchor = depth_m(k, y, x), of_sample = depth_m(sample.k, sample.y, sample.x);
          if (!(of_anchor > 0 && of_sample > 0)) continue;  // not measured
          const std::optional<double> margin = margin_of(depth_difference(of_anchor, of_sample, options), options);
          if (margin) pairs.push_back({anchor, sample, *margin});
        }
  return pairs;
}

// *What a pair adds.* With f the features and i counting them,
//
//     l = sqrt(sum over i of (f[a,i] - f[s,i])^2)
//     t(l) = l  "if the pair is pulled"
//     t(l) = max(0, m - l)  "if it is pushed to the margin" m
//     L = weight / P * sum over pairs of t(l)
//
// a is the anchor, s the sample, P the number of pairs, and weight how much this loss counts beside others.

/// The length of f(anchor) - f(sample).
inline double distance(const Array& f, const Pixel& a, const Pixel& s) {
  double squares = 0;
  for (i64 i = 0; i < f.dim(3); ++i) {
    const double difference = f(a.k, a.y, a.x, i) - f(s.k, s.y, s.x, i);
    squares += difference * difference;
  }
  return std::sqrt(squares);
}

/// t(l) and its derivative.
struct Wish {
  double value, slope;
};
inline Wish wish(double margin, double l) {
  Wish t{0, 0};
  // blank: t.value, which is t(l), and t.slope: of a pulled pair, of a pushed one within its margin, and of one beyond
  if (margin == 0) {
    t = {l, 1};
  } else if (l < margin) {
    t = {margin - l, -1};
  }
  // end of blank
  return t;
}

/// weight / P, or the weight alone where the loss is a sum; 0 pairs count as one.
inline double share_of_a_pair(std::size_t pairs, const MetricDepthOptions& options) {
  const bool mean = options.reduction == MetricDepthOptions::Reduction::mean;
  return double(options.weight) / (mean ? double(std::max<std::size_t>(pairs, 1)) : 1);
}

inline Array loss_of_pairs(const Array& f, const std::vector<Pair>& pairs, const MetricDepthOptions& options) {
  Array loss{Shape{}};
  for (const Pair& pair : pairs) loss[0] += wish(pair.margin, distance(f, pair.anchor, pair.sample)).value;
  loss[0] *= share_of_a_pair(pairs.size(), options);
  return loss;
}

// 4. Derivation
//
// The depths come from a sensor and get no gradient. So which pairs there are, what they wish and how many they are
// does not depend on f, and the gradient of the loss is a sum over the pairs, each with the factor dy * weight / P. For
// one pair the chain has three links.
//
// *From t to l.* The slope t' is 1 where the pair is pulled. It is -1 where it is pushed and still within its margin,
// and 0 beyond: there max(0, m - l) is flat. At l = m is a kink, as that of relu in lesson 2.
//
// *From l to the difference.* Let d[i] = f[a,i] - f[s,i], so l^2 = sum over i of d[i]^2. Both sides change together:
//
//     2 * l * dl = sum over i of 2 * d[i] * dd[i]
//     dl/dd[i] = d[i] / l
//
// This is a vector of length 1, whatever l is: a pull does not become weaker as the two come near.
//
// *From the difference to both ends.* d[i] grows with f[a,i] and falls with f[s,i], each one to one:
//
//     dL/df[a,i] = dy * weight / P * t'(l) * (f[a,i] - f[s,i]) / l
//     dL/df[s,i] = -dy * weight / P * t'(l) * (f[a,i] - f[s,i]) / l
//
// With N shifts a pixel is the anchor of N pairs and the sample of N others, and adds up both.
//
// At l = 0 the distance has no derivative: it is the tip of a cone. The loss takes 0, which is one of the slopes that
// lie between those of all sides; nothing moves where two pixels already agree.
inline Array gradient_of_pairs(const Array& f, double dy, const std::vector<Pair>& pairs,
                               const MetricDepthOptions& options, const Terms& term) {
  Array df(f.shape());
  const double share = dy * share_of_a_pair(pairs.size(), options);
  for (const auto& [a, s, margin] : pairs) {
    const double l = distance(f, a, s);
    if (l == 0) continue;
    const double slope = wish(margin, l).slope;
    for (i64 i = 0; i < f.dim(3); ++i) {
      const double difference = f(a.k, a.y, a.x, i) - f(s.k, s.y, s.x, i);
      // blank: what the pair adds at both ends; `share` is dy * weight / P
      const double along = share * slope * difference / l;
      df(a.k, a.y, a.x, i) += term(margin == 0 ? "the pull of the anchor" : "the push of the anchor", along);
      df(s.k, s.y, s.x, i) -= term(margin == 0 ? "the pull of the sample" : "the push of the sample", along);
      // end of blank
    }
  }
  return df;
}

inline Definition of_pairs(const Array& depth_m, const std::vector<Shift>& shifts, const MetricDepthOptions& options) {
  const std::vector<Pair> pairs = pairs_of(depth_m, shifts, options);
  return {
      .name = "metric_depth",
      .inputs = {"f"},
      .value = [=](const Arrays& in) { return loss_of_pairs(in[0], pairs, options); },
      .gradients = [=](const Arrays& in, const Array& dy,
                       const Terms& term) { return Arrays{gradient_of_pairs(in[0], dy[0], pairs, options, term)}; },
      .kernel =
          [=](const std::vector<Tensor>& in) { return md::metric_depth(in[0], depth_m.tensor(), shifts, options); }};
}

// 5. Check
//
// The distances are of the order of 3, so that some pushed pairs are within their margins of 3, 6 and 8 and some
// beyond. Pairs are pulled below 0.4 m, more than the paper's 0.1 m, so that a small map has some. Two pixels have no
// depth. One shift goes to the other image, two stay in the same.
inline std::vector<Check> checks() {
  Array depth_m = random_array({2, 3, 4}, 16, 0.01, 4);
  depth_m(0, 1, 2) = depth_m(1, 2, 0) = 0;
  const std::vector<Shift> shifts = {{0, 1, 3}, {0, 2, 1}, {1, 0, 0}};
  const Array f = random_array({2, 3, 4, 5}, 15, -1.8, 1.8);
  // A sum of 5 squares, a root and a quotient in float; at each pixel up to 6 of them add up.
  constexpr double kTolerance = 2e-6;
  const MetricDepthOptions options{.positive_below_m = 0.4F},
      of_ratios{.positive_below_m = 0.2F,
                .ranges = {{0.3F, 0.6F, 3}, {0.6F, 5, 6}},
                .difference = MetricDepthOptions::Difference::relative,
                .proportional_margins = true};
  // The step is small, so that it takes no distance across its margin.
  return {{of_pairs(depth_m, shifts, options), {f}, kTolerance, {}, 4e-3F},
          {of_pairs(depth_m, shifts, of_ratios), {f}, kTolerance, {}, 4e-3F}};
}

// 6. Adjoint
//
// A distance is not linear, so the test is that of lesson 10: the derivative of L along one random direction v is
// dot(df, v). Some directions need no computing: moving all features by the same vector changes no distance, so df adds
// up to 0 over all pixels.
inline std::vector<Linear> linear() { return {}; }

// 7. Lost terms
//
// The mistake that is made most is to treat the sample as a constant and to leave its end out. The loss still falls:
// each pixel is the anchor of some pairs and moves for them. But the gradient is not that of the loss, and df no longer
// adds up to 0.
inline std::vector<TermList> terms() {
  return {{"metric_depth",
           {"the pull of the anchor", "the pull of the sample", "the push of the anchor", "the push of the sample"}}};
}

// 8. Trap and exercise
//
// The trap is l = 0. The difference is 0 and so is l, and 0 / 0 is NaN: one pair of equal pixels, in a region without
// texture or in a network that has just begun, and after one step every weight of the network is NaN. The test takes a
// map of equal features.
inline std::string equal_features_have_no_direction() {
  const Array depth_m({1, 2, 3}, {1, 1, 1, 2, 2, 2});
  const Tensor f = Tensor::full({1, 2, 3, 2}, 1.5F).requires_grad_();
  md::metric_depth(f, depth_m.tensor(), {{0, 0, 1}, {0, 1, 1}}, {}).backward();
  for (const float each : f.grad().to_host()) {
    if (each != 0) return cat("a gradient of ", each, " where all features are equal");
  }
  return "";
}

// Exercise. The gradient of a pair has length 1 before it is divided by P, so the size of the whole depends on the
// weight and on how many pairs there are, and not on how far the network is from its goal. Plain gradient descent makes
// steps in proportion to it. Multiply the loss by 1000: what happens to the steps? Find a rule whose steps stay the
// same. (Lesson 14 has one.)

inline Lesson lesson() {
  return {13,
          "MetricDepth",
          by_hand(),
          checks(),
          linear(),
          terms(),
          {{"equal features", equal_features_have_no_direction}}};
}

}  // namespace md::lessons::metric_depth
