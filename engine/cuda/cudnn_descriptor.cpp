#include "engine/cuda/cudnn_descriptor.h"

#include <algorithm>
#include <array>
#include <string>

namespace md::cuda {

void check(cudnnStatus_t status, const char* call, const char* file, int line) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::array<char, 1024> words{};
  cudnnGetLastErrorString(words.data(), words.size());
  std::string reason = words.data();
  std::replace(reason.begin(), reason.end(), '\n', ' ');  // an error is one line
  fail(ErrorKind::no_device, call, ": ", cudnnGetErrorString(status), reason.empty() ? "" : ": ", reason, " (", file,
       ":", line, ")");
}

Descriptor::Descriptor(cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t it = nullptr;
  MD_CUDNN(cudnnBackendCreateDescriptor(type, &it));
  it_.reset(it);
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, const Descriptor& value) {
  const cudnnBackendDescriptor_t it = value.raw();
  return set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &it);
}

Descriptor& Descriptor::set_list(cudnnBackendAttributeName_t name, const std::vector<Descriptor>& list) {
  std::vector<cudnnBackendDescriptor_t> raw;
  for (const Descriptor& d : list) raw.push_back(d.raw());
  return set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<std::int64_t>(raw.size()), raw.data());
}

Descriptor& Descriptor::finalize() {
  MD_CUDNN(cudnnBackendFinalize(raw()));
  return *this;
}

bool Descriptor::try_finalize() {
  const cudnnStatus_t status = cudnnBackendFinalize(raw());
  if (CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED) return false;
  if (status == CUDNN_STATUS_INTERNAL_ERROR_COMPILATION_FAILED) return false;
  check(status, "cudnnBackendFinalize(raw())", __FILE__, __LINE__);
  return true;
}

std::vector<Descriptor> Descriptor::get_descriptors(cudnnBackendAttributeName_t name,
                                                    cudnnBackendDescriptorType_t type) const {
  const std::int64_t count = get_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
  std::vector<Descriptor> list;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (std::int64_t i = 0; i < count; ++i) raw.push_back(list.emplace_back(type).raw());
  if (count == 0) return list;
  const std::int64_t got = get_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, raw.data());
  list.erase(list.begin() + std::min(got, count), list.end());
  return list;
}

Descriptor& Descriptor::set_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                                const void* values) {
  MD_CUDNN(cudnnBackendSetAttribute(raw(), name, type, count, values));
  return *this;
}

std::int64_t Descriptor::get_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t room,
                                 void* values) const {
  std::int64_t count = 0;
  MD_CUDNN(cudnnBackendGetAttribute(raw(), name, type, room, &count, values));
  return count;
}

}  // namespace md::cuda
