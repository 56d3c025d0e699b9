#include "engine/cuda/cudnn_descriptor.h"

#include <algorithm>
#include <string>

namespace md::cuda {

std::string last_words(std::size_t most) {
  std::vector<char> words(most + 1);
  cudnnGetLastErrorString(words.data(), words.size());
  std::string line = words.data();
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

void check(cudnnStatus_t status, const char* call, const char* file, int line) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  const std::string reason = last_words(1024);
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

bool Descriptor::accepted(cudnnStatus_t status) {
  for (const auto rejection : {CUDNN_STATUS_NOT_SUPPORTED, CUDNN_STATUS_BAD_PARAM}) {
    if (CUDNN_STATUS_CATEGORY(status) == rejection) return false;
  }
  if (status == CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH) return false;
  check(status, "cudnnBackendFinalize or cudnnBackendSetAttribute", __FILE__, __LINE__);
  return true;
}

bool Descriptor::is_accepted() { return accepted(cudnnBackendFinalize(raw())); }

std::vector<Descriptor> Descriptor::get_descriptors(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
                                                    std::int64_t most) const {
  const std::int64_t count = most > 0 ? most : get_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
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
