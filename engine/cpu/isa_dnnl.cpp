#include "engine/cpu/isa_dnnl.h"

#include <map>

#include "engine/cpu/dnnl.h"

namespace md {

void hold_dnnl_to(const std::string& set) {
  static const std::map<std::string, dnnl::cpu_isa> levels{{"avx2", dnnl::cpu_isa::avx2},
                                                           {"avx512", dnnl::cpu_isa::avx512_core},
                                                           {"avx512_bf16", dnnl::cpu_isa::avx512_core_bf16}};
  const auto level = levels.find(set);
  if (level == levels.end()) return;
  MD_CHECK(dnnl::set_max_cpu_isa(level->second) == dnnl::status::success, "oneDNN cannot be held to ", set);
}

}  // namespace md
