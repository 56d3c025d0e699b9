// Which set of the own kernels serves the CPU (engine/cpu/kernel_set.h): the last one that the processor can run, or
// the one that MD_ISA names.
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "engine/backend.h"
#include "engine/cpu/isa_dnnl.h"

namespace md {

#define MD_SET(set)       \
  namespace set {         \
  Backend& cpu_backend(); \
  }
MD_KERNEL_SETS
#undef MD_SET

namespace {

#if defined(__x86_64__) && !defined(MD_NATIVE)
constexpr int kNoDevice = 69;  // the exit code that tools have for ErrorKind::no_device

/// Runs before everything that is compiled for more than the first x86-64, which would end with SIGILL instead.
[[gnu::constructor(101), gnu::target("arch=x86-64")]] void require_baseline() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v3")) return;
  constexpr char kWhy[] = "this program needs a processor with AVX2 and FMA (x86-64-v3: most since 2015)\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kWhy, sizeof kWhy - 1);
  _exit(kNoDevice);
}
#endif

bool runs_here([[maybe_unused]] const std::string& set) {
#ifdef __x86_64__
  if (set == "avx512") return __builtin_cpu_supports("x86-64-v4");
  if (set == "avx512_bf16") return __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512bf16");
#endif
  return true;
}

struct KernelSet {
  std::string name;
  Backend& (*backend)();
};

/// From the least to the most.
const std::vector<KernelSet>& sets() {
#define MD_SET(set) {#set, set::cpu_backend},
  static const std::vector<KernelSet> all{MD_KERNEL_SETS};
#undef MD_SET
  return all;
}

std::string names(bool (*which)(const std::string&)) {
  std::string list;
  for (const KernelSet& set : sets()) {
    if (which(set.name)) list += (list.empty() ? "" : ", ") + set.name;
  }
  return list;
}
std::string all_names() {
  return names([](const std::string&) { return true; });
}

const KernelSet& named(std::string_view name) {
  for (const KernelSet& set : sets()) {
    if (set.name != name) continue;
    if (!runs_here(set.name))
      fail(ErrorKind::no_device, "MD_ISA=", name, ": this processor can run ", names(runs_here));
    return set;
  }
  fail(ErrorKind::usage, "MD_ISA=", name, ": this program has ", all_names());
}

const KernelSet& choose() {
  const char* const wanted = std::getenv("MD_ISA");
  if (wanted && *wanted != '\0') {
    const KernelSet& set = named(wanted);
    hold_dnnl_to(set.name);
    return set;
  }
  const KernelSet* best = nullptr;
  for (const KernelSet& set : sets()) {
    if (runs_here(set.name)) best = &set;
  }
  return *best;
}

const KernelSet& chosen() {
  static const KernelSet& it = choose();
  return it;
}

}  // namespace

Backend& cpu_backend() {
  static Backend& it = chosen().backend();
  return it;
}

std::string cpu_kernels() {
  const std::string all = all_names(), in_use = chosen().name;
  return all == in_use ? in_use : in_use + " of " + all;
}

}  // namespace md
