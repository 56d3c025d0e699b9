// The emulated grid can fail: kernels with one deliberate error each, beside their correct twins.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "engine/cuda/arrivals.h"
#include "engine/cuda/portable.h"
#include "engine/tensor.h"
#include "tests/cuda/doubles.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

using cuda::WarpOrder;
constexpr std::array kOrders{WarpOrder::forward, WarpOrder::reverse, WarpOrder::shuffled};
constexpr int kThreads = 256;
const Device kGpu{Device::cuda};

Tensor counting(int n) {
  std::vector<float> values(std::size_t(n), 0.F);
  for (int i = 0; i < n; ++i) values[std::size_t(i)] = float(i);
  return Tensor::from_host(values, {n}, kGpu);
}

cudaStream_t stream() { return cuda::runtime(0).compute; }

/// One block of kThreads; what the launch or the wait for it says.
template <class... P, class... A>
std::string error_of(void (*kernel)(P...), const A&... arguments) {
  try {
    cuda::launch_kernel(kernel, 1, kThreads, 0, stream(), arguments...);
    MD_CUDA(cudaStreamSynchronize(stream()));
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::no_device);
    return error.what();
  }
}

/// *sum = the sum of x [kThreads]. Every step reads what another thread wrote in the step before.
template <bool kWithBarrier>
__global__ void sum_block(const float* x, float* sum) {
  __shared__ float held[kThreads];
  const int i = int(threadIdx.x);
  held[i] = x[i];
  for (int span = kThreads / 2; span > 0; span /= 2) {
    if (kWithBarrier) __syncthreads();
    if (i < span) held[i] += held[i + span];
  }
  if (i == 0) *sum = held[0];
}

template <bool kWithBarrier>
int right_sums() {
  int right = 0;
  const Tensor x = counting(kThreads);
  for (const WarpOrder order : kOrders) {
    cuda::set_warp_order(order);
    const Tensor sum = Tensor::zeros({1}, kGpu);
    EXPECT_EQ(error_of(sum_block<kWithBarrier>, x.data(), sum.data()), "");
    right += sum.item() == kThreads * (kThreads - 1) / 2;
  }
  cuda::set_warp_order(WarpOrder::forward);
  return right;
}

TEST(Emulation, ABarrierMakesTheResultIndependentOfTheOrderOfWarps) { EXPECT_EQ(right_sums<true>(), 3); }

TEST(Emulation, AMissingBarrierIsCaught) {
#ifdef __SANITIZE_THREAD__
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  constexpr int kTsanFoundARace = 66;
  EXPECT_EXIT((right_sums<false>(), std::exit(0)), ::testing::ExitedWithCode(kTsanFoundARace), "data race");
#else
  EXPECT_LT(right_sums<false>(), 3);
#endif
}

__global__ void write_beyond(float* y, int n) {
  if (threadIdx.x == 0) y[n] = 1.F;
}

TEST(Emulation, AWriteOutOfBoundsIsCaught) {
  constexpr int kFloats = 1024;  // the pool rounds to 512 bytes: the block ends where the tensor does
  const Tensor y = Tensor::zeros({kFloats}, kGpu);
  EXPECT_EQ(error_of(write_beyond, y.data(), kFloats - 1), "");
#ifdef __SANITIZE_ADDRESS__
  EXPECT_DEATH(error_of(write_beyond, y.data(), kFloats), "use-after-poison");
#else
  EXPECT_NE(error_of(write_beyond, y.data(), kFloats).find("wrote past the end"), std::string::npos);
  EXPECT_EQ(error_of(write_beyond, y.data(), 0), "") << "the guard was not repaired";
#endif
}

TEST(Emulation, TheHostCannotTouchDeviceMemory) {
  const Tensor x = counting(8);
  EXPECT_DEATH(std::printf("%f", double(*x.data())), "");
}

__global__ void wait_apart(int) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

__global__ void leave_one_behind(int) {
  if (threadIdx.x % 32 != 5) __shfl_xor_sync(0xFFFFFFFF, 1, 1);
  if (threadIdx.x % 32 == 5) __syncthreads();
}

__global__ void call_from_outside(int) { __shfl_sync(threadIdx.x % 32 == 0 ? 0xFFFFFFFE : 0xFFFFFFFF, 1, 1); }

TEST(Emulation, BarriersThatDoNotMeetFailTheLaunch) {
  EXPECT_NE(error_of(wait_apart, 0).find("different __syncthreads"), std::string::npos);
  EXPECT_NE(error_of(leave_one_behind, 0).find("lanes that never come"), std::string::npos);
  EXPECT_NE(error_of(call_from_outside, 0).find("not in its mask"), std::string::npos);
  EXPECT_EQ(right_sums<true>(), 3) << "a failed launch leaves nothing behind";
}

__global__ void exchange_lanes(int* out) {
  const int lane = int(threadIdx.x) % 32;
  int* const mine = out + threadIdx.x * 6;
  mine[0] = __shfl_sync(0xFFFFFFFF, lane, 7);
  mine[1] = __shfl_xor_sync(0xFFFFFFFF, lane, 16);
  mine[2] = __shfl_down_sync(0xFFFFFFFF, lane, 4);
  mine[3] = __shfl_up_sync(0xFFFFFFFF, lane, 4);
  mine[4] = __shfl_down_sync(0xFFFFFFFF, lane, 1, 8);
  mine[5] = __popc(__ballot_sync(0xFFFFFFFF, lane % 3 == 0));
}

TEST(Emulation, LanesExchangeAsCudaSays) {
  const Tensor out = Tensor::empty({kThreads, 6}, kGpu, DType::i32);
  ASSERT_EQ(error_of(exchange_lanes, out.data<std::int32_t>()), "");
  const Tensor host = out.to(Device{});
  for (int t = 0; t < kThreads; ++t) {
    const int lane = t % 32;
    const std::int32_t* const got = host.data<std::int32_t>() + t * 6;
    const std::array want{
        7, lane ^ 16, lane + 4 < 32 ? lane + 4 : lane, lane >= 4 ? lane - 4 : lane, lane % 8 == 7 ? lane : lane + 1,
        11};
    for (std::size_t i = 0; i < want.size(); ++i) EXPECT_EQ(got[i], want[i]) << "thread " << t << ", exchange " << i;
  }
}

/// finished [groups] counts the blocks that find all of their group there. Grid [groups,blocks].
__global__ void count_last(float* arrived, float* finished) {
  arrived[blockIdx.x * gridDim.y + blockIdx.y] = 1.F;
  if (!cuda::last_of_group(blockIdx.x, gridDim.y) || threadIdx.x != 0) return;
  float all = 0.F;
  for (unsigned k = 0; k < gridDim.y; ++k) all += arrived[blockIdx.x * gridDim.y + k];
  finished[blockIdx.x] += all == float(gridDim.y) ? 1.F : 100.F;
}

TEST(Emulation, OneBlockOfAGroupIsTheLast) {
  constexpr int kGroups = 3;
  const Tensor finished = Tensor::zeros({kGroups}, kGpu);
  float wanted = 0.F;
  for (const WarpOrder order : kOrders) {
    cuda::set_warp_order(order);
    for (const int blocks : {5, 1, 7}) {  // every grid finds the counters as the first one did
      const Tensor arrived = Tensor::zeros({kGroups, blocks}, kGpu);
      cuda::launch_kernel(count_last, dim3(kGroups, unsigned(blocks)), kThreads, 0, stream(), arrived.data(),
                          finished.data());
      EXPECT_EQ(finished.to_host(), std::vector<float>(kGroups, ++wanted));
    }
  }
  cuda::set_warp_order(WarpOrder::forward);
}

__global__ void copy_fresh_shared(float* out) {
  MD_DYNAMIC_SHARED(float, held);
  out[threadIdx.x] = held[threadIdx.x];
}

TEST(Emulation, FreshMemoryIsNaN) {
  const Tensor out = Tensor::zeros({kThreads}, kGpu);
  cuda::launch_kernel(copy_fresh_shared, 1, kThreads, kThreads * sizeof(float), stream(), out.data());
  for (const float v : out.to_host()) EXPECT_TRUE(std::isnan(v));
  constexpr i64 kNeverUsedBefore = 1234567;
  for (const float v : Tensor::empty({kNeverUsedBefore}, kGpu).to_host()) ASSERT_TRUE(std::isnan(v));
}

__global__ void do_nothing(int) {}

TEST(Emulation, GridsThatNoGpuTakesAreRefused) {
  const auto refused = [](dim3 grid, dim3 block, std::size_t shared_bytes) {
    try {
      cuda::launch_kernel(do_nothing, grid, block, shared_bytes, stream(), 0);
      return false;
    } catch (const Error& error) {
      return std::string(error.what()).find("invalid configuration") != std::string::npos;
    }
  };
  EXPECT_FALSE(refused(3, 1024, 48 << 10));
  EXPECT_TRUE(refused(1, 1025, 0));
  EXPECT_TRUE(refused(0, 32, 0));
  EXPECT_TRUE(refused({1, 65536}, 32, 0));
  EXPECT_TRUE(refused(1, {1, 1, 65}, 0));
  EXPECT_TRUE(refused(1, 32, (48 << 10) + 1));
}

}  // namespace
}  // namespace md
