// Tensor: shapes, memory, host copies and views. The tape is in autograd.cpp.
#include "engine/tensor.h"

#include <algorithm>
#include <cstring>

#include "engine/backend.h"
#include "engine/bf16.h"
#include "engine/tensor_impl.h"

namespace md {

std::size_t size_of(DType t) {
  switch (t) {
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::bf16:
      return 2;
    case DType::u8:
      return 1;
  }
  fail(ErrorKind::contract, "size_of: unknown dtype");
}

const char* name_of(DType t) {
  static const char* const names[] = {"f32", "bf16", "i32", "u8"};
  return names[static_cast<int>(t)];
}

DType map_dtype(Precision precision, i64 channels) {
  constexpr i64 kWide = 8;  // from which on it is worth it; below are the channels that mean something by themselves
  return precision == Precision::bf16 && channels >= kWide ? DType::bf16 : DType::f32;
}

Shape::Shape(const std::vector<i64>& dims) {
  MD_CHECK(dims.size() <= dims_.size(), "Shape: ", dims.size(), " dimensions, at most 8");
  for (i64 d : dims) {
    MD_CHECK(d >= 0, "Shape: negative dimension ", d);
    dims_[rank_++] = d;
  }
}

i64 Shape::operator[](int axis) const {
  const int a = axis < 0 ? axis + rank_ : axis;
  MD_CHECK(a >= 0 && a < rank_, "Shape: axis ", axis, " of ", str());
  return dims_[a];
}

i64 Shape::numel() const {
  i64 n = 1;
  for (int a = 0; a < rank_; ++a) n *= dims_[a];
  return n;
}

std::string Shape::str() const {
  std::string s = "[";
  for (int a = 0; a < rank_; ++a) s += (a ? "," : "") + std::to_string(dims_[a]);
  return s + "]";
}

std::ostream& operator<<(std::ostream& out, const Shape& s) { return out << s.str(); }

Storage::Storage(Device d, std::size_t n) : device(d), bytes(n), data(backend(d).alloc(n)) {
#ifndef NDEBUG
  if (d.kind == Device::cpu) std::memset(data, 0xFF, n);  // NaN
#endif
}

Storage::~Storage() { backend({device.kind, device.index}).free(data, bytes); }  // also where the precision has gone

Tensor Tensor::empty(const Shape& shape, Device device, DType dtype) {
  const std::size_t bytes = static_cast<std::size_t>(shape.numel()) * size_of(dtype);
  return TensorAccess::make({std::make_shared<Storage>(device, bytes), 0, shape, dtype, nullptr});
}

Tensor Tensor::full(const Shape& shape, float value, Device device, DType dtype) {
  Tensor t = empty(shape, device, dtype);
  backend(device).fill(t, value);
  return t;
}

Tensor Tensor::from_host(std::span<const float> values, const Shape& shape, Device device) {
  MD_CHECK(static_cast<i64>(values.size()) == shape.numel(), "from_host: ", values.size(), " values for ", shape);
  Tensor t = empty(shape, device);
  backend(device).to_device(t.raw(), values.data(), values.size_bytes());
  return t;
}

const Shape& Tensor::shape() const {
  MD_CHECK(impl_, "empty tensor has no shape");
  return impl_->shape;
}
DType Tensor::dtype() const { return impl_->dtype; }
Device Tensor::device() const { return storage().device; }
std::size_t Tensor::bytes() const { return static_cast<std::size_t>(numel()) * size_of(dtype()); }

void* Tensor::raw() const {
  MD_CHECK(impl_, "empty tensor has no data");
  return static_cast<std::byte*>(impl_->storage->data) + impl_->offset;
}

namespace {
template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<bf16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::u8;
};
}  // namespace

template <class T>
T* Tensor::data() const {
  MD_CHECK(impl_ && dtype() == DTypeOf<T>::value, "tensor", impl_ ? cat(" ", shape(), " holds ", name_of(dtype())) : "",
           " wanted as ", name_of(DTypeOf<T>::value));
  return static_cast<T*>(raw());
}
template float* Tensor::data<float>() const;
template bf16* Tensor::data<bf16>() const;
template std::int32_t* Tensor::data<std::int32_t>() const;
template std::uint8_t* Tensor::data<std::uint8_t>() const;

std::vector<float> Tensor::to_host() const {
  std::vector<float> host(static_cast<std::size_t>(numel()));
  backend(device()).to_host(host.data(), data<float>(), bytes());
  return host;
}

float Tensor::item() const {
  MD_CHECK(numel() == 1, "item: ", shape(), " has ", numel(), " elements, not one");
  return to_host()[0];
}

Tensor Tensor::to(Device device) const {
  if (device == this->device()) return *this;
  const Device here = this->device();
  const bool same_memory = device.kind == here.kind && device.index == here.index;  // in another precision
  MD_CHECK(same_memory || device.kind == Device::cpu || here.kind == Device::cpu, "to: copies go to or from the CPU");
  Tensor t = empty(shape(), device, dtype());
  if (same_memory) {
    backend(device).copy(t.raw(), raw(), bytes());
  } else if (device.kind == Device::cpu) {
    backend(here).to_host(t.raw(), raw(), bytes());
  } else {
    backend(device).to_device(t.raw(), raw(), bytes());
  }
  return t;
}

void Tensor::move_to(Device device) const {
  if (device == this->device()) return;
  MD_CHECK(!impl_->meta || !impl_->meta->node, "move_to: ", shape(), " was made by an op");
  const Tensor there = detach().to(device);
  there.storage().version = version();  // the same numbers
  impl_->storage = there.impl_->storage;
  impl_->offset = there.impl_->offset;
  if (impl_->meta) {
    impl_->meta->device = device;
    impl_->meta->grad = {};
  }
}

bool Tensor::unique() const { return TensorAccess::unique(*this); }

Tensor Tensor::clone() const {
  Tensor t = empty(shape(), device(), dtype());
  backend(device()).copy(t.raw(), raw(), bytes());
  return t;
}

void Tensor::copy_from(const Tensor& source) const {
  MD_CHECK(source.shape() == shape() && source.dtype() == dtype(), "copy_from: ", source.shape(), " ",
           name_of(source.dtype()), " into ", shape(), " ", name_of(dtype()));
  const Tensor here = source.to(device());
  backend(device()).copy(raw(), here.raw(), bytes());
  bump_version();
}

namespace {
Tensor view(const Tensor& t, const Shape& shape, std::size_t offset) {
  return TensorAccess::make({t.impl()->storage, t.impl()->offset + offset, shape, t.dtype(), nullptr});
}
}  // namespace

// y_i = x_i: dx_i = dy_i.
Tensor Tensor::reshape(const Shape& to) const {
  MD_CHECK(to.numel() == numel(), "reshape: ", shape(), " to ", to);
  const Shape from = shape();
  return record("reshape", view(*this, to, 0), {*this},
                [from](const Tensor& dy, Needs) -> Grads { return {dy.reshape(from)}; });
}

// y[i] = x[begin + i]: dx[begin + i] = dy[i], and 0 in the other rows.
Tensor Tensor::rows(i64 begin, i64 end) const {
  MD_CHECK(shape().rank() > 0 && 0 <= begin && begin <= end && end <= dim(0), "rows: [", begin, ",", end, ") of ",
           shape());
  std::vector<i64> dims{end - begin};
  for (int a = 1; a < shape().rank(); ++a) dims.push_back(dim(a));
  const std::size_t row = dim(0) ? bytes() / static_cast<std::size_t>(dim(0)) : 0;
  const std::size_t offset = row * static_cast<std::size_t>(begin);
  const Shape from = shape();
  return record("rows", view(*this, Shape(dims), offset), {*this}, [from, offset](const Tensor& dy, Needs) -> Grads {
    Tensor dx = zeros(from, dy.device(), dy.dtype());
    backend(dy.device()).copy(static_cast<std::byte*>(dx.raw()) + offset, dy.raw(), dy.bytes());
    return {dx};
  });
}

Tensor Tensor::detach() const { return view(*this, shape(), 0); }

std::uint64_t Tensor::version() const { return storage().version; }
void Tensor::bump_version() const { ++storage().version; }
Storage& Tensor::storage() const {
  MD_CHECK(impl_, "empty tensor has no storage");
  return *impl_->storage;
}

}  // namespace md
