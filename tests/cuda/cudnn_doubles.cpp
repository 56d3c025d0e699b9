// cuDNN without a GPU (linked with --wrap): descriptors and plans are cuDNN's own, its context is a double, and what a
// plan executes is its operation graph. Execution is checked more strictly than cuDNN does it.
#include <cuda_runtime_api.h>
#include <cudnn.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <vector>

#include "tests/cuda/doubles.h"
#include "tests/cuda/gpu.h"
#include "tests/cuda/graph.h"

struct cudnnContext {
  std::shared_ptr<md::doubles::Stream> stream;
};

extern "C" {
cudnnStatus_t __real_cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t, cudnnBackendDescriptor_t*);
cudnnStatus_t __real_cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t);
cudnnStatus_t __real_cudnnBackendFinalize(cudnnBackendDescriptor_t);
cudnnStatus_t __real_cudnnBackendSetAttribute(cudnnBackendDescriptor_t, cudnnBackendAttributeName_t,
                                              cudnnBackendAttributeType_t, std::int64_t, const void*);
cudnnStatus_t __real_cudnnBackendGetAttribute(cudnnBackendDescriptor_t, cudnnBackendAttributeName_t,
                                              cudnnBackendAttributeType_t, std::int64_t, std::int64_t*, void*);
void __real_cudnnGetLastErrorString(char*, std::size_t);
}

namespace md::doubles {
namespace {

/// What the doubles have to say of the last failure; empty: ask cuDNN.
std::string& last_error() {
  static std::string text;
  return text;
}

cudnnStatus_t refuse(const std::string& why) {
  last_error() = why;
  return CUDNN_STATUS_BAD_PARAM;
}

bool& device_index_is_refused() {
  static bool it = false;
  return it;
}

std::set<cudnnHandle_t>& handles() {
  static std::set<cudnnHandle_t> it;
  return it;
}

template <class T>
std::vector<T> list_of(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) {
  std::int64_t size = 0, got = 0;
  MD_CHECK(__real_cudnnBackendGetAttribute(d, name, type, 0, &size, nullptr) == CUDNN_STATUS_SUCCESS,
           "a descriptor that is not finalised, or no such attribute");
  std::vector<T> list(std::size_t(std::max<std::int64_t>(size, 1)));
  MD_CHECK(__real_cudnnBackendGetAttribute(d, name, type, std::int64_t(list.size()), &got, list.data()) ==
               CUDNN_STATUS_SUCCESS,
           "an attribute cannot be read");
  list.resize(std::size_t(got));
  return list;
}

/// What a variant pack was given: cuDNN does not tell it again.
struct Pack {
  std::vector<std::int64_t> ids;
  std::vector<void*> addresses;
  void* workspace = nullptr;
  bool finalised = false;
};
std::map<cudnnBackendDescriptor_t, Pack>& packs() {
  static std::map<cudnnBackendDescriptor_t, Pack> it;
  return it;
}

void remember(Pack& pack, cudnnBackendAttributeName_t name, std::int64_t count, const void* values) {
  const auto list = [&]<class T>(std::vector<T>& to) {
    const auto* const from = static_cast<const T*>(values);
    to.assign(from, from + count);
  };
  if (name == CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS) list(pack.ids);
  if (name == CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS) list(pack.addresses);
  if (name == CUDNN_ATTR_VARIANT_PACK_WORKSPACE) pack.workspace = *static_cast<void* const*>(values);
}

/// A range of device memory that a plan uses.
struct Range {
  std::string name;
  const std::byte* begin;
  i64 bytes;
  bool written;
  bool overlaps(const Range& o) const { return begin < o.begin + o.bytes && o.begin < begin + bytes; }
};

/// The operation graph of a finalised plan. Parsing takes longer than executing a small one: it is kept.
std::map<cudnnBackendDescriptor_t, std::shared_ptr<const Graph>>& graphs() {
  static std::map<cudnnBackendDescriptor_t, std::shared_ptr<const Graph>> it;
  return it;
}

std::shared_ptr<const Graph> graph_of(cudnnBackendDescriptor_t plan) {
  std::shared_ptr<const Graph>& graph = graphs()[plan];
  if (!graph) {
    const auto json = list_of<char>(plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR);
    graph = std::make_shared<const Graph>(std::string(json.data(), strnlen(json.data(), json.size())));
  }
  return graph;
}

/// Everything that one execution needs, validated.
struct Execution {
  Execution(cudnnBackendDescriptor_t plan, const Pack&);
  cudaError_t run() const;
  std::weak_ptr<const Graph> graph;  // the plan's, as long as that lives
  std::map<std::string, void*> addresses;
  std::map<std::string, float> values;  // of tensors by value, as they were when execution was asked for
  void* workspace;
  i64 workspace_bytes;

 private:
  void take_values(const Graph&);
  void check_ranges(const Graph&) const;
};

Execution::Execution(cudnnBackendDescriptor_t plan, const Pack& pack)
    : graph(graph_of(plan)),
      workspace(pack.workspace),
      workspace_bytes(list_of<std::int64_t>(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64).at(0)) {
  MD_CHECK(pack.finalised, "the variant pack is not finalised");
  MD_CHECK(pack.ids.size() == pack.addresses.size(), pack.ids.size(), " ids, ", pack.addresses.size(), " addresses");
  for (std::size_t i = 0; i < pack.ids.size(); ++i) {
    const bool fresh = addresses.emplace(std::to_string(pack.ids[i]), pack.addresses[i]).second;
    MD_CHECK(fresh, "tensor ", pack.ids[i], " has two addresses");
  }
  const std::shared_ptr<const Graph> its = graph.lock();
  take_values(*its);
  check_ranges(*its);
}

void Execution::take_values(const Graph& its) {
  for (const auto& [name, tensor] : its.tensors()) {
    if (!tensor.by_value) continue;
    const auto found = addresses.find(name);
    MD_CHECK(found != addresses.end() && !memory().contains(found->second), "tensor ", name, " has no value");
    values[name] = *static_cast<const float*>(found->second);
    addresses.erase(found);
  }
}

void Execution::check_ranges(const Graph& its) const {
  std::vector<Range> ranges;
  if (workspace_bytes > 0)
    ranges.push_back({"workspace", static_cast<const std::byte*>(workspace), workspace_bytes, true});
  std::size_t wanted = 0;
  for (const auto& [name, tensor] : its.tensors()) {
    if (!tensor.in_memory) continue;
    ++wanted;
    const auto found = addresses.find(name);
    MD_CHECK(found != addresses.end(), "tensor ", name, " has no address");
    MD_CHECK(reinterpret_cast<std::uintptr_t>(found->second) % std::uintptr_t(tensor.alignment) == 0, "tensor ", name,
             " is not aligned to ", tensor.alignment, " bytes");
    ranges.push_back(
        {cat("tensor ", name), static_cast<const std::byte*>(found->second), tensor.extent_bytes(), its.writes(name)});
  }
  MD_CHECK(addresses.size() == wanted, addresses.size(), " addresses for ", wanted, " tensors");
  for (const Range& a : ranges) {
    MD_CHECK(memory().holds(a.begin, std::size_t(a.bytes)), a.name, ": ", a.bytes, " bytes are not device memory");
    for (const Range& b : ranges)
      MD_CHECK(&a == &b || !a.written || !a.overlaps(b), a.name, " is written and overlaps ", b.name);
  }
}

cudaError_t Execution::run() const {
  const std::shared_ptr<const Graph> its = graph.lock();
  if (!its) {
    trouble() = "a plan was destroyed before it had run";
    return cudaErrorLaunchFailure;
  }
  if (workspace_bytes > 0) std::memset(workspace, 0xFF, std::size_t(workspace_bytes));  // NaN: nobody may rely on it
  std::map<std::string, float> held = values;
  std::map<std::string, void*> all = addresses;
  for (auto& [name, value] : held) all[name] = &value;
  its->compute(all);
  return cudaSuccess;
}

/// cuDNN opens and closes NVRTC, 100 MB, for every fused graph that it looks at; held open, that costs nothing.
void keep_nvrtc() {
  static const void* const held = dlopen(cat("libnvrtc.so.", CUDART_VERSION / 1000).c_str(), RTLD_LAZY);
  static_cast<void>(held);
}

/// Properties of the GPU that the double stands for: those of an A100, under the names that cuDNN asks for.
constexpr std::string_view kDeviceJson =
    R"({"deviceVer":800,"cudaDeviceId":0,"driverVer":13000,"multiProcessorCount":108,)"
    R"("maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],"regsPerBlock":65536,"warpSize":32,)"
    R"("maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":166912,"reservedSharedMemoryPerBlock":1024,)"
    R"("maxRegistersPerSM":65536,"maxCtasPerSM":32,"maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,"pciDeviceId":0,)"
    R"("isTccDriver":0,"supportCoopLaunch":1,"smClockRateKHz":1410000,"memClockRateKHz":1512000,)"
    R"("l2CacheSize":41943040,"totalGlobalMem":42000000000,"deviceName":"double"})";

/// Whether cuDNN would know the GPU of this runtime by the attribute's value; the real one would ask a driver.
bool names_the_gpu(cudnnBackendAttributeName_t name, const void* value) {
  if (name == CUDNN_ATTR_DEVICEPROP_HANDLE) return handles().contains(*static_cast<const cudnnHandle_t*>(value));
  return *static_cast<const std::int32_t*>(value) == 0 && !device_index_is_refused();
}

}  // namespace

void refuse_device_index(bool on) { device_index_is_refused() = on; }

}  // namespace md::doubles

using namespace md::doubles;  // NOLINT: the functions below are C

// Of every double: fails if it is its turn.
#define MD_DOUBLE(name)                   \
  do {                                    \
    last_error().clear();                 \
    if (fails(#name)) {                   \
      last_error() = "made to fail";      \
      return CUDNN_STATUS_INTERNAL_ERROR; \
    }                                     \
  } while (false)

extern "C" {

#ifdef __SANITIZE_ADDRESS__
/// What cuDNN 9 forgets of its own: descriptors of its heuristics, contexts of cuBLASLt that cannot be made without
/// GPU.
const char* __lsan_default_suppressions();
const char* __lsan_default_suppressions() { return "leak:libcudnn_heuristic\nleak:libcublasLt"; }
#endif

void __wrap_cudnnGetLastErrorString(char* text, std::size_t size) {
  if (last_error().empty()) return __real_cudnnGetLastErrorString(text, size);
  text[last_error().copy(text, size - 1)] = '\0';
}

cudnnStatus_t __wrap_cudnnCreate(cudnnHandle_t* handle) {
  MD_DOUBLE(cudnnCreate);
  *handle = *handles().insert(new cudnnContext).first;
  ++counted().handles;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t __wrap_cudnnDestroy(cudnnHandle_t handle) {
  if (handles().erase(handle) == 0) return refuse("no such handle");
  delete handle;
  --counted().handles;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t __wrap_cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  MD_DOUBLE(cudnnSetStream);
  if (!handles().contains(handle) || !stream) return refuse("no such handle or stream");
  handle->stream = stream->work;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t __wrap_cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* d) {
  MD_DOUBLE(cudnnBackendCreateDescriptor);
  keep_nvrtc();
  const cudnnStatus_t status = __real_cudnnBackendCreateDescriptor(type, d);
  if (status != CUDNN_STATUS_SUCCESS) return status;
  ++counted().descriptors;
  if (type == CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR) packs()[*d] = {};
  return status;
}

cudnnStatus_t __wrap_cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d) {
  --counted().descriptors;
  packs().erase(d);
  graphs().erase(d);
  return __real_cudnnBackendDestroyDescriptor(d);
}

cudnnStatus_t __wrap_cudnnBackendFinalize(cudnnBackendDescriptor_t d) {
  MD_DOUBLE(cudnnBackendFinalize);
  const cudnnStatus_t status = __real_cudnnBackendFinalize(d);
  if (const auto pack = packs().find(d); pack != packs().end()) pack->second.finalised = status == CUDNN_STATUS_SUCCESS;
  return status;
}

cudnnStatus_t __wrap_cudnnBackendSetAttribute(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, std::int64_t count,
                                              const void* values) {
  MD_DOUBLE(cudnnBackendSetAttribute);
  if (const auto pack = packs().find(d); pack != packs().end()) remember(pack->second, name, count, values);
  if (name != CUDNN_ATTR_DEVICEPROP_DEVICE_ID && name != CUDNN_ATTR_DEVICEPROP_HANDLE)
    return __real_cudnnBackendSetAttribute(d, name, type, count, values);
  if (!names_the_gpu(name, values)) return refuse("no such GPU");
  return __real_cudnnBackendSetAttribute(d, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                         std::int64_t(kDeviceJson.size()), kDeviceJson.data());
}

cudnnStatus_t __wrap_cudnnBackendGetAttribute(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, std::int64_t room, std::int64_t* count,
                                              void* values) {
  MD_DOUBLE(cudnnBackendGetAttribute);
  return __real_cudnnBackendGetAttribute(d, name, type, room, count, values);
}

cudnnStatus_t __wrap_cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                         cudnnBackendDescriptor_t pack) {
  MD_DOUBLE(cudnnBackendExecute);
  if (!handles().contains(handle) || !handle->stream) return refuse("no such handle, or it has no stream");
  try {
    handle->stream->push([it = Execution(plan, packs().at(pack))] { return it.run(); });
  } catch (const std::exception& error) {
    return refuse(error.what());
  }
  return CUDNN_STATUS_SUCCESS;
}

}  // extern "C"
