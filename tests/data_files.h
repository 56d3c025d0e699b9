// What the tests of data/ share: a folder of their own, synthetic frames, files as bytes, and errors as values.
#pragma once
#include <gtest/gtest.h>
#include <png.h>

#include <algorithm>
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
  DataFolder() : folder_(std::filesystem::path(::testing::TempDir()) / test_name()) {
    std::filesystem::create_directories(folder_);
  }
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

  const std::filesystem::path folder_;

 private:
  static std::string test_name() {
    const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string("data_") + test.test_suite_name() + "_" + test.name();
    std::replace(name.begin(), name.end(), '/', '_');  // of parameterised tests
    return name;
  }
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

/// A PNG that the program itself never writes, by libpng's simplified interface.
inline std::string foreign_png(png_uint_32 format, int height, int width) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = png_uint_32(width);
  image.height = png_uint_32(height);
  image.format = format;
  std::vector<std::uint16_t> pixels(std::size_t(height) * width * 4, 0x1234), colours(1024, 7);
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string bytes(size, '\0');
  if (format & PNG_FORMAT_FLAG_COLORMAP) {
    image.colormap_entries = 2;
    std::fill(pixels.begin(), pixels.end(), std::uint16_t{0});
  }
  png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, colours.data());
  bytes.resize(size);
  return bytes;
}

}  // namespace md::test
