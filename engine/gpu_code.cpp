// A GPU runs machine code of its own generation that is no newer than it is, and PTX of all that came before it, which
// the driver compiles when the program starts.
#include "engine/gpu_code.h"

#include <algorithm>
#include <sstream>
#include <vector>

#include "engine/check.h"

namespace md {

#ifdef MD_WITH_CUDA
namespace cuda {
int capability_in_use();  // engine/cuda
}
#endif

namespace {

struct Architectures {
  std::vector<int> native, ptx;  // 10 * major + minor, in order
};

/// "80" is both, "80-real" machine code, "80-virtual" PTX; "90a" names features besides, and serves as 90.
Architectures parsed(const std::string& list) {
  Architectures all;
  std::istringstream in(list);
  for (std::string name; in >> name;) {
    const int number = std::stoi(name);
    if (!name.ends_with("-virtual")) all.native.push_back(number);
    if (!name.ends_with("-real")) all.ptx.push_back(number);
  }
  std::ranges::sort(all.native);
  std::ranges::sort(all.ptx);
  return all;
}

/// The last that is at most `most`, and not before `least`; 0 if none is.
int last_between(const std::vector<int>& sorted, int least, int most) {
  int last = 0;
  for (const int number : sorted) last = number >= least && number <= most ? number : last;
  return last;
}

}  // namespace

std::string gpu_code_text(const std::string& architectures, int capability) {
  const Architectures all = parsed(architectures);
  std::string text;
  for (const int number : all.native) text += cat(text.empty() ? "" : ", ", "sm_", number);
  if (!all.ptx.empty()) text += cat(text.empty() ? "" : "; ", "others by PTX of sm_", all.ptx.back());
  if (capability == 0) return text;
  const int native = last_between(all.native, capability / 10 * 10, capability);
  const int ptx = last_between(all.ptx, 0, capability);
  const std::string whose = native > 0 ? cat("runs that of sm_", native)
                            : ptx > 0  ? cat("has its driver compile PTX of sm_", ptx, " when a program starts")
                                       : "has none";
  return cat(text, "; this GPU, sm_", capability, ", ", whose);
}

std::string gpu_code() {
#ifdef MD_WITH_CUDA
  return gpu_code_text(MD_CUDA_ARCHITECTURES, cuda::capability_in_use());
#else
  return "none";
#endif
}

}  // namespace md
