// mdtrain as a user runs it, on a handful of synthetic frames: what a run leaves behind, what fixes its numbers, what
// it refuses, how it stops.
// Labels: tool
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>

#include "engine/safetensors.h"
#include "nets/registry.h"
#include "tests/kit/testing.h"
#include "tests/tools/suite_folder.h"
#include "tools/run/checkpoint.h"
#include "tools/train/train_command.h"
#include "tools/train/train_step.h"
#include "tools/train/trainer.h"

namespace md {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::refused;
using test::run_tool;
using test::ToolRun;
using Args = std::vector<std::string>;

std::string slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<json> lines(const fs::path& run) {
  std::vector<json> found;
  std::ifstream file(run / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) found.push_back(json::parse(line));
  return found;
}

std::vector<double> losses(const fs::path& run) {
  std::vector<double> found;
  for (const json& line : lines(run)) {
    if (line.contains("loss")) found.push_back(line["loss"]);
  }
  return found;
}

/// Eight frames to train on and two to test on, 64x96, in a folder of the suite's own.
class MdtrainTest : public test::SuiteFolder {
 protected:
  static void SetUpTestSuite() { make_rooms(8, 2); }

  static std::string data() { return path("data"); }
  /// The options of a run of a few steps into the folder `run`. The defaults stand in a config file: flags win.
  static Args args(const std::string& run, const Args& more = {}) {
    std::ofstream(path("few_steps.toml")) << "list = 'nyu_train.txt'\nheight = 64\nwidth = 96\nbatch = 4\nlr = 1e-3\n"
                                          << "max-steps = 3\nmetric-depth = true\ndevice = 'cpu'\n";
    Args all = {"--config", path("few_steps.toml"), "--data", data(), "--out", path(run)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(MdtrainTest, LeavesACompleteRunBehind) {
  const ToolRun run = run_tool("mdtrain", args("complete", {"--eval-list", "nyu_test.txt", "--epochs", "2"}));
  ASSERT_EQ(run.code, 0) << run.err;
  const std::regex only_the_data(
      "mdtrain: 8 of 8 frames looked at: 96x64, [0-9.]+ % measured, .* to .* m, median .* m\n");
  EXPECT_TRUE(std::regex_match(run.err, only_the_data)) << "progress belongs on a terminal only: " << run.err;
  for (const char* part : {"AbsRel", "protocol plain", "3 steps"}) EXPECT_NE(run.out.find(part), run.out.npos) << part;

  std::size_t steps = 0, evaluations = 0;
  for (const json& line : lines(path("complete"))) {
    steps += line.contains("loss");
    evaluations += line.contains("eval");
    if (line.contains("eval")) {
      EXPECT_EQ(line["eval"]["images"], 2);
      EXPECT_GT(line["eval"]["abs_rel"], 0);
    } else {
      // The parts are floats, and so is their sum.
      EXPECT_NEAR(line["loss"], line["silog"].get<double>() + line["metric_depth"].get<double>(), 1e-5);
    }
  }
  EXPECT_EQ(steps, 3U);
  EXPECT_EQ(evaluations, 2U) << "one after the first epoch, one after the last step";

  const SafeTensors last = SafeTensors::read(path("complete/last.safetensors"));
  EXPECT_EQ(last.entry("encoder.features.0.0.weight").shape, (Shape{16, 3, 3, 3}));
  EXPECT_TRUE(last.has("optimizer.exp_avg.predict.bias"));
  EXPECT_EQ(last.numbers("optimizer.step.predict.bias"), std::vector<double>{3});
  EXPECT_EQ(json::parse(last.metadata().at("run"))["step"], 3);
  EXPECT_EQ(json::parse(last.metadata().at("config"))["margins"], json({3, 6, 8}));
  const LoadedNet best = load_net(path("complete/best.safetensors"));
  EXPECT_FALSE(best.net->training());
  EXPECT_EQ(best.state.config["net"], "lt");
  EXPECT_TRUE(best.state.best.contains("abs_rel"));
  const State names = best.net->state();
  const auto alone = SafeTensors::read(path("complete/best.safetensors")).entries();
  EXPECT_TRUE(std::ranges::equal(
      alone, names, {}, [](const auto& e) { return e.first; }, [](const auto& e) { return e.first; }))
      << "the best network's file has other names than PyTorch's state_dict";
}

TEST_F(MdtrainTest, SameSeedSameLossesWithAnyLoaderThreads) {
  for (const char* threads : {"1", "4"}) {
    const ToolRun run =
        run_tool("mdtrain", args(cat("threads", threads), {"--seed", "5", "--loader-threads", threads}));
    ASSERT_EQ(run.code, 0) << run.err;
  }
  ASSERT_EQ(run_tool("mdtrain", args("again", {"--seed", "5"})).code, 0);
  ASSERT_EQ(run_tool("mdtrain", args("other", {"--seed", "6"})).code, 0);
  const std::vector<double> once = losses(path("threads1"));
  ASSERT_EQ(once.size(), 3U);
  EXPECT_EQ(once, losses(path("threads4")));
  EXPECT_EQ(once, losses(path("again")));
  EXPECT_NE(once, losses(path("other")));
}

TEST_F(MdtrainTest, TheDumpedConfigGivesTheSameRun) {
  ASSERT_EQ(run_tool("mdtrain", args("first", {"--no-flip", "--ranges", "0.5-inf", "--margins", "4"})).code, 0);
  const std::string config = path("first/config.toml");
  const ToolRun again = run_tool("mdtrain", {"train", "--config", config, "--out", path("second")});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(slurp(config), slurp(path("second/config.toml")));
  EXPECT_EQ(losses(path("first")), losses(path("second")));
  const ToolRun flag_wins = run_tool("mdtrain", {"--config", config, "--out", path("third"), "--max-steps", "1"});
  EXPECT_EQ(flag_wins.code, 0) << flag_wins.err;
  EXPECT_EQ(losses(path("third")).size(), 1U);
}

TEST_F(MdtrainTest, EveryShippedConfigParses) {
  std::size_t found = 0;
  for (const auto& config : fs::directory_iterator(test::source_dir() + "/tools/configs")) {
    CLI::App app;
    TrainOptions options;
    add_train_options(app, options);
    Args words = {"--out", "y", "--data", "z", "--config", config.path().string()};
    std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
    ASSERT_NO_THROW(app.parse(words)) << config.path();
    ASSERT_NO_THROW(resolve(options)) << config.path();
    EXPECT_FALSE(eval_protocol(options).repair) << config.path() << ": a NaN prediction must not count as a depth";
    EXPECT_EQ(options.metric_depth, config.path().filename().string().find("metricdepth") != std::string::npos)
        << config.path();
    ++found;
  }
  EXPECT_GE(found, 10U);
}

/// The values of every option after parsing `words`.
nlohmann::json parsed(Args words) {
  CLI::App app;
  TrainOptions options;
  add_train_options(app, options);
  std::reverse(words.begin(), words.end());
  app.parse(words);
  return config_json(options);
}

TEST_F(MdtrainTest, DefaultsAreThePapers) {
  json defaults = parsed({});
  json paper = parsed({"--config", test::source_dir() + "/tools/configs/nyu_lt_metricdepth_paper.toml"});
  // What depends on the files at hand, what NYU's white border and official crop ask for, and the choice of the method.
  for (const char* of_the_data : {"list", "eval-list", "dense", "border", "protocol", "flip-average", "metric-depth"}) {
    defaults.erase(of_the_data);
    paper.erase(of_the_data);
  }
  EXPECT_EQ(defaults, paper) << json::diff(defaults, paper);
}

TEST_F(MdtrainTest, RefusesWrongOptionsAndLeavesNothing) {
  struct Wrong {
    Args more;
    int code;
    Args parts;
  };
  std::ofstream(path("empty.txt")) << "";
  const std::vector<Wrong> cases = {
      {{"--epochs", "0"}, 2, {"--epochs"}},
      {{"--net", "ltt"}, 2, {"--net", "lt"}},
      {{"--margins", "3"}, 2, {"margin"}},
      {{"--ranges", "1-0.5", "--margins", "3"}, 2, {"1-0.5"}},
      {{"--brightness", "1.2", "0.8"}, 2, {"--brightness"}},
      {{"--brightness", "0.8", "nan"}, 2, {"--brightness", "nan"}},
      {{"--brightness", "0", "1"}, 2, {"--brightness", "0"}},
      {{"--lr", "nan"}, 2, {"--lr", "nan"}},
      {{"--end-lr", "inf"}, 2, {"--end-lr", "inf"}},
      {{"--max-depth", "1e39"}, 2, {"--max-depth", "1e39"}},  // infinite as a float
      {{"--adam-eps", "1e-60"}, 2, {"--adam-eps", "1e-60"}},  // 0 as a float
      {{"--rotation", "nan"}, 2, {"--rotation", "nan"}},
      {{"--variance-focus", "nan"}, 2, {"--variance-focus", "nan"}},
      {{"--margins", "3", "6", "nan"}, 2, {"--margins", "nan"}},
      {{"--max-steps", "1000000000001"}, 2, {"--max-steps"}},  // beyond the random numbers' addresses
      {{"--max-steps", "2000002"}, 2, {"--max-steps", "1000000 epochs of 2"}},
      {{"--focal-scaling"}, 2, {"--focal-scaling", "is for bts, bts_resnet101, bts_densenet121, bts_densenet161, not"}},
      {{"--drop-path", "0.1"}, 2, {"--drop-path", "is for newcrfs_tiny07, "}},
      {{"--checkpoint-activations"}, 2, {"--checkpoint-activations", "is for newcrfs_tiny07, "}},
      {{"--dataset", "kitti", "--border", "crop"}, 2, {"--border crop", "--dataset kitti"}},
      {{"--depth-root", path("run#1")}, 2, {"--depth-root " + path("run#1"), "'#'"}},
      {{"--depth-root", "\xff"}, 2, {"--depth-root", "not UTF-8"}},
      {{"--protocol", "eigen"}, 2, {"eigen"}},
      {{"--device", "cuda:999"}, 69, {"device cuda"}},
      {{"--eval-list", "absent.txt"}, 66, {"absent.txt"}},
      {{"--eval-list", path("empty.txt")}, 65, {"empty.txt"}},
      {{"--depth-root", path("nowhere")}, 66, {"nowhere"}},
  };
  for (const Wrong& wrong : cases) {
    Args all = args("refused");
    all.insert(all.end(), wrong.more.begin(), wrong.more.end());
    EXPECT_TRUE(refused(run_tool("mdtrain", all), wrong.code, wrong.parts))
        << wrong.more[0] << " " << wrong.more.back();
    EXPECT_FALSE(fs::exists(path("refused"))) << wrong.more[0];
  }
  EXPECT_TRUE(refused(run_tool("mdtrain", {"--data", data(), "--out", path("refused")}), 2, {"--list"}));
}

TEST_F(MdtrainTest, RawSweepsAreToTrainOnAndNeverScored) {
  TrainOptions options;
  options.data.dataset = "kitti";
  options.data.velodyne_raw = true;
  EXPECT_FALSE(eval_protocol(options).velodyne_raw);
}

TEST_F(MdtrainTest, RefusesAConfigWhoseValueWouldBeCut) {
  std::ofstream(path("hash.toml")) << "# paths\nlr = 1e-3  # it's the first\ndata = \"/data/run#1\"\n";
  EXPECT_TRUE(
      refused(run_tool("mdtrain", {"--config", path("hash.toml"), "--out", path("refused")}), 2, {"line 3", "'#'"}));
}

TEST_F(MdtrainTest, AnEvaluationThatFailsCostsNoSteps) {
  std::string list = slurp(path("data/nyu_test.txt")), image = list.substr(0, list.find(' '));
  const std::string bytes = slurp(path("data/" + image));
  std::ofstream(path("data/cut.jpg"), std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  const std::string depth = list.substr(image.size(), list.find('\n') - image.size());
  std::ofstream(path("data/with_a_cut_one.txt")) << image << depth << "\ncut.jpg" << depth << "\n" << list;
  const ToolRun run =
      run_tool("mdtrain", args("unevaluated", {"--max-steps", "2", "--eval-list", "with_a_cut_one.txt"}));
  EXPECT_EQ(run.code, 65) << run.err;
  EXPECT_EQ(Checkpoint(path("unevaluated/last.safetensors")).state().step, 2);
}

TEST_F(MdtrainTest, RefusesAFolderThatIsNotEmpty) {
  fs::create_directories(path("full"));
  std::ofstream(path("full/precious")) << "x";
  EXPECT_TRUE(refused(run_tool("mdtrain", args("full")), 73, {path("full"), "not empty"}));
  EXPECT_EQ(std::distance(fs::directory_iterator(path("full")), {}), 1);
}

TEST_F(MdtrainTest, TenNonFiniteLossesInARowEndTheRun) {
  // The first update with such a rate makes every weight enormous and every later loss infinite or NaN.
  const ToolRun run = run_tool("mdtrain", args("diverged", {"--max-steps", "40", "--lr", "1e30"}));
  EXPECT_EQ(run.code, 70) << run.err;
  EXPECT_NE(run.err.find("is not finite, the 10th such step in a row; files: scene"), run.err.npos) << run.err;
  std::size_t skipped = 0;
  for (const json& line : lines(path("diverged"))) {
    if (!line.contains("skipped")) continue;
    EXPECT_EQ(line["skipped"].size(), 4U) << "the files of the batch";
    EXPECT_FALSE(line["not_finite"].get<std::string>().empty());
    ++skipped;
  }
  EXPECT_EQ(skipped, 10U);
}

Batch random_batch() {
  return {.image = test::random_tensor({2, 32, 64, 3}, 1),
          .depth_m = test::random_tensor({2, 32, 64}, 2, 1.F, 9.F),
          .focal_px = {},
          .names = {}};
}

void expect_same(const State& got, const State& want) {
  for (const auto& [name, tensor] : got) {
    ASSERT_EQ(std::memcmp(tensor.raw(), want.at(name).raw(), tensor.bytes()), 0) << name;
  }
}

StepLosses run_step(TrainStep& train, const Batch& batch, i64 step) {
  train.begin(batch, step);
  return train.finish();
}

TEST_F(MdtrainTest, ASkippedStepChangesNothing) {
  TrainOptions options;
  const auto net = make_net("lt", {});
  TrainStep train(options, *net, 10);
  const Batch batch = random_batch();
  EXPECT_FALSE(run_step(train, batch, 0).skipped());
  const State before = net->state(), moments = train.optimizer().state();
  batch.image.data()[17] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(run_step(train, batch, 1).not_finite, "loss");
  expect_same(net->state(), before);
  expect_same(train.optimizer().state(), moments);
  batch.image.data()[17] = 0;
  EXPECT_FALSE(run_step(train, batch, 2).skipped());
}

TEST_F(MdtrainTest, ASkippedStepLeavesAdaptiveThresholdsAsTheyWere) {
  TrainOptions options;
  options.metric_depth = options.adaptive_thresholds = true;
  const auto net = make_net("lt", {});
  std::vector<LossTerm> terms = loss_terms(options);
  float more = 0.F;
  terms.push_back({"more", [&more](const LossInput&) { return Tensor::full({}, more); }});
  TrainStep train(options, *net, 10, terms);
  const Batch batch = random_batch();
  EXPECT_FALSE(run_step(train, batch, 0).skipped());
  const TrainStep::TermStates before = train.term_states();
  ASSERT_EQ(before.at("metric_depth").at(0), 1) << "updates";
  more = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(run_step(train, batch, 1).not_finite, "loss");
  EXPECT_EQ(train.term_states(), before);
  more = 0.F;
  EXPECT_FALSE(run_step(train, batch, 2).skipped());
  EXPECT_NE(train.term_states(), before);
}

// A depth of 1e-41 m has a logarithm, but its inverse, which is the derivative, is beyond a float.
TEST_F(MdtrainTest, ANonFiniteGradientSkipsTheStepToo) {
  TrainOptions options;
  const auto net = make_net("lt", {.max_depth_m = 1e-3F});
  const Tensor bias = net->parameters().back().tensor;
  ASSERT_EQ(net->parameters().back().name, "predict.bias");
  bias.data()[0] = -87.F;
  Batch batch = random_batch();
  batch.depth_m = Tensor::zeros({2, 32, 64});
  batch.depth_m.data()[700] = 5.F;  // one measured pixel: no mean makes its derivative small
  TrainStep train(options, *net, 10);
  const State before = net->state(), moments = train.optimizer().state();
  const StepLosses losses = run_step(train, batch, 0);
  EXPECT_TRUE(std::isfinite(losses.total)) << losses.total;
  EXPECT_TRUE(losses.not_finite.starts_with("gradient of ")) << losses.not_finite;
  expect_same(net->state(), before);
  expect_same(train.optimizer().state(), moments);
}

TEST_F(MdtrainTest, ABatchWithoutGroundTruthChangesNothing) {
  TrainOptions options;
  const auto net = make_net("lt", {});
  TrainStep train(options, *net, 10);
  Batch batch = random_batch();
  batch.measured = {0, 0};
  const State before = net->state(), moments = train.optimizer().state();
  const StepLosses losses = run_step(train, batch, 0);
  EXPECT_TRUE(losses.nothing_measured && losses.skipped());
  EXPECT_TRUE(losses.parts.empty());
  expect_same(net->state(), before);
  expect_same(train.optimizer().state(), moments);
  batch.measured = {0, 1};
  EXPECT_FALSE(run_step(train, batch, 1).skipped());
}

TEST_F(MdtrainTest, AnAbandonedStepChangesNothing) {
  TrainOptions options;
  const auto net = make_net("lt", {});
  TrainStep train(options, *net, 10);
  run_step(train, random_batch(), 0);
  const State before = net->state(), moments = train.optimizer().state();
  train.begin(random_batch(), 1);
  const State between = net->state();
  EXPECT_TRUE(std::ranges::any_of(between, [&](const auto& entry) {
    return std::memcmp(entry.second.raw(), before.at(entry.first).raw(), entry.second.bytes()) != 0;
  })) << "batch norms have running statistics";
  train.abandon();
  expect_same(net->state(), before);
  expect_same(train.optimizer().state(), moments);
}

/// Of three parts the ones with ground truth make the step, as if they were all.
TEST_F(MdtrainTest, APartWithoutGroundTruthIsLeftOut) {
  for (const int without : {0, 1, 2}) {
    Batch whole, others;
    whole.image = test::random_tensor({3, 32, 64, 3}, 1);
    whole.depth_m = test::random_tensor({3, 32, 64}, 2, 1.F, 9.F);
    whole.measured = {5, 5, 5};
    whole.measured[std::size_t(without)] = 0;
    others.image = Tensor::empty({2, 32, 64, 3});
    others.depth_m = Tensor::empty({2, 32, 64});
    for (i64 from = 0, to = 0; from < 3; ++from) {
      if (from == without) continue;
      others.image.rows(to, to + 1).copy_from(whole.image.rows(from, from + 1));
      others.depth_m.rows(to, to + 1).copy_from(whole.depth_m.rows(from, from + 1));
      ++to;
    }
    TrainOptions three, two;
    three.accumulate = 3;
    two.accumulate = 2;
    const auto net = make_net("lt", {}), wanted = make_net("lt", {});
    const StepLosses got = [&] {
      TrainStep step(three, *net, 10);
      return run_step(step, whole, 0);
    }();
    TrainStep step(two, *wanted, 10);
    EXPECT_EQ(got.total, run_step(step, others, 0).total);
    expect_same(net->state(), wanted->state());
  }
}

TEST_F(MdtrainTest, ShowsProgressOnATerminal) {
  if (test::Terminal().theirs() < 0) GTEST_SKIP() << "no pseudo-terminals (/dev/pts) here";
  const ToolRun run = run_tool("mdtrain", args("shown"), {.terminal = true});
  ASSERT_EQ(run.code, 0) << run.err;
  // Redrawn in place, at most ten times a second, and erased in the end.
  const std::regex line(
      "\r\x1b\\[Kepoch 1  step 1/3  [0-9.]+ img/s  ETA [0-9]+:[0-5][0-9]  data wait [0-9]+ %  "
      "loss [0-9.]+ = silog [0-9.]+ \\+ metric_depth [0-9.]+\r\x1b\\[K");
  EXPECT_TRUE(std::regex_search(run.err, line)) << run.err;
  EXPECT_TRUE(run.err.ends_with("\r\x1b[K")) << run.err;
  EXPECT_EQ(run.err.rfind('\n'), run.err.find('\n')) << run.err;  // of the look at the data
}

TEST_F(MdtrainTest, ASignalFinishesTheStepAndSaves) {
  TrainOptions options;
  options.data.root = data();
  options.list = "nyu_train.txt";
  options.out = path("signalled");
  options.augment.height = 64;
  options.augment.width = 96;
  options.batch = 2;
  options.max_steps = 100000;
  resolve(options);
  std::atomic<bool> over = false;
  std::thread interrupter([&] {
    test::wait_until([&] { return over || lines(path("signalled")).size() >= 2; }, 120);
    if (!over) ::kill(::getpid(), SIGTERM);
  });
  testing::internal::CaptureStderr();
  const Exit code = train(options);
  over = true;
  const std::string said = testing::internal::GetCapturedStderr();
  interrupter.join();
  EXPECT_EQ(code, Exit::stopped);
  EXPECT_NE(said.find("last.safetensors"), said.npos) << said;
  EXPECT_EQ(load_net(path("signalled/last.safetensors")).state.step, i64(losses(path("signalled")).size()));
}

TEST_F(MdtrainTest, DoctorAndCheckData) {
  const ToolRun doctor = run_tool("mdtrain", {"doctor"});
  EXPECT_EQ(doctor.code, 0) << doctor.err;
  for (const char* part : {"device", "GPU code      ", "JPEG decoder", "photos        JPEG PNG ", " lt"})
    EXPECT_NE(doctor.out.find(part), doctor.out.npos) << part;

  EXPECT_NE(doctor.out.find("first run     mdtrain doctor --config"), doctor.out.npos) << doctor.out;

  const ToolRun good = run_tool("mdtrain", {"check-data", "nyu_train.txt", "--data", data()});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_NE(good.out.find("8 frames: 8 good"), good.out.npos) << good.out;

  fs::copy(data(), path("damaged"), fs::copy_options::recursive);
  std::ifstream list(path("damaged/nyu_train.txt"));
  std::string image;
  list >> image;
  fs::resize_file(path("damaged/" + image), 100);
  const ToolRun bad =
      run_tool("mdtrain", {"check-data", "nyu_train.txt", "--data", path("damaged"), "--bad", path("bad.tsv")});
  EXPECT_EQ(bad.code, 65);
  EXPECT_NE(bad.err.find(image), bad.err.npos) << bad.err;
  EXPECT_NE(bad.out.find("7 good"), bad.out.npos) << bad.out;
  EXPECT_TRUE(refused(run_tool("mdtrain", {"check-data", "nyu_train.txt"}), 2, {"--data"}));
}

/// What doctor says of memory and disk against what a run then takes.
TEST_F(MdtrainTest, DoctorSaysWhatARunWillNeed) {
  const std::vector<std::string> recipe{
      "--list", "nyu_train.txt", "--data", data(),     "--height", "64",       "--width",
      "64",     "--batch",       "2",      "--epochs", "3",        "--device", "cpu"};
  std::vector<std::string> ask = recipe, train = recipe;
  ask.insert(ask.begin(), "doctor");
  const ToolRun doctor = run_tool("mdtrain", ask);
  ASSERT_EQ(doctor.code, 0) << doctor.err;
  EXPECT_NE(doctor.out.find("first run     lt, batch 2 of 64x64, 12 steps on 8 frames\n"), doctor.out.npos)
      << doctor.out;
  std::smatch memory, disk;
  ASSERT_TRUE(std::regex_search(doctor.out, memory, std::regex("memory        ([0-9.]+) GB of tensors"))) << doctor.out;
  ASSERT_TRUE(std::regex_search(
      doctor.out, disk,
      std::regex("disk          ([0-9]+) MB, of which each checkpoint ([0-9]+) MB; [0-9]+ GB free in [^ ]+")))
      << doctor.out;
  EXPECT_TRUE(std::regex_search(doctor.out, std::regex("time          [0-9.e-]+ s a step, measured: "))) << doctor.out;

  train.insert(train.end(), {"--out", path("needed"), "--no-report"});
  const ToolRun run = run_tool("mdtrain", train);
  ASSERT_EQ(run.code, 0) << run.err;
  std::smatch took;
  ASSERT_TRUE(std::regex_search(run.out, took, std::regex("([0-9.]+) GB of tensors at most"))) << run.out;
  EXPECT_NEAR(std::stod(memory[1]), std::stod(took[1]), 0.1 * std::stod(took[1]) + 0.01);
  EXPECT_NEAR(std::stod(disk[2]), double(fs::file_size(path("needed/last.safetensors"))) / 1e6, 1);
  EXPECT_NEAR(std::stod(disk[1]), 2 * std::stod(disk[2]), 1.5) << "two checkpoints at once, and logs of some kB";

  const std::vector<std::string> more_than_there_is{"--batch", "9", "--list", "nyu_train.txt", "--data", data()};
  for (std::vector<std::string> args : {std::vector<std::string>{"doctor"}, {"--out", path("more")}}) {
    args.insert(args.end(), more_than_there_is.begin(), more_than_there_is.end());
    EXPECT_TRUE(refused(run_tool("mdtrain", args), 2, {"--batch", "9 samples", "8 frames"}));
  }
}

}  // namespace
}  // namespace md
