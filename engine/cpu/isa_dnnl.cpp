#include "engine/cpu/isa_dnnl.h"

#include <atomic>
#include <map>

#include "engine/cpu/dnnl.h"

namespace md {
namespace {
std::atomic<double> emulated_rate = 0;

bool may_use(dnnl::cpu_isa level) {
  const auto may = unsigned(dnnl::get_effective_cpu_isa()), wanted = unsigned(level);
  return (may & wanted) == wanted;  // a level has the bits of all that it includes
}
}  // namespace

void hold_dnnl_to(const std::string& set) {
  static const std::map<std::string, dnnl::cpu_isa> levels{{"avx2", dnnl::cpu_isa::avx2},
                                                           {"avx512", dnnl::cpu_isa::avx512_core},
                                                           {"avx512_bf16", dnnl::cpu_isa::avx512_core_bf16}};
  const auto level = levels.find(set);
  if (level == levels.end()) return;
  MD_CHECK(dnnl::set_max_cpu_isa(level->second) == dnnl::status::success, "oneDNN cannot be held to ", set);
}

bool can_multiply_bf16() { return may_use(dnnl::cpu_isa::avx512_core_bf16) || bf16_products_emulated(); }

double bf16_rate() {
  constexpr double kTiles = 8, kZen = 2, kWithoutTiles = 0.5;  // AMX, which mdbench has not measured yet; AMD; Intel
  if (bf16_products_emulated()) return emulated_rate;
  if (may_use(dnnl::cpu_isa::avx512_core_amx)) return kTiles;
#ifdef __x86_64__
  if (__builtin_cpu_is("amd")) return kZen;
#endif
  return kWithoutTiles;
}

void emulate_bf16_products(double rate) { emulated_rate = rate; }
bool bf16_products_emulated() { return emulated_rate > 0; }

}  // namespace md
