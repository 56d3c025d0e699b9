// oneDNN chooses among its own kernels as we do among ours.
#pragma once
#include <string>

namespace md {

/// No instructions beyond those of this set of own kernels ("avx2", ...); of any other name, whatever it likes.
/// REQUIRES: nothing has been computed with it yet.
void hold_dnnl_to(const std::string& set);

}  // namespace md
