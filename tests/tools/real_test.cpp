// Real frames of NYU Depth V2 and KITTI, which are not part of the repository: every frame of the lists decodes, and
// the sums of raw depth equal those that another decoder found.
// Labels: real
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "data/datasets/kitti_files.h"
#include "data/depth_histogram.h"
#include "data/loader.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

/// A line of depth_stats.csv: set,rgb,format,size,focal,valid_fraction,min_m,median_m,max_m,sum_of_raw_uint16.
struct Stats {
  std::string image;
  int width = 0, height = 0;
  double focal_px = 0, valid_fraction = 0, sum = 0;
  bool seen = false;
};

std::vector<Stats> stats_of(const std::string& file, const std::string& set) {
  std::vector<Stats> all;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> fields;
    std::stringstream stream(line);
    for (std::string field; std::getline(stream, field, ',');) fields.push_back(field);
    if (fields.size() != 10 || fields[0] != set) continue;
    all.push_back({fields[1], std::stoi(fields[3]), std::stoi(fields[3].substr(fields[3].find('x') + 1)),
                   std::stod(fields[4]), std::stod(fields[5]), std::stod(fields[9])});
  }
  return all;
}

/// The line of an image and this sum; an image may come with two ground truths.
Stats* find(std::vector<Stats>& stats, const std::string& image, double sum) {
  const auto it = std::find_if(stats.begin(), stats.end(),
                               [&](const Stats& known) { return known.image == image && known.sum == sum; });
  return it == stats.end() ? nullptr : &*it;
}

void expect_known_frames(const Dataset& data, std::vector<Stats>& stats) {
  const double units = double(data.spec().units_per_m());
  EvalLoader loader(data, {});
  i64 frames = 0;
  for (; const EvalFrame* frame = loader.next(); ++frames) {
    const Sample& sample = frame->sample;
    double sum = 0, valid = 0;
    for (const float depth_m : sample.depth_m) {
      sum += std::round(double(depth_m) * units);
      valid += depth_m > 0;
    }
    Stats* known = find(stats, sample.image_name, sum);
    ASSERT_NE(known, nullptr) << sample.image_name << ": sum of raw depth " << sum;
    known->seen = true;
    EXPECT_EQ(sample.image.width, known->width) << sample.image_name;
    EXPECT_EQ(sample.image.height, known->height) << sample.image_name;
    EXPECT_EQ(sample.focal_px, known->focal_px) << sample.image_name;
    // The file has four decimals.
    EXPECT_NEAR(valid / double(sample.depth_m.size()), known->valid_fraction, 5.1e-5) << sample.image_name;
  }
  EXPECT_EQ(frames, data.size());
}

void expect_known_set(const std::string& dataset, const std::string& set, const std::vector<std::string>& lists) {
  const std::string folder = test::shared_dir() + "/real";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the real frames are not here: " << folder;
  std::vector<Stats> stats = stats_of(folder + "/depth_stats.csv", set);
  for (const std::string& list : lists) {
    SCOPED_TRACE(list);
    const std::string root = folder + "/" + set;
    expect_known_frames(Dataset({.dataset = dataset, .list = root + "/" + list, .root = root}), stats);
  }
  for (const Stats& known : stats) EXPECT_TRUE(known.seen) << known.image << " is in no list";
}

TEST(RealTest, Nyu) {
  expect_known_set("nyu", "nyu", {"nyu_all_list.txt", "nyu_test_list.txt", "nyu_png_rgb_list.txt"});
}

TEST(RealTest, Kitti) {
  expect_known_set("kitti", "kitti",
                   {"kitti_all_list.txt", "kitti_test_list.txt", "kitti_jpg_list.txt", "kitti_velodyne_raw_list.txt"});
}

TEST(RealTest, KittiCalibration) {
  const std::string root = test::shared_dir() + "/real/kitti";
  if (!std::filesystem::exists(root)) GTEST_SKIP() << "the real frames are not here: " << root;
  KittiCalibration calibration(root);
  // The file has seven digits of the lists' 721.5377.
  EXPECT_EQ(calibration.focal_px("2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000005.png"), 721.5377);
  EXPECT_EQ(calibration.focal_px("2011_09_26_drive_0001_sync/image_03/data/0000000005.png"), 721.5377);
}

/// Why each frame's depth cannot be what `dataset` measures, told from the files alone.
std::vector<std::string> doubts(const std::string& dataset, const std::string& set, const std::string& list) {
  const std::string root = test::shared_dir() + "/real/" + set;
  const Dataset data({.dataset = dataset, .list = root + "/" + list, .root = root});
  std::vector<std::string> all;
  for (i64 i = 0; i < data.size(); ++i) {
    DepthHistogram depth;
    depth.add(read_depth(data.depth_file(i)).pixels);
    all.push_back(implausible(depth, data.spec()));
  }
  return all;
}

TEST(RealTest, TheWrongUnitIsSeenInEveryFrame) {
  if (!std::filesystem::exists(test::shared_dir() + "/real")) GTEST_SKIP() << "the real frames are not here";
  for (const std::string& doubt : doubts("nyu", "nyu", "nyu_all_list.txt")) EXPECT_EQ(doubt, "");
  for (const std::string& doubt : doubts("kitti", "kitti", "kitti_all_list.txt")) EXPECT_EQ(doubt, "");
  for (const std::string& doubt : doubts("kitti", "kitti", "kitti_velodyne_raw_list.txt")) EXPECT_EQ(doubt, "");
  for (const std::string& doubt : doubts("kitti", "nyu", "nyu_all_list.txt"))
    EXPECT_NE(doubt.find("(dataset nyu)"), doubt.npos);
  for (const std::string& doubt : doubts("nyu", "kitti", "kitti_all_list.txt"))
    EXPECT_NE(doubt.find("(dataset kitti)"), doubt.npos);
}

TEST(RealTest, OtherKinectFrames) { expect_known_set("nyu", "other", {"other_list.txt"}); }

}  // namespace
}  // namespace md
