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
  const Conv2dSpec depthwise{.stride = 2, .pad = 2, .groups = 3};
  return {
      conv2d_leaky(),
      {"conv2d",
       [=](const Inputs& in) { return conv2d(in[0], in[1], {}, depthwise); },
       {random_tensor({2, 6, 5, 3}, 1), random_tensor({5, 5, 3}, 2)}},
      batch_norm_op(true, {Act::hardswish}),
      batch_norm_op(false, {Act::hardswish}),
      batch_norm_residual({}),
      batch_norm_residual({Act::relu}),
  };
}

std::vector<Op> other_variants() {
  const Inputs x = {random_tensor({2, 4, 6, 3}, 1)};
  return {
      {"multiply",
       [](const Inputs& in) { return multiply(in[0], in[0]); },
       x,
       {},  // both terms meet in one input
       {{"one factor's", 0, [](const Inputs& in, const Tensor& dy) { return multiply(dy, in[0]); }}}},
      {"adaptive_avg_pool", [](const Inputs& in) { return adaptive_avg_pool(in[0], 1, 1); }, x},
  };
}

std::vector<Op> all_ops() {
  std::vector<Op> ops;
  for (const auto& part : {convolutions_and_norms(), other_variants()}) {
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
