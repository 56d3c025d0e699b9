// mdeval predict: every file that it writes holds the network's own depth, and bad images are named.
// Labels: tool
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "data/augment.h"
#include "data/npy.h"
#include "data/score.h"
#include "engine/autograd.h"
#include "nets/registry.h"
#include "tests/data/data_files.h"
#include "tests/kit/run_tool.h"
#include "tools/run/checkpoint.h"

namespace md::test {
namespace {

using Words = std::vector<std::string>;

class PredictTest : public DataFolder {
 protected:
  PredictTest() : net_(make_net("lt", {.seed = 3})) {
    write_png(path("room.png"), image_);
    save_checkpoint(path("net.safetensors"), *net_, Adam({{net_->parameters(), 0.F}}, {}),
                    {.config = {{"net", "lt"}, {"max-depth", 10.0}, {"dataset", "nyu"}}});
    net_->eval();
  }
  ToolRun predict(const Words& more, const std::string& input = "") const {
    Words args = {"predict", path("net.safetensors"), "--out", path("out")};
    args.insert(args.end(), more.begin(), more.end());
    return run_tool("mdeval", args, {.input = input});
  }
  /// What the network says of image_, by itself and on the CPU.
  std::vector<float> expected_m() const { return expected_m(image_); }
  std::vector<float> expected_m(const RgbImage& image) const {
    const NoGrad no_grad;
    const Tensor input = Tensor::empty({1, image.height, image.width, 3});
    normalise(image, input.data());
    return net_->forward(input).depth_m.to_host();
  }
  template <class T>
  static T at(const std::string& bytes, std::size_t offset) {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
  }

  const RgbImage image_ = test_image(40, 50);  // no multiple of 32
  const std::unique_ptr<DepthNet> net_;
};

TEST_F(PredictTest, WritesTheNetworksDepthInEveryForm) {
  const ToolRun run =
      predict({path("room.png"), "--npy", "--ply", "--focal", "60", "--center", "20,10", "--device", "cpu"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "1 image in " + path("out") + "\n");
  const std::vector<float> depth_m = expected_m();

  const std::string npy = bytes_of(path("out/room.npy"));
  const std::size_t data = 10 + at<std::uint16_t>(npy, 8);
  EXPECT_EQ(data % 64, 0U);
  EXPECT_NE(npy.find("'shape': (40, 50)"), npy.npos);
  ASSERT_EQ(npy.size(), data + depth_m.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(npy.data() + data, depth_m.data(), npy.size() - data), 0);

  const DepthImage stored = read_depth(path("out/room.png"));
  ASSERT_EQ(stored.pixels.size(), depth_m.size());
  const std::string ply = bytes_of(path("out/room.ply"));
  const std::size_t vertices = ply.find("end_header\n") + 11;
  ASSERT_EQ(ply.size(), vertices + depth_m.size() * 15);
  for (std::size_t i = 0; i < depth_m.size(); ++i) {
    EXPECT_NEAR(stored.pixels[i], depth_m[i] * 1000, 0.501);
    const std::size_t vertex = vertices + i * 15;
    const float x = at<float>(ply, vertex), y = at<float>(ply, vertex + 4), z = at<float>(ply, vertex + 8);
    EXPECT_EQ(z, depth_m[i]);
    EXPECT_NEAR(60 * x / z + 20, double(i % 50), 1e-3) << "projects back onto its pixel";
    EXPECT_NEAR(60 * y / z + 10, double(i / 50), 1e-3);
    EXPECT_EQ(at<std::uint8_t>(ply, vertex + 13), image_.pixels[i * 3 + 1]);
  }
  EXPECT_EQ(read_rgb(path("out/room_color.png")).width, 50);
}

TEST_F(PredictTest, TakesFoldersAndColourRanges) {
  std::filesystem::create_directories(path("images"));
  write_png(path("images/b.png"), test_image(32, 64, 1));
  write_png(path("images/a.png"), test_image(33, 40, 2));
  write("images/notes.txt", "no image");
  const ToolRun run = predict({path("images"), "--range-per-image", "--colormap", "magma"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "2 images in " + path("out") + "\n");
  EXPECT_EQ(read_depth(path("out/a.png")).height, 33);
  EXPECT_EQ(read_depth(path("out/b.png")).width, 64);
}

TEST_F(PredictTest, ReadsNamesFromAPipe) {
  write_jpeg(path("another one.jpg"), test_image(36, 44));
  const ToolRun run = predict({"-"}, write("names", path("room.png") + "\n\n" + path("another one.jpg")));
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "2 images in " + path("out") + "\n");
  EXPECT_EQ(read_depth(path("out/another one.png")).width, 44);
  EXPECT_TRUE(refused(predict({"-"}, write("names", "\n")), 65, {"no image named on stdin"}));
}

TEST_F(PredictTest, KittisServerGetsWhatItTakes) {
  write_png(path("0000000007.png"), image_);
  ASSERT_EQ(predict({path("0000000007.png"), "--kitti-benchmark", "--device", "cpu"}).code, 0);
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(path("out"))) names.push_back(file.path().filename());
  EXPECT_EQ(names, Words{"0000000007.png"});
  const DepthImage stored = read_depth(path("out/0000000007.png"));
  const std::vector<float> depth_m = expected_m();
  for (std::size_t i = 0; i < depth_m.size(); ++i) EXPECT_NEAR(stored.pixels[i], depth_m[i] * 256, 0.501);
  EXPECT_TRUE(refused(predict({path("room.png"), "--kitti-benchmark", "--npy"}), 2, {"--kitti-benchmark"}));
}

TEST_F(PredictTest, AveragesWithTheMirroredImage) {
  ASSERT_EQ(predict({path("room.png"), "--flip-average", "--npy", "--device", "cpu"}).code, 0);
  RgbImage mirrored = image_;
  for (int y = 0; y < image_.height; ++y) {
    for (int x = 0; x < image_.width; ++x) {
      for (int c = 0; c < 3; ++c) {
        mirrored.pixels[std::size_t((y * 50 + x) * 3 + c)] = image_.pixels[std::size_t((y * 50 + 49 - x) * 3 + c)];
      }
    }
  }
  const Tensor want =
      flip_average(Tensor::from_host(expected_m(), {40, 50}), Tensor::from_host(expected_m(mirrored), {40, 50}));
  EXPECT_EQ(read_npy(path("out/room.npy")).to_host(), want.to_host());
}

TEST_F(PredictTest, NeverOverwritesAnImage) {
  std::filesystem::create_directories(path("out"));
  write_png(path("out/room.png"), image_);
  const std::string before = bytes_of(path("out/room.png"));
  EXPECT_TRUE(refused(predict({path("out")}), 2, {"--out", "would overwrite " + path("out/room.png")}));
  EXPECT_EQ(bytes_of(path("out/room.png")), before);
  write_png(path("room_color.png"), image_);  // its depth, and the colours of room.png's
  EXPECT_TRUE(refused(predict({path("room.png"), path("room_color.png")}), 2, {"under one name"}));
}

TEST_F(PredictTest, RefusesWeightsThatAreNoNumbers) {
  net_->parameters().back().tensor.data()[0] = std::numeric_limits<float>::quiet_NaN();
  save_checkpoint(path("net.safetensors"), *net_, Adam({{net_->parameters(), 0.F}}, {}),
                  {.config = {{"net", "lt"}, {"max-depth", 10.0}, {"dataset", "nyu"}}});
  EXPECT_TRUE(refused(predict({path("room.png")}), 70, {"room.png: the prediction is not finite"}));
}

TEST_F(PredictTest, NamesWhatItCannotTake) {
  write_png(path("tiny.png"), test_image(20, 50));
  write("text.png", "no picture");
  write("other/room.png", "x");
  std::filesystem::create_directories(path("empty"));
  EXPECT_TRUE(refused(predict({path("tiny.png")}), 65, {path("tiny.png") + ": ", "20x50"}));
  EXPECT_TRUE(refused(predict({path("text.png")}), 65, {path("text.png")}));
  EXPECT_TRUE(refused(predict({path("absent.jpg")}), 66, {path("absent.jpg")}));
  EXPECT_TRUE(refused(predict({path("empty")}), 65, {path("empty"), "no .jpg"}));
  EXPECT_TRUE(refused(predict({path("room.png"), path("other/room.png")}), 2, {"under one name"}));
  EXPECT_TRUE(refused(predict({path("room.png"), "--ply"}), 2, {"--ply", "--focal"}));
  EXPECT_TRUE(refused(predict({path("room.png"), "--range", "4,2"}), 2, {"--range"}));
  EXPECT_FALSE(std::filesystem::exists(path("out"))) << "nothing was predicted, nothing is left";
}

}  // namespace
}  // namespace md::test
