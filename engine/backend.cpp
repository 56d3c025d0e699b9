// Which backend serves which device.
#include "engine/backend.h"

#include "engine/cpu/isa_dnnl.h"

namespace md {

std::ostream& operator<<(std::ostream& out, const PerAxis& p) {
  out << p.h;
  return p.h == p.w ? out : out << "x" << p.w;
}

const char* name_of(Act act) {
  static const char* const names[] = {"none", "relu", "hardswish", "leaky_relu", "elu", "sigmoid", "hardsigmoid"};
  return names[static_cast<int>(act)];
}

Backend& cpu_backend();  // engine/cpu
#ifdef MD_WITH_CUDA
Backend& cuda_backend(int index);  // engine/cuda
namespace cuda {
std::vector<std::string> device_names();
void require_bf16();
}  // namespace cuda
#endif

namespace {

/// Of the CPU: in f32 the tensors themselves.
class OnTheCpu final : public InputQueue {
 public:
  explicit OnTheCpu(Device to) : to_(to) {}
  std::vector<Tensor> push(std::span<const Tensor> host) override {
    std::vector<Tensor> there;
    for (const Tensor& t : host) there.push_back(t.to(to_));
    return there;
  }

 private:
  Device to_;
};

}  // namespace

std::unique_ptr<InputQueue> Backend::input_queue(Device to) { return std::make_unique<OnTheCpu>(to); }

void Backend::copy_each(const std::vector<Tensor>& to, const std::vector<Tensor>& from) {
  for (std::size_t k = 0; k < to.size(); ++k) copy(to[k].raw(), from[k].raw(), from[k].bytes());
}

void Backend::sum_each(const std::vector<Tensor>& x, const Tensor& sums) {
  fill(sums, 0.F);
  for (std::size_t k = 0; k < x.size(); ++k) {
    if (x[k]) reduce_sum(x[k], {}, 1, x[k].numel(), 1, sums.rows(i64(k), i64(k) + 1));
  }
}

namespace {

/// sum += what make(memory) puts into memory of its shape.
template <class Make>
void add_made(Backend& b, const Tensor& sum, const Make& make) {
  const Tensor own = Tensor::empty(sum.shape(), sum.device(), sum.dtype());
  make(own);
  b.add_into(sum, own);
}

}  // namespace

void Backend::add_gemm(const GemmSpec& spec, const Tensor& a, const Tensor& b, const Tensor& c) {
  add_made(*this, c, [&](const Tensor& own) { gemm(spec, a, b, {}, own); });
}

void Backend::add_conv2d_dx(const Conv2dSpec& spec, const Tensor& dz, const Tensor& w, const Tensor& dx) {
  add_made(*this, dx, [&](const Tensor& own) { conv2d_dx(spec, dz, w, own); });
}

void Backend::add_layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                      const Tensor& rstd, const Tensor& dx, const Tensor& dweight,
                                      const Tensor& dbias) {
  add_made(*this, dx, [&](const Tensor& own) { layer_norm_backward(dy, x, weight, mean, rstd, own, dweight, dbias); });
}

void Backend::linear_dw(const Tensor& dy, const Tensor& x, const Tensor& dw, const Tensor& dbias) {
  gemm({.transpose_a = true}, dy, x, {}, dw);
  if (dbias) reduce_sum(dy, {}, 1, dy.numel() / dbias.numel(), dbias.numel(), dbias);
}

bool Backend::activation_backward(const Activation&, const Tensor&, const Tensor&, const Tensor&, const Tensor&) {
  return false;
}

bool Backend::batch_norm_plus(const BatchNormSpec&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                              const Tensor&, const Tensor&, const Tensor&) {
  return false;
}

bool Backend::batch_norm_plus_backward(const BatchNormSpec&, bool, const Tensor&, const Tensor&, const Tensor&,
                                       const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                       const Tensor&, const Tensor&, const Tensor&) {
  return false;
}

bool Backend::add_batch_norm_backward(const BatchNormSpec&, bool, const Tensor&, const Tensor&, const Tensor&,
                                      const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                      const Tensor&) {
  return false;
}

bool Backend::reduce_mean(const Tensor&, i64, i64, i64, const Tensor&) { return false; }

std::unique_ptr<WorkGraph> Backend::capture(const std::function<void()>& /*work*/) { return nullptr; }

std::vector<std::string> cuda_device_names() {
#ifdef MD_WITH_CUDA
  return cuda::device_names();
#else
  return {};
#endif
}

Backend& backend(Device device) {
  if (device.kind == Device::cpu) {
    MD_CHECK(device.precision != Precision::tf32, "device cpu: computes in f32 or bf16, not in TF32");
    Backend& cpu = cpu_backend();
    if (device.precision == Precision::bf16 && !can_multiply_bf16())
      fail(ErrorKind::no_device, "device cpu: no bf16, as this processor has no instructions for it (AVX512-BF16)");
    return cpu;
  }
#ifdef MD_WITH_CUDA
  Backend& gpu = cuda_backend(device.index);
  if (device.precision == Precision::bf16) cuda::require_bf16();
  return gpu;
#else
  fail(ErrorKind::no_device, "device cuda:", device.index, ": this program was built without CUDA");
#endif
}

}  // namespace md
