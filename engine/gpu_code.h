// Which GPUs a program has machine code for, and what that means for one of them.
#pragma once
#include <string>

namespace md {

/// "sm_80, sm_90; others by PTX of sm_90", from CMake's names of architectures ("80-real 90"). Of a GPU (its compute
/// capability as 10 * major + minor; 0: none in use) it says besides, in a second part, whose code it runs.
std::string gpu_code_text(const std::string& architectures, int capability);

/// The same of this program, and of the GPU that it computes on, if it does. "none" where it is built without CUDA.
std::string gpu_code();

}  // namespace md
