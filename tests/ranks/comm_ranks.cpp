// The communicator, and what is made of it, on ranks that mpirun starts: sums, batch norm, the losses and gradients of
// a batch that is divided are those of one device. Run as: mpirun -n N comm_ranks (tests/CMakeLists.txt).
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "engine/autograd.h"
#include "engine/gradient_buckets.h"
#include "layers/ops.h"
#include "losses/metric_depth.h"
#include "losses/silog.h"
#include "nets/registry.h"
#include "tests/kit/testing.h"
#include "tools/train/train_step.h"

namespace md::test {
namespace {

Communicator* ranks = nullptr;  // of main()

/// This rank's rows of what all have.
Tensor own_rows(const Tensor& all) {
  const i64 each = all.dim(0) / ranks->size();
  return all.rows(ranks->rank() * each, (ranks->rank() + 1) * each).clone();
}

double norm(const std::vector<float>& v) {
  double sum = 0;
  for (const float x : v) sum += double(x) * double(x);
  return std::sqrt(sum);
}

/// |a - b| / |b|
double relative_difference(const Tensor& a, const Tensor& b) {
  std::vector<float> x = a.to_host();
  const std::vector<float> y = b.to_host();
  for (std::size_t i = 0; i < x.size(); ++i) x[i] -= y[i];
  return norm(x) / norm(y);
}

bool same_bits(const Tensor& a, const Tensor& b) { return std::memcmp(a.raw(), b.raw(), a.bytes()) == 0; }

TEST(Comm, GathersTextsOfAnyLength) {
  const auto text_of = [](int rank) { return std::string(std::size_t(rank * 1000), char('a' + rank)); };
  const std::vector<std::string> all = ranks->gather(text_of(ranks->rank()));
  ASSERT_EQ(int(all.size()), ranks->size());
  for (int r = 0; r < ranks->size(); ++r) EXPECT_EQ(all[std::size_t(r)], text_of(r));
}

TEST(Comm, ExchangesInTheOrderOfSending) {
  const int n = ranks->size(), next = (ranks->rank() + 1) % n, before = (ranks->rank() + n - 1) % n;
  const Tensor first = Tensor::full({3}, float(ranks->rank())),
               second = Tensor::full({5}, 100.F + float(ranks->rank()));
  const Tensor got_first = Tensor::empty({3}), got_second = Tensor::empty({5});
  ranks->exchange({{next, first}, {next, second}}, {{before, got_first}, {before, got_second}});
  EXPECT_EQ(got_first.to_host(), std::vector<float>(3, float(before)));
  EXPECT_EQ(got_second.to_host(), std::vector<float>(5, 100.F + float(before)));
}

// The sum of a rank's numbers in the order of the ranks, rounded once: not that of another order.
TEST(Comm, SumsInTheOrderOfTheRanks) {
  const i64 n = ranks->sum_unit() * 37;
  std::vector<double> expected(std::size_t(n), 0.);
  for (int r = 0; r < ranks->size(); ++r) {
    const std::vector<float> of_rank = random_tensor({n}, std::uint64_t(r), -1.F, 1.F).to_host();
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += double(of_rank[i]);
  }
  const Tensor numbers = random_tensor({n}, std::uint64_t(ranks->rank()), -1.F, 1.F);
  const Tensor twice = numbers.clone();
  ranks->begin_sum(numbers);
  ranks->barrier();  // another call beside a sum under way
  ranks->begin_sum(twice);
  ranks->finish_sums();
  for (i64 i = 0; i < n; ++i) ASSERT_EQ(numbers.data()[i], float(expected[std::size_t(i)])) << i;
  EXPECT_TRUE(same_bits(numbers, twice));
}

TEST(Comm, SumsAFew) {
  const Tensor few = Tensor::from_host(std::vector<float>{1.F, float(ranks->rank())}, {2});
  ranks->sum(few);
  const int n = ranks->size();
  EXPECT_EQ(few.to_host(), (std::vector<float>{float(n), float(n * (n - 1) / 2)}));
}

/// y = x w1 + x w2 ..., with a parameter that is used twice and one that is not used.
TEST(GradientBuckets, AreTheSumsWhateverTheirSize) {
  const Tensor x = random_tensor({4, 8}, std::uint64_t(ranks->rank()));
  const std::vector<Tensor> weights = {random_tensor({8, 8}, 50), random_tensor({8, 8}, 51), random_tensor({3}, 52)};
  for (const Tensor& w : weights) w.requires_grad_();
  const auto loss = [&] {
    const Tensor h = linear(x, weights[0], {});
    return sum(linear(linear(h, weights[1], {}), weights[0], {}));
  };
  std::vector<Tensor> own;
  loss().backward();
  for (const Tensor& w : weights) own.push_back(w.grad());
  std::vector<Tensor> expected;
  for (const int i : {0, 1}) {
    const Tensor padded = Tensor::zeros({ranks->sum_unit() * 64});
    padded.rows(0, 64).copy_from(own[std::size_t(i)].reshape({64}));
    ranks->begin_sum(padded);
    ranks->finish_sums();
    expected.push_back(padded.rows(0, 64));
  }
  for (const i64 bytes : {i64(1), i64(256), i64(1000000)}) {
    for (const Tensor& w : weights) w.zero_grad();
    GradientBuckets buckets(weights, bytes, *ranks);
    buckets.sum_during([&] { loss().backward(); });
    for (const int i : {0, 1}) {
      const Tensor grad = weights[std::size_t(i)].grad();
      EXPECT_TRUE(same_bits(grad, expected[std::size_t(i)])) << bytes << " bytes, weight " << i;
    }
    EXPECT_FALSE(weights[2].grad()) << "nobody uses it";
  }
}

/// What a batch norm makes of a batch, and of the gradient 1, 2, 3 ...
struct Normed {
  Tensor y, dx, dweight, dbias, residual_gradient, running_mean, running_var;
};

Normed batch_normed(const Tensor& x, const Tensor& dy, const Tensor& residual, Act act, Communicator* over) {
  const i64 C = x.dim(-1);
  const BatchNormState state{Tensor::zeros({C}), Tensor::full({C}, 1.F), 0.1F, true, {}, over};
  const Tensor weight = random_tensor({C}, 7, 0.5F, 1.5F).requires_grad_(),
               bias = random_tensor({C}, 8).requires_grad_();
  x.requires_grad_();
  if (residual) residual.requires_grad_();
  const Tensor y = batch_norm(x, weight, bias, state, {1e-5F, {act}}, residual);
  y.backward(dy);
  return {y.detach(),         x.grad(),         weight.grad(), bias.grad(), residual ? residual.grad() : Tensor(),
          state.running_mean, state.running_var};
}

Tensor summed(const Tensor& t) {
  const Tensor copy = t.clone();
  ranks->sum(copy);
  return copy;
}

TEST(SyncBatchNorm, IsThatOfTheWholeBatch) {
  for (const bool with_residual : {false, true}) {
    for (const Act act : {Act::none, Act::relu}) {
      const Shape shape{2 * ranks->size(), 3, 5, 6};
      const Tensor x = random_tensor(shape, 1, -2.F, 5.F), dy = random_tensor(shape, 2);
      const Tensor residual = with_residual ? random_tensor(shape, 3) : Tensor();
      const Normed own = batch_normed(own_rows(x), own_rows(dy), residual ? own_rows(residual) : residual, act, ranks);
      const Normed whole = batch_normed(x.clone(), dy.clone(), residual, act, nullptr);
      EXPECT_LT(relative_difference(own.y, own_rows(whole.y)), 1e-6);
      EXPECT_LT(relative_difference(own.dx, own_rows(whole.dx)), 1e-6);
      if (residual) {
        EXPECT_LT(relative_difference(own.residual_gradient, own_rows(whole.residual_gradient)), 1e-6);
      }
      EXPECT_LT(relative_difference(summed(own.dweight), whole.dweight), 1e-6);
      EXPECT_LT(relative_difference(summed(own.dbias), whole.dbias), 1e-6);
      EXPECT_LT(relative_difference(own.running_mean, whole.running_mean), 1e-6);
      EXPECT_LT(relative_difference(own.running_var, whole.running_var), 1e-6);
    }
  }
}

TEST(SilogOfRanks, IsThatOfTheWholeBatch) {
  const i64 n = ranks->size();
  const Tensor depth_m = random_tensor({n, 6, 7, 1}, 1, 1.F, 9.F), target_m = random_tensor({n, 6, 7}, 2, -1.F, 9.F);
  const Tensor own = own_rows(depth_m).requires_grad_();
  depth_m.requires_grad_();
  const Tensor loss = silog(own, own_rows(target_m), {}, *ranks), whole = silog(depth_m, target_m, {});
  EXPECT_NEAR(loss.item(), whole.item(), 2e-6F * whole.item());
  loss.backward();
  whole.backward();
  EXPECT_LT(relative_difference(own.grad(), own_rows(depth_m.grad())), 1e-6);
}

TEST(MetricDepthOfRanks, IsThatOfTheWholeBatch) {
  MetricDepthOptions options;
  options.n_within = 3;
  options.n_across = 6;
  for (const i64 each : {1, 3}) {
    const i64 K = each * ranks->size(), h = 6, w = 9;
    const Tensor features = random_tensor({K, h, w, 5}, 1), depth_m = random_tensor({K, h, w}, 2, -1.F, 5.F);
    for (i64 step = 0; step < 4; ++step) {
      const auto shifts = draw_shifts(options, 3, step, K, h, w).list;
      const Tensor own = own_rows(features).requires_grad_(), all = features.clone().requires_grad_();
      const Tensor loss = metric_depth(own, own_rows(depth_m), shifts, options, *ranks);
      const Tensor whole = metric_depth(all, depth_m, shifts, options);
      EXPECT_NEAR(loss.item(), whole.item(), 2e-6F * whole.item());
      loss.backward();
      whole.backward();
      EXPECT_LT(relative_difference(own.grad(), own_rows(all.grad())), 2e-6);
      const NoGrad off;
      EXPECT_EQ(metric_depth(own, own_rows(depth_m), shifts, options, *ranks).item(), loss.item());
    }
  }
}

TEST(DropFactors, OfARankAreItsPartOfThoseOfAll) {
  const i64 each = 3;
  const Tensor all = drop_factors({0.5, 0.3}, each * ranks->size(), {.seed = 1, .step = 4}, {});
  const Tensor own = drop_factors({0.5, 0.3}, each, {.seed = 1, .step = 4, .first_sample = each * ranks->rank()}, {});
  for (const i64 map : {0, 1}) {
    for (i64 i = 0; i < each; ++i)
      EXPECT_EQ(own.data()[map * each + i], all.data()[map * each * ranks->size() + ranks->rank() * each + i]);
  }
}

/// What a step of LT on each rank's sample says.
StepLosses step_with(const Tensor& image, DepthNet& net) {
  TrainOptions options;
  options.batch = ranks->size();
  TrainStep step(options, net, 10, *ranks);
  step.begin({.image = image, .depth_m = Tensor::full({1, 32, 64}, 2.F), .focal_px = {}, .names = {}}, 0);
  return step.finish();
}

TEST(StepOfRanks, SkipsWhereOneHasANaNAndNamesIt) {
  const auto net = make_net("lt", {.seed = 1});
  const Tensor image = random_tensor({1, 32, 64, 3}, 1);
  EXPECT_EQ(step_with(image, *net).not_finite, "");
  const State before = net->state();
  if (ranks->rank() == 1) image.data()[7] = std::nanf("");
  const StepLosses losses = step_with(image, *net);
  EXPECT_EQ(losses.not_finite, "loss");
  EXPECT_EQ(losses.not_finite_on, cat("rank 1 on ", ranks->host()));
  for (const auto& [name, tensor] : net->state()) EXPECT_TRUE(same_bits(tensor, before.at(name))) << name;
}

}  // namespace
}  // namespace md::test

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const std::unique_ptr<md::Communicator> joined = md::join_ranks(60);
  md::test::ranks = joined.get();
  return RUN_ALL_TESTS();
}
