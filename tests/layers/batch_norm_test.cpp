// Batch norm in training and in evaluation, with what a kernel fuses with it, on every device, against the definition
// of lesson 10 (tests/lessons/10_norms.h).
// Labels: devices
#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/lessons/10_norms.h"

namespace md::test {
namespace {

using namespace lessons::norms;

/// As a map of one row of pixels, which the lesson's loops take.
Array as_map(const Tensor& t) { return {{1, 1, t.numel() / t.dim(-1), t.dim(-1)}, to_double(t)}; }

struct Sizes {
  const char* name;
  Shape shape;
};
std::ostream& operator<<(std::ostream& out, const Sizes& it) { return out << it.name; }

class BatchNorm : public ::testing::TestWithParam<Sizes> {
 protected:
  const Shape shape = GetParam().shape;
  const i64 C = shape[-1], count = shape.numel() / C;
  const BatchNormSpec spec{.eps = 1e-3F};

  /// x, weight, bias; x is off centre, so that a wrong mean shows.
  std::vector<Tensor> inputs(Device device) const {
    return {random_tensor(shape, 1, -1, 3, device), random_tensor({C}, 2, 0.5F, 1.5F, device),
            random_tensor({C}, 3, -1, 1, device)};
  }
  BatchNormState state(bool training, Device device) const {
    return {random_tensor({C}, 4, -1, 1, device), random_tensor({C}, 5, 0.5F, 2, device), 0.1F, training};
  }
  Function op(bool training, Device device) const {
    return [this, training, device](const std::vector<Tensor>& in) {
      return batch_norm(in[0], in[1], in[2], state(training, device), spec);
    };
  }
  /// How the definition normalises x.
  Norm norm(const Tensor& x, bool training) const {
    const Array map = as_map(x);
    const Groups groups = by_channel(map.shape());
    const BatchNormState fixed = state(false, {});
    const Statistics running{Array(fixed.running_mean), Array(fixed.running_var), true};
    return {groups, training ? statistics(map, groups) : running, double(spec.eps)};
  }
};

// Rounding of float statistics over at most 4000 values.
constexpr double kTolerance = 2e-6;

TEST_P(BatchNorm, EqualsItsDefinition) {
  for_each_device([&](Device device) {
    for (const bool training : {true, false}) {
      const std::vector<Tensor> in = inputs(device);
      const Array want = normalise_and_scale(as_map(in[0]), Array(in[1]), Array(in[2]), norm(in[0], training));
      EXPECT_TRUE(close(op(training, device)(in), want.tensor().reshape(shape), kTolerance)) << "training " << training;
    }
  });
}

TEST_P(BatchNorm, HasTheGradientOfItsDefinition) {
  for_each_device([&](Device device) {
    for (const bool training : {true, false}) {
      const std::vector<Tensor> in = inputs(device);
      const std::uint64_t seed = 6;
      const Array dy = as_map(random_upstream(shape, seed));
      const Arrays want = norm_gradients(as_map(in[0]), Array(in[1]), dy, norm(in[0], training), {});
      const std::vector<Tensor> got = gradients(op(training, device), in, seed);
      EXPECT_TRUE(close(got[0], want[0].tensor().reshape(shape), kTolerance)) << "dx, training " << training;
      EXPECT_TRUE(close(got[1], want[1].tensor(), kTolerance)) << "dweight, training " << training;
      EXPECT_TRUE(close(got[2], want[2].tensor(), kTolerance)) << "dbias, training " << training;
    }
  });
}

class SmallBatchNorm : public BatchNorm {};  // central differences evaluate once or twice for every value

TEST_P(SmallBatchNorm, PassesTheGradientCheck) {
  for_each_device([&](Device device) {
    for (const bool training : {true, false}) expect_gradcheck(op(training, device), inputs(device));
  });
}

// PyTorch keeps the unbiased variance (divided by M - 1), although it normalises with the biased one.
TEST_P(BatchNorm, MovesTheRunningStatisticsInTrainingOnly) {
  for_each_device([&](Device device) {
    const std::vector<Tensor> in = inputs(device);
    const BatchNormState old = state(true, {});
    BatchNormState evaluated = state(false, device), trained = state(true, device);
    evaluated.batches_tracked = trained.batches_tracked = Tensor::full({}, 7, device, DType::i32);
    batch_norm(in[0], in[1], in[2], evaluated, spec);
    EXPECT_TRUE(close(evaluated.running_mean, old.running_mean, 0));
    EXPECT_TRUE(close(evaluated.running_var, old.running_var, 0));

    const std::uint64_t version = trained.running_mean.version();
    batch_norm(in[0], in[1], in[2], trained, spec);
    const Statistics batch = norm(in[0], true).of;
    const double unbiased = double(count) / double(count - 1);
    HostMap mean(old.running_mean), var(old.running_var);
    for (i64 c = 0; c < C; ++c) {
      mean[c] = 0.9 * mean[c] + 0.1 * batch.mean[c];
      var[c] = 0.9 * var[c] + 0.1 * batch.variance[c] * unbiased;
    }
    EXPECT_TRUE(close(trained.running_mean, mean.tensor(), kTolerance));
    EXPECT_TRUE(close(trained.running_var, var.tensor(), kTolerance));
    EXPECT_GT(trained.running_mean.version(), version) << "an in-place write raises the version";
    EXPECT_EQ(*trained.batches_tracked.to({}).data<std::int32_t>(), 8) << "one batch in training, none in evaluation";
  });
}

TEST_P(BatchNorm, FusesItsActivation) {
  for_each_device([&](Device device) {
    struct {
      Act act;
      Tensor (*op)(const Tensor&);
    } const fused[] = {{Act::relu, relu}, {Act::hardswish, hardswish}};
    for (const auto& f : fused) {
      for (const bool training : {true, false}) {
        const Function one = [&](const std::vector<Tensor>& in) {
          return batch_norm(in[0], in[1], in[2], state(training, device), {spec.eps, {f.act}});
        };
        const Function two = [&](const std::vector<Tensor>& in) { return f.op(op(training, device)(in)); };
        const std::vector<Tensor> in = inputs(device);
        EXPECT_TRUE(close(one(in), two(in), kTolerance));
        const std::vector<Tensor> got = gradients(one, in), want = gradients(two, in);
        for (std::size_t i = 0; i < in.size(); ++i) EXPECT_TRUE(close(got[i], want[i], kTolerance)) << "input " << i;
      }
    }
  });
}

TEST_P(BatchNorm, AddsAResidualBeforeItsActivation) {
  for_each_device([&](Device device) {
    for (const Act act : {Act::none, Act::relu, Act::hardswish}) {
      for (const bool training : {true, false}) {
        const Function one = [&](const std::vector<Tensor>& in) {
          return batch_norm(in[0], in[1], in[2], state(training, device), {spec.eps, {act}}, in[3]);
        };
        const Function three = [&](const std::vector<Tensor>& in) {
          return activate(add(op(training, device)(in), in[3]), {act});
        };
        std::vector<Tensor> in = inputs(device);
        in.push_back(random_tensor(shape, 7, -2, 2, device));
        EXPECT_TRUE(close(one(in), three(in), kTolerance));
        const std::vector<Tensor> got = gradients(one, in), want = gradients(three, in);
        for (std::size_t i = 0; i < in.size(); ++i) EXPECT_TRUE(close(got[i], want[i], kTolerance)) << "input " << i;
      }
    }
  });
}

// Its gradient is dy itself, handed to the residual and to x's own backward: neither may be made in the other's memory.
TEST(BatchNormResidual, SharesItsGradientWithNobody) {
  const BatchNormState state{Tensor::zeros({3}), Tensor::full({3}, 1.F), 0.1F, true};
  const Function chain = [&](const std::vector<Tensor>& in) {
    const Tensor y = batch_norm(elu(in[0]), Tensor::full({3}, 2.F), Tensor::zeros({3}), state, {}, elu(in[1]));
    return scale(y, 3.F);
  };
  expect_gradcheck(chain, {random_tensor({4, 2, 3}, 1), random_tensor({4, 2, 3}, 2)});
}

// The gradient of a shortcut is there before the norm's, which a device may add to it in the same pass.
TEST(BatchNormResidual, AddsItsGradientToAShortcuts) {
  for_each_device([](Device device) {
    for (const i64 C : {3, 8}) {
      const BatchNormState state{Tensor::zeros({C}, device), Tensor::full({C}, 1.F, device), 0.1F, true};
      const Function beside = [&](const std::vector<Tensor>& in) {
        const Tensor x = scale(in[0], 2.F);
        return add(scale(x, 3.F), batch_norm(x, in[1], in[2], state, {}));
      };
      expect_gradcheck(beside, {random_tensor({4, 3, C}, 1, -1, 1, device), random_tensor({C}, 2, 0.5F, 1, device),
                                random_tensor({C}, 3, -0.5F, 0.5F, device)});
    }
  });
}

const Sizes kSmall[] = {
    {"map", {2, 3, 5, 7}}, {"one_channel", {2, 4, 3, 1}}, {"one_image", {1, 5, 2, 16}}, {"one_pixel", {6, 1, 1, 5}},
    {"rows", {11, 3}},     {"wide", {2, 5, 3, 19}}};
std::string name_of_sizes(const ::testing::TestParamInfo<Sizes>& instance) { return instance.param.name; }

INSTANTIATE_TEST_SUITE_P(, BatchNorm, ::testing::ValuesIn(kSmall), name_of_sizes);
INSTANTIATE_TEST_SUITE_P(ManyRows, BatchNorm,
                         ::testing::Values(Sizes{"many_rows", {4, 31, 32, 17}}, Sizes{"of_fours", {4, 31, 32, 36}}),
                         name_of_sizes);
INSTANTIATE_TEST_SUITE_P(, SmallBatchNorm, ::testing::ValuesIn(kSmall), name_of_sizes);

// The first rows, from whose mean deviations are measured, may be far from all others.
TEST(BatchNormNumerics, SurvivesFirstRowsUnlikeTheOthers) {
  const i64 rows = 1000;
  HostMap values({rows, 1});
  double mean = 0, squares = 0;
  for (i64 m = 0; m < rows; ++m) values[m] = m < 3 ? 1000 : double(m % 2);
  for (i64 m = 0; m < rows; ++m) mean += values[m] / double(rows);
  for (i64 m = 0; m < rows; ++m) squares += std::pow(values[m] - mean, 2);
  const Tensor one = Tensor::full({1}, 1.F), zero = Tensor::zeros({1});
  const Tensor y = batch_norm(values.tensor(), one, zero, {zero.clone(), one.clone(), 0.1F, true}, {.eps = 0.F});
  for (const i64 m : {i64(0), rows - 1})
    EXPECT_NEAR(double(y.to_host()[std::size_t(m)]) * std::sqrt(squares / double(rows)), values[m] - mean, 1e-3);
}

// A training forward of the same layer may come between an evaluation and its backward.
TEST(BatchNormEvaluation, KeepsItsStatisticsForItsBackward) {
  const auto dweight = [](bool train_between) {
    BatchNormState state{random_tensor({5}, 1), random_tensor({5}, 2, 0.5F, 2.F)};
    const Tensor x = random_tensor({7, 5}, 3), weight = random_tensor({5}, 4), bias = random_tensor({5}, 5);
    weight.requires_grad_();
    const Tensor y = batch_norm(x, weight, bias, state, {});
    state.training = true;
    if (train_between) batch_norm(x, weight, bias, state, {});
    y.backward(random_upstream(y.shape(), 6));
    return weight.grad().to_host();
  };
  EXPECT_EQ(dweight(true), dweight(false));
}

TEST(BatchNormErrors, NameTheShapes) {
  const Tensor x = Tensor::zeros({2, 3, 4, 5}), five = Tensor::zeros({5}), four = Tensor::zeros({4});
  EXPECT_ERROR(batch_norm(x, five, five, {five, five}, {}, five), "batch_norm: residual [5] for input [2,3,4,5]");
  EXPECT_ERROR(batch_norm(x, four, five, {five, five}, {}), "batch_norm: [4] for input [2,3,4,5]");
  EXPECT_ERROR(batch_norm(five, five, five, {five, five}, {}), "input [5] wants [...,C]");
  const Tensor none = Tensor::zeros({0});
  EXPECT_ERROR(batch_norm(Tensor::zeros({3, 0}), none, none, {none, none}, {}), "input [3,0] wants [...,C]");
  EXPECT_ERROR(batch_norm(x, five, Tensor::zeros({5}, {}, DType::i32), {five, five}, {}), "batch_norm: [5] i32 beside");
  EXPECT_ERROR(batch_norm(Tensor::zeros({1, 1, 1, 5}), five, five, {five, five, 0.1F, true}, {}),
               "one value per channel has no variance");
}

}  // namespace
}  // namespace md::test
