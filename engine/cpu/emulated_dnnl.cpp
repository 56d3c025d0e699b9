// bf16 maps are widened, f32 weights rounded to bf16, the f32 primitive adds up the products, and what is to be bf16 is
// rounded once: as the instructions do, which also round factors first and add in f32, in another order.
#include "engine/cpu/emulated_dnnl.h"

#include "engine/bf16.h"
#include "engine/cpu/dnnl.h"
#include "engine/cpu/isa_dnnl.h"

namespace md {
namespace {

/// Its numbers as f32, of an f32 tensor rounded to bf16.
Tensor rounded(const Tensor& t) {
  const Tensor wide = Tensor::empty(t.shape());
  with_storage(t.dtype(), [&](auto storage) {
    const auto* const from = t.data<decltype(storage)>();
    for (i64 i = 0; i < t.numel(); ++i) wide.data()[i] = bf16(from[i]);
  });
  return wide;
}

/// f32 memory for a result, which is written to the result itself when this goes.
class Wide {
 public:
  /// `holds`: what the result holds is read.
  explicit Wide(const Tensor& result, bool holds = false)
      : result_(result),
        wide_(result.dtype() == DType::f32 ? result
              : holds                      ? rounded(result)
                                           : Tensor::empty(result.shape())) {}
  ~Wide() {
    if (result_.dtype() == DType::f32) return;
    for (i64 i = 0; i < result_.numel(); ++i) result_.data<bf16>()[i] = wide_.data()[i];
  }
  Wide(const Wide&) = delete;
  Wide& operator=(const Wide&) = delete;
  const Tensor& operator*() const { return wide_; }

 private:
  Tensor result_, wide_;
};

bool emulates(const Tensor& map) { return map.dtype() == DType::bf16 && bf16_products_emulated(); }

/// What the library gets wrong.
bool gradient_is_wrong(const Conv2dSpec& s, const Tensor& dz, const Tensor& w) {
  const bool one_pixel = w.shape().rank() == 4 && w.dim(1) == 1 && w.dim(2) == 1 && s.stride == PerAxis(1);
  return one_pixel && pixel_gradient_is_wrong(dz.dtype(), dz.dim(3) / s.groups);
}

class EmulatedConv final : public ConvPrimitives {
 public:
  explicit EmulatedConv(std::unique_ptr<ConvPrimitives> f32) : f32_(std::move(f32)) {}

  void forward(const Conv2dSpec& s, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) override {
    if (!emulates(x)) return f32_->forward(s, x, w, bias, y);
    f32_->forward(s, rounded(x), rounded(w), bias, *Wide(y, s.accumulate));
  }
  void data_gradient(const Conv2dSpec& s, const Tensor& dz, const Tensor& w, const Tensor& dx) override {
    if (!emulates(dz) && !gradient_is_wrong(s, dz, w)) return f32_->data_gradient(s, dz, w, dx);
    f32_->data_gradient(s, rounded(dz), rounded(w), *Wide(dx));
  }
  void weight_gradient(const Conv2dSpec& s, const Tensor& dz, const Tensor& x, const Tensor& dw,
                       const Tensor& dbias) override {
    if (!emulates(dz)) return f32_->weight_gradient(s, dz, x, dw, dbias);
    f32_->weight_gradient(s, rounded(dz), rounded(x), dw, dbias);
  }
  void keep_at_most(std::size_t primitives) override { f32_->keep_at_most(primitives); }
  i64 created() const override { return f32_->created(); }
  i64 kept() const override { return f32_->kept(); }

 private:
  std::unique_ptr<ConvPrimitives> f32_;
};

class EmulatedGemm final : public GemmPrimitives {
 public:
  explicit EmulatedGemm(std::unique_ptr<GemmPrimitives> f32) : f32_(std::move(f32)) {}

  void run(const GemmSpec& s, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c) override {
    if (!emulates(a)) return f32_->run(s, a, b, bias, c);
    f32_->run(s, rounded(a), rounded(b), bias, *Wide(c));
  }
  void keep_at_most(std::size_t primitives) override { f32_->keep_at_most(primitives); }
  i64 created() const override { return f32_->created(); }
  i64 kept() const override { return f32_->kept(); }

 private:
  std::unique_ptr<GemmPrimitives> f32_;
};

}  // namespace

std::unique_ptr<ConvPrimitives> or_emulated(std::unique_ptr<ConvPrimitives> f32) {
  return std::make_unique<EmulatedConv>(std::move(f32));
}
std::unique_ptr<GemmPrimitives> or_emulated(std::unique_ptr<GemmPrimitives> f32) {
  return std::make_unique<EmulatedGemm>(std::move(f32));
}

}  // namespace md
