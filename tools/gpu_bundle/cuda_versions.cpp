// Says which of NVIDIA's libraries a program that is started here would load: a line a library, "NAME VERSION FILE".
#include <dlfcn.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace {

/// A library that may be missing, which it says.
class Library {
 public:
  Library(const char* name, const char* file) : handle_(dlopen(file, RTLD_NOW)) {
    if (handle_ == nullptr) std::printf("%-13s none (%s)\n", name, dlerror());
  }
  explicit operator bool() const { return handle_ != nullptr; }
  template <class Function>
  Function* function(const char* name) {
    void* const address = dlsym(handle_, name);
    if (Dl_info info; address != nullptr && dladdr(address, &info) != 0) path_ = info.dli_fname;
    return reinterpret_cast<Function*>(address);
  }
  const char* path() const { return path_; }  // of the file that had the last function

 private:
  void* handle_;
  const char* path_ = "?";
};

void say_cudart() {
  Library library("CUDA runtime", "libcudart.so.13");
  if (!library) return;
  int runtime = 0, driver = 0;
  library.function<int(int*)>("cudaRuntimeGetVersion")(&runtime);
  library.function<int(int*)>("cudaDriverGetVersion")(&driver);
  std::printf("CUDA runtime  %d.%d %s\n", runtime / 1000, runtime % 1000 / 10, library.path());
  if (driver == 0) std::printf("CUDA driver   none\n");
  if (driver != 0) std::printf("CUDA driver   takes programs of CUDA %d.%d\n", driver / 1000, driver % 1000 / 10);
}

void say_cublas() {
  Library library("cuBLAS", "libcublas.so.13");
  if (!library) return;
  auto* const property = library.function<int(int, int*)>("cublasGetProperty");
  std::array<int, 3> v{};  // by the numbers of MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL
  for (int i = 0; i < 3; ++i) property(i, &v[std::size_t(i)]);
  std::printf("cuBLAS        %d.%d.%d %s\n", v[0], v[1], v[2], library.path());
}

void say_cudnn() {
  Library library("cuDNN", "libcudnn.so.9");
  if (!library) return;
  const std::size_t v = library.function<std::size_t()>("cudnnGetVersion")();
  std::printf("cuDNN         %zu.%zu.%zu %s\n", v / 10000, v % 10000 / 100, v % 100, library.path());
}

void say_cupti() {
  Library library("CUPTI", "libcupti.so.13");
  if (!library) return;
  std::uint32_t v = 0;
  library.function<int(std::uint32_t*)>("cuptiGetVersion")(&v);
  std::printf("CUPTI         %u %s\n", v, library.path());
}

}  // namespace

int main() {
  say_cudart();
  say_cublas();
  say_cudnn();
  say_cupti();
}
