// Does the gradient check notice a wrong backward? For every op of layers/ops.h: the check passes, and fails once the
// gradient of any input is negated or dropped, or one of its terms is. So for the losses. An op has its terms in a
// lesson (tests/lessons), which tries them, or in its own test (tests/kit/lost_terms.h); here are variants that neither
// has.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "layers/ops.h"
#include "tests/kit/lost_terms.h"

namespace md::test {
namespace {

using Inputs = std::vector<Tensor>;

using Op = OpCase;

/// dy * factor(x), element by element.
Tensor times(const Tensor& dy, const Tensor& x, double (*factor)(double)) {
  std::vector<float> values = dy.to_host();
  const std::vector<float> at = x.to_host();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] *= float(factor(double(at[i])));
  return Tensor::from_host(values, x.shape());
}

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// |z| < 3 in both modes: no kink of hardswish is in reach.
Op batch_norm_op(bool training, Activation act) {
  const Tensor mean = random_tensor({3}, 4, -0.5F, 0.5F), var = random_tensor({3}, 5, 1.F, 1.5F);
  return {
      "batch_norm",
      [=](const Inputs& in) {
        return batch_norm(in[0], in[1], in[2], {mean.clone(), var.clone(), 0.1F, training}, {1e-3F, act});
      },
      {random_tensor({2, 4, 5, 3}, 1, -2, 2), random_tensor({3}, 2, 0.5F, 1.F), random_tensor({3}, 3, -0.4F, 0.4F)}};
}

/// |sum| < 6 and the residual far from 0: no kink of relu is in reach, and both sides of it are there.
Op batch_norm_residual(Activation act) {
  Op op = batch_norm_op(true, act);
  const BatchNormState state{Tensor::zeros({3}), Tensor::full({3}, 1.F), 0.1F, true};
  op.f = [=](const Inputs& in) { return batch_norm(in[0], in[1], in[2], state, {1e-3F, act}, in[3]); };
  const Tensor residual = random_tensor({2, 4, 5, 3}, 6, -1, 1);
  for (i64 i = 0; i < residual.numel(); ++i) residual.data()[i] += residual.data()[i] < 0 ? -6.F : 6.F;
  op.inputs.push_back(residual);
  return op;
}

/// Far from the kink of leaky_relu on both sides: |conv| <= 2.3 < 4.
Op conv2d_leaky() {
  const Conv2dSpec spec{.stride = 2, .pad = 1, .act = {Act::leaky_relu, 0.2F}};
  const Function linear = [=](const Inputs& in) {
    Conv2dSpec bare = spec;
    bare.act = {};
    return conv2d(in[0], in[1], in[2], bare);
  };
  Op op{"conv2d",
        [=](const Inputs& in) { return conv2d(in[0], in[1], in[2], spec); },
        {random_tensor({2, 5, 6, 3}, 1), random_tensor({2, 3, 3, 3}, 2, -0.085F, 0.085F),
         Tensor::from_host(std::vector<float>{4.F, -4.F}, {2})}};
  for (const int input : {0, 1, 2}) {
    op.lost.push_back({"slope of the activation", input,
                       [=](const Inputs& in, const Tensor&) { return gradients(linear, in)[std::size_t(input)]; }});
  }
  return op;
}

std::vector<Op> convolutions_and_norms() {
  const Conv2dSpec grouped{.pad = 2, .dilation = 2, .groups = 2};
  const Conv2dSpec depthwise{.stride = 2, .pad = 2, .groups = 3};
  return {
      conv2d_leaky(),
      {"conv2d",
       [=](const Inputs& in) { return conv2d(in[0], in[1], in[2], grouped); },
       {random_tensor({1, 5, 4, 4}, 1), random_tensor({6, 3, 3, 2}, 2), random_tensor({6}, 3)}},
      {"conv2d",
       [=](const Inputs& in) { return conv2d(in[0], in[1], {}, depthwise); },
       {random_tensor({2, 6, 5, 3}, 1), random_tensor({5, 5, 3}, 2)}},
      batch_norm_op(true, {Act::hardswish}),
      batch_norm_op(false, {Act::hardswish}),
      batch_norm_residual({}),
      batch_norm_residual({Act::relu}),
  };
}

std::vector<Op> pointwise() {
  const Inputs x = {random_tensor({3, 7, 11}, 1, -5, 8)};
  return {
      {"relu", [](const Inputs& in) { return relu(in[0]); }, x, {.kinks = {0}}},
      {"relu6", [](const Inputs& in) { return relu6(in[0]); }, x, {.kinks = {0, 6}}},
      {"leaky_relu", [](const Inputs& in) { return leaky_relu(in[0], 0.2F); }, x, {.kinks = {0}}},
      {"hardswish",
       [](const Inputs& in) { return hardswish(in[0]); },
       {random_tensor({4, 9}, 1, -2.9F, 2.9F)},  // d = x/3 + 1/2
       {},
       {{"x/3", 0, [](const Inputs& in, const Tensor& dy) { return times(dy, in[0], [](double) { return 0.5; }); }},
        {"1/2", 0,
         [](const Inputs& in, const Tensor& dy) { return times(dy, in[0], [](double v) { return v / 3; }); }}}},
      {"hardswish", [](const Inputs& in) { return hardswish(in[0]); }, x, {.kinks = {-3, 3}}},
      {"hardsigmoid", [](const Inputs& in) { return hardsigmoid(in[0]); }, x, {.kinks = {-3, 3}}},
      {"elu", [](const Inputs& in) { return elu(in[0]); }, x},
      {"sigmoid",
       [](const Inputs& in) { return sigmoid(in[0]); },
       {random_tensor({4, 9}, 1, -3, 3)},  // d = s - s^2
       {},
       {{"s", 0,
         [](const Inputs& in, const Tensor& dy) {
           return times(dy, in[0], [](double v) { return -logistic(v) * logistic(v); });
         }},
        {"-s^2", 0, [](const Inputs& in, const Tensor& dy) { return times(dy, in[0], logistic); }}}},
      {"activate", [](const Inputs& in) { return activate(in[0], {Act::elu}); }, x},
      {"scale", [](const Inputs& in) { return scale(in[0], -2.5F); }, x},
  };
}

std::vector<Op> combining() {
  const Inputs two = {random_tensor({2, 3, 4, 5}, 1), random_tensor({2, 3, 4, 5}, 2)};
  return {
      {"add", [](const Inputs& in) { return add(in[0], in[1]); }, two},
      {"multiply", [](const Inputs& in) { return multiply(in[0], in[1]); }, two},
      {"multiply",
       [](const Inputs& in) { return multiply(in[0], in[0]); },  // both terms meet in one input
       {two[0]},
       {},
       {{"one factor's", 0,
         [](const Inputs& in, const Tensor& dy) { return times(dy, in[0], [](double v) { return v; }); }}}},
      {"multiply_channels",
       [](const Inputs& in) { return multiply_channels(in[0], in[1]); },
       {two[0], random_tensor({2, 1, 1, 5}, 3)}},
      {"concat",
       [](const Inputs& in) {
         return concat({in[0], in[1], in[2]});
       },
       {random_tensor({2, 3, 4, 5}, 1), random_tensor({2, 3, 4, 1}, 2), random_tensor({2, 3, 4, 2}, 3)}},
      {"slice_channels", [](const Inputs& in) { return slice_channels(in[0], 1, 4); }, {two[0]}},
      {"sum", [](const Inputs& in) { return sum(in[0]); }, {two[0]}},
      {"mean", [](const Inputs& in) { return mean(in[0]); }, {two[0]}},
  };
}

/// Values 0.1 apart: a difference quotient does not change which is the largest.
Tensor apart(const Shape& shape) {
  std::vector<float> values(std::size_t(shape.numel()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.1F * float(i * 37 % values.size());
  return Tensor::from_host(values, shape);
}

std::vector<Op> resampling() {
  const Inputs x = {random_tensor({2, 4, 6, 3}, 1)};
  return {
      {"adaptive_avg_pool", [](const Inputs& in) { return adaptive_avg_pool(in[0], 3, 4); }, x},
      {"adaptive_avg_pool", [](const Inputs& in) { return adaptive_avg_pool(in[0], 1, 1); }, x},
      {"avg_pool", [](const Inputs& in) { return avg_pool(in[0], 2); }, x},
      {"pad_reflect",
       [](const Inputs& in) { return pad_reflect(in[0], 6, 8); },
       x,
       {},
       {{"reflected pixels'", 0, [](const Inputs&, const Tensor& dy) { return crop(dy, 4, 6); }}}},
      {"crop", [](const Inputs& in) { return crop(in[0], 3, 5); }, x},
      {"max_pool",
       [](const Inputs& in) {
         return max_pool(in[0], {3, 2, 1});
       },
       {apart({2, 5, 4, 3})}},
      {"upsample_conv2d",
       [](const Inputs& in) { return upsample_conv2d(in[0], in[1]); },
       {random_tensor({2, 3, 4, 3}, 1), random_tensor({2, 3, 3, 3}, 2)}},
  };
}

std::vector<Op> transformer() {
  return {
      {"linear",
       [](const Inputs& in) { return linear(in[0], in[1], in[2]); },
       {random_tensor({2, 3, 5}, 1), random_tensor({4, 5}, 2), random_tensor({4}, 3)}},
      {"gelu", [](const Inputs& in) { return gelu(in[0]); }, {random_tensor({5, 9}, 1, -3, 3)}},
      {"stochastic_depth",
       [](const Inputs& in) { return stochastic_depth(in[0], drop_factors({0.5}, 9, {.seed = 1}, {}).reshape({9})); },
       {random_tensor({9, 1, 2, 3}, 1)}},
      {"pixel_shuffle", [](const Inputs& in) { return pixel_shuffle(in[0], 2); }, {random_tensor({1, 2, 3, 8}, 1)}},
      {"merge_patches", [](const Inputs& in) { return merge_patches(in[0]); }, {random_tensor({2, 3, 5, 2}, 1)}},
      {"pad_zero", [](const Inputs& in) { return pad_zero(in[0], 4, 5); }, {random_tensor({2, 3, 3, 2}, 1)}},
  };
}

std::vector<Op> all_ops() {
  std::vector<Op> ops;
  for (const auto& part : {convolutions_and_norms(), pointwise(), combining(), resampling(), transformer()}) {
    ops.insert(ops.end(), part.begin(), part.end());
  }
  return ops;
}

TEST(Mutation, WrongGradientsAreCaughtAndRightOnesPass) {
  for (const Op& op : all_ops()) expect_wrong_gradients_caught(op);
}

/// The first group of every match, in the files of a folder whose names end so, unless the line before
/// says "Not differentiable".
std::set<std::string> found_in(const std::string& folder, const std::string& ending, const std::regex& pattern) {
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() + "/" + folder)) {
    if (!entry.path().string().ends_with(ending)) continue;
    std::ifstream file(entry.path());
    for (std::string line, before; std::getline(file, line); before = line) {
      if (before.find("Not differentiable") != std::string::npos) continue;
      for (std::sregex_iterator match(line.begin(), line.end(), pattern), end; match != end; ++match)
        found.insert((*match)[1]);
    }
  }
  return found;
}

TEST(Mutation, EveryOpHasItsLostTerms) {
  std::set<std::string> covered;
  for (const Op& op : all_ops()) covered.insert(op.name);
  for (const char* folder : {"tests/layers", "tests/losses"})
    covered.merge(found_in(folder, "_test.cpp", std::regex(R"(^LOST_TERMS\((\w+)\))")));
  const std::regex lists_of_part_7(R"x(\{"(\w+)",(?: (?:\{"|all)|$))x");
  covered.merge(found_in("tests/lessons", ".h", lists_of_part_7));
  const std::regex declaration(R"(^(?:std::vector<)?Tensor>? (\w+)\()");
  std::set<std::string> ops = found_in("layers", "ops.h", declaration);
  ops.merge(found_in("losses", ".h", declaration));
  for (const std::string& op : ops) {
    EXPECT_TRUE(covered.contains(op)) << op << " is in no lesson and has no LOST_TERMS(" << op << ") in its test";
  }
  EXPECT_GE(ops.size(), 39U);  // else the pattern no longer fits the headers
}

}  // namespace
}  // namespace md::test
