// Which set of the own CPU kernels a program takes: engine/cpu/kernel_choice.cpp, as mdtrain's user sees it. What a
// native program has is "native" alone; a portable one has several.
// Labels: portable
#include <gtest/gtest.h>

#include <regex>

#include "tests/kit/run_tool.h"

namespace md {
namespace {

/// Runs `mdtrain doctor` with MD_ISA.
test::ToolRun doctor(const std::string& isa) {
  setenv("MD_ISA", isa.c_str(), 1);
  const test::ToolRun run = test::run_tool("mdtrain", {"doctor"});
  unsetenv("MD_ISA");
  return run;
}

/// What it says of the kernels: "avx512 of avx2, avx512, avx512_bf16", or one name.
std::string kernels(const test::ToolRun& run) {
  std::smatch found;
  return std::regex_search(run.out, found, std::regex("\nkernels +(.*)\n")) ? found[1].str() : "";
}

std::vector<std::string> words(const std::string& text) {
  const std::regex word("[a-z0-9_]+");
  return {std::sregex_token_iterator(text.begin(), text.end(), word), {}};
}

TEST(KernelChoice, IsNamedAndTheEmptyNameChoosesFreely) {
  const test::ToolRun run = doctor("");
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(kernels(run), "") << run.out;
  EXPECT_EQ(kernels(run), kernels(test::run_tool("mdtrain", {"doctor"})));
}

TEST(KernelChoice, EveryNamedSetIsTakenOrRefusedByTheProcessor) {
  const std::string free_choice = kernels(doctor(""));
  int taken = 0;
  for (const std::string& set : words(free_choice.substr(free_choice.find(" of ") + 1))) {
    if (set == "of") continue;
    const test::ToolRun run = doctor(set);
    if (run.code == 0) {
      EXPECT_EQ(words(kernels(run))[0], set);
      ++taken;
    } else {
      EXPECT_TRUE(test::refused(run, 69, {"MD_ISA=" + set + ": this processor can run "}));
    }
  }
  EXPECT_GE(taken, 1) << free_choice;
}

TEST(KernelChoice, AnUnknownNameIsRefusedWithThoseThatThereAre) {
  const std::string set = words(kernels(doctor("")))[0];
  EXPECT_TRUE(test::refused(doctor("mmx"), 2, {"MD_ISA=mmx: this program has ", set}));
}

}  // namespace
}  // namespace md
