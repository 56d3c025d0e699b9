// Which of a program's machine code a GPU runs, from CMake's list of architectures.
#include "engine/gpu_code.h"

#include <gtest/gtest.h>

namespace md {
namespace {

constexpr const char* kAll = "75-real 80-real 86-real 89-real 90-real 100-real 120";

std::string of(const std::string& architectures, int capability) {
  const std::string text = gpu_code_text(architectures, capability);
  return text.substr(text.rfind("; ") + 2);
}

TEST(GpuCode, IsListed) {
  EXPECT_EQ(gpu_code_text(kAll, 0), "sm_75, sm_80, sm_86, sm_89, sm_90, sm_100, sm_120; others by PTX of sm_120");
  EXPECT_EQ(gpu_code_text("90", 0), "sm_90; others by PTX of sm_90");
  EXPECT_EQ(gpu_code_text("80-virtual", 0), "others by PTX of sm_80");
  EXPECT_EQ(gpu_code_text("90a-real", 0), "sm_90");
}

TEST(GpuCode, OfAGpuIsItsOwnOrTheLastOfItsGeneration) {
  EXPECT_EQ(of(kAll, 90), "this GPU, sm_90, runs that of sm_90");
  EXPECT_EQ(of(kAll, 87), "this GPU, sm_87, runs that of sm_86");
  EXPECT_EQ(of(kAll, 103), "this GPU, sm_103, runs that of sm_100");
  EXPECT_EQ(of("80", 90), "this GPU, sm_90, has its driver compile PTX of sm_80 when a program starts");
  EXPECT_EQ(of("86 80", 80), "this GPU, sm_80, runs that of sm_80");
  EXPECT_EQ(of(kAll, 70), "this GPU, sm_70, has none");
  EXPECT_EQ(of("80-real", 90), "this GPU, sm_90, has none");
}

}  // namespace
}  // namespace md
