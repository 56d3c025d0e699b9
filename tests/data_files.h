// What the tests of data/ share: a folder of their own, synthetic frames, files as bytes, and errors as values.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>

#include "data/image_io.h"
#include "engine/check.h"

namespace md::test {

struct Caught {
  Exit code = Exit::ok;
  std::string what;
};
inline Caught caught(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {};
}

/// EXPECT_TRUE(fails(run, Exit::bad_data, "part of the message")).
inline ::testing::AssertionResult fails(const std::function<void()>& run, Exit code, const std::string& part) {
  const Caught got = caught(run);
  if (got.code == code && got.what.find(part) != std::string::npos && got.what.find('\n') == std::string::npos) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "exit " << int(got.code) << ", \"" << got.what << "\"; wanted exit "
                                       << int(code) << " and \"" << part << "\"";
}

/// A folder that lives as long as the test.
class DataFolder : public ::testing::Test {
 protected:
  DataFolder() { std::filesystem::create_directories(folder_); }
  ~DataFolder() override { std::filesystem::remove_all(folder_); }

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

  const std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) /
      (std::string("data_") + ::testing::UnitTest::GetInstance()->current_test_info()->test_suite_name() + "_" +
       ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

/// Smooth but everywhere different, so that shifted or mixed-up pixels show.
inline RgbImage test_image(int height, int width, int seed = 0) {
  RgbImage image{height, width, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (const int value : {3 * x + seed, 2 * y + 40, x + y + 5 * seed}) {
        image.pixels.push_back(static_cast<std::uint8_t>(value % 256));
      }
    }
  }
  return image;
}

/// Every third pixel is not measured.
inline DepthImage test_depth(int height, int width, int seed = 0) {
  DepthImage image{height, width, {}};
  for (int i = 0; i < height * width; ++i) {
    image.pixels.push_back(static_cast<std::uint16_t>(i % 3 == 0 ? 0 : 500 + (i * 7 + seed * 131) % 8000));
  }
  return image;
}

}  // namespace md::test
