// The test kit: random tensors, gradient checks against central differences, mutations that a gradient check must
// catch, loops over devices, poisoned memory. Every draw comes from Philox (Purpose::test): no test depends on another.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/autograd.h"
#include "engine/tensor.h"

namespace md::test {

/// Uniform in [low, high); equal seeds give equal numbers on every device.
Tensor random_tensor(const Shape&, std::uint64_t seed, float low = -1.F, float high = 1.F, Device = {});

/// What gradients() and gradcheck() send back: uniform in [-1,1), never the numbers of a random_tensor of that seed (an
/// upstream gradient equal to the input hides a batch norm's errors).
Tensor random_upstream(const Shape&, std::uint64_t seed, Device = {});

/// |got - want| / |want| in double (Euclidean norms); |got| where want is all zero; infinity where got is not finite.
double relative_l2(const std::vector<double>& got, const std::vector<double>& want);
double relative_l2(const Tensor& got, const Tensor& want);
std::vector<double> to_double(const Tensor&);  // f32, any device

/// Passes if shapes agree and relative_l2 <= tolerance: EXPECT_TRUE(close(got, want, 1e-6)).
::testing::AssertionResult close(const Tensor& got, const Tensor& want, double tolerance);

/// The function under test: reads its tensors only from `inputs`, so that they can be perturbed.
using Function = std::function<Tensor(const std::vector<Tensor>& inputs)>;

/// A deliberate error in one analytic gradient: proof that a gradient check can fail.
struct Mutation {
  enum Kind : std::uint8_t { none, negate, drop, replace } kind = none;
  int input = 0;
  Tensor wrong = {};  // of `replace`: what a backward with one term missing would return
};

struct GradcheckOptions {
  double tolerance = 1e-3;        // relative L2 error per input
  float step = 1e-2F;             // float rounding / step ~ 1e-5, truncation ~ step^2 / 6 * f'''
  std::uint64_t seed = 1001;      // of the upstream gradient: not that of an input, which dy must not follow
  std::vector<float> kinks = {};  // points where f is not differentiable: elements within
  float band = 2e-2F;             // `band` of one are left out (at most half of an input)
  Mutation mutation = {};
};

struct GradcheckResult {
  bool ok = true;
  std::vector<double> error;  // per input: relative_l2(analytic, numeric)
  std::string message;        // empty if ok
  explicit operator bool() const { return ok; }
};

/// Both gradients of sum(dy * f), dy = random_upstream(options.seed), for every input.
struct GradientPair {
  std::vector<std::vector<double>> backward, numeric;
};
GradientPair measure_gradients(const Function&, const std::vector<Tensor>& inputs, const GradcheckOptions& = {});
/// The verdict on them, after options.mutation; what gradcheck does after measuring.
GradcheckResult judge_gradients(GradientPair, const std::vector<Tensor>& inputs, const GradcheckOptions& = {});

/// One line for a failed check: the last op that f runs, the inputs' shapes, the seed, the device, and the command that
/// runs this test again.
std::string how_to_repeat(const Function&, const std::vector<Tensor>& inputs, const GradcheckOptions& = {});

/// Compares backward() under a RANDOM upstream gradient dy with central differences of sum(dy * f), summed in double.
/// Fresh memory is poisoned first. The message of a failure ends with how_to_repeat().
GradcheckResult gradcheck(const Function&, const std::vector<Tensor>& inputs, const GradcheckOptions& = {});
std::ostream& operator<<(std::ostream&, const GradcheckResult&);

/// gradcheck and use-twice accumulation, as gtest expectations.
void expect_gradcheck(const Function&, const std::vector<Tensor>& inputs, const GradcheckOptions& = {});

/// The gradients of sum(dy * f) with respect to every input, dy random; an absent gradient comes back as zeros.
std::vector<Tensor> gradients(const Function&, const std::vector<Tensor>& inputs, std::uint64_t seed = 1001);

/// f(x) + f(x) must have twice the gradient of f(x): the engine adds, ops never accumulate.
void expect_accumulates(const Function&, const std::vector<Tensor>& inputs);

/// Leaves NaN in pool memory of this size, so that an op which does not write all of its output shows it.
void poison_pool(const Shape&, Device);

/// Runs `body` on the CPU and on the GPU; where there is none, prints one line that names the test, and at its end the
/// program prints how many tests that were.
void for_each_device(const std::function<void(Device)>& body);

/// Why what needs a GPU cannot run here; empty where there is one, even one that does not work, which is to be told.
std::string why_no_gpu();

/// The path of a program of tools, of this build.
std::string program(const std::string& name);

/// Folders of test data; shared_dir() may not exist (tests that want it skip by name).
std::string source_dir();
std::string shared_dir();  // env MD_SHARED, else beside the repository

}  // namespace md::test
