// mdeval --predictions as a user runs it: the depth maps of any program, scored as a checkpoint's are, or refused.
// Labels: tool
#include <nlohmann/json.hpp>

#include "data/npy.h"
#include "tests/data/data_files.h"
#include "tests/data/map_files.h"
#include "tests/kit/run_tool.h"
#include "tests/kit/testing.h"
#include "tools/eval/evaluate.h"

namespace md::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Words = std::vector<std::string>;

constexpr int kHeight = 12, kWidth = 20;

class PredictionsTest : public DataFolder {
 protected:
  /// Three frames of two rooms; that in the middle has no ground truth and no prediction.
  PredictionsTest() {
    for (const std::string room : {"kitchen", "office"}) {
      fs::create_directories(path(room));
      write_png(path(room + "/rgb_1.png"), test_image(kHeight, kWidth));
      write_png(path(room + "/depth_1.png"), test_depth(kHeight, kWidth, room == "office"));
    }
    write("list.txt",
          "kitchen/rgb_1.png kitchen/depth_1.png 518.8\nkitchen/rgb_1.png None 518.8\n"
          "office/rgb_1.png office/depth_1.png 518.8\n");
  }

  /// Millimetres; every program's are different.
  static DepthImage predicted(int seed, int height = kHeight, int width = kWidth) {
    DepthImage image{height, width, {}};
    for (int i = 0; i < height * width; ++i) image.pixels.push_back(std::uint16_t(1000 + (i * 31 + seed * 977) % 7000));
    return image;
  }
  static Tensor metres(const DepthImage& image) {
    const Tensor map = Tensor::empty({image.height, image.width});
    for (i64 i = 0; i < map.numel(); ++i) map.data()[i] = float(image.pixels[std::size_t(i)]) / 1000.F;
    return map;
  }
  void save(const std::string& name, const DepthImage& image) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    write_png(path(name), image);
  }
  void save_both() const { save("out/kitchen_rgb_1.png", predicted(0)), save("out/office_rgb_1.png", predicted(1)); }

  ToolRun mdeval(const Words& more = {}) const {
    Words args{"--predictions", path("out"), "--data", path(""), "--list", path("list.txt")};
    if (std::ranges::find(more, "--protocol") == more.end()) {
      args.insert(args.end(), {"--protocol", "plain", "--dataset", "nyu"});
    }
    args.insert(args.end(), more.begin(), more.end());
    return run_tool("mdeval", args);
  }
  json json_of(Words more = {}) const {
    more.insert(more.end(), {"--json", path("out.json")});
    const ToolRun run = mdeval(more);
    EXPECT_EQ(run.code, 0) << run.err;
    return json::parse(bytes_of(path("out.json")));
  }
};

TEST_F(PredictionsTest, AreScoredAsThePredictionsOfANetwork) {
  save_both();
  const Dataset data({.list = path("list.txt"), .root = path("")});
  const Predictor same = [](const std::vector<EvalFrame>& frames) {
    return std::vector<Tensor>{metres(predicted(frames[0].index == 0 ? 0 : 1))};
  };
  const Evaluation want = evaluate(same, data, {.protocol = named_protocol("plain", "nyu")});
  const json got = json_of();
  for (const MetricField& field : metric_fields) EXPECT_EQ(got[field.key], want.mean.*field.value) << field.key;
  EXPECT_EQ(got["images"], 2);
  EXPECT_EQ(got["missing"], 1);
  EXPECT_EQ(got["method"], path("out"));
  EXPECT_NE(mdeval().out.find("predictions " + path("out") + ": 2 .png\n"), std::string::npos);
}

TEST_F(PredictionsTest, AreFoundByTheNamesThatProgramsGiveThem) {
  save_both();
  json want = json_of();
  for (const std::string pattern : {"%/rgb_1.png", "%_rgb_1.png"}) {
    fs::remove_all(path("out"));
    const auto name = [&](const std::string& room) { return "out/" + std::string(pattern).replace(0, 1, room); };
    save(name("kitchen"), predicted(0)), save(name("office"), predicted(1));
    EXPECT_EQ(json_of(), want) << pattern;
  }
  fs::remove_all(path("out"));
  fs::create_directories(path("out"));
  write("out/kitchen_rgb_1.npy", to_npy(metres(predicted(0))));
  write("out/office_rgb_1.npy", to_npy(metres(predicted(1))));
  EXPECT_EQ(json_of(), want);
}

TEST_F(PredictionsTest, HaveTheirOwnUnits) {
  save_both();
  const json want = json_of();
  for (const int seed : {0, 1}) {
    DepthImage image = predicted(seed);
    for (std::uint16_t& units : image.pixels) units = std::uint16_t(units * 4);
    save(seed == 0 ? "out/kitchen_rgb_1.png" : "out/office_rgb_1.png", image);
  }
  EXPECT_NE(json_of()["abs_rel"], want["abs_rel"]);
  EXPECT_EQ(json_of({"--prediction-scale", "4000"})["abs_rel"], want["abs_rel"]);
}

TEST_F(PredictionsTest, OfOnesOwnFramesAreInTheUnitsOfTheirGroundTruth) {
  save_both();
  const json nyu = json_of(),
             own = json_of({"--protocol", "plain", "--dataset", "plain", "--depth-scale", "500", "--cap", "20"});
  EXPECT_EQ(own["abs_rel"], nyu["abs_rel"]) << "both are twice as far";
  EXPECT_EQ(own["pixels"], nyu["pixels"]);
  EXPECT_NE(own["protocol_line"].get<std::string>().find(" dataset=plain "), std::string::npos);
  EXPECT_NE(own["protocol_line"].get<std::string>().find(" depth_scale=500 "), std::string::npos);
  EXPECT_TRUE(refused(mdeval({"--protocol", "plain", "--dataset", "plain"}), 2, {"--depth-scale"}));
}

TEST_F(PredictionsTest, OfKittiMayBeTheBenchmarksCropOrTheWholeFrame) {
  const std::string frame = "2011_09_26/2011_09_26_drive_0002_sync/image_02/data/0000000069.png";
  const std::string truth = "2011_09_26_drive_0002_sync/proj_depth/groundtruth/image_02/0000000069.png";
  for (const std::string& name : {frame, truth}) fs::create_directories(fs::path(path(name)).parent_path());
  write_png(path(frame), test_image(375, 1242));
  write_png(path(truth), test_depth(375, 1242));
  write("list.txt", frame + " " + truth + " 721.5377\n");
  const DepthImage whole = predicted(0, 375, 1242);
  DepthImage part{352, 1216, {}};
  for (int y = 0; y < 352; ++y) {
    const auto row = whole.pixels.begin() + (y + 23) * 1242 + 13;  // bottom-aligned, centred
    part.pixels.insert(part.pixels.end(), row, row + 1216);
  }
  const std::string bts_name = "out/2011_09_26_drive_0002_sync_0000000069.png";
  for (const Words& compat : {Words{}, Words{"--compat", "bts"}, Words{"--compat", "newcrfs"}}) {
    Words options{"--protocol", "kitti_eigen_garg"};
    options.insert(options.end(), compat.begin(), compat.end());
    save(bts_name, whole);
    const json of_whole = json_of(options);
    save(bts_name, part);
    EXPECT_EQ(json_of(options), of_whole);
  }
}

TEST_F(PredictionsTest, ThatAreMissingAreNamedAndNothingIsScored) {
  EXPECT_TRUE(refused(mdeval(), 66, {path("out") + ": no such folder"}));
  save("out/kitchen_rgb_1.png", predicted(0));
  const Words files{"--json", path("out.json"), "--csv", path("out.csv"), "--markdown", path("out.md")};
  EXPECT_TRUE(refused(mdeval(files), 66,
                      {"no prediction for office/rgb_1.png (office/rgb_1.png, office_rgb_1.png, rgb_1.png or .npy, "
                       ".npz, .exr, .pfm), 1 of 2 are missing"}));
  for (const char* file : {"out.json", "out.csv", "out.md"}) EXPECT_FALSE(fs::exists(path(file)));
}

TEST_F(PredictionsTest, OfOneNameForTwoFramesAreRefused) {
  save("out/rgb_1.png", predicted(0));
  EXPECT_TRUE(
      refused(mdeval(), 65, {"out/rgb_1.png: would be the prediction of kitchen/rgb_1.png and of office/rgb_1"}));
}

TEST_F(PredictionsTest, ThatCannotBeReadAreNamedAndNothingIsScored) {
  const std::string bad = path("out/office_rgb_1.png");
  const auto expect_refused = [&](const std::string& part) {
    EXPECT_TRUE(refused(mdeval({"--csv", path("out.csv")}), 65, {bad + ": ", part}));
    EXPECT_FALSE(fs::exists(path("out.csv")));
  };
  save_both();
  write_png(bad, predicted(1, 24, 40));
  expect_refused("a prediction of 40x24 for a frame of 20x12 (office/rgb_1.png); --resize-predictions resamples it");
  write("out/office_rgb_1.png", foreign_png(PNG_FORMAT_GRAY, kHeight, kWidth));
  expect_refused("8");
  write_png(bad, test_image(kHeight, kWidth));  // a colour map
  expect_refused("16");
  const std::string good = bytes_of(path("out/kitchen_rgb_1.png"));
  write("out/office_rgb_1.png", std::string_view(good).substr(0, good.size() / 2));
  expect_refused("");
  fs::remove(bad);
  write("out/office_rgb_1.npy", "not numpy's");
  EXPECT_TRUE(refused(mdeval(), 65, {"office_rgb_1.npy: not a .npy file"}));
  std::vector<float> holes(kHeight * kWidth, 2.F);
  holes[31] = std::nanf("");  // a pixel that is measured
  write("out/office_rgb_1.npy", to_npy(Tensor::from_host(holes, {kHeight, kWidth})));
  EXPECT_TRUE(refused(mdeval(), 70,
                      {"out/office_rgb_1.npy (office/rgb_1.png): the prediction has NaN or infinite values at 1 scored "
                       "pixel"}));
}

/// The depth of predicted(seed), in metres, in another program's format.
std::string map_file(const std::string& ending, const std::vector<float>& metres) {
  const std::string shape = cat("(", kHeight, ", ", kWidth, ")"), array = npy_of("<f4", shape, raw(metres));
  if (ending == ".npz") return zip_of({{"mask.npy", array}, {"depth.npy", array, true}});
  if (ending == ".pfm") {
    std::vector<float> upwards;
    for (int y = kHeight - 1; y >= 0; --y)
      upwards.insert(upwards.end(), metres.begin() + y * kWidth, metres.begin() + (y + 1) * kWidth);
    return cat("Pf\n", kWidth, " ", kHeight, "\n-1\n") + raw(upwards);
  }
#ifdef MD_WITH_OPENEXR
  const Imath::Box2i window = exr_window(0, 0, kWidth, kHeight);
  if (ending == ".exr") return exr_of({window, window}, {{"Z", metres}});
#endif
  return npy_of("<f8", shape, raw(std::vector<double>(metres.begin(), metres.end())));
}

TEST_F(PredictionsTest, AreReadInEveryFormat) {
  save_both();
  const json want = json_of();
  std::vector<std::string> endings{".npy", ".npz", ".pfm"};
#ifdef MD_WITH_OPENEXR
  endings.emplace_back(".exr");
#endif
  for (const std::string& ending : endings) {
    fs::remove_all(path("out"));
    fs::create_directories(path("out"));
    write("out/kitchen_rgb_1" + ending, map_file(ending, metres(predicted(0)).to_host()));
    write("out/office_rgb_1" + ending, map_file(ending, metres(predicted(1)).to_host()));
    EXPECT_EQ(json_of(), want) << ending;
    EXPECT_NE(mdeval().out.find(": 2 " + ending + "\n"), std::string::npos) << ending;
  }
}

TEST_F(PredictionsTest, AsIntegersAreInUnits) {
  save_both();
  const json want = json_of();
  const std::string shape = cat("(", kHeight, ", ", kWidth, ")");
  fs::remove(path("out/office_rgb_1.png"));
  const std::vector<std::uint16_t> units = predicted(1).pixels;
  write("out/office_rgb_1.npy", npy_of("<u2", shape, raw(units)));
  EXPECT_EQ(json_of(), want);
  write("out/office_rgb_1.npy",
        npy_of(">i4", shape, swapped(raw(std::vector<std::int32_t>(units.begin(), units.end())), 4)));
  EXPECT_EQ(json_of(), want);
  EXPECT_NE(json_of({"--prediction-scale", "500"})["abs_rel"], want["abs_rel"]);
  EXPECT_EQ(json_of({"--evaluator", "pngs"})["abs_rel"], want["abs_rel"]);
}

TEST_F(PredictionsTest, MayBeInfiniteWhereNothingIsScored) {
  save_both();
  const json want = json_of();
  for (const float odd : {std::nanf(""), INFINITY, -INFINITY}) {
    std::vector<float> metres_of_both[] = {metres(predicted(0)).to_host(), metres(predicted(1)).to_host()};
    for (std::vector<float>& map : metres_of_both)
      for (std::size_t i = 0; i < map.size(); i += 3) map[i] = odd;  // where test_depth has no measurement
    fs::remove_all(path("out"));
    fs::create_directories(path("out"));
    write("out/kitchen_rgb_1.npy", map_file(".npy", metres_of_both[0]));
    write("out/office_rgb_1.pfm", map_file(".pfm", metres_of_both[1]));
    EXPECT_EQ(json_of(), want) << odd;
  }
}

TEST_F(PredictionsTest, OfOtherSizesAreResampledOnDemand) {
  save_both();
  const json want = json_of();
  DepthImage twice{2 * kHeight, 2 * kWidth, {}};  // every pixel four times
  for (int y = 0; y < twice.height; ++y) {
    for (int x = 0; x < twice.width; ++x)
      twice.pixels.push_back(predicted(1).pixels[std::size_t(y / 2 * kWidth + x / 2)]);
  }
  save("out/office_rgb_1.png", twice);
  for (const std::string how : {"bilinear", "nearest"}) {
    const json got = json_of({"--resize-predictions", how});
    EXPECT_NEAR(got["abs_rel"], want["abs_rel"], 1e-6) << how;
    EXPECT_NE(got["protocol_line"].get<std::string>().find(" resampling=" + how), std::string::npos);
    EXPECT_NE(got["protocol_hash"], want["protocol_hash"]);
  }
  EXPECT_NE(mdeval({"--resize-predictions", "nearest"}).out.find(": 2 .png, 1 resampled\n"), std::string::npos);
  EXPECT_EQ(mdeval({"--resize-predictions", "cubic"}).code, 2);
  // A constant stays one, whatever the size.
  save("out/kitchen_rgb_1.png", DepthImage{5, 7, std::vector<std::uint16_t>(35, 2000)});
  save("out/office_rgb_1.png", DepthImage{kHeight, kWidth, std::vector<std::uint16_t>(kHeight * kWidth, 2000)});
  const json bilinear = json_of({"--resize-predictions", "bilinear"}),
             nearest = json_of({"--resize-predictions", "nearest"});
  EXPECT_NEAR(bilinear["abs_rel"], nearest["abs_rel"], 1e-6);
}

TEST_F(PredictionsTest, ClaimNoFlipThatNobodyMade) {
  save_both();
  const std::string line = json_of({"--compat", "newcrfs"})["protocol_line"];
  EXPECT_NE(line.find(" flip_average=no "), std::string::npos) << line;
  EXPECT_NE(line.find(" non_finite=repaired "), std::string::npos) << line;
  EXPECT_TRUE(refused(mdeval({"--flip-average"}), 2, {"--flip-average"}));
}

TEST_F(PredictionsTest, OfZeroAreNamedAndCounted) {
  save_both();
  const json dense = json_of();
  EXPECT_EQ(dense["zero_pixels"], 0);
  DepthImage holes = predicted(1);
  for (const std::size_t i : {0U, 1U, 2U, 4U}) holes.pixels[i] = 0;  // of which 0 is not measured
  save("out/office_rgb_1.png", holes);
  const ToolRun run = mdeval();
  EXPECT_EQ(run.code, 0);
  EXPECT_NE(run.err.find("out/office_rgb_1.png: 0 or less at 3 scored pixels, taken for 0.001 m\n"), std::string::npos)
      << run.err;
  EXPECT_NE(
      run.out.find("; 3 scored pixels of 1 prediction predicted as 0 or less, clamped to 0.001 m as the peers do\n"),
      std::string::npos)
      << run.out;
  const json got = json_of();
  EXPECT_EQ(got["zero_pixels"], 3);
  EXPECT_EQ(got["filled_pixels"], 0);
  EXPECT_EQ(got["protocol_hash"], dense["protocol_hash"]);
}

TEST_F(PredictionsTest, OfZeroAreFilledByKittisOwnProtocol) {
  const Words official{"--protocol", "kitti_official"};
  const auto scored = [&](const DepthImage& image) {
    save("out/kitchen_rgb_1.png", image), save("out/office_rgb_1.png", predicted(1));
    return json_of(official);
  };
  DepthImage holes = predicted(0), filled = holes;
  const auto at = [](int y, int x) { return std::size_t(y * kWidth + x); };
  for (const int x : {0, 5, 6, kWidth - 1}) holes.pixels[at(3, x)] = 0;
  filled.pixels[at(3, 0)] = holes.pixels[at(3, 1)];
  filled.pixels[at(3, kWidth - 1)] = holes.pixels[at(3, kWidth - 2)];
  filled.pixels[at(3, 5)] = filled.pixels[at(3, 6)] = std::min(holes.pixels[at(3, 4)], holes.pixels[at(3, 7)]);
  for (int x = 0; x < kWidth; ++x) {  // the last row is empty
    holes.pixels[at(kHeight - 1, x)] = 0;
    filled.pixels[at(kHeight - 1, x)] = filled.pixels[at(kHeight - 2, x)];
  }
  const json got = scored(holes);
  const ToolRun run = mdeval(official);
  const json want = scored(filled);
  for (const MetricField& field : metric_fields) EXPECT_EQ(got[field.key], want[field.key]) << field.key;
  EXPECT_EQ(got["protocol_hash"], want["protocol_hash"]);
  EXPECT_EQ(got["filled_pixels"], 4 + kWidth);
  EXPECT_EQ(want["filled_pixels"], 0);
  EXPECT_EQ(got["zero_pixels"], 0);
  EXPECT_NE(run.out.find(cat("; ", 4 + kWidth, " pixels of 1 prediction without depth, filled by KITTI's rule, ")),
            std::string::npos)
      << run.out;
  scored(filled);
  save("out/office_rgb_1.png", DepthImage{kHeight, kWidth, std::vector<std::uint16_t>(kHeight * kWidth, 0)});
  EXPECT_TRUE(
      refused(mdeval(official), 65, {"out/office_rgb_1.png (office/rgb_1.png): the prediction is 0 everywhere"}));
}

TEST_F(PredictionsTest, NeedADataSet) {
  save_both();
  EXPECT_TRUE(refused(mdeval({"--protocol", "plain"}), 2, {"--dataset"}));
  EXPECT_TRUE(refused(mdeval({"--protocol", "nyu_eigen", "--dataset", "kitti"}), 2, {"nyu_eigen"}));
}

}  // namespace
}  // namespace md::test
