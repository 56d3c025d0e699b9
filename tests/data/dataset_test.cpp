// NYU and KITTI on disk: units, focal lengths, both folder conventions of KITTI, frames without ground truth, and every
// way in which a pair can be wrong.
#include "data/dataset.h"

#include <atomic>
#include <cmath>
#include <thread>

#include "data/datasets.h"
#include "data/npy.h"
#include "data/rescale.h"
#include "engine/text.h"
#include "tests/data/data_files.h"

namespace md {
namespace {

using test::fails;
using test::test_depth;
using test::test_image;
namespace fs = std::filesystem;

class DatasetTest : public test::DataFolder {
 protected:
  Dataset open(const std::string& dataset, const std::string& list) const {
    return Dataset({.dataset = dataset, .list = write("list.txt", list), .root = folder_.string()});
  }
  template <class Image>
  void put(const std::string& name, const Image& image) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    write_png(path(name), image);
  }
};

TEST_F(DatasetTest, NyuDepthIsInMillimetres) {
  put("room/rgb_1.png", test_image(6, 8));
  DepthImage depth = test_depth(6, 8);
  depth.pixels[0] = 0;
  depth.pixels[1] = 2345;
  put("room/sync_depth_1.png", depth);
  const Dataset data = open("nyu", "/room/rgb_1.png /room/sync_depth_1.png 500.5\nroom/rgb_1.png\n");
  ASSERT_EQ(data.size(), 2);
  EXPECT_EQ(data.with_depth(), std::vector<i64>{0});
  const Sample sample = data.load_training(0);
  EXPECT_EQ(sample.image.pixels, test_image(6, 8).pixels);
  EXPECT_EQ(sample.depth_m[0], 0.F);
  EXPECT_EQ(sample.depth_m[1], 2345.F / 1000.F);
  EXPECT_EQ(sample.focal_px, 500.5);
  EXPECT_EQ(sample.image_name, "room/rgb_1.png");
  EXPECT_EQ(sample.depth_name, "room/sync_depth_1.png");

  const Sample without = data.load(1);
  EXPECT_FALSE(without.has_depth());
  EXPECT_EQ(without.depth_name, "");
  EXPECT_EQ(without.focal_px, 518.8579);
  EXPECT_TRUE(
      fails([&] { data.load_training(1); }, ErrorKind::bad_data, "room/rgb_1.png: a training frame needs ground"));
}

TEST_F(DatasetTest, KittiIsFoundInBothConventions) {
  const std::string day = "2011_09_26", drive = "2011_09_26_drive_0001_sync";
  const std::string image = "/image_02/data/0000000005.png", depth = "/proj_depth/groundtruth/image_02/0000000005.png";
  put("with_day/" + day + "/" + drive + image, test_image(4, 6));
  put("without/" + drive + image, test_image(4, 6));
  put("with_day/" + day + "/" + drive + depth, test_depth(4, 6));
  put("without/" + drive + depth, test_depth(4, 6));
  for (const char* listed_day : {"", "2011_09_26/"}) {
    const std::string stem = listed_day + drive;
    const std::string list = write("list.txt", stem + image + " " + stem + depth + " 721.5377\n");
    for (const std::string root : {"with_day", "without"}) {
      for (const std::string depth_root : {"with_day", "without"}) {
        const Dataset data({"kitti", list, path(root), path(depth_root)});
        EXPECT_EQ(data.load(0).depth_m[1], float(test_depth(4, 6).pixels[1]) / 256.F) << root << " " << depth_root;
      }
    }
  }
  const Dataset nyu({"nyu", path("list.txt"), path("without"), ""});
  EXPECT_TRUE(fails([&] { nyu.load(0); }, ErrorKind::missing, "without/" + day + "/" + drive + image));
}

// data_depth_annotated.zip as it unpacks; the lists of BTS and NeWCRFs name the drive alone, or the day and the drive.
TEST_F(DatasetTest, KittiGroundTruthIsFoundAsItUnpacks) {
  const std::string a = "2011_09_26_drive_0001_sync", b = "2011_09_26_drive_0002_sync";
  const std::string image = "/image_02/data/0000000005.png", depth = "/proj_depth/groundtruth/image_02/0000000005.png";
  for (const std::string& drive : {a, b}) put("raw/2011_09_26/" + drive + image, test_image(4, 6));
  put("gt/train/" + a + depth, test_depth(4, 6, 1));
  put("gt/val/" + b + depth, test_depth(4, 6, 2));
  for (const std::string day : {"", "2011_09_26/"}) {
    std::string list;
    for (const std::string& drive : {a, b}) list += day + drive + image + " " + day + drive + depth + " 721.5377\n";
    const Dataset data({"kitti", write("list.txt", list), path("raw"), path("gt")});
    for (const int i : {0, 1}) {
      EXPECT_EQ(data.load(i).depth_m[1], float(test_depth(4, 6, i + 1).pixels[1]) / 256.F) << day << i;
    }
  }
}

/// A line per frame is all that the published validation list has.
TEST_F(DatasetTest, KittiOfficialSplits) {
  const std::string val = "depth_selection/val_selection_cropped/",
                    test = "depth_selection/test_depth_prediction_anonymous/";
  const std::string drive = "2011_09_26_drive_0005_sync_", frame = "_0000000068_image_03.png";
  put("k/" + val + "image/" + drive + "image" + frame, test_image(4, 6));
  put("k/" + val + "groundtruth_depth/" + drive + "groundtruth_depth" + frame, test_depth(4, 6, 1));
  put("k/" + val + "velodyne_raw/" + drive + "velodyne_raw" + frame, test_depth(4, 6, 2));
  put("k/" + test + "image/0000000000.png", test_image(4, 6));
  write("k/" + test + "intrinsics/0000000000.txt", "707.0493 0.0 604.0814 0.0 707.0493 180.5066 0.0 0.0 1.0\n");
  std::filesystem::create_directories(path("elsewhere"));
  const std::string list = val + "image/" + drive + "image" + frame + "\n" + test + "image/0000000000.png";
  DatasetSpec spec{"kitti", write("list.txt", list), path("k"), path("elsewhere")};
  const Dataset data(spec);
  EXPECT_EQ(data.with_depth(), std::vector<i64>{0});
  EXPECT_EQ(data.load(0).depth_m[1], float(test_depth(4, 6, 1).pixels[1]) / 256.F);
  EXPECT_EQ(data.load(0).focal_px, 721.5377);  // without a calibration file, KITTI's commonest
  EXPECT_EQ(data.load(1).focal_px, 707.0493);
  spec.velodyne_raw = true;
  EXPECT_EQ(Dataset(spec).load(0).depth_m[1], float(test_depth(4, 6, 2).pixels[1]) / 256.F);
}

TEST_F(DatasetTest, KittiVelodyneRawIsBesideTheGroundTruth) {
  const std::string drive = "2011_09_26_drive_0001_sync/proj_depth/";
  put("a.png", test_image(4, 6));
  put("gt/train/" + drive + "groundtruth/image_02/5.png", test_depth(4, 6, 1));
  put("gt/train/" + drive + "velodyne_raw/image_02/5.png", test_depth(4, 6, 2));
  const std::string list = write("list.txt", "a.png " + drive + "groundtruth/image_02/5.png 721\na.png None 721\n");
  DatasetSpec spec{"kitti", list, path(""), path("gt")};
  EXPECT_EQ(Dataset(spec).load(0).depth_m[1], float(test_depth(4, 6, 1).pixels[1]) / 256.F);
  spec.velodyne_raw = true;
  EXPECT_EQ(Dataset(spec).load(0).depth_m[1], float(test_depth(4, 6, 2).pixels[1]) / 256.F);
  EXPECT_EQ(Dataset(spec).with_depth(), std::vector<i64>{0});
  spec.list = write("other.txt", "a.png d.png 721\n");
  EXPECT_TRUE(fails([&] { Dataset{spec}; }, ErrorKind::bad_data, "other.txt:1: no raw LiDAR sweep is known for d.png"));
}

TEST_F(DatasetTest, KittiFocalLengthIsInTheCalibrationOfItsDay) {
  const std::string day = "2011_09_28", drive = day + "_drive_0002_sync/";
  const std::string calibration =
      "calib_time: 09-Jan-2012\nP_rect_02: 7.070493e+02 0.0 6.0e+02\nP_rect_03: 7.5e+02 0.0\n";
  write(day + "/calib_cam_to_cam.txt", calibration);
  const auto focal_px = [&](const std::string& line) { return open("kitti", line).entries()[0].focal_px; };
  EXPECT_EQ(focal_px(day + "/" + drive + "image_02/data/5.png"), 707.0493);
  EXPECT_EQ(focal_px(drive + "image_02/data/5.png d.png dense.png"), 707.0493);
  EXPECT_EQ(focal_px(drive + "image_03/data/5.png None"), 750);
  EXPECT_EQ(focal_px(drive + "image_02/data/5.png d.png 721.5377"), 721.5377);  // the list's word counts
  EXPECT_EQ(focal_px("2011_09_29_drive_0004_sync/image_02/data/5.png"), 0);
  write(day + "/calib_cam_to_cam.txt", "P_rect_02: many\n");
  EXPECT_TRUE(fails([&] { focal_px(drive + "image_02/data/5.png"); }, ErrorKind::bad_data,
                    day + "/calib_cam_to_cam.txt: no focal length after P_rect_02:"));
  EXPECT_TRUE(
      fails([&] { focal_px(drive + "image_03/data/5.png"); }, ErrorKind::bad_data, "no focal length after P_rect_03:"));
}

TEST_F(DatasetTest, NyuIsFoundWhereItUnpacks) {
  put("sync/kitchen_0001/rgb_1.png", test_image(4, 6, 1));
  put("official_splits/test/kitchen/rgb_2.png", test_image(4, 6, 2));
  put("train/kitchen/rgb_3.png", test_image(4, 6, 3));
  const Dataset data = open("nyu", "/kitchen_0001/rgb_1.png\nkitchen/rgb_2.png\nkitchen/rgb_3.png\n");
  for (const int i : {0, 1, 2}) EXPECT_EQ(data.load(i).image.pixels, test_image(4, 6, i + 1).pixels) << i;
  EXPECT_EQ(data.image_file(0), std::filesystem::canonical(path("sync/kitchen_0001/rgb_1.png")));
}

TEST_F(DatasetTest, OnesOwnFramesHaveTheirOwnScale) {
  put("a.png", test_image(4, 6));
  put("d.png", test_depth(4, 6));
  DatasetSpec spec{.dataset = "plain", .list = write("list.txt", "a.png d.png\na.png d.png 525\n"), .root = path("")};
  spec.depth_scale = 5000;
  const Dataset data(spec);
  EXPECT_EQ(data.load(0).depth_m[1], float(test_depth(4, 6).pixels[1]) / 5000.F);
  EXPECT_EQ(data.load(0).focal_px, 715.0873);
  EXPECT_EQ(data.load(1).focal_px, 525);
}

TEST_F(DatasetTest, AFolderThatCannotBeLookedAtIsNamed) {
  std::filesystem::create_symlink("loop", path("loop"));
  put("a.png", test_image(4, 6));
  const std::string list = write("list.txt", "2011_09_26_x/a.png 2011_09_26_x/d.png 5");
  const char* reason = "loop: Too many levels of symbolic links";
  EXPECT_TRUE(fails([&] { Dataset({"kitti", list, path("loop"), ""}); }, ErrorKind::missing, reason));
  EXPECT_TRUE(fails([&] { Dataset({"nyu", path("loop"), path(""), ""}); }, ErrorKind::missing, reason));
  EXPECT_TRUE(fails([&] { read_rgb(path("loop")); }, ErrorKind::missing, reason));
  write("list.txt", std::string(300, 'x') + ".png None 5");
  const Dataset data({"kitti", list, path(""), ""});
  EXPECT_TRUE(fails([&] { data.load(0); }, ErrorKind::missing, "xxx.png: File name too long"));
}

TEST_F(DatasetTest, FramesWithoutGroundTruthAreCounted) {
  put("a.png", test_image(4, 6));
  put("d.png", test_depth(4, 6));
  const Dataset data = open("kitti", "a.png None 721\na.png d.png 721\na.png None 721\n");
  EXPECT_EQ(data.size(), 3);
  EXPECT_EQ(data.with_depth(), std::vector<i64>{1});
  EXPECT_FALSE(data.load(2).has_depth());
}

TEST_F(DatasetTest, DenseDepthIsTheThirdColumn) {
  put("a.png", test_image(4, 6));
  put("d.png", test_depth(4, 6, 1));
  put("dense.png", test_depth(4, 6, 2));
  const std::string list = write("list.txt", "a.png d.png dense.png\n");
  DatasetSpec spec{.dataset = "nyu", .list = list, .root = folder_.string()};
  EXPECT_EQ(Dataset(spec).load(0).depth_m[1], float(test_depth(4, 6, 1).pixels[1]) / 1000.F);
  spec.dense = true;
  EXPECT_EQ(Dataset(spec).load(0).depth_m[1], float(test_depth(4, 6, 2).pixels[1]) / 1000.F);
  spec.list = write("sparse.txt", "a.png d.png dense.png\na.png d.png 500\n");
  EXPECT_TRUE(fails([&] { Dataset{spec}; }, ErrorKind::bad_data, "sparse.txt:2: no third column"));
}

TEST_F(DatasetTest, AFrameIsLookedForUntilItIsFoundAndNotAgain) {
  put("i.png", test_image(4, 6, 1));
  put("d.png", test_depth(4, 6));
  const Dataset data = open("nyu", "a.png a_depth.png 5\n");
  EXPECT_TRUE(fails([&] { data.load(0); }, ErrorKind::missing, path("a.png") + ": no such file"));
  put("train/a.png", test_image(4, 6, 2));
  put("train/a_depth.png", test_depth(4, 6));
  EXPECT_EQ(data.load(0).image.pixels, test_image(4, 6, 2).pixels);
  const std::string found = data.image_file(0);
  put("a.png", test_image(4, 6, 3));  // would be found first
  EXPECT_EQ(data.image_file(0), found);
  const Dataset copy = data;
  EXPECT_EQ(copy.load(0).image.pixels, test_image(4, 6, 2).pixels);
  std::filesystem::remove(found);
  EXPECT_TRUE(fails([&] { data.load(0); }, ErrorKind::missing, found));
}

TEST_F(DatasetTest, ManyThreadsFindTheSameFiles) {
  std::string list;
  for (int i = 0; i < 20; ++i) {
    put(cat("sync/", i, ".png"), test_image(4, 6, i));
    put(cat("sync/", i, "_depth.png"), test_depth(4, 6, i));
    list += cat(i, ".png ", i, "_depth.png 5\n");
  }
  const Dataset data = open("nyu", list);
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) right += data.load(i).image.pixels == test_image(4, 6, i).pixels;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 80);
}

TEST_F(DatasetTest, SweepsAreForDataSetsThatHaveThem) {
  const std::string list = write("list.txt", "a.png d.png 5\n");
  const DatasetSpec spec{.list = list, .root = path(""), .velodyne_raw = true};
  EXPECT_TRUE(fails([&] { Dataset{spec}; }, ErrorKind::usage, "dataset 'nyu' has no raw LiDAR sweeps"));
}

TEST_F(DatasetTest, WrongPairsAreNamed) {
  put("a.png", test_image(4, 6));
  put("small.png", test_depth(4, 5));
  put("zero.png", DepthImage{4, 6, std::vector<std::uint16_t>(24, 0)});
  put("rgb.png", test_image(4, 6));
  const Dataset data =
      open("nyu", "a.png small.png 5\na.png zero.png 5\na.png rgb.png 5\na.png none.png 5\nb.png d.png 5");
  EXPECT_TRUE(fails([&] { data.load(0); }, ErrorKind::bad_data, "small.png: depth of 5x4 for an image of 6x4 (a.png)"));
  EXPECT_TRUE(
      fails([&] { data.load_training(1); }, ErrorKind::bad_data, path("zero.png") + ": not one measured pixel"));
  EXPECT_EQ(data.load(1).depth_m, std::vector<float>(24, 0.F));  // evaluation may meet it
  EXPECT_TRUE(
      fails([&] { data.load(2); }, ErrorKind::bad_data, "rgb.png: this PNG is 8-bit RGB; wanted is 16-bit grey"));
  EXPECT_TRUE(fails([&] { data.load(3); }, ErrorKind::missing, path("none.png") + ": no such file"));
  EXPECT_TRUE(fails([&] { data.load(4); }, ErrorKind::missing, path("b.png") + ": no such file"));
}

TEST_F(DatasetTest, AnyNumberMeansNoMeasurement) {
  put("a.png", test_image(4, 6));
  DepthImage depth{4, 6, std::vector<std::uint16_t>(24, 2'000)};
  depth.pixels[0] = 65'535;
  depth.pixels[1] = 1'234;
  depth.pixels[2] = 0;
  put("d.png", depth);
  const Tensor map = Tensor::full({4, 6}, 2.F);
  map.data()[0] = -1;
  map.data()[1] = 9.75F;
  map.data()[2] = std::nanf("");
  write("d.npy", to_npy(map));
  DatasetSpec spec{
      .dataset = "plain", .list = write("list.txt", "a.png d.png\n"), .root = path(""), .depth_scale = 1000};
  EXPECT_EQ(Dataset(spec).load(0).depth_m[0], 65.535F);
  for (const auto& [value, pixel] : {std::pair{65'535., 0}, {1'234., 1}}) {
    spec.invalid_value = value;
    const Sample sample = Dataset(spec).load(0);
    for (int i = 0; i < 4; ++i)
      EXPECT_EQ(sample.depth_m[std::size_t(i)] == 0, i == pixel || i == 2) << value << " " << i;
  }
  spec.list = write("list.txt", "a.png d.npy\n");
  spec.depth_scale = 1;
  spec.invalid_value = 9.75;
  const Sample sample = Dataset(spec).load(0);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(sample.depth_m[std::size_t(i)], i == 3 ? 2.F : 0.F) << i;
  EXPECT_FALSE(sample.whole_units);
}

TEST_F(DatasetTest, FloatsAreMetresUnlessTheUserSaysTheirUnits) {
  put("a.png", test_image(4, 6));
  write("d.npy", to_npy(Tensor::full({4, 6}, 2.5F)));
  DatasetSpec spec{.list = write("list.txt", "a.png d.npy\n"), .root = path("")};
  for (const char* const dataset : {"nyu", "kitti", "sunrgbd"}) {
    spec.dataset = dataset;
    EXPECT_EQ(Dataset(spec).load(0).depth_m[7], 2.5F) << dataset;
  }
  spec.dataset = "plain";
  spec.depth_scale = 100;
  EXPECT_EQ(Dataset(spec).load(0).depth_m[7], 0.025F);
  put("zero.png", test_depth(4, 6));
  write("list.txt", "a.png zero.png\n");
  EXPECT_EQ(Dataset(spec).load(0).depth_m[1], float(test_depth(4, 6).pixels[1]) / 100.F);
}

TEST_F(DatasetTest, MeasurementsFromALimitOnAreNone) {
  put("a.png", test_image(4, 6));
  DepthImage depth{4, 6, std::vector<std::uint16_t>(24, 2'000)};
  depth.pixels[0] = 3'000;
  depth.pixels[1] = 2'999;
  depth.pixels[2] = 65'535;
  put("d.png", depth);
  const DatasetSpec spec{.list = write("list.txt", "a.png d.png\n"), .root = path(""), .valid_below_m = 3};
  const Sample sample = Dataset(spec).load(0);
  EXPECT_EQ(std::vector<float>(sample.depth_m.begin(), sample.depth_m.begin() + 4),
            (std::vector<float>{0.F, 2.999F, 0.F, 2.F}));
}

TEST_F(DatasetTest, AnImageComesToTheSizeOfItsDepth) {
  put("a.png", test_image(120, 160));
  put("d.png", test_depth(32, 42));  // 1.6 % wider
  put("wide.png", test_depth(32, 48));
  put("large.png", test_depth(240, 320));
  DatasetSpec spec{
      .dataset = "plain",
      .list = write("list.txt", "a.png d.png 100\na.png wide.png 100\na.png large.png 100\na.png None 100\n"),
      .root = path(""),
      .depth_scale = 1000};
  const Dataset data(spec);
  const Sample small = data.load(0), large = data.load(2), none = data.load(3);
  EXPECT_EQ(small.image.pixels, rescaled(test_image(120, 160), 32, 42).pixels);
  EXPECT_EQ(small.depth_m[1], float(test_depth(32, 42).pixels[1]) / 1000.F);
  EXPECT_DOUBLE_EQ(small.focal_px, 100. * 42 / 160);
  EXPECT_EQ(small.resized, "160x120 to 42x32");
  EXPECT_EQ(large.image.height, 240);
  EXPECT_DOUBLE_EQ(large.focal_px, 200);
  EXPECT_EQ(none.focal_px, 100);
  EXPECT_EQ(none.resized, "");
  EXPECT_TRUE(
      fails([&] { data.load(1); }, ErrorKind::bad_data, "wide.png: depth of 48x32 for an image of 160x120 (a.png)"));
  spec.dataset = "kitti";  // another size is another day's frame
  EXPECT_TRUE(
      fails([&] { Dataset(spec).load(0); }, ErrorKind::bad_data, "d.png: depth of 42x32 for an image of 160x120"));
}

TEST_F(DatasetTest, ImagesMayHaveAnotherEndingThanTheirList) {
  const std::string drive = "2011_09_26/2011_09_26_drive_0001_sync/image_02/data/";
  fs::create_directories(path(drive));
  for (const int i : {1, 2}) write_jpeg(path(cat(drive, i, ".jpg")), test_image(8, 12, i));
  const Dataset kitti = open("kitti", drive + "1.png None 721\n" + drive + "2.png None 721\n");
  EXPECT_TRUE(kitti.remarks().empty());
  for (const int i : {0, 1, 0}) EXPECT_EQ(kitti.load(i).image.height, 8);
  EXPECT_EQ(kitti.image_file(0), fs::canonical(path(drive + "1.jpg")).string());
  EXPECT_EQ(kitti.remarks(),
            std::vector<std::string>{"2 images are .jpg where the list says .png (first: " + drive + "1.png)"});
  // NYU's lists say .jpg; a depth map of the same name is no image.
  put("room/0.png", test_image(4, 6, 3));
  put("room/1.png", test_depth(4, 6));
  const Dataset nyu = open("nyu", "room/0.jpg None 5\nroom/1.jpg room/1.png 5\n");
  EXPECT_EQ(nyu.load(0).image.pixels, test_image(4, 6, 3).pixels);
  EXPECT_EQ(nyu.remarks(), std::vector<std::string>{"1 image is .png where the list says .jpg (room/0.jpg)"});
  EXPECT_TRUE(fails([&] { nyu.load(1); }, ErrorKind::missing, "room/1.jpg: no such file"));
}

TEST_F(DatasetTest, RootsMayBeLinksAndNamesAbsolute) {
  put("disk/my rooms/0.png", test_image(4, 6, 1));
  put("disk/my rooms/0_depth.png", test_depth(4, 6, 2));
  fs::create_directories(path("root"));
  fs::create_directory_symlink(path("disk/my rooms"), path("root/my rooms"));
  fs::create_directory_symlink(path("root"), path("link"));
  for (const std::string root : {"root", "link"}) {
    for (const std::string& named : {path("link"), fs::canonical(path("root")).string(), std::string()}) {
      const std::string folder = (named.empty() ? "" : named + "/") + "my rooms/";
      if (root == "root" && named == path("link")) continue;  // another name than the root's
      const Dataset data(
          {.list = write("list.txt", folder + "0.png " + folder + "0_depth.png 5\n"), .root = path(root)});
      EXPECT_EQ(data.entries()[0].image, "my rooms/0.png") << root << " " << named;
      EXPECT_EQ(data.load(0).depth_m[1], float(test_depth(4, 6, 2).pixels[1]) / 1000.F) << root << " " << named;
    }
  }
}

TEST_F(DatasetTest, WrongRootsAndNames) {
  const std::string list = write("list.txt", "a.png d.png 5");
  EXPECT_TRUE(fails(
      [&] {
        Dataset({"nyu", list, path("no"), ""});
      },
      ErrorKind::missing, path("no") + ": no such folder"));
  EXPECT_TRUE(fails(
      [&] {
        Dataset({"nyu", list, folder_.string(), path("no")});
      },
      ErrorKind::missing, path("no") + ": no such folder"));
  EXPECT_TRUE(fails(
      [&] {
        Dataset({"nyu", path("no.txt"), folder_.string(), ""});
      },
      ErrorKind::missing, "no.txt: no such list"));
  const std::vector<std::string> names = dataset_names();
  for (const char* known : {"nyu", "kitti", "plain"}) EXPECT_EQ(std::ranges::count(names, known), 1) << known;
  EXPECT_TRUE(fails([&] { dataset_traits("sun"); }, ErrorKind::usage, "dataset 'sun': wanted is " + either(names)));
}

}  // namespace
}  // namespace md
