// At what size pictures go into the network: the training frames' shorter side from new, old and converted checkpoints,
// and the working size of pictures of every shape.
#include "tools/eval/input_size.h"

#include <gtest/gtest.h>

#include "tests/kit/caught.h"

namespace md::test {
namespace {

using Sides = std::pair<int, int>;

Sides sides_of(nlohmann::json config, ImageSize frame = {}) {
  const RunState run{.config = std::move(config), .frame_height = frame.height, .frame_width = frame.width};
  const TrainedSize size = trained_size(run);
  return {size.least, size.most};
}
ImageSize worked(const std::string& option, TrainedSize trained_at, ImageSize picture) {
  return working_size(input_size(option, trained_at), picture);
}
void expect_size(ImageSize got, int height, int width) {
  EXPECT_EQ(got.height, height);
  EXPECT_EQ(got.width, width);
}

TEST(TrainedSize, IsTheFirstFramesWithAndWithoutItsFixedCrops) {
  EXPECT_EQ(sides_of({{"height", 416}, {"width", 544}, {"border", "keep"}}, {480, 640}), Sides(480, 480));
  EXPECT_EQ(sides_of({{"height", 416}, {"width", 544}, {"border", "crop"}}, {480, 640}), Sides(427, 480));
  EXPECT_EQ(sides_of({{"height", 352}, {"width", 704}, {"kb-crop", true}}, {376, 1241}), Sides(352, 376));
  EXPECT_EQ(sides_of({{"height", 64}, {"width", 64}}, {640, 100}), Sides(100, 100)) << "frames may stand upright";
}

TEST(TrainedSize, OfOlderCheckpointsIsThatOfTheCrop) {
  EXPECT_EQ(sides_of({{"height", 96}, {"width", 128}, {"dataset", "nyu"}}), Sides(96, 96));
  EXPECT_EQ(sides_of({{"height", 352}, {"width", 704}, {"kb-crop", true}, {"dataset", "kitti"}}), Sides(352, 375));
  EXPECT_EQ(sides_of({{"height", 416}, {"width", 544}, {"border", "crop"}, {"dataset", "nyu"}}), Sides(427, 480));
}

TEST(TrainedSize, OfConvertedWeightsIsThatOfTheDataSet) {
  EXPECT_EQ(sides_of({{"dataset", "nyu"}}), Sides(427, 480));
  EXPECT_EQ(sides_of({{"dataset", "kitti"}}), Sides(352, 375));
  EXPECT_EQ(sides_of({{"dataset", "plain"}}), Sides(0, 0));
  EXPECT_EQ(input_size("", trained_size({.config = {{"dataset", "plain"}}})).how, InputSize::How::native);
}

TEST(WorkingSize, BringsTheShorterSideToThatOfTraining) {
  expect_size(worked("", {480, 480}, {3024, 4032}), 480, 640);
  expect_size(worked("", {480, 480}, {4032, 3024}), 640, 480);
  expect_size(worked("", {96, 96}, {30, 40}), 96, 128);
  expect_size(worked("", {480, 480}, {2160, 3840}), 480, 853);
}

TEST(WorkingSize, LeavesTrainingFramesAlone) {
  for (const ImageSize frame : {ImageSize{375, 1242}, ImageSize{370, 1224}, ImageSize{376, 1241}, ImageSize{352, 1216}})
    EXPECT_EQ(worked("", {352, 375}, frame), frame) << frame.height;
  for (const ImageSize frame : {ImageSize{480, 640}, ImageSize{427, 565}, ImageSize{640, 480}})
    EXPECT_EQ(worked("", {427, 480}, frame), frame) << frame.height;
  expect_size(worked("", {352, 375}, {750, 2484}), 375, 1242);
  expect_size(worked("", {427, 480}, {240, 320}), 427, 569);
}

TEST(WorkingSize, StaysWithinWhatNetworksTake) {
  expect_size(worked("", {480, 480}, {1000, 16000}), 256, 4096);
  expect_size(worked("", {480, 480}, {4, 16000}), 32, 4096);
  expect_size(worked("64x64", {480, 480}, {100, 6400}), 32, 64);
}

TEST(WorkingSize, FitsIntoABox) {
  expect_size(worked("480x640", {96, 96}, {3024, 4032}), 480, 640);
  expect_size(worked("480x640", {96, 96}, {4032, 3024}), 480, 360);
  expect_size(worked("480x640", {96, 96}, {50, 100}), 320, 640);
  expect_size(worked("640x480", {}, {100, 100}), 480, 480);
  expect_size(worked("native", {96, 96}, {6000, 8000}), 6000, 8000);
}

TEST(WorkingSize, NeverAsksForAPictureSmallerThanItself) {
  const InputSize trained = input_size("", {427, 480}), fit = input_size("300x700", {});
  for (int height = 40; height < 3000; height = height * 3 / 2) {
    for (int width = 40; width < 3000; width = width * 4 / 3) {
      for (const InputSize& input : {trained, fit}) {
        const ImageSize size = working_size(input, {height, width});
        const int wanted = shorter_side_wanted(input);
        EXPECT_TRUE(std::min(size.height, size.width) <= wanted) << height << "x" << width;
      }
    }
  }
}

TEST(InputSize, RefusesWhatIsNoSize) {
  for (const char* text : {"480", "480x", "x640", "480x640x3", "31x640", "480x4097", "Native", "480 x 640", "-480x640"})
    EXPECT_TRUE(fails([&] { input_size(text, {}); }, ErrorKind::usage, text)) << text;
}

}  // namespace
}  // namespace md::test
