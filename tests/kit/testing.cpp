// The kit: draws, comparisons, and the gradient check with its verdict apart from its measurement.
#include "tests/kit/testing.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <limits>
#include <set>

#include "engine/backend.h"
#include "engine/rng.h"

namespace md::test {
namespace {

Tensor uniform(Rng rng, const Shape& shape, float low, float high, Device device) {
  std::vector<float> values(std::size_t(shape.numel()));
  for (float& v : values) v = float(rng.uniform(double(low), double(high)));
  return Tensor::from_host(values, shape, device);
}

double norm(const std::vector<double>& x) {
  double squares = 0;
  for (const double v : x) squares += v * v;
  return std::sqrt(squares);
}

double dot(const Tensor& a, const std::vector<float>& b) {
  const std::vector<float> values = a.to_host();
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += double(values[i]) * double(b[i]);
  return sum;
}

/// Copies off the tape, each a leaf of its own.
std::vector<Tensor> leaves(const std::vector<Tensor>& inputs, bool requires_grad) {
  std::vector<Tensor> out;
  for (const Tensor& x : inputs) {
    out.push_back(x.clone());
    out.back().requires_grad_(requires_grad);
  }
  return out;
}

/// d sum(dy * f) / d inputs[which], one element after the other.
std::vector<double> numeric_gradient(const Function& f, const std::vector<Tensor>& inputs, std::size_t which,
                                     const std::vector<float>& dy, float step) {
  const NoGrad off;
  std::vector<Tensor> x = leaves(inputs, false);
  const std::vector<float> at = inputs[which].to_host();
  std::vector<float> moved = at;
  std::vector<double> gradient(at.size());
  const auto value = [&](std::size_t i, float to) {
    moved[i] = to;
    x[which] = Tensor::from_host(moved, inputs[which].shape(), inputs[which].device());
    return dot(f(x), dy);
  };
  for (std::size_t i = 0; i < at.size(); ++i) {
    const float up = at[i] + step, down = at[i] - step;
    gradient[i] = (value(i, up) - value(i, down)) / (double(up) - double(down));
    moved[i] = at[i];
  }
  return gradient;
}

void mutate(const Mutation& m, std::vector<double>& gradient) {
  switch (m.kind) {
    case Mutation::none:
      return;
    case Mutation::negate:
      for (double& v : gradient) v = -v;
      return;
    case Mutation::drop:
      std::fill(gradient.begin(), gradient.end(), 0.);
      return;
    case Mutation::replace:
      gradient = to_double(m.wrong);
      return;
  }
}

/// Sets both gradients to zero where the input stands too near a kink; returns how many elements that were.
std::size_t leave_out_kinks(const GradcheckOptions& options, const Tensor& input, std::vector<double>& analytic,
                            std::vector<double>& numeric) {
  const std::vector<float> x = input.to_host();
  std::size_t count = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool near = std::any_of(options.kinks.begin(), options.kinks.end(),
                                  [&](float kink) { return std::fabs(x[i] - kink) < options.band; });
    if (!near) continue;
    analytic[i] = numeric[i] = 0;
    ++count;
  }
  return count;
}

std::string explain(std::size_t input, const std::vector<double>& analytic, const std::vector<double>& numeric,
                    double error) {
  std::size_t worst = 0;
  for (std::size_t i = 0; i < analytic.size(); ++i) {
    if (!(std::fabs(analytic[i] - numeric[i]) <= std::fabs(analytic[worst] - numeric[worst]))) worst = i;
  }
  return cat("input ", input, ": relative error ", error, ", worst at element ", worst, ": backward ", analytic[worst],
             ", central difference ", numeric[worst], "\n");
}

/// a + b with nothing but the engine, so that a layer under test does not vouch for itself.
Tensor plus(const Tensor& a, const Tensor& b) {
  Tensor y = a.clone();
  backend(y.device()).add_into(y, b);
  return record("test::plus", y, {a, b}, [](const Tensor& dy, Needs) { return Grads{dy, dy}; });
}

/// Empty if the GPU is usable, else why it is not.
std::string cuda_trouble() {
  try {
    const Tensor probe = Tensor::full({2}, 3.F, Device{Device::cuda});
    return probe.to_host()[1] == 3.F ? "" : "cuda: fill and copy give wrong numbers";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

Tensor random_tensor(const Shape& shape, std::uint64_t seed, float low, float high, Device device) {
  return uniform(Rng(seed, Purpose::test, 0), shape, low, high, device);
}

Tensor random_upstream(const Shape& shape, std::uint64_t seed, Device device) {
  return uniform(Rng(seed, Purpose::test, 1), shape, -1.F, 1.F, device);
}

std::vector<double> to_double(const Tensor& x) {
  const std::vector<float> values = x.to_host();
  return {values.begin(), values.end()};
}

double relative_l2(const std::vector<double>& got, const std::vector<double>& want) {
  MD_CHECK(got.size() == want.size(), "relative_l2: ", got.size(), " against ", want.size(), " elements");
  std::vector<double> difference(got.size()), counted = want;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const bool same_infinity = std::isinf(want[i]) && got[i] == want[i];
    difference[i] = same_infinity ? 0 : got[i] - want[i];
    if (same_infinity) counted[i] = 0;  // or all other errors would be small beside it
  }
  const double size = norm(counted), error = norm(difference);
  if (!std::isfinite(error)) return std::numeric_limits<double>::infinity();
  return size > 0 ? error / size : error;
}

double relative_l2(const Tensor& got, const Tensor& want) { return relative_l2(to_double(got), to_double(want)); }

::testing::AssertionResult close(const Tensor& got, const Tensor& want, double tolerance) {
  if (got.shape() != want.shape()) {
    return ::testing::AssertionFailure() << "shape " << got.shape() << ", expected " << want.shape();
  }
  const double error = relative_l2(got, want);
  if (error <= tolerance) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "relative L2 error " << error << " > " << tolerance;
}

std::vector<Tensor> gradients(const Function& f, const std::vector<Tensor>& inputs, std::uint64_t seed) {
  const std::vector<Tensor> x = leaves(inputs, true);
  const Tensor y = f(x);
  y.backward(random_upstream(y.shape(), seed, y.device()));
  std::vector<Tensor> out;
  for (const Tensor& leaf : x) {
    out.push_back(leaf.grad() ? leaf.grad() : Tensor::zeros(leaf.shape(), leaf.device()));
  }
  return out;
}

GradientPair measure_gradients(const Function& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  const Shape out = [&] {
    const NoGrad off;
    return f(leaves(inputs, false)).shape();
  }();
  poison_pool(out, inputs.at(0).device());
  for (const Tensor& x : inputs) poison_pool(x.shape(), x.device());

  GradientPair pair;
  for (const Tensor& g : gradients(f, inputs, options.seed)) pair.backward.push_back(to_double(g));
  const std::vector<float> dy = random_upstream(out, options.seed).to_host();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    pair.numeric.push_back(numeric_gradient(f, inputs, i, dy, options.step));
  }
  return pair;
}

GradcheckResult judge_gradients(GradientPair pair, const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  if (options.mutation.kind != Mutation::none) {
    mutate(options.mutation, pair.backward.at(std::size_t(options.mutation.input)));
  }
  GradcheckResult result;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::vector<double>&analytic = pair.backward[i], &numeric = pair.numeric[i];
    const std::size_t left_out = leave_out_kinks(options, inputs[i], analytic, numeric);
    const double error = relative_l2(analytic, numeric);
    result.error.push_back(error);
    if (!(error <= options.tolerance)) result.message += explain(i, analytic, numeric, error);
    if (left_out * 2 > analytic.size()) {
      result.message += cat("input ", i, ": ", left_out, " of ", analytic.size(), " elements stand near a kink\n");
    }
  }
  result.ok = result.message.empty();
  return result;
}

std::string how_to_repeat(const Function& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  std::string op = "?";
  {
    const NoGrad off;
    const Trace trace([&](const Op& ran, const Tensor&, const std::vector<Tensor>&) { op = ran.name(); });
    f(leaves(inputs, false));
  }
  std::string line = cat("repeat ", op);
  for (const Tensor& x : inputs) line += cat(" ", x.shape());
  line += cat(" seed ", options.seed, inputs.at(0).device().kind == Device::cuda ? " on cuda: " : " on cpu: ");
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  line += std::filesystem::read_symlink("/proc/self/exe").string();
  if (test != nullptr) line += cat(" --gtest_filter='", test->test_suite_name(), ".", test->name(), "'");
  return line;
}

GradcheckResult gradcheck(const Function& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  GradcheckResult result = judge_gradients(measure_gradients(f, inputs, options), inputs, options);
  if (!result.ok) result.message += how_to_repeat(f, inputs, options) + "\n";
  return result;
}

std::ostream& operator<<(std::ostream& out, const GradcheckResult& result) {
  return out << (result.ok ? "gradients agree" : result.message);
}

void expect_gradcheck(const Function& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  const GradcheckResult result = gradcheck(f, inputs, options);
  EXPECT_TRUE(result.ok) << result.message;
  expect_accumulates(f, inputs);
}

void expect_accumulates(const Function& f, const std::vector<Tensor>& inputs) {
  const std::vector<Tensor> once = gradients(f, inputs);
  const std::vector<Tensor> twice = gradients([&](const std::vector<Tensor>& x) { return plus(f(x), f(x)); }, inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::vector<double> want = to_double(once[i]);
    for (double& v : want) v *= 2;
    // Not exactly twice: where f itself uses an input twice, the engine adds four terms in another order.
    EXPECT_LE(relative_l2(to_double(twice[i]), want), 1e-6) << "input " << i << " used twice";
  }
}

void poison_pool(const Shape& shape, Device device) {
  // Two at a time: an op may take its output and a temporary of the same size.
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor a = Tensor::full(shape, nan, device), b = Tensor::full(shape, nan, device);
}

namespace {

/// Says at the end of the program how much of it a GPU did not see.
class OnTheCpuAlone : public ::testing::Environment {
 public:
  explicit OnTheCpuAlone(std::string why) : why_(std::move(why)) {}
  void TearDown() override { std::cout << tests_.size() << " tests ran on the CPU alone (" << why_ << ")\n"; }
  void add(const std::string& test) { tests_.insert(test); }

 private:
  const std::string why_;
  std::set<std::string> tests_;
};

/// Counts the test that runs. The environment is gtest's, which asks for its TearDown() after the last test.
void count_as_on_the_cpu_alone(const std::string& why) {
  static auto* const all = static_cast<OnTheCpuAlone*>(::testing::AddGlobalTestEnvironment(new OnTheCpuAlone(why)));
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::string test = cat(info->test_suite_name(), ".", info->name());
  std::cout << "skipped on cuda: " << test << " (" << why << ")\n";
  all->add(test);
}

}  // namespace

void for_each_device(const std::function<void(Device)>& body) {
  {
    SCOPED_TRACE("on the CPU");
    body(Device{});
  }
  static const std::string trouble = cuda_trouble();
  if (trouble.empty()) {
    SCOPED_TRACE("on the GPU");
    body(Device{Device::cuda});
    return;
  }
  count_as_on_the_cpu_alone(trouble);
}

std::string why_no_gpu() { return cuda_device_names().empty() ? cuda_trouble() : ""; }

std::string source_dir() { return MD_SOURCE_DIR; }

std::string program(const std::string& name) { return MD_BIN_DIR "/" + name; }

std::string shared_dir() {
  const char* given = std::getenv("MD_SHARED");
  return given != nullptr ? given : source_dir() + "/../shared";
}

}  // namespace md::test
