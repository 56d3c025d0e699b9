// Tensor: a cheap handle to shared, dense, row-major memory. No strides; the only views are reshape, detach and a
// range of axis 0. Channels last everywhere: images [N,H,W,C], tokens [B,L,C]. Fresh memory is not zeroed; debug
// builds poison it with NaN. A storage has a version, raised by in-place writes, so that copies derived from a weight
// (reordered, bf16) know when they are stale.
#pragma once
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/check.h"

namespace md {

using i64 = std::int64_t;

enum class DType : std::uint8_t { f32, bf16, i32, u8 };
std::size_t size_of(DType);
const char* name_of(DType);

/// How exactly a GPU multiplies in convolutions and matrix products of f32 tensors; sums are f32 either way.
enum class Precision : std::uint8_t {
  f32,   // seven digits
  tf32,  // factors are rounded to three digits (10 bits of mantissa): several times faster
};

/// Where a tensor's memory is, and how products of it are computed there. Devices are equal when all of it is, and an
/// op takes operands of one device: f32 and TF32 do not mix by accident. Both precisions of a GPU are one backend and
/// share its memory. The CPU has index 0 and f32.
struct Device {
  enum Kind : std::uint8_t { cpu, cuda } kind = cpu;
  int index = 0;  // among the GPUs
  Precision precision = Precision::f32;
  auto operator<=>(const Device&) const = default;
};

/// Up to 8 dimensions, by value. `shape[-1]` is the last one.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<i64> dims) : Shape(std::vector<i64>(dims)) {}
  explicit Shape(const std::vector<i64>& dims);
  int rank() const { return rank_; }
  i64 operator[](int axis) const;
  i64 numel() const;
  std::string str() const;  // "[2,480,640,3]"
  bool operator==(const Shape&) const = default;

 private:
  std::array<i64, 8> dims_{};
  int rank_ = 0;
};
std::ostream& operator<<(std::ostream&, const Shape&);

struct TensorImpl;
struct Storage;

class Tensor {
 public:
  Tensor() = default;  // "no tensor": no gradient, no bias
  static Tensor empty(const Shape&, Device = {}, DType = DType::f32);
  static Tensor full(const Shape&, float value, Device = {}, DType = DType::f32);
  static Tensor zeros(const Shape& s, Device d = {}, DType t = DType::f32) { return full(s, 0.f, d, t); }
  static Tensor from_host(std::span<const float>, const Shape&, Device = {});

  explicit operator bool() const { return impl_ != nullptr; }
  const Shape& shape() const;
  i64 dim(int axis) const { return shape()[axis]; }
  i64 numel() const { return shape().numel(); }
  DType dtype() const;
  Device device() const;
  std::size_t bytes() const;

  /// Pointer to the first element, checked against the dtype (bf16: std::uint16_t). May be a device pointer.
  template <class T = float>
  T* data() const;
  void* raw() const;

  std::vector<float> to_host() const;  // f32 only
  float item() const;                  // the one element of a scalar; waits for the device
  Tensor to(Device) const;
  void move_to(Device) const;  // in place: every handle of this tensor follows. For leaves; drops the gradient
  Tensor clone() const;        // a copy with its own memory, off the tape
  void copy_from(const Tensor& source) const;  // same shape and dtype; raises the version

  // Views. They share storage; `reshape` and `rows` are recorded on the tape.
  Tensor reshape(const Shape&) const;
  Tensor rows(i64 begin, i64 end) const;  // [begin, end) of axis 0
  Tensor detach() const;                  // off the tape

  // Autograd (engine/autograd.h).
  bool requires_grad() const;
  const Tensor& requires_grad_(bool on = true) const;
  Tensor grad() const;  // empty if none has arrived
  void set_grad(Tensor) const;
  void zero_grad() const { set_grad({}); }
  /// Walks the tape from here. `seed` has this tensor's shape; without one, ones. Frees the tape as it goes.
  void backward(Tensor seed = {}) const;

  std::uint64_t version() const;
  void bump_version() const;  // call after every in-place write
  Storage& storage() const;
  TensorImpl* impl() const { return impl_.get(); }

 private:
  friend struct TensorAccess;
  std::shared_ptr<TensorImpl> impl_;
};

/// Memory of one tensor family, from the backend's pool and back into it.
struct Storage {
  Storage(Device, std::size_t bytes);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  Device device;
  std::size_t bytes;
  void* data;
  std::uint64_t version = 0;

  /// Copies that a backend derived from this memory (a weight in the library's layout), each with the version it was
  /// made from, by layout and first element (rows of one tensor may be weights of their own). They live and die with
  /// the storage.
  struct Derived {
    std::uint64_t version = ~0ULL;  // it was last made from
    std::shared_ptr<Storage> copy;  // null where none is kept
  };
  std::map<std::pair<std::uint64_t, const void*>, Derived> derived;
};

}  // namespace md
