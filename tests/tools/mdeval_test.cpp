// mdeval on a checkpoint as a user runs it, on tiny synthetic frames: what it prints and writes. Other programs'
// predictions: predictions_test; two results: compare_test; bad input: bad_input_test.
// Labels: tool
#include <cmath>
#include <nlohmann/json.hpp>

#include "nets/registry.h"
#include "tests/data/data_files.h"
#include "tests/data/picture_files.h"
#include "tests/kit/run_tool.h"
#include "tools/eval/results.h"
#include "tools/run/checkpoint.h"

namespace md {
namespace {

using nlohmann::json;
using test::refused;
using test::run_tool;
using test::ToolRun;
namespace fs = std::filesystem;

class MdevalTest : public test::DataFolder {
 protected:
  /// Four NYU frames, the third without ground truth, and a checkpoint of an untrained LT.
  MdevalTest() {
    for (int i = 0; i < 4; ++i) write_frame(cat("room/rgb_", i, ".png"), cat("room/depth_", i, ".png"), 64, 96, i);
    write("list.txt",
          "room/rgb_0.png room/depth_0.png 518.8579\nroom/rgb_1.png room/depth_1.png 518.8579\n"
          "room/rgb_2.png None 518.8579\nroom/rgb_3.png room/depth_3.png 518.8579\n");
    write_checkpoint("nyu", 10.F);
  }

  void write_frame(const std::string& rgb, const std::string& depth, int height, int width, int seed) const {
    fs::create_directories(fs::path(path(rgb)).parent_path());
    write_png(path(rgb), test::test_image(height, width, seed));
    write_png(path(depth), test::test_depth(height, width, seed));
  }

  /// `spoil` may change the weights.
  void write_checkpoint(const std::string& dataset, float max_depth_m,
                        const std::function<void(const Module&)>& spoil = {}) const {
    const auto net = make_net("lt", {.max_depth_m = max_depth_m, .seed = 3});
    if (spoil) spoil(*net);
    const Adam optimizer({{net->parameters()}}, {});
    const json config{{"net", "lt"}, {"max-depth", max_depth_m}, {"dataset", dataset}, {"depth-scale", 500.0}};
    save_checkpoint(path("net.safetensors"), *net, optimizer, {.config = config, .best = nullptr});
  }

  ToolRun mdeval(std::vector<std::string> more, const std::string& protocol = "plain",
                 const std::string& output = "") const {
    std::vector<std::string> args{path("net.safetensors"), "--data",     path(""), "--list",
                                  path("list.txt"),        "--protocol", protocol};
    args.insert(args.end(), more.begin(), more.end());
    return run_tool("mdeval", args, {.output = output});
  }

  json json_of(const std::vector<std::string>& more, const std::string& protocol = "plain") const {
    std::vector<std::string> args{"--json", path("out.json")};
    args.insert(args.end(), more.begin(), more.end());
    const ToolRun run = mdeval(args, protocol);
    EXPECT_EQ(run.code, 0) << run.err;
    return json::parse(bytes_of(path("out.json")));
  }
};

TEST_F(MdevalTest, OwnFramesAreReadAndCappedAsTheNetworkWasTrained) {
  write_checkpoint("plain", 25.F);
  const std::string described = json_of({})["protocol_line"];
  for (const char* part : {"dataset=plain", "cap_m=25", "depth_scale=500"})
    EXPECT_NE(described.find(part), described.npos) << described;
}

TEST_F(MdevalTest, PrintsTheTableAndWritesTheFiles) {
  const ToolRun run =
      mdeval({"--json", path("out.json"), "--csv", path("out.csv"), "--maps", path("maps"), "--device", "cpu"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.err, "");  // progress is for terminals
  EXPECT_NE(run.out.find(": plain dataset=nyu min_m=0.001 cap_m=10 "), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("   AbsRel     RMSE    log10       d1       d2       d3\n"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("3 images, 1 missing"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("12288 pixels"), std::string::npos) << "two thirds of three frames: " << run.out;

  // The same through the library.
  LoadedNet loaded = load_folded_net(path("net.safetensors"));
  const Dataset data({.list = path("list.txt"), .root = path(""), .depth_root = ""});
  const Protocol protocol = named_protocol("plain", "nyu");
  const Evaluation want = evaluate(*loaded.net, data, {.protocol = protocol});
  const json got = json::parse(bytes_of(path("out.json")));
  for (const MetricField& field : metric_fields) EXPECT_EQ(got[field.key], want.mean.*field.value) << field.key;
  EXPECT_EQ(got["images"], 3);
  EXPECT_EQ(got["missing"], 1);
  EXPECT_EQ(got["protocol"], "plain");
  EXPECT_EQ(got["protocol_hash"], protocol_hash(describe(protocol)));
  EXPECT_NE(run.out.find("protocol " + protocol_hash(describe(protocol)) + ": "), std::string::npos) << run.out;
  const std::string csv = to_csv(want, protocol);
  EXPECT_EQ(bytes_of(path("out.csv")), csv);
  EXPECT_NE(csv.find("\nroom/rgb_2.png,,,,,,,,,,,,,,plain dataset=nyu"), std::string::npos) << csv;

  std::vector<std::string> maps;
  for (const auto& entry : fs::directory_iterator(path("maps"))) maps.push_back(entry.path().filename());
  std::sort(maps.begin(), maps.end());
  EXPECT_EQ(maps, (std::vector<std::string>{"0000_room_rgb_0.png", "0001_room_rgb_1.png", "0002_room_rgb_2.png",
                                            "0003_room_rgb_3.png"}));
  const RgbImage map = read_rgb(path("maps/0001_room_rgb_1.png"));
  EXPECT_EQ(map.height, 64);
  EXPECT_EQ(map.width, 96);
}

// Two pictures that other programs show turned: scored as they are stored, and said once.
TEST_F(MdevalTest, PicturesTurnedByExifAreNamedOnce) {
  const json before = json_of({});
  for (const auto& [frame, orientation] : {std::pair{1, 6}, {3, 2}}) {
    const std::string name = cat("room/rgb_", frame, ".png");
    write(name, test::with_chunk(bytes_of(path(name)), "eXIf" + test::exif_block({.orientation = orientation})));
  }
  const ToolRun run = mdeval({"--json", path("out.json")});
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.err,
            "room/rgb_1.png: EXIF's orientation 6 is not applied: a picture and its depth must lie alike as they are "
            "stored\n");
  EXPECT_EQ(json::parse(bytes_of(path("out.json"))), before);
}

TEST_F(MdevalTest, IntervalsSurroundTheMeansAndDependOnTheSeedAlone) {
  const ToolRun run = mdeval({"--json", path("a.json"), "--markdown", path("table.md")});
  ASSERT_EQ(run.code, 0) << run.err;
  const json a = json::parse(bytes_of(path("a.json")));
  for (const MetricField& field : metric_fields) {
    EXPECT_LE(a["interval_95"][field.key][0], a[field.key]) << field.key;
    EXPECT_GE(a["interval_95"][field.key][1], a[field.key]) << field.key;
  }
  EXPECT_EQ(json_of({}), a);
  EXPECT_EQ(json_of({"--seed", "0"}), a);
  EXPECT_EQ(json_of({"--seed", "1"})["bootstrap"]["seed"], 1);

  char cell[64];
  std::snprintf(cell, sizeof cell, "| %.4f (%.4f-%.4f) |", a["rmse"].get<double>(),
                a["interval_95"]["rmse"][0].get<double>(), a["interval_95"]["rmse"][1].get<double>());
  const std::string table = bytes_of(path("table.md"));
  EXPECT_EQ(table.find("| method | AbsRel | RMSE | log10 | d1 | d2 | d3 |\n|---|---|---|---|---|---|---|\n"), 0U)
      << table;
  EXPECT_NE(table.find(cell), std::string::npos) << table;
}

TEST_F(MdevalTest, FilesKeepEveryDigit) {
  ASSERT_EQ(mdeval({"--json", path("out.json"), "--csv", path("out.csv")}).code, 0);
  const SavedResults from_json = read_results(path("out.json")), from_csv = read_results(path("out.csv"));
  EXPECT_EQ(from_json.protocol, from_csv.protocol);
  ASSERT_EQ(from_json.per_image.size(), 4U);
  ASSERT_EQ(from_csv.per_image.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(from_json.per_image[i].image, from_csv.per_image[i].image);
    ASSERT_EQ(from_json.per_image[i].metrics.has_value(), i != 2);
    ASSERT_EQ(from_csv.per_image[i].metrics.has_value(), i != 2);
    if (i == 2) continue;
    for (const SavedField& field : saved_fields()) {
      EXPECT_EQ((*from_json.per_image[i].metrics).*field.value, (*from_csv.per_image[i].metrics).*field.value);
    }
  }
}

TEST_F(MdevalTest, ParametersActAndAreNamed) {
  const json plain = json_of({});
  for (const auto& [option, named] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{{{"--averaging", "pooled"}, " averaging=pooled "},
                                                                     {{"--median-scaling"}, " median_scaling=yes "},
                                                                     {{"--evaluator", "pngs"}, " evaluator=pngs "},
                                                                     {{"--arithmetic", "f64"}, " arithmetic=f64"}}) {
    const json changed = json_of(option);
    EXPECT_NE(changed["protocol_line"].get<std::string>().find(named), std::string::npos) << named;
    EXPECT_NE(changed["protocol_hash"], plain["protocol_hash"]) << named;
    EXPECT_NE(changed["rmse"], plain["rmse"]) << named;
  }
}

TEST_F(MdevalTest, ErrorMapsShowWhatIsScored) {
  ASSERT_EQ(mdeval({"--error-maps", path("errors")}).code, 0);
  EXPECT_FALSE(fs::exists(path("errors/0002_room_rgb_2.png"))) << "it has no ground truth";
  const RgbImage errors = read_rgb(path("errors/0001_room_rgb_1.png"));
  const DepthImage truth = read_depth(path("room/depth_1.png"));
  ASSERT_EQ(errors.pixels.size(), truth.pixels.size() * 3);
  for (std::size_t i = 0; i < truth.pixels.size(); ++i) {
    const bool black = errors.pixels[3 * i] + errors.pixels[3 * i + 1] + errors.pixels[3 * i + 2] == 0;
    ASSERT_EQ(black, truth.pixels[i] == 0) << i;
  }
}

TEST_F(MdevalTest, CapLimitsWhatIsScored) {
  const json all = json_of({}), near = json_of({"--cap", "3"});
  EXPECT_NE(all["rmse"], near["rmse"]);
  EXPECT_NE(near["protocol_line"].get<std::string>().find(" cap_m=3 "), std::string::npos);
}

TEST_F(MdevalTest, GroundTruthThatIsNoneIsNotScoredAndNamed) {
  DepthImage depth = test::test_depth(64, 96, 1);
  depth.pixels[1] = 4'321;
  depth.pixels[2] = 8'499;  // of 0.5 to 8.499 m
  write_png(path("room/depth_1.png"), depth);
  const json all = json_of({}), without = json_of({"--invalid-value", "4321"}), near = json_of({"--valid-below", "3"});
  EXPECT_EQ(without["pixels"].get<double>(), all["pixels"].get<double>() -
                                                 double(std::ranges::count(depth.pixels, 4'321)) -
                                                 double(std::ranges::count(test::test_depth(64, 96, 0).pixels, 4'321)) -
                                                 double(std::ranges::count(test::test_depth(64, 96, 3).pixels, 4'321)));
  EXPECT_LT(near["pixels"], all["pixels"]);
  const auto line = [](const json& results) { return results["protocol_line"].get<std::string>(); };
  EXPECT_TRUE(line(without).ends_with(" arithmetic=f32 invalid_value=4321")) << line(without);
  EXPECT_TRUE(line(near).ends_with(" arithmetic=f32 valid_below_m=3")) << line(near);
  EXPECT_TRUE(line(all).ends_with(" arithmetic=f32")) << line(all);
  EXPECT_NE(near["rmse"], all["rmse"]);
  EXPECT_NE(near["rmse"], json_of({"--cap", "3"})["rmse"]) << "a cap clamps predictions, too";
}

TEST_F(MdevalTest, OtherEndingsAreFoundAndSaidOnce) {
  for (const int i : {0, 1}) {
    write_jpeg(path(cat("room/photo_", i, ".jpg")), test::test_image(64, 96, i));
    write_png(path(cat("room/d_", i, ".png")), test::test_depth(64, 96, i));
  }
  write("list.txt", "room/photo_0.png room/d_0.png\nroom/photo_1.png room/d_1.png\n");
  const ToolRun run = mdeval({});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(run.out.ends_with("2 images are .jpg where the list says .png (first: room/photo_0.png)\n") ||
              run.out.ends_with("2 images are .jpg where the list says .png (first: room/photo_1.png)\n"))
      << run.out;
}

TEST_F(MdevalTest, FlipAverageIsAnOptionOfItsOwn) {
  const json plain = json_of({}), averaged = json_of({"--flip-average"});
  EXPECT_NE(plain["abs_rel"], averaged["abs_rel"]);
  const std::string line = averaged["protocol_line"];
  EXPECT_NE(line.find(" flip_average=yes "), line.npos) << line;
}

TEST_F(MdevalTest, MapsComeInTheColoursAskedFor) {
  ASSERT_EQ(mdeval({"--maps", path("turbo")}).code, 0);
  ASSERT_EQ(mdeval({"--maps", path("magma"), "--colormap", "magma"}).code, 0);
  const RgbImage turbo = read_rgb(path("turbo/0000_room_rgb_0.png")),
                 magma = read_rgb(path("magma/0000_room_rgb_0.png"));
  EXPECT_NE(turbo.pixels, magma.pixels);
}

TEST_F(MdevalTest, BatchesGiveTheSameMeasures) {
  const json one = json_of({}), three = json_of({"--batch", "3", "--loader-threads", "1"});
  // A convolution may add in another order for another batch size.
  for (const MetricField& field : metric_fields) {
    EXPECT_NEAR(one[field.key].get<double>(), three[field.key].get<double>(), 1e-4) << field.key;
  }
}

TEST_F(MdevalTest, FramesOfDifferentSizesShareARun) {
  write_frame("room/rgb_1.png", "room/depth_1.png", 70, 101, 1);  // no multiples of 32 either
  EXPECT_EQ(json_of({"--batch", "2"})["images"], 3);
}

TEST_F(MdevalTest, KittiIsScoredInFullSizeAfterTheBenchmarkCrop) {
  write_checkpoint("kitti", 80.F);
  write_frame("drive/0.png", "drive/0_depth.png", 375, 1242, 0);
  write("list.txt", "drive/0.png drive/0_depth.png 721.5377\n");
  const json full = json_of({"--maps", path("maps")}, "kitti_eigen_garg");
  EXPECT_EQ(read_rgb(path("maps/0000_drive_0.png")).width, 1216);
  const json cut = json_of({"--compat", "newcrfs"}, "kitti_eigen_garg");
  EXPECT_NE(full["abs_rel"], cut["abs_rel"]);
  EXPECT_NE(mdeval({}, "kitti_eigen_garg").out.find("AbsRel    SqRel     RMSE  RMSElog       d1       d2       d3\n"),
            std::string::npos);
}

TEST_F(MdevalTest, EvaluationLeavesTheNetworkInItsMode) {
  LoadedNet loaded = load_net(path("net.safetensors"));
  const Dataset data({.list = path("list.txt"), .root = path(""), .depth_root = ""});
  for (const bool training : {true, false}) {
    loaded.net->train(training);
    evaluate(*loaded.net, data, {.protocol = named_protocol("plain", "nyu")});
    EXPECT_EQ(loaded.net->training(), training);
  }
}

TEST_F(MdevalTest, NanPredictionIsAnErrorUnlessAPeerIsReproduced) {
  write_checkpoint("nyu", 10.F, [](const Module& net) {
    net.parameters().back().tensor.data()[0] = std::nanf("");  // the bias of the prediction
  });
  const std::vector<std::string> files{"--json", path("out.json"), "--csv", path("out.csv"), "--maps", path("maps")};
  EXPECT_TRUE(refused(mdeval(files), 70, {"room/rgb_0.png", "NaN"}));
  EXPECT_FALSE(fs::exists(path("out.json")));
  EXPECT_FALSE(fs::exists(path("out.csv")));
  EXPECT_FALSE(fs::exists(path("maps")));
  EXPECT_TRUE(refused(mdeval({"--flip-average"}), 70, {"room/rgb_0.png", "NaN"}));
  EXPECT_GT(json_of({"--compat", "bts"})["abs_rel"], 0.99);  // all min_m
}

TEST_F(MdevalTest, BadOptions) {
  EXPECT_TRUE(refused(mdeval({}, "eigen"), 2, {"--protocol", "eigen", "nyu_eigen"}));
  EXPECT_TRUE(refused(mdeval({}, "kitti_eigen_garg"), 2, {"--protocol", "not for nyu"}));
  EXPECT_TRUE(refused(mdeval({"--cap", "-1"}), 2, {"--cap"}));
  EXPECT_TRUE(refused(mdeval({"--cap", "1e-9"}), 2, {"--cap"}));
  EXPECT_TRUE(refused(mdeval({"--cap", "nan"}), 2, {"--cap", "nan"}));
  EXPECT_TRUE(refused(mdeval({"--colormap", "jet"}), 2, {"--colormap", "jet"}));
  EXPECT_TRUE(refused(mdeval({"--compat", "adabins"}), 2, {"--compat", "adabins"}));
  EXPECT_TRUE(refused(mdeval({"--device", "tpu"}), 2, {"--device"}));
  EXPECT_TRUE(refused(run_tool("mdeval", {}), 2, {"--data"}));
  const std::vector<std::string> where{"--data", path(""), "--list", path("list.txt"), "--protocol", "plain"};
  EXPECT_TRUE(refused(run_tool("mdeval", where), 2, {"CHECKPOINT or --predictions"}));
  EXPECT_TRUE(refused(mdeval({"--predictions", path("")}), 2, {"CHECKPOINT or --predictions"}));
  EXPECT_TRUE(refused(mdeval({"--averaging", "median"}), 2, {"--averaging"}));
}

TEST_F(MdevalTest, FrameTooSmallForTheNetworkIsNamed) {
  write_frame("room/rgb_1.png", "room/depth_1.png", 16, 96, 0);
  EXPECT_TRUE(refused(mdeval({}), 65, {"room/rgb_1.png", "16x96"}));
}

TEST_F(MdevalTest, FrameWithoutValidPixelCountsAsMissing) {
  write_png(path("room/depth_1.png"), DepthImage{64, 96, std::vector<std::uint16_t>(64 * 96, 0)});
  const json got = json_of({});
  EXPECT_EQ(got["images"], 2);
  EXPECT_EQ(got["missing"], 2);
}

TEST_F(MdevalTest, ProtocolThatWantsAnotherSizeNamesTheFrame) {
  EXPECT_TRUE(refused(mdeval({}, "nyu_eigen"), 65, {"room/rgb_0.png", "480x640"}));
}

TEST_F(MdevalTest, AFullDiskBehindStdoutIsAnError) { EXPECT_EQ(mdeval({}, "plain", "/dev/full").code, 73); }

TEST_F(MdevalTest, MapsJoinAnExistingFolder) {
  write("maps/0000_room_rgb_0.png", "old");
  write("maps/notes.txt", "mine");
  ASSERT_EQ(mdeval({"--maps", path("maps")}).code, 0);
  EXPECT_EQ(read_rgb(path("maps/0000_room_rgb_0.png")).width, 96);
  EXPECT_EQ(bytes_of(path("maps/notes.txt")), "mine");
}

}  // namespace
}  // namespace md
