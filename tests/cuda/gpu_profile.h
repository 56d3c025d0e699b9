// What cuDNN wants to know of a GPU in order to plan for it, for GPUs that need not be there. Figures of NVIDIA's data
// sheets and of its table of compute capabilities.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "engine/cuda/cudnn_descriptor.h"

namespace md::test {

struct GpuProfile {
  int sm;  // 10 * compute capability
  const char* name;
  int multiprocessors, threads, blocks, shared_kib;  // the last three of one multiprocessor
  int l2_mib, memory_gib, clock_mhz, memory_mhz;
};

inline constexpr GpuProfile kA100{80, "A100", 108, 2048, 32, 164, 40, 40, 1410, 1215};
inline constexpr GpuProfile kRtx3090{86, "RTX 3090", 82, 1536, 16, 100, 6, 24, 1695, 9751};
inline constexpr GpuProfile kH100{90, "H100", 132, 2048, 32, 228, 50, 80, 1980, 2619};
inline constexpr GpuProfile kB200{100, "B200", 148, 2048, 32, 228, 126, 180, 1965, 3996};
inline constexpr GpuProfile kRtx2080{75, "RTX 2080", 46, 1024, 16, 64, 4, 8, 1710, 7000};  // has no bf16

/// The names are those that cuDNN asks for when one is missing.
inline std::string to_json(const GpuProfile& gpu) {
  const int kib = 1024, mib = 1024 * kib;
  return nlohmann::json{{"deviceVer", 10 * gpu.sm},
                        {"deviceName", gpu.name},
                        {"cudaDeviceId", 0},
                        {"pciDeviceId", 0},
                        {"driverVer", 13000},
                        {"isTccDriver", 0},
                        {"supportCoopLaunch", 1},
                        {"multiProcessorCount", gpu.multiprocessors},
                        {"maxGridSize", {2147483647, 65535, 65535}},
                        {"maxBlockSize", {1024, 1024, 64}},
                        {"maxThreadsPerBlock", 1024},
                        {"maxThreadsPerSM", gpu.threads},
                        {"maxCtasPerSM", gpu.blocks},
                        {"warpSize", 32},
                        {"regsPerBlock", 65536},
                        {"maxRegistersPerSM", 65536},
                        {"maxSharedMemoryPerBlock", 48 * kib},
                        {"maxSharedMemoryPerBlockOptin", (gpu.shared_kib - 1) * kib},  // one belongs to the system
                        {"reservedSharedMemoryPerBlock", kib},
                        {"l2CacheSize", gpu.l2_mib * mib},
                        {"totalGlobalMem", std::int64_t{gpu.memory_gib} * 1024 * mib},
                        {"smClockRateKHz", 1000 * gpu.clock_mhz},
                        {"memClockRateKHz", 1000 * gpu.memory_mhz}}
      .dump();
}

inline cuda::Descriptor describe(const GpuProfile& gpu) {
  cuda::Descriptor d(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  d.set_list(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, to_json(gpu)).finalize();
  return d;
}

}  // namespace md::test
