// --device: which names there are, and what each chooses.
#include "tools/cli/device_option.h"

#include <gtest/gtest.h>

#include "engine/backend.h"
#include "engine/conv_algorithm.h"

namespace md {
namespace {

TEST(DeviceOption, NamesAreChecked) {
  for (const char* good : {"auto", "cpu", "cuda", "cuda:0", "cuda:12"}) EXPECT_EQ(is_device_name(good), "") << good;
  for (const char* bad : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1234", "CPU"})
    EXPECT_NE(is_device_name(bad), "") << bad;
}

TEST(DeviceOption, AutoIsAGpuOrTheCpu) {
  EXPECT_EQ(choose_device({.name = "cpu"}).kind, Device::cpu);
  EXPECT_EQ(choose_device({}).kind, cuda_device_names().empty() ? Device::cpu : Device::cuda);
}

TEST(DeviceOption, PrecisionIsPartOfTheChoice) {
  const Device exact{Device::cuda, 0}, rounded{Device::cuda, 0, Precision::tf32};
  EXPECT_EQ(exact.precision, Precision::f32);
  EXPECT_NE(exact, rounded);
  EXPECT_EQ(choose_device({.name = "cpu", .tf32 = true}), Device{});  // which computes in f32 then
  EXPECT_EQ(choose_device({.name = "cpu", .precision = Precision::tf32}), Device{});
  EXPECT_THROW(backend({Device::cpu, 0, Precision::tf32}), Error);
  if (cuda_device_names().empty()) return;
  EXPECT_EQ(choose_device({.name = "cuda"}), exact);
  EXPECT_EQ(choose_device({.name = "cuda", .tf32 = true}), rounded);
  EXPECT_EQ(choose_device({.name = "cuda", .precision = Precision::tf32}), rounded);
}

TEST(DeviceOption, ExactConvolutionsArePartOfTheChoice) {
  choose_device({.name = "cpu", .exact_convolutions = true});
  EXPECT_EQ(conv_algorithm(), ConvAlgorithm::direct);
  choose_device({.name = "cpu"});
  EXPECT_EQ(conv_algorithm(), ConvAlgorithm::fastest);
}

TEST(DeviceOption, CudaWithoutAGpuSaysWhyInOneLine) {
  if (!cuda_device_names().empty()) GTEST_SKIP() << "this machine has a GPU";
  try {
    choose_device({.name = "cuda"});
    FAIL() << "there is no GPU, but no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::no_device);
    EXPECT_EQ(std::string(error.what()).find("device cuda"), 0U) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace md
