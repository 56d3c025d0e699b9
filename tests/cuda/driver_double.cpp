// A double of NVIDIA's driver, libcuda.so.1, that knows how to load a kernel and nothing else: what cuDNN needs in
// order to finalise plans whose kernels it compiles at run time. Every other function of the driver answers what the
// toolkit's stub answers, so nobody takes it for a GPU; CMakeLists.txt reads their names from that stub.
using Result = int;  // CUresult
constexpr Result kSuccess = 0, kStubLibrary = 34;

#define STUB(function) \
  extern "C" Result function() { return kStubLibrary; }
#include "driver_functions.inc"

extern "C" Result cuLibraryLoadData(void** library, const void*, void*, void*, unsigned, void*, void*, unsigned) {
  static int loaded;
  *library = &loaded;
  return kSuccess;
}
extern "C" Result cuLibraryGetKernel(void** kernel, void*, const char*) {
  static int found;
  *kernel = &found;
  return kSuccess;
}
extern "C" Result cuLibraryUnload(void*) { return kSuccess; }
