// Input batches: host memory -> pinned memory -> device, on a stream of their own. There are two of everything, used in
// turn: while the compute stream still works on one batch, the next is copied beside it.
#include <array>
#include <cstring>

#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/runtime.h"

namespace md {
namespace {

/// Host memory that the GPU can copy from by itself; grows, never shrinks.
class PinnedMemory {
 public:
  PinnedMemory() = default;
  ~PinnedMemory() { cudaFreeHost(block_); }
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

  void* hold(const Tensor& host) {
    if (host.bytes() > bytes_) {
      MD_CUDA(cudaFreeHost(block_));
      block_ = nullptr;
      bytes_ = 0;
      MD_CUDA(cudaMallocHost(&block_, host.bytes()));
      bytes_ = host.bytes();
    }
    std::memcpy(block_, host.raw(), host.bytes());
    return block_;
  }

 private:
  void* block_ = nullptr;
  std::size_t bytes_ = 0;
};

bool same_kind(const Tensor& a, const Tensor& b) { return a && a.shape() == b.shape() && a.dtype() == b.dtype(); }

class PinnedQueue final : public InputQueue {
 public:
  explicit PinnedQueue(Device to) : to_(to) {}
  /// Copies may be under way, also such that no event knows of: when the call after them failed.
  ~PinnedQueue() override { cudaDeviceSynchronize(); }
  PinnedQueue(const PinnedQueue&) = delete;
  PinnedQueue& operator=(const PinnedQueue&) = delete;

  std::vector<Tensor> push(std::span<const Tensor> host) override {
    const cuda::Runtime& gpu = cuda::runtime();
    slots_[turn_].used.record(gpu.compute);  // all that reads the batch before has been queued by now
    turn_ = 1 - turn_;
    Slot& slot = slots_[turn_];
    slot.copied.wait();                                    // two batches ago: the pinned memory is free again
    if (renew(slot, host)) slot.used.record(gpu.compute);  // fresh blocks may have readers in flight
    slot.used.hold_back(gpu.copies);
    for (std::size_t i = 0; i < host.size(); ++i) {
      const void* const pinned = slot.pinned[i].hold(host[i]);
      MD_CUDA(cudaMemcpyAsync(slot.device[i].raw(), pinned, host[i].bytes(), cudaMemcpyHostToDevice, gpu.copies));
    }
    slot.copied.record(gpu.copies);
    slot.copied.hold_back(gpu.compute);
    return slot.device;
  }

 private:
  struct Slot {
    std::vector<PinnedMemory> pinned;
    std::vector<Tensor> device;
    cuda::Event copied, used;  // the copies have ended; the compute stream is done with them
  };

  /// Makes room for tensors like `host`; true if any of it is new.
  bool renew(Slot& slot, std::span<const Tensor> host) {
    bool fresh = slot.device.size() != host.size();
    if (fresh) slot.pinned = std::vector<PinnedMemory>(host.size());
    slot.device.resize(host.size());
    for (std::size_t i = 0; i < host.size(); ++i) {
      if (same_kind(slot.device[i], host[i])) continue;
      slot.device[i] = Tensor::empty(host[i].shape(), to_, host[i].dtype());
      fresh = true;
    }
    return fresh;
  }

  const Device to_;
  std::array<Slot, 2> slots_;
  std::size_t turn_ = 0;
};

}  // namespace

std::unique_ptr<InputQueue> CudaBackend::input_queue(Device to) { return std::make_unique<PinnedQueue>(to); }

}  // namespace md
