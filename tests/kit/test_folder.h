// A folder of the test's own, files as bytes, and errors as values.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>

#include "engine/check.h"
#include "tests/kit/caught.h"

namespace md::test {

/// A folder that lives as long as the test; it may run in two programs at once (tests/cuda).
class TestFolder : public ::testing::Test {
 protected:
  TestFolder() : folder_(std::filesystem::path(::testing::TempDir()) / test_name()) {
    std::filesystem::create_directories(folder_);
  }
  ~TestFolder() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, std::string_view bytes) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  static std::string bytes_of(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const std::filesystem::path folder_;

 private:
  static std::string test_name() {
    const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
    std::string name = cat("test_", test.test_suite_name(), "_", test.name(), "_", getpid());
    std::replace(name.begin(), name.end(), '/', '_');  // of parameterised tests
    return name;
  }
};

}  // namespace md::test
