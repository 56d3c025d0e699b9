// The CUDA runtime on the GPU of gpu.h. Stricter than the real one: no default stream, no unknown address.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "tests/cuda/doubles.h"
#include "tests/cuda/gpu.h"

struct CUevent_st {
  std::shared_ptr<md::doubles::Stream> stream;  // null: never recorded
  md::i64 position = 0;
  bool timed = false;
  bool passed() const { return !stream || stream->passed(position); }
};

struct CUgraph_st {
  std::vector<md::doubles::Work> work;
};
struct CUgraphExec_st {
  std::vector<md::doubles::Work> work;
};

namespace md::doubles {
namespace {

struct Counters {
  std::map<std::string, i64> calls;
  i64 all = 0, waits = 0, fail_at = -1;
  std::string fail_name;
  bool only_in_capture = false;
  std::string failed;
};
Counters& counters() {
  static Counters it;
  return it;
}

int& driver() {
  static int version = kNewestDriver;
  return version;
}

/// All handles of a kind that were made and not destroyed.
template <class Handle>
std::set<Handle>& living() {
  static std::set<Handle> it;
  return it;
}
template <class Handle>
bool known(Handle handle) {
  return living<Handle>().contains(handle);
}
std::map<const void*, std::size_t>& pinned() {
  static std::map<const void*, std::size_t> it;
  return it;
}

bool is_pinned(const void* address, std::size_t bytes) {
  auto next = pinned().upper_bound(address);
  if (next == pinned().begin()) return false;
  --next;
  const auto* const from = static_cast<const std::byte*>(address);
  return from + bytes <= static_cast<const std::byte*>(next->first) + next->second;
}

cudaError_t wait_for(Stream& stream, i64 position) {
  counters().waits += !stream.passed(position);
  return stream.run(position);
}

/// Whether the GPU reads memory of the host that is not pinned by itself, when the copy's turn comes, as some do.
bool reads_pageable_memory() {
  static const bool it = std::getenv("MD_READS_PAGEABLE") != nullptr;
  return it;
}

/// Of calls that a captured stream must not be asked for.
cudaError_t not_in_capture(Stream& stream) {
  if (!stream.capturing()) return cudaSuccess;
  stream.spoil_capture();
  return cudaErrorStreamCaptureUnsupported;
}

/// Unless it does, the driver reads memory that is not pinned before the call returns.
cudaError_t copy_in(void* to, const void* from, std::size_t bytes, Stream& stream) {
  if (!memory().holds(to, bytes) || memory().contains(from)) return cudaErrorInvalidValue;
  if (is_pinned(from, bytes) || reads_pageable_memory()) {
    stream.push([=] { return std::memcpy(to, from, bytes), cudaSuccess; });
    return cudaSuccess;
  }
  if (const cudaError_t refused = not_in_capture(stream); refused != cudaSuccess) return refused;
  const auto* const begin = static_cast<const std::byte*>(from);
  stream.push([to, staged = std::vector<std::byte>(begin, begin + bytes)] {
    return std::memcpy(to, staged.data(), staged.size()), cudaSuccess;
  });
  ++counters().waits;
  return cudaSuccess;
}

cudaError_t copy_out(void* to, const void* from, std::size_t bytes, Stream& stream) {
  if (!memory().holds(from, bytes) || memory().contains(to)) return cudaErrorInvalidValue;
  if (const cudaError_t refused = not_in_capture(stream); refused != cudaSuccess) return refused;
  stream.push([=] { return std::memcpy(to, from, bytes), cudaSuccess; });
  return is_pinned(to, bytes) ? cudaSuccess : wait_for(stream, stream.queued());
}

cudaError_t copy_inside(void* to, const void* from, std::size_t bytes, Stream& stream) {
  if (!memory().holds(to, bytes) || !memory().holds(from, bytes)) return cudaErrorInvalidValue;
  stream.push([=] { return std::memmove(to, from, bytes), cudaSuccess; });
  return cudaSuccess;
}

}  // namespace

const std::map<std::string, i64>& calls() { return counters().calls; }
i64 all_calls() { return counters().all; }
i64 host_waits() { return counters().waits; }

void fail_call(i64 n) {
  counters().fail_at = n < 0 ? -1 : counters().all + n;
  counters().fail_name.clear();
  counters().failed.clear();
}
void fail_call(const std::string& name) {
  fail_call(-1);
  counters().fail_name = name;
  counters().only_in_capture = false;
}
void fail_call_in_capture(const std::string& name) {
  fail_call(name);
  counters().only_in_capture = true;
}
const std::string& failed_call() { return counters().failed; }

namespace {
bool of_a_capture(const std::string& call) {
  return call == "cudaStreamBeginCapture" || call == "cudaGraphInstantiate" ||
         std::ranges::any_of(living<cudaStream_t>(), [](cudaStream_t stream) { return stream->work->capturing(); });
}
}  // namespace

bool fails(const char* call) {
  Counters& c = counters();
  ++c.calls[call];
  const bool by_name = c.fail_name == call && (!c.only_in_capture || of_a_capture(c.fail_name));
  if (c.all++ != c.fail_at && !by_name) return false;
  c.fail_name.clear();
  c.failed = call;
  return true;
}

Live& counted() {
  static Live it;
  return it;
}
Live live() {
  Live now = counted();
  now.blocks = memory().blocks();
  now.pinned = static_cast<i64>(pinned().size());
  now.streams = static_cast<i64>(living<cudaStream_t>().size());
  now.events = static_cast<i64>(living<cudaEvent_t>().size());
  now.graphs = static_cast<i64>(living<cudaGraph_t>().size() + living<cudaGraphExec_t>().size());
  return now;
}
std::ostream& operator<<(std::ostream& out, const Live& l) {
  return out << l.blocks << " blocks, " << l.pinned << " pinned, " << l.streams << " streams, " << l.events
             << " events, " << l.graphs << " graphs, " << l.handles << " handles, " << l.descriptors << " descriptors";
}

void install_driver(int version) { driver() = version; }
void limit_memory(std::size_t bytes) { memory().limit(bytes); }
void hurry(cudaStream_t stream, bool on) { stream->work->hurry(on); }

}  // namespace md::doubles

using namespace md::doubles;  // NOLINT: the functions below are C

// Of every double: fails if it is its turn, or if the condition does not hold.
#define MD_DOUBLE(name)                        \
  do {                                         \
    if (fails(#name)) return cudaErrorUnknown; \
  } while (false)
#define MD_DOUBLE_WANTS(condition, error) \
  do {                                    \
    if (!(condition)) return error;       \
  } while (false)

#define MD_DOUBLE_NOT_IN_CAPTURE(stream)                                                                     \
  do {                                                                                                       \
    if (const cudaError_t refused = not_in_capture(*(stream)->work); refused != cudaSuccess) return refused; \
  } while (false)

extern "C" {

const char* cudaGetErrorString(cudaError_t error) {
  static std::string text;
  switch (error) {
    case cudaErrorUnknown:
      return "unknown error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
    case cudaErrorLaunchFailure:
    case cudaErrorIllegalAddress:
      text = trouble();
      return text.c_str();
    default:
      return "an error that the doubles do not know";
  }
}
cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaDriverGetVersion(int* version) { return *version = driver(), cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }

cudaError_t cudaGetDeviceCount(int* count) {
  MD_DOUBLE(cudaGetDeviceCount);
  MD_DOUBLE_WANTS(driver() >= CUDART_VERSION, cudaErrorInsufficientDriver);
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int index) {
  MD_DOUBLE(cudaSetDevice);
  return index == 0 ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int index) {
  MD_DOUBLE(cudaGetDeviceProperties);
  MD_DOUBLE_WANTS(index == 0, cudaErrorInvalidDevice);
  *properties = {};
  std::strcpy(properties->name, "double of a GPU");
  properties->multiProcessorCount = 108;
  properties->totalGlobalMem = std::size_t{4} << 30;
  properties->major = 8;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int index) {
  MD_DOUBLE(cudaDeviceGetAttribute);
  static const std::map<cudaDeviceAttr, int> attributes{{cudaDevAttrPageableMemoryAccess, reads_pageable_memory()},
                                                        {cudaDevAttrComputeCapabilityMajor, 8},
                                                        {cudaDevAttrComputeCapabilityMinor, 0},
                                                        {cudaDevAttrMultiProcessorCount, 108}};
  MD_DOUBLE_WANTS(index == 0 && attributes.contains(which), cudaErrorInvalidValue);
  *value = attributes.at(which);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  MD_DOUBLE(cudaStreamCreateWithFlags);
  MD_DOUBLE_WANTS(flags == cudaStreamNonBlocking, cudaErrorInvalidValue);
  *stream = *living<cudaStream_t>().insert(new CUstream_st).first;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  MD_DOUBLE_WANTS(known(stream), cudaErrorInvalidResourceHandle);
  const cudaError_t status = stream->work->run();
  living<cudaStream_t>().erase(stream);
  delete stream;
  return status;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  MD_DOUBLE(cudaStreamSynchronize);
  MD_DOUBLE_WANTS(known(stream), cudaErrorInvalidResourceHandle);
  MD_DOUBLE_NOT_IN_CAPTURE(stream);
  return wait_for(*stream->work, stream->work->queued());
}

/// Never made to fail: destructors call it, which could not tell.
cudaError_t cudaDeviceSynchronize() {
  cudaError_t first = cudaSuccess;
  for (const cudaStream_t stream : living<cudaStream_t>()) {
    const cudaError_t status = stream->work->run();
    if (first == cudaSuccess) first = status;
  }
  return first;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  MD_DOUBLE(cudaStreamWaitEvent);
  MD_DOUBLE_WANTS(known(stream) && known(event), cudaErrorInvalidResourceHandle);
  MD_DOUBLE_NOT_IN_CAPTURE(stream);
  stream->work->push([at = *event] { return at.stream ? at.stream->run(at.position) : cudaSuccess; });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  MD_DOUBLE(cudaEventCreateWithFlags);
  MD_DOUBLE_WANTS(flags == cudaEventDisableTiming || flags == cudaEventDefault, cudaErrorInvalidValue);
  *event = *living<cudaEvent_t>().insert(new CUevent_st).first;
  (*event)->timed = flags == cudaEventDefault;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  MD_DOUBLE_WANTS(known(event), cudaErrorInvalidResourceHandle);
  living<cudaEvent_t>().erase(event);
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  MD_DOUBLE(cudaEventRecord);
  MD_DOUBLE_WANTS(known(stream) && known(event), cudaErrorInvalidResourceHandle);
  MD_DOUBLE_NOT_IN_CAPTURE(stream);
  *event = {stream->work, stream->work->queued(), event->timed};
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  MD_DOUBLE(cudaEventQuery);
  MD_DOUBLE_WANTS(known(event), cudaErrorInvalidResourceHandle);
  if (event->passed()) return cudaSuccess;
  event->stream->run(std::min(event->position, event->stream->done() + 1));  // who asks again and again sees progress
  return cudaErrorNotReady;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  MD_DOUBLE(cudaEventSynchronize);
  MD_DOUBLE_WANTS(known(event), cudaErrorInvalidResourceHandle);
  return event->stream ? wait_for(*event->stream, event->position) : cudaSuccess;
}

/// A millisecond for each piece of work: the same on every run.
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t begin, cudaEvent_t end) {
  MD_DOUBLE(cudaEventElapsedTime);
  MD_DOUBLE_WANTS(known(begin) && known(end) && begin->timed && end->timed, cudaErrorInvalidResourceHandle);
  MD_DOUBLE_WANTS(begin->stream && begin->stream == end->stream, cudaErrorInvalidResourceHandle);
  MD_DOUBLE_WANTS(begin->passed() && end->passed(), cudaErrorNotReady);
  *ms = static_cast<float>(end->position - begin->position);
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  MD_DOUBLE(cudaStreamBeginCapture);
  MD_DOUBLE_WANTS(known(stream), cudaErrorInvalidResourceHandle);
  MD_DOUBLE_WANTS(mode == cudaStreamCaptureModeThreadLocal && !stream->work->capturing(), cudaErrorInvalidValue);
  stream->work->begin_capture();
  return cudaSuccess;
}

/// Ends the capture also where it fails.
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  MD_DOUBLE_WANTS(known(stream) && stream->work->capturing(), cudaErrorInvalidResourceHandle);
  const bool failing = fails("cudaStreamEndCapture");
  std::optional<std::vector<Work>> captured = stream->work->end_capture();
  MD_DOUBLE_WANTS(!failing, cudaErrorUnknown);
  MD_DOUBLE_WANTS(captured, cudaErrorStreamCaptureInvalidated);
  *graph = *living<cudaGraph_t>().insert(new CUgraph_st{std::move(*captured)}).first;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long flags) {
  MD_DOUBLE(cudaGraphInstantiate);
  MD_DOUBLE_WANTS(known(graph) && flags == 0, cudaErrorInvalidValue);
  *executable = *living<cudaGraphExec_t>().insert(new CUgraphExec_st{graph->work}).first;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  MD_DOUBLE(cudaGraphLaunch);
  MD_DOUBLE_WANTS(known(executable) && known(stream), cudaErrorInvalidResourceHandle);
  MD_DOUBLE_NOT_IN_CAPTURE(stream);
  for (const Work& work : executable->work) stream->work->push(work);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  MD_DOUBLE_WANTS(living<cudaGraph_t>().erase(graph) == 1, cudaErrorInvalidValue);
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  MD_DOUBLE_WANTS(living<cudaGraphExec_t>().erase(executable) == 1, cudaErrorInvalidValue);
  delete executable;
  return cudaSuccess;
}

cudaError_t cudaMallocAsync(void** block, std::size_t bytes, cudaStream_t stream) {
  MD_DOUBLE(cudaMallocAsync);
  MD_DOUBLE_WANTS(known(stream), cudaErrorInvalidResourceHandle);
  MD_DOUBLE_NOT_IN_CAPTURE(stream);
  *block = memory().take(bytes);
  return *block ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFreeAsync(void* block, cudaStream_t stream) {
  MD_DOUBLE(cudaFreeAsync);
  MD_DOUBLE_WANTS(known(stream), cudaErrorInvalidResourceHandle);
  MD_DOUBLE_NOT_IN_CAPTURE(stream);
  MD_DOUBLE_WANTS(memory().holds(block, 0), cudaErrorInvalidValue);
  stream->work->push([block] { return memory().give(block) ? cudaSuccess : cudaErrorInvalidValue; });
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** block, std::size_t bytes) {
  MD_DOUBLE(cudaMallocHost);
  *block = std::malloc(bytes);
  pinned()[*block] = bytes;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* block) {
  MD_DOUBLE_WANTS(block, cudaSuccess);
  MD_DOUBLE_WANTS(pinned().erase(block) == 1, cudaErrorInvalidValue);
  std::free(block);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* block, int value, std::size_t bytes, cudaStream_t stream) {
  MD_DOUBLE(cudaMemsetAsync);
  MD_DOUBLE_WANTS(known(stream), cudaErrorInvalidResourceHandle);
  MD_DOUBLE_WANTS(memory().holds(block, bytes), cudaErrorInvalidValue);
  stream->work->push([=] { return std::memset(block, value, bytes), cudaSuccess; });
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  MD_DOUBLE(cudaMemcpyAsync);
  MD_DOUBLE_WANTS(known(stream), cudaErrorInvalidResourceHandle);
  switch (kind) {
    case cudaMemcpyHostToDevice:
      return copy_in(to, from, bytes, *stream->work);
    case cudaMemcpyDeviceToHost:
      return copy_out(to, from, bytes, *stream->work);
    case cudaMemcpyDeviceToDevice:
      return copy_inside(to, from, bytes, *stream->work);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // extern "C"
