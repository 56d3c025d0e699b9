// mdeval predict on folders as people have them: bad files among good ones, trees, equal names, other formats, what is
// there already, and names from a pipe.
// Labels: tool
#include <gtest/gtest.h>

#include <string_view>

#include "tests/tools/predict_fixture.h"

namespace md::test {
namespace {

class PredictFoldersTest : public PredictTest {
 protected:
  void write_picture(const std::string& name, int seed = 0) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    if (name.ends_with(".jpg")) return write_jpeg(path(name), test_image(40, 50, seed));
    write_png(path(name), test_image(40, 50, seed));
  }
};

TEST_F(PredictFoldersTest, GoesOnAfterABadFile) {
  write_picture("in/a.jpg");
  write_picture("in/z.png");
  write("in/cut.jpg", bytes_of(path("in/a.jpg")).substr(0, 300));
  write("in/empty.png", "");
  write("in/text.jpeg", "<html>404</html>");
  const ToolRun run = predict({path("in")});
  EXPECT_EQ(run.code, 65);
  EXPECT_EQ(written(), (Words{"a.png", "a_color.png", "z.png", "z_color.png"}));
  EXPECT_TRUE(run.out.starts_with("2 images in ")) << run.out;
  for (const char* name : {"cut.jpg", "empty.png", "text.jpeg"})
    EXPECT_TRUE(contains(run.err, "mdeval predict: " + path(cat("in/", name)) + ": ")) << run.err;
  EXPECT_TRUE(contains(run.err, "error: 3 of 5 images failed")) << run.err;
  EXPECT_EQ(lines(run.err), 4);
}

TEST_F(PredictFoldersTest, GoesOnAfterAMissingFile) {
  write_picture("b.jpg");
  const ToolRun run = predict({path("absent.png"), path("room.png"), path("no/such.jpg"), path("b.jpg")});
  EXPECT_EQ(run.code, 65);
  EXPECT_EQ(written(), (Words{"b.png", "b_color.png", "room.png", "room_color.png"}));
  EXPECT_TRUE(contains(run.err, path("absent.png") + ": no such file")) << run.err;
  EXPECT_TRUE(contains(run.err, path("no/such.jpg") + ": no such file")) << run.err;
}

TEST_F(PredictFoldersTest, EndsAtOnceWhereItCannotWrite) {
  write_picture("in/a.png");
  write_picture("in/b.png");
  std::filesystem::create_directories(path("out/a.png"));  // in the way of a file
  const ToolRun run = predict({path("in")});
  EXPECT_TRUE(refused(run, 73, {path("out/a.png"), "cannot write"}));
  EXPECT_FALSE(is_written("b.png"));
}

TEST_F(PredictFoldersTest, AnEmptyFolderBesideOthersIsNamed) {
  std::filesystem::create_directories(path("nothing/deeper"));
  write_picture("in/a.png");
  const ToolRun run = predict({path("nothing"), path("in")});
  EXPECT_EQ(run.code, 65);
  EXPECT_TRUE(is_written("a.png"));
  EXPECT_TRUE(contains(run.err, path("nothing") + ": no picture")) << run.err;
  EXPECT_TRUE(contains(run.err, "--recursive")) << run.err;
}

TEST_F(PredictFoldersTest, RecursiveKeepsTheTree) {
  write_picture("in/kitchen/1.jpg", 1);
  write_picture("in/kitchen/left/1.jpg", 2);
  write_picture("in/hall/1.jpg", 3);
  write_picture("in/1.jpg", 4);
  write_picture("in/.trash/2.jpg", 5);
  ASSERT_EQ(predict({path("in"), "--recursive", "--kitti-benchmark"}).code, 0);
  EXPECT_EQ(written(), (Words{"1.png", "hall/1.png", "kitchen/1.png", "kitchen/left/1.png"}));
  std::filesystem::remove_all(path("out"));
  ASSERT_EQ(predict({path("in"), "--kitti-benchmark"}).code, 0);
  EXPECT_EQ(written(), Words{"1.png"});
}

TEST_F(PredictFoldersTest, ResultsInsideTheFolderAreNotPredictedAgain) {
  write_picture("in/a/1.jpg");
  std::filesystem::create_directory_symlink(path("in"), path("in/a/circle"));
  for (int round = 0; round < 2; ++round) {
    const ToolRun run = run_tool("mdeval", {"predict", path("net.safetensors"), path("in"), "--recursive", "--out",
                                            path("in/depth"), "--device", "cpu"});
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_TRUE(run.out.starts_with("1 image in ")) << run.out;
  }
}

TEST_F(PredictFoldersTest, EqualNamesAreToldApart) {
  write_picture("in/a.jpg", 1);
  write_picture("in/a.png", 2);
  write_picture("in/b.png", 3);
  ASSERT_EQ(predict({path("in"), "--kitti-benchmark"}).code, 0);
  EXPECT_EQ(written(), (Words{"a_jpg.png", "a_png.png", "b.png"}));
  std::filesystem::remove_all(path("out"));
  write_picture("s1/x.jpg", 4);
  write_picture("s2/x.jpg", 5);
  ASSERT_EQ(predict({path("s1/x.jpg"), path("s2"), path("in/b.png"), "--kitti-benchmark"}).code, 0);
  EXPECT_EQ(written(), (Words{"b.png", "s1/x.png", "s2/x.png"}));
  const DepthImage first = read_depth(path("out/s1/x.png"));
  const std::vector<float> expected = expected_m(read_rgb(path("s1/x.jpg")));
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(first.pixels[i], expected[i] * 256, 0.501);
}

TEST_F(PredictFoldersTest,
       AResultIsNeverWrittenOverAnother) {  // room_color.png: a picture's depth and another's colours
  write_picture("in/room.png", 1);
  write_picture("in/room_color.png", 2);
  ASSERT_EQ(predict({path("in")}).code, 0);
  EXPECT_EQ(written(), (Words{"room_color_png.png", "room_color_png_color.png", "room_png.png", "room_png_color.png"}));
}

TEST_F(PredictFoldersTest, WhatIsNoPictureIsCounted) {
  write_picture("in/a.png");
  for (const char* name : {"list.txt", "notes.TXT", "poses.json", "Makefile", ".DS_Store"})
    write(cat("in/", name), "something");
  write("in/scan.ppm", "P6 1 1 255\n123");
  write("in/film.mp4", "nothing");
  const ToolRun run = predict({path("in")});
  EXPECT_EQ(run.code, 0);
  EXPECT_TRUE(contains(run.out, "4 files of no picture format: 1 .json, 2 .txt, 1 without suffix")) << run.out;
  EXPECT_TRUE(contains(run.out, "1 Netpbm file that this build does not read (" + path("in/scan.ppm"))) << run.out;
  EXPECT_TRUE(contains(run.out, "1 video file")) << run.out;
  EXPECT_TRUE(contains(run.out, "ffmpeg")) << run.out;
}

TEST_F(PredictFoldersTest, DepthMapsBesidePicturesAreLeftOut) {
  for (int i = 0; i < 3; ++i) {
    write_picture(cat("nyu/rgb_0000", i, ".jpg"), i);
    write_png(path(cat("nyu/sync_depth_0000", i, ".png")), test_depth(40, 50, i));
  }
  const ToolRun run = predict({path("nyu"), "--kitti-benchmark"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(written(), (Words{"rgb_00000.png", "rgb_00001.png", "rgb_00002.png"}));
  EXPECT_TRUE(contains(run.out, "3 16-bit grey PNGs beside pictures: depth")) << run.out;
}

TEST_F(PredictFoldersTest, WhatIsThereAlreadyIsSkipped) {
  write_picture("in/a.png", 1);
  write_picture("in/b.png", 2);
  ASSERT_EQ(predict({path("in/a.png"), "--npy"}).code, 0);
  const auto before = std::filesystem::last_write_time(path("out/a.npy"));
  ToolRun run = predict({path("in"), "--skip-existing", "--npy"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(run.out.starts_with("1 image in ")) << run.out;
  EXPECT_TRUE(contains(run.out, "1 image, complete already")) << run.out;
  EXPECT_EQ(std::filesystem::last_write_time(path("out/a.npy")), before);
  EXPECT_TRUE(is_written("b.npy"));
  std::filesystem::remove(path("out/b_color.png"));  // as a run that was killed leaves it
  run = predict({path("in"), "--skip-existing"});
  EXPECT_TRUE(run.out.starts_with("1 image in ")) << run.out;
  EXPECT_TRUE(is_written("b_color.png"));
}

TEST_F(PredictFoldersTest, NamesComeFromAPipeAsShellsWriteThem) {
  write_picture("  blanks .png");
  write_picture("another one.jpg");
  const std::string a = path("  blanks .png"), b = path("another one.jpg"), c = path("room.png");
  using namespace std::string_literals;
  for (const std::string& text : {a + "\n\n" + b + "\n" + c, a + "\r\n" + b + "\r\n" + c + "\r\n",
                                  a + "\0"s + b + "\0"s + c + "\0"s, "\xEF\xBB\xBF" + a + "\n" + b + "\n" + c + "\n"}) {
    std::filesystem::remove_all(path("out"));
    const ToolRun run = predict({"-", "--kitti-benchmark"}, write("names", text));
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_EQ(written(), (Words{"  blanks .png", "another one.png", "room.png"}));
  }
  EXPECT_TRUE(refused(predict({"-"}, write("names", "\n")), 65, {"no image named on stdin"}));
  EXPECT_TRUE(refused(predict({"-"}, write("names",
                                           "\xFF\xFE"
                                           "a\0.\0"s)),
                      65, {"UTF-16"}));
}

TEST_F(PredictFoldersTest, FindsPrint0NamesMayHaveLineBreaks) {
  write_picture("two\nlines.png");
  using namespace std::string_literals;
  const std::string names = path("two\nlines.png") + "\0"s + path("gone\n.png") + "\0"s;
  const ToolRun run = predict({"-", "--kitti-benchmark"}, write("names", names));
  EXPECT_EQ(run.code, 65);
  EXPECT_TRUE(is_written("two\nlines.png"));
  EXPECT_EQ(lines(run.err), 2) << "one line for what failed: " << run.err;
}

}  // namespace
}  // namespace md::test
