// Memory of the CUDA backend: blocks from the driver's stream-ordered allocator, fills, copies and sums on the compute
// stream.
#include <cstring>

#include "engine/bf16.h"
#include "engine/cuda/conv_cudnn.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/launch_many.h"
#include "engine/pointwise.h"
#include "engine/words.h"

namespace md {
namespace {

void* take_from_driver(std::size_t bytes) {
  void* block = nullptr;
  cudaError_t status = cudaMallocAsync(&block, bytes, cuda::runtime().compute);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    MD_CUDA(
        cudaStreamSynchronize(cuda::runtime().compute));  // what was freed comes back when the stream has reached it
    status = cudaMallocAsync(&block, bytes, cuda::runtime().compute);
  }
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // the pool says it
    return nullptr;
  }
  cuda::check(status, "cudaMallocAsync(&block, bytes, stream)", __FILE__, __LINE__);
  return block;
}

void give(void* block, std::size_t) { MD_CUDA(cudaFreeAsync(block, cuda::runtime().compute)); }

constexpr i64 kRow = 1024;  // elements a launch row: these kernels see memory, no axes
i64 rows_of(i64 count) { return (count + kRow - 1) / kRow; }

template <class T>
struct Fill {
  T* y;
  i64 count;
  T value;
  MD_HD void operator()(i64 row, i64 column) const {
    if (row * kRow + column < count) y[row * kRow + column] = value;
  }
};

struct Add {
  MD_HD float operator()(float sum, float x) const { return sum + x; }
};

struct CopyWord {
  MD_HD void operator()(const Words& words, i64 i) const { words.to[i] = words.from[i]; }
};

/// Numbers that travel with a launch: nothing has to be staged, and nobody waits.
struct Receive {
  static constexpr std::size_t kMost = 3584, kLaunches = 4;  // bytes: kernel parameters end at 4 KB
  std::uint32_t sent[kMost / sizeof(std::uint32_t)];
  std::uint32_t* to;
  MD_HD void operator()(i64, i64 i) const { to[i] = sent[i]; }
};

bool can_travel(const void* device, std::size_t bytes) {
  constexpr std::size_t kWord = sizeof(std::uint32_t);
  return bytes <= Receive::kLaunches * Receive::kMost && bytes % kWord == 0 &&
         reinterpret_cast<std::uintptr_t>(device) % kWord == 0;
}

void send(void* device, const void* host, std::size_t bytes) {
  for (std::size_t begin = 0; begin < bytes; begin += Receive::kMost) {
    const std::size_t count = std::min(Receive::kMost, bytes - begin);
    Receive few{{}, reinterpret_cast<std::uint32_t*>(static_cast<std::byte*>(device) + begin)};
    std::memcpy(few.sent, static_cast<const std::byte*>(host) + begin, count);
    cuda::launch(1, static_cast<i64>(count / sizeof(std::uint32_t)), few);
  }
}

__global__ void probe() {}

template <class T>
void fill_as(const Tensor& y, float value) {
  launch(y.device(), rows_of(y.numel()), kRow, Fill<T>{y.data<T>(), y.numel(), static_cast<T>(value)});
}

}  // namespace

CudaBackend::CudaBackend(int index)
    : name_(cat("cuda:", index, " ", cuda::runtime(index).name)),
      pool_(
          {.take = [this](std::size_t bytes) { return take(bytes); }, .give = give, .when_full = ErrorKind::no_device}),
      convolutions_(make_conv_plans()) {
  cuda::require_code(probe);
}
CudaBackend::~CudaBackend() = default;

/// Never destroyed: tensors in static storage may outlive any order of destruction.
Backend& cuda_backend(int index) {
  static auto* const it = new CudaBackend(index);
  cuda::runtime(index);  // throws for another GPU than the first
  return *it;
}

/// The driver would make memory a part of the graph.
void* CudaBackend::take(std::size_t bytes) {
  refuse_in_capture("wants memory that the pool does not have");
  return take_from_driver(bytes);
}

void* CudaBackend::alloc(std::size_t bytes) {
  void* const block = pool_.alloc(bytes);
#ifndef NDEBUG
  const cudaError_t status = cudaMemsetAsync(block, 0xFF, bytes, cuda::runtime().compute);  // NaN
  if (status != cudaSuccess) pool_.free(block, bytes);
  cuda::check(status, "cudaMemsetAsync(block, 0xFF, bytes, stream)", __FILE__, __LINE__);
#endif
  return block;
}

void CudaBackend::fill(const Tensor& y, float value) {
  if (value == 0.F || y.dtype() == DType::u8) {
    MD_CUDA(cudaMemsetAsync(y.raw(), static_cast<int>(value), y.bytes(), cuda::runtime().compute));
  } else if (y.dtype() == DType::i32) {
    fill_as<std::int32_t>(y, value);
  } else {
    with_storage(y.dtype(), [&](auto storage) { fill_as<decltype(storage)>(y, value); });
  }
}

void CudaBackend::copy(void* to, const void* from, std::size_t bytes) {
  MD_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, cuda::runtime().compute));
}

void CudaBackend::copy_each(const std::vector<Tensor>& to, const std::vector<Tensor>& from) {
  if (!to.empty()) launch_many(to[0].device(), words_of(to, from), CopyWord{});
}

/// `host` has been read when this returns: the driver stages pageable memory, unless the GPU reads it by itself, later.
void CudaBackend::to_device(void* device, const void* host, std::size_t bytes) {
  refuse_in_capture("takes numbers from the host");
  if (can_travel(device, bytes)) return send(device, host, bytes);
  MD_CUDA(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, cuda::runtime().compute));
  if (cuda::runtime().reads_pageable_memory) MD_CUDA(cudaStreamSynchronize(cuda::runtime().compute));
}

void CudaBackend::to_host(void* host, const void* device, std::size_t bytes) {
  refuse_in_capture("waits for the device");
  MD_CUDA(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, cuda::runtime().compute));
  MD_CUDA(cudaStreamSynchronize(cuda::runtime().compute));
}

void CudaBackend::add_into(const Tensor& sum, const Tensor& x) {
  with_storage(sum.dtype(), [&](auto storage) {
    using T = decltype(storage);
    pointwise(sum.device(), 1, sum.numel(), Add{}, sum.data<T>(), sum.data<T>(), x.data<T>());
  });
}

}  // namespace md
