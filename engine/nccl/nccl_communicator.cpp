// The communicator of GPUs: NCCL moves and adds what is on a GPU, on streams of ours; launch, errors and what the host
// has stay with the communicator that it is made from (MPI). Sums go on a stream of their own beside the backward.
//   NCCL adds by itself, so its order of reduction is pinned: the ring algorithm with the simple protocol (NCCL_ALGO,
// NCCL_PROTO, unless the user has set them), whose ring and channels the machines' topology fixes: the same bits in
// every run on the same GPUs.
#include <nccl.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "engine/comm.h"
#include "engine/cuda/runtime.h"

namespace md {
namespace {

using Clock = std::chrono::steady_clock;

void check(ncclResult_t status, const char* call, const Communicator& ranks) {
  if (status == ncclSuccess) return;
  fail(ErrorKind::no_device, call, ": ", ncclGetErrorString(status), " (", name_of(ranks), ")");
}
#define MD_NCCL(call) check((call), #call, *this)

/// Ended in any case, since what comes later would belong to it.
struct OpenGroup {
  bool open = true;
  ~OpenGroup() {
    if (open) ncclGroupEnd();
  }
};

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(Communicator& host, double limit_s) : host_(host), limit_s_(limit_s) {
    setenv("NCCL_ALGO", "Ring", 0);
    setenv("NCCL_PROTO", "Simple", 0);
    ncclUniqueId id{};
    if (rank() == 0) MD_NCCL(ncclGetUniqueId(&id));
    const std::string of_first = host_.gather(std::string(id.internal, sizeof id.internal)).front();
    MD_CHECK(of_first.size() == sizeof id.internal, "NCCL: rank 0 has no name for the communicator");
    std::memcpy(id.internal, of_first.data(), sizeof id.internal);
    MD_NCCL(ncclCommInitRank(&comm_, size(), id, rank()));
  }
  ~NcclCommunicator() override { failed_ ? ncclCommAbort(comm_) : ncclCommDestroy(comm_); }

  int rank() const override { return host_.rank(); }
  int size() const override { return host_.size(); }
  int rank_on_host() const override { return host_.rank_on_host(); }
  std::string host() const override { return host_.host(); }
  std::vector<std::string> gather(const std::string& mine) override { return host_.gather(mine); }

  void gather(const Tensor& mine, const Tensor& all) override {
    if (mine.device().kind == Device::cpu) return host_.gather(mine, all);
    MD_NCCL(ncclAllGather(mine.raw(), all.raw(), mine.bytes(), ncclUint8, comm_, cuda::runtime().compute));
  }

  void exchange(const std::vector<Message>& sent, const std::vector<Message>& received) override {
    const cudaStream_t stream = cuda::runtime().compute;
    MD_NCCL(ncclGroupStart());
    OpenGroup group;
    for (const auto& [to, data] : sent) MD_NCCL(ncclSend(data.raw(), data.bytes(), ncclUint8, to, comm_, stream));
    for (const auto& [from, data] : received)
      MD_NCCL(ncclRecv(data.raw(), data.bytes(), ncclUint8, from, comm_, stream));
    group.open = false;
    MD_NCCL(ncclGroupEnd());
  }

  void begin_sum(const Tensor& numbers) override {
    ready_.record(cuda::runtime().compute);
    ready_.hold_back(sums_);
    MD_NCCL(
        ncclAllReduce(numbers.data(), numbers.data(), std::size_t(numbers.numel()), ncclFloat, ncclSum, comm_, sums_));
    times_.bytes += i64(numbers.bytes());
  }

  /// Waits on the host, where it hears of errors and of the time.
  void finish_sums() override {
    const auto began = Clock::now();
    done_.record(sums_);
    done_.hold_back(cuda::runtime().compute);
    while (!done_.passed()) {
      ncclResult_t later = ncclSuccess;
      MD_NCCL(ncclCommGetAsyncError(comm_, &later));
      MD_NCCL(later);
      throw_if_another_failed();
      if (std::chrono::duration<double>(Clock::now() - began).count() > limit_s_) give_up();
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }
  SumTimes sum_times() const override { return times_; }

  void throw_if_another_failed() override { host_.throw_if_another_failed(); }
  void tell_others(const Error& error) override {
    failed_ = true;
    host_.tell_others(error);
  }
  [[noreturn]] void abort(int exit_code) override {
    host_.abort(exit_code);
    std::_Exit(exit_code);  // for compilers that do not see that a virtual function never returns
  }

 private:
  [[noreturn]] void give_up() {
    failed_ = true;
    fail(ErrorKind::contract, name_of(*this), ": the other ranks did not come within ", limit_s_, " s (gradients)");
  }

  Communicator& host_;
  const double limit_s_;
  ncclComm_t comm_ = nullptr;
  bool failed_ = false;
  cuda::Stream sums_;
  cuda::Event ready_, done_;
  SumTimes times_;
};

}  // namespace

std::unique_ptr<Communicator> nccl_communicator(Communicator& host, double limit_s) {
  return std::make_unique<NcclCommunicator>(host, limit_s);
}

}  // namespace md
