// The GPUs' communicator on the double of NCCL, in 2 to 4 processes that mpirun starts, each with its emulated GPU:
// what it moves and sums, a whole training step against one GPU's, and every call failing once.
#include <gtest/gtest.h>

#include "engine/autograd.h"
#include "tests/cuda/doubles.h"
#include "tests/gpu/gpu_training.h"

namespace md::test {
namespace {

Communicator* host = nullptr;  // of main()

std::unique_ptr<Communicator> gpu_ranks() { return ranks_of_device(kGpu, *host, 60); }

Tensor on_gpu(const std::vector<float>& numbers) { return Tensor::from_host(numbers, {i64(numbers.size())}, kGpu); }

/// One of each call; what rank 0 ends with.
std::vector<float> program() {
  const auto ranks = gpu_ranks();
  const int n = ranks->size(), next = (ranks->rank() + 1) % n, before = (ranks->rank() + n - 1) % n;
  const Tensor mine = on_gpu({float(ranks->rank()), 5.F}), all = Tensor::zeros({n, 2}, kGpu);
  ranks->gather(mine, all);
  const Tensor came = Tensor::zeros({2}, kGpu);
  ranks->exchange({{next, mine}}, {{before, came}});
  const Tensor numbers = Tensor::full({ranks->sum_unit() * 3}, 1.F + float(ranks->rank()), kGpu);
  ranks->begin_sum(numbers);
  ranks->finish_sums();
  ranks->sum(came);
  std::vector<float> result = all.to_host();
  for (const Tensor& t : {came, numbers.rows(0, 1)}) {
    const std::vector<float> more = t.to_host();
    result.insert(result.end(), more.begin(), more.end());
  }
  return result;
}

std::vector<float> expected() {
  const int n = host->size();
  std::vector<float> result;
  for (int r = 0; r < n; ++r) result.insert(result.end(), {float(r), 5.F});
  result.insert(result.end(), {float(n * (n - 1) / 2), 5.F * float(n), float(n * (n + 1) / 2)});
  return result;
}

TEST(Nccl, MovesAndSums) { EXPECT_EQ(program(), expected()); }

/// The program, in which the next call of this name fails; what it ends with.
std::string failing(const std::string& call) {
  doubles::fail_call(call);
  std::string said;
  try {
    program();
  } catch (const Error& error) {
    said = error.what();
  }
  doubles::fail_call(-1);
  return said;
}

TEST(Nccl, EveryCallFailsOnce) {
  for (const std::string call : {"ncclCommInitRank", "ncclAllGather", "ncclGroupStart", "ncclSend", "ncclRecv",
                                 "ncclGroupEnd", "ncclAllReduce", "ncclCommGetAsyncError"}) {
    const std::string said = failing(call);
    EXPECT_NE(said.find(call), said.npos) << call << ": " << said;
    EXPECT_NE(said.find(name_of(*host)), said.npos) << said;
    EXPECT_EQ(program(), expected()) << "after " << call;
  }
}

// Rank 0 alone makes it; the others hear that there is none.
TEST(Nccl, TheNameOfTheCommunicatorFails) {
  const std::string said = host->rank() == 0 ? failing("ncclGetUniqueId") : failing("");
  if (host->rank() == 0) host->gather("");
  EXPECT_NE(said.find(host->rank() == 0 ? "ncclGetUniqueId" : "rank 0 has no name"), said.npos) << said;
  EXPECT_EQ(program(), expected());
}

/// A step of LT with MetricDepth, batch norm over all and samples across ranks.
double loss_of(Communicator& ranks, i64 batch) {
  TrainOptions options = with_metric_depth();
  options.batch = int(batch);
  options.sync_batch_norm = true;
  const Tensor image = random_tensor({batch, 32, 64, 3}, 1), depth_m = random_tensor({batch, 32, 64}, 2, 0.5F, 9.F);
  const i64 each = batch / ranks.size(), first = ranks.rank() * each;
  const auto net = make_net_on(kGpu, "lt");
  TrainStep step(options, *net, 1000, ranks);
  step.begin({.image = image.rows(first, first + each).clone().to(kGpu),
              .depth_m = depth_m.rows(first, first + each).clone().to(kGpu),
              .focal_px = {},
              .names = {}},
             0);
  const StepLosses losses = step.finish();
  EXPECT_EQ(losses.not_finite, "");
  return losses.total;
}

TEST(Nccl, AWholeStepIsThatOfOneGpu) {
  const i64 batch = host->size();
  const double several = loss_of(*gpu_ranks(), batch);
  if (host->rank() != 0) return;
  EXPECT_NEAR(several, loss_of(alone(), batch), 1e-4 * several);
}

}  // namespace
}  // namespace md::test

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const std::unique_ptr<md::Communicator> joined = md::join_ranks(60);
  md::test::host = joined.get();
  return RUN_ALL_TESTS();
}
