// mdtrain check-data as a user runs it: what it says of good lists, and that it finds what is bad in them.
// Labels: tool
#include <sstream>

#include "tests/data/data_files.h"
#include "tests/data/picture_files.h"
#include "tests/kit/run_tool.h"

namespace md::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

/// NYU-like frames of 48x64 as 0.png, 0_depth.png, 1.png, ...
class CheckDataTest : public DataFolder {
 protected:
  void frames(int count) const {
    for (int i = 0; i < count; ++i) {
      put(cat(i, ".png"), test_image(48, 64, i));
      put(cat(i, "_depth.png"), test_depth(48, 64, i));
    }
  }
  template <class Image>
  void put(const std::string& name, const Image& image) const {
    fs::create_directories(fs::path(path("data/" + name)).parent_path());
    write_png(path("data/" + name), image);
  }
  void list(const std::string& name, const std::vector<int>& numbers) const {
    std::string text;
    for (const int i : numbers) text += cat(i, ".png ", i, "_depth.png 518.8\n");
    write("data/" + name, text);
  }
  ToolRun check(Words words) const {
    words.insert(words.begin(), {"check-data", "--data", path("data"), "--bad", path("bad.tsv")});
    return run_tool("mdtrain", words, {.limit_s = 60});
  }
  /// It ends as one that found bad frames, and says `why` of one.
  static testing::AssertionResult finds(const ToolRun& run, const std::string& why) {
    if (run.code == 65 && run.err.find(why) != run.err.npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "exit " << run.code << ": " << run.err;
  }
  std::string table() const { return bytes_of(path("bad.tsv")); }
};

TEST_F(CheckDataTest, GoodDataIsDescribed) {
  frames(2);
  put("2.png", test_image(50, 64, 9));
  write("data/list.txt", "0.png 0_depth.png 500\n1.png 1_depth.png 500\n2.png None 500\n");
  const ToolRun run = check({"list.txt"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.err, "");
  EXPECT_EQ(run.out,
            "3 frames: 3 good (1 of them without ground truth), 0 bad\n"
            "  sizes     64x48 (2), 64x50 (1)\n"
            "  images    as listed\n"
            "  depth     as listed\n"
            "  measured  66.7 % of the pixels, of a frame 66.7 to 66.7 %\n"
            "  range     0.500 to 8.499 m, median 4.105 m\n");
  EXPECT_FALSE(fs::exists(path("bad.tsv")));
}

// Other programs show such a picture turned; its depth has no tag.
TEST_F(CheckDataTest, PicturesTurnedByExifAreNamed) {
  frames(3);
  for (const int orientation : {3, 8}) {
    const std::string png = bytes_of(path("data/1.png"));
    write("data/1.png", with_chunk(png, "eXIf" + exif_block({.orientation = orientation})));
    list("list.txt", {0, 1, 2});
    const ToolRun run = check({"list.txt"});
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_NE(run.out.find(cat("  turned    1 pictures, the first 1.png: EXIF's orientation ", orientation,
                               " is not applied: a picture and its depth must lie alike as they are stored\n")),
              std::string::npos)
        << run.out;
    put("1.png", test_image(48, 64, 1));
  }
}

TEST_F(CheckDataTest, KittisFoldersAreFoundAndNamed) {
  const std::string drive = "2011_09_26_drive_0001_sync", image = "/image_02/data/5.png";
  const std::string depth = drive + "/proj_depth/groundtruth/image_02/5.png";
  put("2011_09_26/" + drive + image, test_image(48, 64));
  DepthImage sparse = test_depth(48, 64);
  for (std::size_t i = 0; i < sparse.pixels.size(); ++i) sparse.pixels[i] = std::uint16_t(i % 5 == 0 ? 2000 + i : 0);
  put("val/" + depth, sparse);
  write("data/list.txt", drive + image + " " + depth + " 721.5377\n");
  const ToolRun run = check({"list.txt", "--dataset", "kitti"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("  images    DATE/DRIVE/image_02/data\n"
                         "  depth     val/DRIVE/proj_depth/groundtruth/image_02\n"),
            run.out.npos)
      << run.out;
}

TEST_F(CheckDataTest, EveryBadFrameIsNamedOnceAndCounted) {
  frames(6);
  const std::string depth = bytes_of(path("data/1_depth.png"));
  write("data/1_depth.png", depth.substr(0, depth.size() / 2));
  fs::remove(path("data/2.png"));
  put("3_depth.png", DepthImage{48, 64, std::vector<std::uint16_t>(48 * 64, 0)});
  DepthImage far = test_depth(48, 64);
  for (std::uint16_t& value : far.pixels) value = std::uint16_t(3 * value);
  put("4_depth.png", far);
  list("list.txt", {0, 1, 2, 3, 4, 5});
  const ToolRun run = check({"list.txt"});
  EXPECT_EQ(run.code, 65);
  EXPECT_EQ(run.out.substr(0, run.out.find('\n')), "6 frames: 2 good (0 of them without ground truth), 4 bad");
  const std::string root = fs::canonical(path("data")).string() + "/", name = path("data/list.txt");
  EXPECT_EQ(run.err,
            name + ":2: " + root + "1_depth.png: the file ends early\n" +  //
                name + ":3: " + root + "2.png: no such file\n" +           //
                name + ":4: " + root + "3_depth.png: not one measured pixel\n" + name + ":5: " + root +
                "4_depth.png: 58 % is beyond 10.5 m, where NYU's Kinect is blind: " + "KITTI's (dataset kitti)?\n");
  std::istringstream rows(table());
  std::string row;
  std::getline(rows, row);
  EXPECT_EQ(row, "file\tline\treason");
  std::getline(rows, row);
  EXPECT_EQ(row, root + "1_depth.png\t" + name + ":2\tthe file ends early");
  EXPECT_EQ(std::count(std::istreambuf_iterator<char>(rows), {}, '\n'), 3);
}

TEST_F(CheckDataTest, WhatIsListedTwiceIsBad) {
  frames(4);
  list("train.txt", {0, 1, 0});
  list("test.txt", {2, 1, 3});
  put("3.png", test_image(48, 64, 0));  // another name for the picture of 0.png
  const ToolRun run = check({"train.txt", "test.txt"});
  EXPECT_EQ(run.code, 65);
  const std::string train = path("data/train.txt"), test = path("data/test.txt");
  const std::string root = fs::canonical(path("data")).string() + "/";
  EXPECT_EQ(run.err, train + ":3: " + root + "0.png: is already in " + train + ":1\n" +  //
                         test + ":2: " + root + "1.png: is already in " + train + ":2\n" + test + ":3: " + root +
                         "3.png: is the picture of " + train + ":1\n");
  EXPECT_EQ(run.out.find(train + "\n3 frames: 2 good"), 0U) << run.out;
  EXPECT_NE(run.out.find(test + "\n3 frames: 1 good"), run.out.npos) << run.out;
}

TEST_F(CheckDataTest, RepeatedPicturesInOneListAreCounted) {
  frames(2);
  put("1.png", test_image(48, 64, 0));
  list("list.txt", {0, 1});
  const ToolRun run = check({"list.txt"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("  repeated  1 pictures, under other names\n"), run.out.npos) << run.out;
}

TEST_F(CheckDataTest, ManyBadFramesGoIntoTheTable) {
  frames(1);
  std::string lines;
  for (int i = 0; i < 30; ++i) lines += cat("none_", i, ".png None 500\n");
  write("data/list.txt", lines);
  ToolRun run = check({"list.txt"});
  EXPECT_EQ(run.code, 65);
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 21);
  EXPECT_TRUE(run.err.ends_with("and 10 more: see " + path("bad.tsv") + "\n")) << run.err;
  const std::string bad = table();
  EXPECT_EQ(std::count(bad.begin(), bad.end(), '\n'), 31);
  list("list.txt", {0});
  run = check({"list.txt"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(table(), "file\tline\treason\n") << "a table of an earlier check must not outlive what it says";
}

TEST_F(CheckDataTest, NumbersThatMeanNoMeasurementAreAskedFor) {
  frames(1);
  DepthImage holes = test_depth(48, 64);
  for (std::size_t i = 0; i < holes.pixels.size(); i += 4) holes.pixels[i] = 65'535;
  put("0_depth.png", holes);
  list("list.txt", {0});
  EXPECT_TRUE(finds(check({"list.txt"}),
                    "33 % of the values are 65535: is that this camera's \"no measurement\", or its sky?"));
  const ToolRun with = check({"list.txt", "--invalid-value", "65535"});
  EXPECT_EQ(with.code, 0) << with.err;
  EXPECT_NE(with.out.find("measured  50.0 % of the pixels"), with.out.npos) << with.out;
  const ToolRun near = check({"list.txt", "--valid-below", "65.5"});
  EXPECT_EQ(near.code, 0) << near.err;
  EXPECT_EQ(check({"list.txt", "--dataset", "7scenes"}).code, 0);
  EXPECT_TRUE(refused(check({"list.txt", "--invalid-value", "nan"}), 2, {"--invalid-value"}));
  EXPECT_TRUE(refused(check({"list.txt", "--valid-below", "-1"}), 2, {"--valid-below"}));
}

TEST_F(CheckDataTest, RotatedBitsAreNamedWithTheirRecipe) {
  frames(1);
  DepthImage rotated = test_depth(48, 64);
  for (std::uint16_t& value : rotated.pixels) value = std::uint16_t(value << 3 | value >> 13);
  put("0_depth.png", rotated);
  list("list.txt", {0});
  EXPECT_TRUE(
      finds(check({"list.txt", "--dataset", "plain", "--depth-scale", "1000"}),
            "0_depth.png: nearly every value is a multiple of 8: bits rotated left by three (dataset sunrgbd)?"));
  const ToolRun recipe = check({"list.txt", "--dataset", "sunrgbd"});
  EXPECT_EQ(recipe.code, 0) << recipe.err;
  EXPECT_NE(recipe.out.find("range     0.507 to 8.495 m"), recipe.out.npos) << recipe.out;
}

TEST_F(CheckDataTest, OtherSizesAndEndingsAreSaid) {
  put("0.png", test_image(96, 128));
  put("0_depth.png", test_depth(48, 64));
  put("1.png", test_image(48, 64, 1));
  put("1_depth.png", test_depth(48, 64, 1));
  write("data/list.txt", "0.jpg 0_depth.png\n1.jpg 1_depth.png\n");
  const ToolRun run = check({"list.txt", "--dataset", "plain", "--depth-scale", "1000"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("  resized   128x96 to 64x48\n"), run.out.npos) << run.out;
  EXPECT_NE(run.out.find("  2 images are .png where the list says .jpg (first: "), run.out.npos) << run.out;
}

TEST_F(CheckDataTest, LinksToOtherDisksAreFollowedAndTwoNamesOfAFileAreOne) {
  frames(2);
  fs::rename(path("data"), path("disk"));
  fs::create_directories(path("data"));
  for (const char* name : {"0.png", "0_depth.png", "1.png", "1_depth.png"})
    fs::create_symlink(path("disk/" + std::string(name)), path("data/" + std::string(name)));
  fs::create_directory_symlink(path("disk"), path("data/again"));
  list("list.txt", {0, 1});
  const ToolRun run = check({"list.txt"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("  images    as listed\n"), run.out.npos) << run.out;
  write("data/twice.txt", "0.png 0_depth.png\nagain/0.png 0_depth.png\n");
  EXPECT_TRUE(finds(check({"twice.txt"}), "again/0.png: is already in "));
}

TEST_F(CheckDataTest, OptionsThatContradictAreRefused) {
  frames(1);
  list("list.txt", {0});
  const std::string wanted = "--depth-scale is for --dataset plain, which wants it";
  EXPECT_TRUE(refused(check({"list.txt", "--dataset", "plain"}), 2, {wanted}));
  EXPECT_TRUE(refused(check({"list.txt", "--depth-scale", "1000"}), 2, {wanted}));
  EXPECT_TRUE(refused(check({"list.txt", "--velodyne-raw"}), 2, {"--velodyne-raw is for --dataset kitti"}));
  const ToolRun plain = check({"list.txt", "--dataset", "plain", "--depth-scale", "100"});
  EXPECT_EQ(plain.code, 0) << plain.err;
  EXPECT_NE(plain.out.find("range     5.070 to 84.950 m"), plain.out.npos) << plain.out;
  const ToolRun nowhere = run_tool("mdtrain", {"check-data", "list.txt", "--data", path("data"), "--bad", "/proc/x"});
  EXPECT_TRUE(refused(nowhere, 73, {"--bad", "/proc/x"}));
}

TEST_F(CheckDataTest, ProgressIsShownOnATerminal) {
  if (test::Terminal().theirs() < 0) GTEST_SKIP() << "no pseudo-terminals (/dev/pts) here";
  frames(3);
  list("list.txt", {0, 1, 2});
  const ToolRun run = run_tool("mdtrain", {"check-data", "list.txt", "--data", path("data")}, {.terminal = true});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("checking 1/3  0 bad"), run.err.npos) << run.err;
}

}  // namespace
}  // namespace md::test
