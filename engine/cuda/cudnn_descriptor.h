// The descriptors of cuDNN's graph API (its C backend) as C++ objects: made, filled and read by C++ type, destroyed. A
// call that fails throws md::Error (ErrorKind::no_device) with its text, cuDNN's own words and the place. Needs no GPU.
#pragma once
#include <cudnn.h>

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/check.h"

namespace md::cuda {

/// Throws unless the status is success.
void check(cudnnStatus_t, const char* call, const char* file, int line);
#define MD_CUDNN(call) ::md::cuda::check((call), #call, __FILE__, __LINE__)

/// What cuDNN said since it was last asked, in one line of at most so many bytes: why it refused something, or left
/// something out of a list.
std::string last_words(std::size_t most);

/// What cuDNN calls a C++ type. `void*` is an address on the GPU; descriptors have their own functions.
template <class T>
constexpr cudnnBackendAttributeType_t attribute_type() {
  if constexpr (std::is_same_v<T, std::int64_t>) return CUDNN_TYPE_INT64;
  if constexpr (std::is_same_v<T, std::int32_t>) return CUDNN_TYPE_INT32;
  if constexpr (std::is_same_v<T, float>) return CUDNN_TYPE_FLOAT;
  if constexpr (std::is_same_v<T, double>) return CUDNN_TYPE_DOUBLE;
  if constexpr (std::is_same_v<T, bool>) return CUDNN_TYPE_BOOLEAN;
  if constexpr (std::is_same_v<T, char>) return CUDNN_TYPE_CHAR;
  if constexpr (std::is_same_v<T, void*>) return CUDNN_TYPE_VOID_PTR;
  if constexpr (std::is_same_v<T, cudnnHandle_t>) return CUDNN_TYPE_HANDLE;
  if constexpr (std::is_same_v<T, cudnnDataType_t>) return CUDNN_TYPE_DATA_TYPE;
  if constexpr (std::is_same_v<T, cudnnConvolutionMode_t>) return CUDNN_TYPE_CONVOLUTION_MODE;
  if constexpr (std::is_same_v<T, cudnnPointwiseMode_t>) return CUDNN_TYPE_POINTWISE_MODE;
  if constexpr (std::is_same_v<T, cudnnBackendHeurMode_t>) return CUDNN_TYPE_HEUR_MODE;
  if constexpr (std::is_same_v<T, cudnnBackendNumericalNote_t>) return CUDNN_TYPE_NUMERICAL_NOTE;
  if constexpr (std::is_same_v<T, cudnnBackendBehaviorNote_t>) return CUDNN_TYPE_BEHAVIOR_NOTE;
  if constexpr (std::is_same_v<T, cudnnBackendKnobType_t>) return CUDNN_TYPE_KNOB_TYPE;
}

/// Owns one of cuDNN's descriptors.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t);

  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, const T& value) {
    return set_raw(name, attribute_type<T>(), 1, &value);
  }
  /// An attribute that is a descriptor.
  Descriptor& set(cudnnBackendAttributeName_t, const Descriptor& value);
  /// Anything with data() and size().
  template <class List>
  Descriptor& set_list(cudnnBackendAttributeName_t name, const List& list) {
    return set_raw(name, attribute_type<typename List::value_type>(), static_cast<std::int64_t>(list.size()),
                   list.data());
  }
  Descriptor& set_list(cudnnBackendAttributeName_t, const std::vector<Descriptor>& list);

  /// After the attributes: cuDNN checks them. Throws where it refuses.
  Descriptor& finalize();
  bool try_finalize();  // false where cuDNN does not support it or cannot compile it; any other failure throws
  /// The same for what may come from another cuDNN or GPU, by an attribute or the whole of it: false also where cuDNN
  /// says that a value, or its version, is wrong.
  template <class T>
  bool is_accepted(cudnnBackendAttributeName_t name, const T& value) {
    return accepted(cudnnBackendSetAttribute(raw(), name, attribute_type<T>(), 1, &value));
  }
  bool is_accepted();

  /// An attribute of a finalized descriptor; T is the type that cuDNN has for it (attribute_type).
  template <class T>
  T get(cudnnBackendAttributeName_t name) const {
    T value{};
    get_raw(name, attribute_type<T>(), 1, &value);
    return value;
  }
  /// An attribute with several values: as many as cuDNN says there are.
  template <class T>
  std::vector<T> get_list(cudnnBackendAttributeName_t name) const {
    std::vector<T> list(static_cast<std::size_t>(get_raw(name, attribute_type<T>(), 0, nullptr)));
    list.resize(static_cast<std::size_t>(
        get_raw(name, attribute_type<T>(), static_cast<std::int64_t>(list.size()), list.data())));
    return list;
  }
  /// A list of descriptors of that type, which cuDNN fills: all, or at most so many where it does not say how many.
  std::vector<Descriptor> get_descriptors(cudnnBackendAttributeName_t, cudnnBackendDescriptorType_t,
                                          std::int64_t most = 0) const;

  cudnnBackendDescriptor_t raw() const { return it_.get(); }

 private:
  static bool accepted(cudnnStatus_t);
  Descriptor& set_raw(cudnnBackendAttributeName_t, cudnnBackendAttributeType_t, std::int64_t count, const void*);
  /// Returns how many there were to write.
  std::int64_t get_raw(cudnnBackendAttributeName_t, cudnnBackendAttributeType_t, std::int64_t room, void*) const;

  struct Destroy {
    void operator()(void* it) const { cudnnBackendDestroyDescriptor(it); }
  };
  std::unique_ptr<void, Destroy> it_;
};

}  // namespace md::cuda
