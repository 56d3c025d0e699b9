// Which backend serves which device.
#include "engine/backend.h"

namespace md {

std::ostream& operator<<(std::ostream& out, const PerAxis& p) {
  out << p.h;
  return p.h == p.w ? out : out << "x" << p.w;
}

Backend& cpu_backend();  // engine/cpu
#ifdef MD_WITH_CUDA
Backend& cuda_backend(int index);  // engine/cuda
#endif

Backend& backend(Device device) {
  if (device.kind == Device::cpu) return cpu_backend();
#ifdef MD_WITH_CUDA
  return cuda_backend(device.index);
#else
  fail(Exit::no_device, "device cuda:", device.index, ": this program was built without CUDA");
#endif
}

}  // namespace md
