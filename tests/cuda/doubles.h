// What tests see of the doubles: functions of the CUDA runtime and of cuDNN that tests link instead of the real ones.
// They serve one GPU (gpu.h); cuDNN's descriptors stay real, so that cuDNN itself validates them.
#pragma once
#include <cuda_runtime_api.h>

#include <map>
#include <string>

#include "engine/tensor.h"

namespace md::doubles {

/// How often each call was made.
const std::map<std::string, i64>& calls();
i64 all_calls();
/// How often the host waited for the GPU, or may have had to (a copy to or from memory that is not pinned).
i64 host_waits();

/// The call after the next n fails, once. -1: none will.
void fail_call(i64 n);
/// The next call of this name fails, once.
void fail_call(const std::string& name);
/// The next call of this name fails, once, that begins a capture, is made in one or makes a graph of it.
void fail_call_in_capture(const std::string& name);
/// The name of the call that failed; empty while it is still to come.
const std::string& failed_call();

/// What exists.
struct Live {
  i64 blocks = 0, pinned = 0, streams = 0, events = 0, graphs = 0, handles = 0, descriptors = 0;
  bool operator==(const Live&) const = default;
};
Live live();
std::ostream& operator<<(std::ostream&, const Live&);

/// How much device memory there is.
void limit_memory(std::size_t bytes);
constexpr std::size_t kNoLimit = std::size_t{1} << 40;

/// Which CUDA the driver supports, as 1000 * major + 10 * minor; 0: there is no driver.
void install_driver(int version);
constexpr int kNewestDriver = CUDART_VERSION;

/// cuDNN does not take a GPU's index, but the handle.
void refuse_device_index(bool);

/// Whether cuBLAS was last told to round factors to TF32. (The double does not.)
bool tf32_products();

/// Whether cuBLASLt says of every product that it has no kernel for what goes along with it. Asked for each shape once.
void refuse_epilogues(bool);

/// The stream works at once instead of as late as it may.
void hurry(cudaStream_t, bool on);

// For the doubles themselves.
/// Counts the call; true if it is the one to fail.
bool fails(const char* call);
/// Handles and descriptors, which other files make.
Live& counted();

}  // namespace md::doubles
