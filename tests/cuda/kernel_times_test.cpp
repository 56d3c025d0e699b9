// The table of kernels by time (tools/gpu_bundle/kernel_times.cpp), of what a double of CUPTI delivers.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/kit/wait.h"

namespace md {
namespace {

/// What a program that the driver loads the library into leaves in the file when it exits.
std::string table_of_a_program() {
  const std::string path = testing::TempDir() + "/kernel_times_" + std::to_string(getpid()) + ".txt";
  std::filesystem::remove(path);
  const pid_t child = fork();
  if (child == 0) {
    setenv("KERNEL_TIMES", path.c_str(), 1);
    setenv("KERNEL_TIMES_STEPS", "2", 1);
    void* const library = dlopen(MD_KERNEL_TIMES, RTLD_NOW);
    void* const start = library == nullptr ? nullptr : dlsym(library, "InitializeInjection");
    if (start == nullptr || reinterpret_cast<int (*)()>(start)() != 1) _exit(1);
    std::exit(0);
  }
  int status = -1;
  EXPECT_TRUE(test::wait_until([&] { return waitpid(child, &status, WNOHANG) != 0; }, 60));
  EXPECT_EQ(status, 0);
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  std::filesystem::remove(path);
  return text.str();
}

TEST(KernelTimes, SortsKernelsByTimeAStep) {
  EXPECT_EQ(table_of_a_program(),
            "4.500 ms in 1.5 kernels a step (mean of 2 steps); kernels run 90.0 % of the time\n"
            "1 kernels have no time\n"
            "   ms/step  share    calls   us/call  kernel\n"
            "    3.0000  66.7%      0.5   6000.00  long(float*)\n"
            "    1.5000  33.3%      1.0   1500.00  short(float*)\n");
}

}  // namespace
}  // namespace md
