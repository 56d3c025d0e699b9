// Which backend serves which device.
#include "engine/backend.h"

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
}
#endif

namespace {

class SameTensors final : public InputQueue {
 public:
  std::vector<Tensor> push(std::span<const Tensor> host) override { return {host.begin(), host.end()}; }
};

}  // namespace

std::unique_ptr<InputQueue> Backend::input_queue(Device) { return std::make_unique<SameTensors>(); }

void Backend::copy_each(const std::vector<Tensor>& to, const std::vector<Tensor>& from) {
  for (std::size_t k = 0; k < to.size(); ++k) copy(to[k].raw(), from[k].raw(), from[k].bytes());
}

void Backend::sum_each(const std::vector<Tensor>& x, const Tensor& sums) {
  fill(sums, 0.F);
  for (std::size_t k = 0; k < x.size(); ++k) {
    if (x[k]) reduce_sum(x[k], {}, 1, x[k].numel(), 1, sums.rows(i64(k), i64(k) + 1));
  }
}

std::vector<std::string> cuda_device_names() {
#ifdef MD_WITH_CUDA
  return cuda::device_names();
#else
  return {};
#endif
}

Backend& backend(Device device) {
  if (device.kind == Device::cpu) {
    MD_CHECK(device.precision == Precision::f32, "device cpu: computes in f32 alone");
    return cpu_backend();
  }
#ifdef MD_WITH_CUDA
  return cuda_backend(device.index);
#else
  fail(ErrorKind::no_device, "device cuda:", device.index, ": this program was built without CUDA");
#endif
}

}  // namespace md
