// Tensor: a handle to shared, dense, row-major memory. No strides; the only views are reshape, detach and a
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

/// Of every size, index and count.
using i64 = std::int64_t;

/// What the elements of a tensor are.
enum class DType : std::uint8_t {
  f32,   // all that is learnt, and maps
  bf16,  // the upper half of an f32 (engine/bf16.h): maps of a bf16 device, and files
  i32,   // indices and counts
  u8,    // places in a window, flags, scratch memory
};
/// Bytes of one element.
std::size_t size_of(DType);
/// "f32", "bf16", "i32", "u8".
const char* name_of(DType);

/// How exactly a device multiplies in convolutions and matrix products, and keeps maps; sums are f32 in any case.
enum class Precision : std::uint8_t {
  f32,   // seven digits
  tf32,  // of a GPU: factors are rounded to three digits (10 bits of fraction), several times faster
  bf16,  // wide maps, their gradients and the weights in products have two to three digits (7 bits of fraction) and
         // half the bytes; parameters, their gradients and narrow maps stay f32, which a GPU multiplies in TF32
};
/// What maps of so many channels are on a device of this precision. Narrow ones stay f32: images, planes, depths.
DType map_dtype(Precision, i64 channels);

/// Where a tensor's memory is, and how products of it are computed there. Devices are equal when all of it is, and an
/// op takes operands of one device: precisions do not mix by accident. All precisions of a GPU, or of the CPU, are one
/// backend and share its memory. The CPU has index 0.
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
  explicit Shape(const std::vector<i64>& dims);  // throws for more than 8 of them, or a negative one
  int rank() const { return rank_; }             // how many dimensions
  i64 operator[](int axis) const;                // throws unless -rank <= axis < rank
  i64 numel() const;                             // their product, the number of elements; 1 for a scalar []
  std::string str() const;                       // "[2,480,640,3]"
  bool operator==(const Shape&) const = default;

 private:
  std::array<i64, 8> dims_{};
  int rank_ = 0;
};
std::ostream& operator<<(std::ostream&, const Shape&);  // as str()

struct TensorImpl;
struct Storage;

/// A handle, as a pointer is one: copies share memory, gradient and place on the tape, and cost nothing.
/// `const` protects the handle and not the numbers, so a const Tensor can be written to.
/// Who may write: the op that has just made it; the owner of a parameter or buffer (optimisers, load, batch norm's
/// statistics). Everybody else reads. Whoever writes later than that calls bump_version(). Not thread-safe.
class Tensor {
 public:
  Tensor() = default;  // "no tensor": no gradient, no bias
  /// Memory that holds anything (NaN in debug builds). Throws where there is none left.
  static Tensor empty(const Shape&, Device = {}, DType = DType::f32);
  static Tensor full(const Shape&, float value, Device = {}, DType = DType::f32);
  static Tensor zeros(const Shape& s, Device d = {}, DType t = DType::f32) { return full(s, 0.f, d, t); }
  /// A copy of as many numbers as the shape has.
  static Tensor from_host(std::span<const float>, const Shape&, Device = {});

  explicit operator bool() const { return impl_ != nullptr; }  // false: "no tensor"
  const Shape& shape() const;                                  // throws for "no tensor", as all that follow
  i64 dim(int axis) const { return shape()[axis]; }            // dim(-1) is the last
  i64 numel() const { return shape().numel(); }                // elements
  DType dtype() const;                                         // of every element
  Device device() const;                                       // of the memory
  std::size_t bytes() const;                                   // of its elements

  /// Pointer to the first element, checked against the dtype. May be a device pointer.
  template <class T = float>
  T* data() const;
  void* raw() const;  // the same, whatever the dtype

  std::vector<float> to_host() const;  // f32 only; waits for the device
  float item() const;                  // the one element of a scalar; waits for the device
  /// A copy on that device, off the tape: no gradient finds its way back. The tensor itself, on the tape, where it is
  /// there already. Between two GPUs there is no way.
  Tensor to(Device) const;
  void move_to(Device) const;  // in place: every handle of this tensor follows. For leaves; drops the gradient
  Tensor clone() const;        // a copy with its own memory, off the tape
  void copy_from(const Tensor& source) const;  // same shape and dtype, from any device; raises the version

  // Views. They share storage; `reshape` and `rows` are recorded on the tape.
  Tensor reshape(const Shape&) const;
  Tensor rows(i64 begin, i64 end) const;  // [begin, end) of axis 0
  Tensor detach() const;                  // off the tape

  // Autograd (engine/autograd.h).
  bool requires_grad() const;                          // backward() brings it a gradient, or carries one through it
  const Tensor& requires_grad_(bool on = true) const;  // of a leaf: a parameter, an input under test
  /// What all walks since zero_grad() have brought, added up; empty if none has. Of leaves: other gradients are gone
  /// after the walk. Of this tensor's shape, dtype, layout and device; its memory belongs to this tensor alone, so it
  /// may be changed in place.
  Tensor grad() const;
  void set_grad(Tensor) const;              // of this tensor's shape and dtype, or none
  void zero_grad() const { set_grad({}); }  // "no gradient", which adds up as zero
  /// Walks the tape from here. `seed` has this tensor's shape and dtype; without one, ones. Frees the tape as it goes.
  void backward(Tensor seed = {}) const;

  std::uint64_t version() const;  // how often its storage was written in place
  /// Call after every in-place write. Where that is forgotten, copies derived from the old numbers go on being used (a
  /// weight in oneDNN's or cuDNN's layout), and a backward that saved the old ones computes with the new, silently.
  void bump_version() const;
  Storage& storage() const;                         // shared with its views
  bool unique() const;                              // no other handle and no view has this memory
  TensorImpl* impl() const { return impl_.get(); }  // of the tape (engine/tensor_impl.h)

 private:
  friend struct TensorAccess;
  std::shared_ptr<TensorImpl> impl_;
};

/// The memory that a tensor and its views share, from the backend's pool and back into it.
struct Storage : std::enable_shared_from_this<Storage> {
  Storage(Device, std::size_t bytes);  // throws where there is none left
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  Device device;
  std::size_t bytes;
  void* data;
  std::uint64_t version = 0;

  /// A copy that a backend derived from this memory, such as a weight in the library's layout.
  struct Derived {
    std::uint64_t version = ~0ULL;  // of this storage when the copy was last made; another one: it is stale
    std::shared_ptr<Storage> copy;  // null where none is kept
  };
  /// All of them, by the backend's number of the layout and by the first element, as rows of one tensor may be weights
  /// of their own.
  std::map<std::pair<std::uint64_t, const void*>, Derived> derived;
};

}  // namespace md
