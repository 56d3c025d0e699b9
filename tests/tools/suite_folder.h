// Rooms of mdsynth, and runs on them, in a folder that all tests of a suite share: they take seconds to make.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/check.h"
#include "tests/kit/run_tool.h"

namespace md::test {

/// REQUIRES: one such suite a program.
class SuiteFolder : public ::testing::Test {
 protected:
  /// Makes the folder, and frames of 64x96 in `data`: the first thing that SetUpTestSuite does.
  static void make_rooms(int frames, int test_frames) {
    const std::string suite = ::testing::UnitTest::GetInstance()->current_test_suite()->name();
    folder_ = std::filesystem::path(::testing::TempDir()) / cat(suite, "_", ::getpid());
    std::filesystem::remove_all(folder_);
    const ToolRun synth =
        run_tool("mdsynth", {"nyu", "--out", path("data"), "--frames", std::to_string(frames), "--test-frames",
                             std::to_string(test_frames), "--seed", "1", "--height", "64", "--width", "96"});
    ASSERT_EQ(synth.code, 0) << synth.err;
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  static std::string path(const std::string& name) { return (folder_ / name).string(); }

  /// LT on samples of 64x64, two a step, into the folder `run`.
  static ToolRun train_on_rooms(const std::string& run, const std::vector<std::string>& more) {
    std::vector<std::string> words{
        "--data",   path("data"), "--list", "nyu_train.txt", "--eval-list", "nyu_test.txt", "--out",
        path(run),  "--height",   "64",     "--width",       "64",          "--batch",      "2",
        "--device", "cpu"};
    words.insert(words.end(), more.begin(), more.end());
    return run_tool("mdtrain", words);
  }

  static inline std::filesystem::path folder_;
};

}  // namespace md::test
