// How long each kernel of a program ran: a library for CUDA_INJECTION64_PATH, which the driver loads and whose
// InitializeInjection it calls. CUPTI's activity API records every kernel; at exit a table goes to the file that
// KERNEL_TIMES names (else stderr), divided by KERNEL_TIMES_STEPS if that is given. Without libcupti: one line.
#include <cupti.h>
#include <cxxabi.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kBufferBytes = std::size_t{4} << 20;
constexpr std::size_t kLongestName = 100;

struct Times {
  std::uint64_t ns = 0, calls = 0;
};

/// What was recorded so far. CUPTI delivers from a thread of its own, even while the program ends.
struct Record {
  std::mutex mutex;
  std::map<std::string, Times> kernels;  // by the name that the compiler gave
  std::uint64_t first_ns = UINT64_MAX, last_ns = 0, untimed = 0;
};
Record& record() {
  static auto* const it = new Record;  // never destroyed
  return *it;
}

/// Null if the library has no such function.
template <class Function>
Function* from_cupti(void* library, const char* name) {
  return reinterpret_cast<Function*>(dlsym(library, name));
}

/// CUPTI's functions; null where libcupti is missing or has not all of them.
struct Cupti {
  void* library = dlopen("libcupti.so.13", RTLD_NOW);
  decltype(&cuptiActivityRegisterCallbacks) register_callbacks = nullptr;
  decltype(&cuptiActivityEnable) enable = nullptr;
  decltype(&cuptiActivityFlushAll) flush_all = nullptr;
  decltype(&cuptiActivityGetNextRecord) next_record = nullptr;

  Cupti() {
    if (library == nullptr) return;
    register_callbacks =
        from_cupti<decltype(cuptiActivityRegisterCallbacks)>(library, "cuptiActivityRegisterCallbacks");
    enable = from_cupti<decltype(cuptiActivityEnable)>(library, "cuptiActivityEnable");
    flush_all = from_cupti<decltype(cuptiActivityFlushAll)>(library, "cuptiActivityFlushAll");
    next_record = from_cupti<decltype(cuptiActivityGetNextRecord)>(library, "cuptiActivityGetNextRecord");
  }
  bool complete() const { return register_callbacks && enable && flush_all && next_record; }
};
const Cupti& cupti() {
  static const auto* const it = new Cupti;
  return *it;
}

void CUPTIAPI give_buffer(std::uint8_t** buffer, std::size_t* bytes, std::size_t* most_records) {
  *buffer = static_cast<std::uint8_t*>(std::aligned_alloc(ACTIVITY_RECORD_ALIGNMENT, kBufferBytes));
  *bytes = *buffer == nullptr ? 0 : kBufferBytes;
  *most_records = 0;  // as many as fit
}

void add(const CUpti_ActivityKernel10& kernel) {
  Record& r = record();
  if (kernel.start == 0 || kernel.end < kernel.start) {
    ++r.untimed;
    return;
  }
  Times& times = r.kernels[kernel.name == nullptr ? "?" : kernel.name];
  times.ns += kernel.end - kernel.start;
  ++times.calls;
  r.first_ns = std::min<std::uint64_t>(r.first_ns, kernel.start);
  r.last_ns = std::max<std::uint64_t>(r.last_ns, kernel.end);
}

void CUPTIAPI take_buffer(CUcontext, std::uint32_t, std::uint8_t* buffer, std::size_t, std::size_t valid_bytes) {
  const std::lock_guard lock(record().mutex);
  CUpti_Activity* activity = nullptr;
  while (valid_bytes > 0 && cupti().next_record(buffer, valid_bytes, &activity) == CUPTI_SUCCESS) {
    if (activity->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL)
      add(*reinterpret_cast<const CUpti_ActivityKernel10*>(activity));
  }
  std::free(buffer);
}

std::string readable(const std::string& name) {
  int status = 0;
  char* const text = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
  std::string out = status == 0 ? text : name;
  std::free(text);
  if (out.size() > kLongestName) out = out.substr(0, kLongestName) + "...";
  return out;
}

/// Rows by time, longest first.
void print(std::FILE* out, double steps) {
  const Record& r = record();
  std::vector<std::pair<std::string, Times>> rows(r.kernels.begin(), r.kernels.end());
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second.ns > b.second.ns; });
  Times all;
  for (const auto& [name, times] : rows) all.ns += times.ns, all.calls += times.calls;
  const double span_ns = all.calls > 0 ? double(r.last_ns - r.first_ns) : 1;
  std::fprintf(out, "%.3f ms in %.1f kernels a step (mean of %.0f steps); kernels run %.1f %% of the time\n",
               double(all.ns) / steps / 1e6, double(all.calls) / steps, steps, 100 * double(all.ns) / span_ns);
  if (r.untimed > 0) std::fprintf(out, "%llu kernels have no time\n", static_cast<unsigned long long>(r.untimed));
  std::fprintf(out, "%10s %6s %8s %9s  kernel\n", "ms/step", "share", "calls", "us/call");
  for (const auto& [name, times] : rows)
    std::fprintf(out, "%10.4f %5.1f%% %8.1f %9.2f  %s\n", double(times.ns) / steps / 1e6,
                 100 * double(times.ns) / double(all.ns), double(times.calls) / steps,
                 double(times.ns) / double(times.calls) / 1e3, readable(name).c_str());
}

void report() {
  cupti().flush_all(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
  const std::lock_guard lock(record().mutex);
  const char *const path = std::getenv("KERNEL_TIMES"), *const steps = std::getenv("KERNEL_TIMES_STEPS");
  std::FILE* const file = path == nullptr ? nullptr : std::fopen(path, "w");
  print(file == nullptr ? stderr : file, steps == nullptr ? 1 : std::max(1., std::atof(steps)));
  if (file != nullptr) std::fclose(file);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int InitializeInjection() {
  if (!cupti().complete()) {
    const char* const why = dlerror();
    std::fprintf(stderr, "no CUPTI: %s\n", why == nullptr ? "functions are missing" : why);
    return 1;
  }
  const CUptiResult registered = cupti().register_callbacks(give_buffer, take_buffer);
  const CUptiResult enabled = cupti().enable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL);
  if (registered != CUPTI_SUCCESS || enabled != CUPTI_SUCCESS) {
    std::fprintf(stderr, "no CUPTI: it answers %d and %d\n", registered, enabled);
    return 1;
  }
  std::atexit(report);
  return 1;
}
