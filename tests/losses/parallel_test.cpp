// An exception cannot leave an OpenMP region: it ends the process. So nothing in one may allocate. What each test
// expects stands once, in TearDown().
#include "layers/ops.h"
#include "losses/metric_depth.h"
#include "losses/silog.h"
#include "tests/kit/count_allocations.h"
#include "tests/kit/testing.h"

namespace md::test {
namespace {

class Parallel : public ::testing::Test {
 protected:
  Parallel() {
    omp_set_num_threads(2);
    allocations_in_parallel = 0;
  }
  void TearDown() override {
    omp_set_num_threads(before_);
    EXPECT_EQ(allocations_in_parallel, 0);
  }
  /// Forward and backward, large enough for parallel regions.
  static void run(const Function& f, const std::vector<Tensor>& inputs) { gradients(f, inputs); }
  const Tensor x_ = random_tensor({2, 40, 50, 24}, 1);

 private:
  const int before_ = omp_get_max_threads();
};

TEST_F(Parallel, BatchNormDoesNotAllocate) {
  const Tensor mean = random_tensor({24}, 2), var = random_tensor({24}, 3, 0.5F, 1.F);
  run(
      [&](const auto& in) {
        return batch_norm(in[0], in[1], in[2], {mean, var, 0.1F, true}, {1e-3F, {Act::relu}});
      },
      {x_, random_tensor({24}, 4), random_tensor({24}, 5)});
}

TEST_F(Parallel, SumsDoNotAllocate) {
  run([](const auto& in) { return mean(multiply_channels(in[0], in[1])); }, {x_, random_tensor({2, 1, 1, 24}, 2)});
}

TEST_F(Parallel, OwnConvolutionsDoNotAllocate) {  // to one channel: oneDNN may do as it likes
  run([&](const auto& in) { return conv2d(x_, in[0], {}, {.pad = 1}); }, {random_tensor({1, 3, 3, 24}, 2)});
}

TEST_F(Parallel, AttentionDoesNotAllocate) {
  const auto f = [](const auto& in) { return window_attention(in[0], {}, in[1], in[2], {.heads = 2, .shift = 3}); };
  run(f, {x_, random_tensor({24}, 2), random_tensor({169, 2}, 3)});
  run([](const auto& in) { return layer_norm(in[0], in[1], in[2]); },
      {x_, random_tensor({24}, 2), random_tensor({24}, 3)});
}

TEST_F(Parallel, ResamplingDoesNotAllocate) {
  run([](const auto& in) { return upsample_bilinear(in[0], 61, 77); }, {x_});
}

TEST_F(Parallel, LossesDoNotAllocate) {
  const Tensor depth_m = random_tensor({2, 40, 50}, 2, 0.5F, 4.F);
  const auto shifts = draw_shifts({}, 1, 0, 2, 40, 50).list;
  run([&](const auto& in) { return metric_depth(in[0], depth_m, shifts, {}); }, {x_});
  run([&](const auto& in) { return silog(in[0], depth_m, {}); }, {random_tensor({2, 40, 50, 1}, 3, 0.5F, 4.F)});
}

}  // namespace
}  // namespace md::test
