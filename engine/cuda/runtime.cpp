#include "engine/cuda/runtime.h"

namespace md::cuda {
namespace {

std::string version(int v) { return cat(v / 1000, ".", v % 1000 / 10); }

/// Why cudaGetDeviceCount failed, in the user's terms.
[[noreturn]] void fail_without_device(cudaError_t status) {
  int driver = 0, built = 0;
  if (status == cudaErrorInsufficientDriver || status == cudaErrorStubLibrary) {
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&built);
    if (driver == 0)
      fail(ErrorKind::no_device, "device cuda: no NVIDIA driver is installed; the CPU works without one");
    fail(ErrorKind::no_device, "device cuda: the NVIDIA driver is too old: it supports CUDA ", version(driver),
         ", this program wants ", version(built));
  }
  fail(ErrorKind::no_device, "device cuda: cudaGetDeviceCount: ", cudaGetErrorString(status),
       "; the CPU works without a GPU");
}

/// Makes the GPU the one of this process, if it is usable.
int selected(int index) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) fail_without_device(status);
  if (index < 0 || index >= count)
    fail(ErrorKind::no_device, "device cuda:", index, ": this machine's GPUs are cuda:0 to cuda:", count - 1);
  MD_CUDA(cudaSetDevice(index));
  return index;
}

cudaDeviceProp properties_of(int index) {
  cudaDeviceProp properties{};
  MD_CUDA(cudaGetDeviceProperties(&properties, index));
  return properties;
}

std::string device_name(int index) { return properties_of(index).name; }

std::size_t memory_bytes = 0;  // of the process's GPU, once there is one

int attribute(int index, cudaDeviceAttr which) {
  int value = 0;
  MD_CUDA(cudaDeviceGetAttribute(&value, which, index));
  return value;
}

}  // namespace

void check(cudaError_t status, const char* call, const char* file, int line) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // said: the runtime would report it once more
  fail(ErrorKind::no_device, "device cuda: ", call, ": ", cudaGetErrorString(status), " (", file, ":", line, ")");
}

std::vector<std::string> device_names() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();  // said: the runtime would report it once more
    return {};
  }
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(device_name(i));
  return names;
}

Stream::Stream() { MD_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
Stream::~Stream() { cudaStreamDestroy(stream_); }

Runtime::Runtime(int index_wanted)
    : index(selected(index_wanted)),
      name(device_name(index)),
      generation(attribute(index, cudaDevAttrComputeCapabilityMajor)),
      reads_pageable_memory(attribute(index, cudaDevAttrPageableMemoryAccess) != 0) {
  memory_bytes = properties_of(index).totalGlobalMem;
}

namespace {
const Runtime* the = nullptr;  // never destroyed: tensors in static storage may outlive any order of destruction
}

std::size_t total_memory() { return memory_bytes; }

/// 10 * major + minor of the process's GPU; 0 where none was chosen.
int capability_in_use() {
  if (!the) return 0;
  return 10 * the->generation + attribute(the->index, cudaDevAttrComputeCapabilityMinor);
}

const Runtime& runtime(int index) {
  if (!the) {
    MD_CHECK(index >= 0, "cuda::runtime: no GPU was chosen yet");
    the = new Runtime(index);
  }
  if (index >= 0 && index != the->index)
    fail(ErrorKind::no_device, "device cuda:", index, ": this process computes on cuda:", the->index, " already");
  return *the;
}

void require_bf16() {
  constexpr int kAmpere = 8;
  if (runtime().generation < kAmpere)
    fail(ErrorKind::no_device, "device cuda:", runtime().index,
         ": no bf16, which GPUs multiply from Ampere (sm_80) on");
}

Event::Event() { MD_CUDA(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
Event::~Event() { cudaEventDestroy(event_); }
void Event::record(cudaStream_t stream) { MD_CUDA(cudaEventRecord(event_, stream)); }
void Event::hold_back(cudaStream_t stream) const { MD_CUDA(cudaStreamWaitEvent(stream, event_, 0)); }
bool Event::passed() const {
  const cudaError_t status = cudaEventQuery(event_);
  if (status == cudaErrorNotReady) {
    cudaGetLastError();
    return false;
  }
  check(status, "cudaEventQuery(event_)", __FILE__, __LINE__);
  return true;
}
void Event::wait() const {
  if (!passed()) {
    MD_CUDA(cudaEventSynchronize(event_));
  }
}

}  // namespace md::cuda
