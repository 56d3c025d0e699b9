// mdsynth as a user runs it: the layouts, the lists, what the readers make of them, determinism, and refusals.
// Labels: tool
#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <set>

#include "data/dataset.h"
#include "tests/data/data_files.h"
#include "tests/kit/run_tool.h"
#include "tools/synth/synth_render.h"

namespace md::test {
namespace {

class Mdsynth : public DataFolder {
 protected:
  ToolRun synth(const std::string& kind, const std::string& out, std::vector<std::string> more = {}) const {
    std::vector<std::string> args = {kind, "--out", path(out), "--height", "64", "--width", "96"};
    args.insert(args.end(), more.begin(), more.end());
    return run_tool("mdsynth", args);
  }
  /// Every file below a folder, by its path there.
  std::map<std::string, std::string> files(const std::string& folder) const {
    std::map<std::string, std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path(folder))) {
      if (entry.is_regular_file()) {
        found[std::filesystem::relative(entry.path(), path(folder)).string()] = bytes_of(entry.path().string());
      }
    }
    return found;
  }
  Dataset open(const std::string& dataset, const std::string& out, const std::string& list) const {
    return Dataset({.dataset = dataset, .list = path(out + "/" + list), .root = path(out), .depth_root = {}});
  }
};

TEST_F(Mdsynth, WritesNyuFramesThatTheReaderTakes) {
  const ToolRun run = synth("nyu", "set", {"--frames", "9", "--test-frames", "2"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(bytes_of(path("set/nyu_test.txt")),
            "scene_0004/rgb_00000.jpg scene_0004/sync_depth_00000.png 77.8287\n"
            "scene_0004/rgb_00001.jpg scene_0004/sync_depth_00001.png 77.8287\n");
  const Dataset data = open("nyu", "set", "nyu_train.txt");
  ASSERT_EQ(data.size(), 9);
  for (i64 i = 0; i < data.size(); ++i) {
    const Sample sample = data.load_training(i);
    EXPECT_NEAR(sample.focal_px, 518.8579 * 96 / 640, 1e-4);
    const auto holes = std::ranges::count(sample.depth_m, 0.F);
    EXPECT_GT(holes, 0);
    EXPECT_LT(holes, 64 * 96 / 4);
    EXPECT_LE(std::ranges::max(sample.depth_m), 10);
  }
}

TEST_F(Mdsynth, WritesKittiFramesThatTheReaderTakes) {
  const ToolRun run = synth("kitti", "set", {"--frames", "3", "--test-frames", "1"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(bytes_of(path("set/kitti_test.txt")),
            "2000_01_01/2000_01_01_drive_0002_sync/image_02/data/0000000000.png "
            "2000_01_01_drive_0002_sync/proj_depth/groundtruth/image_02/0000000000.png 55.7710\n");
  const Dataset data = open("kitti", "set", "kitti_train.txt");
  ASSERT_EQ(data.size(), 3);
  for (i64 i = 0; i < data.size(); ++i) {
    const Sample sample = data.load_training(i);
    const double valid = 1 - double(std::ranges::count(sample.depth_m, 0.F)) / (64 * 96);
    EXPECT_GE(valid, 0.03);
    EXPECT_LE(valid, 0.20);
    EXPECT_LE(std::ranges::max(sample.depth_m), 80.01);  // 80 m rounded to 1/256 m
  }
}

TEST_F(Mdsynth, HasTheRealSizesByDefault) {
  for (const auto& [dataset, height, width] : {std::tuple{"nyu", 480, 640}, {"kitti", 375, 1242}}) {
    const std::string name = dataset;
    ASSERT_EQ(run_tool("mdsynth", {name, "--out", path(name), "--frames", "1"}).code, 0);
    const Sample sample = open(name, name, name + "_train.txt").load_training(0);
    EXPECT_EQ(sample.image.height, height);
    EXPECT_EQ(sample.image.width, width);
  }
}

TEST_F(Mdsynth, TheSeedFixesEveryByteWhateverTheThreads) {
  for (const std::string kind : {"nyu", "kitti"}) {
    setenv("OMP_NUM_THREADS", "1", 1);
    ASSERT_EQ(synth(kind, kind + "_one", {"--frames", "3", "--seed", "5"}).code, 0);
    setenv("OMP_NUM_THREADS", "4", 1);
    ASSERT_EQ(synth(kind, kind + "_four", {"--frames", "3", "--seed", "5"}).code, 0);
    unsetenv("OMP_NUM_THREADS");
    ASSERT_EQ(synth(kind, kind + "_other", {"--frames", "3", "--seed", "6"}).code, 0);
    EXPECT_EQ(files(kind + "_one"), files(kind + "_four"));
    EXPECT_NE(files(kind + "_one"), files(kind + "_other"));
  }
}

TEST_F(Mdsynth, TrainingAndTestListShareNoScene) {
  ASSERT_EQ(synth("nyu", "set", {"--frames", "12", "--test-frames", "10"}).code, 0);
  std::set<std::string> train;
  for (const ListEntry& e : read_list(path("set/nyu_train.txt"))) train.insert(e.image.substr(0, e.image.find('/')));
  for (const ListEntry& e : read_list(path("set/nyu_test.txt"))) {
    EXPECT_FALSE(train.contains(e.image.substr(0, e.image.find('/')))) << e.image;
  }
}

TEST_F(Mdsynth, PrintsWhatTheTrainingMedianScores) {
  const ToolRun run = synth("nyu", "set", {"--frames", "4", "--test-frames", "4"});
  ASSERT_EQ(run.code, 0);
  std::vector<float> depth;  // the median, and AbsRel per image and then over images, the long way
  for (i64 i = 0; i < 4; ++i) {
    for (const float d : open("nyu", "set", "nyu_train.txt").load(i).depth_m) {
      if (d > 0) depth.push_back(d);
    }
  }
  std::ranges::sort(depth);
  const double median = depth[(depth.size() - 1) / 2];
  double abs_rel = 0;
  for (i64 i = 0; i < 4; ++i) {
    double sum = 0, count = 0;
    for (const float d : open("nyu", "set", "nyu_test.txt").load(i).depth_m) {
      if (d > 0) sum += std::abs(median - d) / d, ++count;
    }
    abs_rel += sum / count / 4;
  }
  const std::string key = "training median there: ";
  const std::size_t at = run.out.find(key);
  ASSERT_NE(at, std::string::npos) << run.out;
  EXPECT_NEAR(std::stod(run.out.substr(at + key.size())), abs_rel, 1e-4);  // printed with 6 digits
}

TEST_F(Mdsynth, TheSensorDecidesWhatIsMeasuredAndNothingElse) {
  const std::string high = "--detail=high";
  for (const std::string sensor : {"none", "holes", "kinect"})
    ASSERT_EQ(synth("nyu", sensor, {"--frames", "4", high, "--sensor", sensor}).code, 0);
  ASSERT_EQ(synth("nyu", "usual", {"--frames", "4", high}).code, 0);
  EXPECT_EQ(files("usual"), files("holes"));
  std::array<i64, 3> holes{};
  i64 noisy = 0;
  for (i64 i = 0; i < 4; ++i) {
    const Sample exact = open("nyu", "none", "nyu_train.txt").load_training(i);
    const Sample some = open("nyu", "holes", "nyu_train.txt").load_training(i);
    const Sample kinect = open("nyu", "kinect", "nyu_train.txt").load_training(i);
    EXPECT_EQ(exact.image.pixels, kinect.image.pixels);
    holes[0] += std::ranges::count(exact.depth_m, 0.F);
    holes[1] += std::ranges::count(some.depth_m, 0.F);
    holes[2] += std::ranges::count(kinect.depth_m, 0.F);
    for (std::size_t p = 0; p < exact.depth_m.size(); ++p) {
      EXPECT_TRUE(some.depth_m[p] == 0 || some.depth_m[p] == exact.depth_m[p]);
      noisy += kinect.depth_m[p] > 0 && kinect.depth_m[p] != exact.depth_m[p];
    }
  }
  EXPECT_EQ(holes[0], 0);
  EXPECT_GT(holes[1], 0);
  EXPECT_GT(holes[2], 2 * holes[1]);
  EXPECT_GT(noisy, 4 * 64 * 96 / 2);
}

TEST_F(Mdsynth, AStreetWithoutASensorIsExactAsFarAsFilesCanSay) {
  ASSERT_EQ(synth("kitti", "exact", {"--frames", "2", "--seed", "0", "--sensor", "none"}).code, 0);
  const md::synth::World street = md::synth::make_street(0, 1);
  i64 sky = 0, too_far = 0;
  for (i64 i = 0; i < 2; ++i) {
    const std::vector<float> written = open("kitti", "exact", "kitti_train.txt").load_training(i).depth_m;
    const md::synth::Camera camera{md::synth::pose_of(street, std::uint64_t(i)), 64, 96, 721.5377 * 96 / 1242};
    const std::vector<float> depth_m = md::synth::render_depth(street.scene, camera);
    for (std::size_t p = 0; p < depth_m.size(); ++p) {
      const bool fits = depth_m[p] < 255.99F;  // 16 bits of 1/256 m
      EXPECT_NEAR(written[p], fits ? depth_m[p] : 0, 0.501 / 256);
      sky += depth_m[p] == 0;
      too_far += !fits;
    }
  }
  EXPECT_GT(sky, 0);
  EXPECT_GT(too_far, 0);
}

TEST_F(Mdsynth, BlurAndExposureChangeThePicturesAlone) {
  const auto is_depth = [](const std::string& name) { return name.find("depth") != name.npos; };
  for (const std::string kind : {"nyu", "kitti"}) {
    ASSERT_EQ(synth(kind, kind, {"--frames", "2"}).code, 0);
    for (const std::vector<std::string>& option :
         {std::vector<std::string>{"--motion-blur", "50"}, {"--exposure", "1"}}) {
      const std::string out = kind + option[0];
      ASSERT_EQ(synth(kind, out, {"--frames", "2", option[0], option[1]}).code, 0);
      const auto before = files(kind), after = files(out);
      ASSERT_EQ(before.size(), after.size());
      for (const auto& [name, bytes] : after) {
        const bool same = name.ends_with(".txt") || name.find("groundtruth") != name.npos || is_depth(name);
        EXPECT_EQ(bytes == before.at(name), same) << name;
      }
    }
  }
}

TEST_F(Mdsynth, AVideoIsAWalkThroughOneRoom) {
  ASSERT_EQ(synth("video", "film", {"--frames", "9", "--seed", "4", "--room", "7"}).code, 0);
  const std::vector<ListEntry> list = read_list(path("film/video.txt"));
  ASSERT_EQ(list.size(), 9U);
  EXPECT_EQ(list[8].image, "video_0007/rgb_00008.jpg");
  const Dataset film = open("nyu", "film", "video.txt");
  std::vector<float> before;
  for (i64 i = 0; i < 9; ++i) {
    const std::vector<float> now = film.load_training(i).depth_m;
    EXPECT_EQ(std::ranges::count(now, 0.F), 0) << "exact depth has no holes";
    i64 moved = 0;
    for (std::size_t p = 0; p < before.size(); ++p) moved += std::abs(now[p] - before[p]) > 0.1F;
    EXPECT_LT(moved, i64(0.1 * double(now.size()))) << "a thirtieth of a second apart";
    before = now;
  }
  ASSERT_EQ(synth("video", "slow", {"--frames", "3", "--seed", "4", "--room", "7", "--fps", "7.5"}).code, 0);
  EXPECT_EQ(open("nyu", "slow", "video.txt").load_training(2).depth_m, film.load_training(8).depth_m)
      << "a frame is a function of its time";
  ASSERT_EQ(synth("video", "other", {"--frames", "3", "--seed", "4", "--room", "8"}).code, 0);
  EXPECT_NE(open("nyu", "other", "video.txt").load_training(2).depth_m, film.load_training(2).depth_m);
}

TEST_F(Mdsynth, RefusesWhatItCannotDo) {
  EXPECT_TRUE(refused(run_tool("mdsynth", {}), 2, {"subcommand"}));
  EXPECT_TRUE(refused(run_tool("mdsynth", {"nyu", "--frames", "1"}), 2, {"--out"}));
  EXPECT_TRUE(refused(synth("nyu", "set", {"--frames", "0"}), 2, {"--frames"}));
  EXPECT_TRUE(refused(synth("nyu", "set", {"--frames", "1", "--color", "1"}), 2, {"--color"}));
  EXPECT_TRUE(refused(run_tool("mdsynth", {"kitti", "--out", path("set"), "--frames", "1", "--height", "32"}), 2,
                      {"--height"}));
  EXPECT_TRUE(refused(synth("nyu", "set", {"--frames", "1", "--detail", "medium"}), 2, {"--detail", "medium"}));
  EXPECT_TRUE(refused(synth("kitti", "set", {"--frames", "1", "--detail", "high"}), 2, {"--detail"}));
  EXPECT_TRUE(refused(synth("nyu", "set", {"--frames", "1", "--sensor", "lidar"}), 2, {"--sensor", "lidar"}));
  EXPECT_TRUE(refused(synth("kitti", "set", {"--frames", "1", "--sensor", "kinect"}), 2, {"--sensor", "kinect"}));
  for (const std::string bad : {"-1", "nan", "501", "long"})
    EXPECT_TRUE(refused(synth("nyu", "set", {"--frames", "1", "--motion-blur", bad}), 2, {"--motion-blur", bad}));
  for (const std::string bad : {"-0.5", "inf", "9"})
    EXPECT_TRUE(refused(synth("nyu", "set", {"--frames", "1", "--exposure", bad}), 2, {"--exposure", bad}));
  EXPECT_TRUE(refused(synth("video", "set", {"--frames", "1", "--room", "0"}), 2, {"--room"}));
  EXPECT_TRUE(refused(synth("video", "set", {"--frames", "1", "--fps", "0"}), 2, {"--fps"}));
  EXPECT_TRUE(refused(synth("video", "set", {"--frames", "1", "--test-frames", "1"}), 2, {"--test-frames"}));
  write("file", "not a folder");
  EXPECT_TRUE(refused(synth("nyu", "file", {"--frames", "1"}), 73, {"--out", "file"}));
}

}  // namespace
}  // namespace md::test
