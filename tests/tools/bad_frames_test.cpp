// Training among frames that cannot be used: it goes on, says so, and ends, saved, where they are too many. What the
// first epoch or evaluation would find is found at the start.
// Labels: tool
#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/safetensors.h"
#include "tests/data/data_files.h"
#include "tests/kit/run_tool.h"
#include "tools/run/checkpoint.h"

namespace md::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Words = std::vector<std::string>;

constexpr int kFrames = 20, kHeight = 40, kWidth = 64;

/// Twenty frames to train on and five to evaluate on; an epoch is ten steps.
class BadFrames : public DataFolder {
 protected:
  BadFrames() {
    std::string list, eval_list;
    for (int i = 0; i < kFrames + 5; ++i) {
      write_png(path(cat(i, ".png")), test_image(kHeight, kWidth, i));
      write_png(path(cat("d", i, ".png")), test_depth(kHeight, kWidth, i));
      (i < kFrames ? list : eval_list) += cat(i, ".png d", i, ".png 500\n");
    }
    write("list.txt", list);
    write("eval.txt", eval_list);
    write("config.toml", cat("data = '", path(""), "'\nlist = '", path("list.txt"),
                             "'\nheight = 32\nwidth = 48\nbatch = 2\nepochs = 2\nlr = 1e-3\nseed = 4\n"
                             "metric-depth = true\ndevice = 'cpu'\n"));
  }

  ToolRun train(const std::string& run, const Words& more = {}) const {
    Words args = {"--config", path("config.toml"), "--out", path(run)};
    args.insert(args.end(), more.begin(), more.end());
    return run_tool("mdtrain", args);
  }
  ToolRun resume(const std::string& run, Words more = {}) const {
    more.insert(more.begin(), {"--resume", path(run)});
    return run_tool("mdtrain", more);
  }

  /// Lines of metrics.jsonl, without what depends on the clock.
  std::vector<json> lines(const std::string& run) const {
    std::vector<json> found;
    std::ifstream file(path(run + "/metrics.jsonl"));
    for (std::string line; std::getline(file, line);) {
      json parsed = json::parse(line);
      for (const char* clock : {"step_s", "wait_s", "eval_s", "time"}) parsed.erase(clock);
      found.push_back(parsed);
    }
    return found;
  }
  std::string weights(const std::string& run) const {
    return SafeTensors::read(path(run + "/last.safetensors")).metadata().at("sha256");
  }
  i64 saved_step(const std::string& run) const { return Checkpoint(path(run + "/last.safetensors")).state().step; }

  void nothing_measured(int i) const {
    write_png(path(cat("d", i, ".png")),
              DepthImage{kHeight, kWidth, std::vector<std::uint16_t>(std::size_t(kHeight) * kWidth)});
  }
  void cut_image(int i) const { fs::resize_file(path(cat(i, ".png")), 77); }
  void remove_depth(int i) const { fs::remove(path(cat("d", i, ".png"))); }
  /// Nearer than --valid-above 0.1 says: measured, but for no loss.
  void too_near(int i) const {
    write_png(path(cat("d", i, ".png")),
              DepthImage{kHeight, kWidth, std::vector<std::uint16_t>(std::size_t(kHeight) * kWidth, 80)});
  }
};

TEST_F(BadFrames, AreReplacedNamedAndCounted) {
  nothing_measured(3);
  cut_image(8);
  const ToolRun run = train("run");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("20 steps, "), run.out.npos) << run.out;
  EXPECT_NE(run.out.find("bad frames replaced: 4; "), run.out.npos) << run.out;
  for (const char* part : {"d3.png: not one measured pixel; ", "8.png: the file ends early; ", "place of 8.png"})
    EXPECT_NE(run.err.find(part), run.err.npos) << part << run.err;
  EXPECT_EQ(run.err.find("place of 8.png"), run.err.rfind("place of 8.png")) << "named once: " << run.err;
  std::vector<std::string> replaced;
  for (const json& line : lines("run")) {
    EXPECT_TRUE(line["loss"].is_number()) << line;
    for (const json& one : line.value("replaced", json::array())) {
      replaced.push_back(one["frame"]);
      EXPECT_NE(one["why"].get<std::string>().find(one["frame"].get<std::string>()), std::string::npos);
      EXPECT_NE(one["by"], one["frame"]);
    }
  }
  std::ranges::sort(replaced);
  EXPECT_EQ(replaced, (Words{"3.png", "3.png", "8.png", "8.png"})) << "each once an epoch";
}

TEST_F(BadFrames, StayBitForBitWithAnyThreadsAndWhenKilled) {
  nothing_measured(5);
  remove_depth(11);
  ASSERT_EQ(train("whole", {"--loader-threads", "1", "--checkpoint-every", "3"}).code, 0);
  ASSERT_EQ(train("threads", {"--loader-threads", "4", "--checkpoint-every", "3"}).code, 0);
  EXPECT_EQ(lines("threads"), lines("whole"));
  EXPECT_EQ(weights("threads"), weights("whole"));

  ASSERT_EQ(train("stopped", {"--max-steps", "7"}).code, 0);
  ASSERT_EQ(resume("stopped", {"--max-steps", "0", "--loader-threads", "3"}).code, 0);
  EXPECT_EQ(lines("stopped"), lines("whole"));
  EXPECT_EQ(weights("stopped"), weights("whole"));

  std::minstd_rand random(5);
  int code = -1;
  for (int tries = 0; tries < 60 && code != 0; ++tries) {
    const bool begun = fs::exists(path("killed/config.toml"));
    if (!begun) fs::remove_all(path("killed"));
    Words args = {"--resume", path("killed")};
    if (!begun) args = {"--config", path("whole/config.toml"), "--out", path("killed")};
    const pid_t child = start_tool("mdtrain", args);
    std::this_thread::sleep_for(std::chrono::milliseconds(150 * tries + int(random() % 400)));
    kill(child, SIGKILL);
    code = exit_code_of(child, 60);
    EXPECT_TRUE(code == 0 || code == 128 + SIGKILL) << code;
  }
  ASSERT_EQ(code, 0);
  EXPECT_EQ(lines("killed"), lines("whole"));
  EXPECT_EQ(weights("killed"), weights("whole"));
}

/// 3 of 20 are more than 10 %: the run ends at the third, saved; with a larger share it goes on as if it never had.
TEST_F(BadFrames, TooManyEndTheRunSavedInOneLine) {
  for (const int i : {2, 9, 14}) {
    const std::string png = bytes_of(path(cat(i, ".png")));
    write(cat(i, ".png"), png.substr(0, png.size() - 30));
  }
  const ToolRun ended = train("ended");
  EXPECT_EQ(ended.code, 65) << ended.err;
  EXPECT_NE(ended.err.find("list.txt: 3 of 20 frames could not be used in epoch 1 (more than the 2 that "
                           "--max-bad-frames 0.1 allows), the last: "),
            ended.err.npos)
      << ended.err;
  const i64 step = i64(lines("ended").size());
  EXPECT_GT(step, 0);
  EXPECT_EQ(saved_step("ended"), step);
  EXPECT_NE(ended.err.find(cat("last.safetensors after step ", step, "\n")), ended.err.npos) << ended.err;
  const ToolRun again = resume("ended");
  EXPECT_EQ(again.code, 65) << "at the first bad frame of the second epoch, or done: " << again.err;
  EXPECT_GT(saved_step("ended"), step);

  ASSERT_EQ(resume("ended", {"--max-bad-frames", "0.2"}).code, 0);
  ASSERT_EQ(train("whole", {"--max-bad-frames", "0.2"}).code, 0);
  EXPECT_EQ(lines("ended"), lines("whole"));
  EXPECT_EQ(weights("ended"), weights("whole"));
}

TEST_F(BadFrames, NoneIsAllowedWhereTheShareIsZero) {
  remove_depth(6);
  EXPECT_TRUE(refused(train("run", {"--max-bad-frames", "0"}), 66,
                      {"list.txt: 1 of 20 frames is missing: ", "d6.png: no such file", "--max-bad-frames 0 allows"}));
  EXPECT_FALSE(fs::exists(path("run")));
}

TEST_F(BadFrames, MissingFilesAreCountedAtTheStart) {
  for (const int i : {1, 2, 3}) remove_depth(i);
  EXPECT_TRUE(refused(train("run"), 66, {"list.txt: 3 of 20 frames are missing, the first: ", "d1.png: no such file"}));
  EXPECT_FALSE(fs::exists(path("run")));
  const ToolRun allowed = train("run", {"--max-bad-frames", "0.15", "--max-steps", "1"});
  EXPECT_EQ(allowed.code, 0) << allowed.err;
  EXPECT_NE(allowed.err.find("3 of 20 frames are missing"), allowed.err.npos) << allowed.err;

  fs::remove(path("22.png"));
  fs::remove(path("d24.png"));
  EXPECT_TRUE(refused(train("evaluated", {"--max-bad-frames", "0.5", "--eval-list", path("eval.txt")}), 66,
                      {"eval.txt: 2 of 5 frames are missing, the first: ", "22.png: no such file"}));
  EXPECT_FALSE(fs::exists(path("evaluated")));
}

TEST_F(BadFrames, EvaluationFramesThatDoNotFitTheProtocolAreFoundAtTheStart) {
  EXPECT_TRUE(refused(train("run", {"--eval-list", path("eval.txt"), "--protocol", "nyu_eigen"}), 65,
                      {"eval.txt: 5 of 5 frames do not fit --protocol nyu_eigen, the first: 20.png", "480x640"}));
  EXPECT_TRUE(refused(train("run", {"--eval-list", path("eval.txt"), "--dataset", "kitti", "--compat", "newcrfs",
                                    "--protocol", "kitti_eigen_garg", "--max-depth", "80"}),
                      65, {"eval.txt: 5 of 5 frames do not fit --protocol kitti_eigen_garg", "1216x352"}));
  // One in the middle, told by its header alone.
  for (const int i : {20, 21, 23, 24}) {
    write_png(path(cat(i, ".png")), test_image(480, 640, i));
    write_png(path(cat("d", i, ".png")), test_depth(480, 640, i));
  }
  EXPECT_TRUE(refused(train("run", {"--eval-list", path("eval.txt"), "--protocol", "nyu_eigen"}), 65,
                      {"1 of 5 frames do not fit", "the first: 22.png: ground truth is 40x64"}));
  // The last is decoded.
  cut_image(24);
  EXPECT_TRUE(refused(train("run", {"--eval-list", path("eval.txt")}), 65, {"24.png: the file ends early"}));
  EXPECT_FALSE(fs::exists(path("run")));
}

TEST_F(BadFrames, TooSmallForTheCropIsFoundAtTheStart) {
  EXPECT_TRUE(
      refused(train("run", {"--height", "64"}), 65, {"0.png: frame of 64x40 is too small for a crop of 48x64"}));
  EXPECT_FALSE(fs::exists(path("run")));
}

/// Whatever ends it: here an evaluation, in an epoch without a checkpoint.
TEST_F(BadFrames, AnEvaluationThatFailsCostsNoSteps) {
  fs::resize_file(path("22.png"), fs::file_size(path("22.png")) - 40);
  const ToolRun run = train("run", {"--eval-list", path("eval.txt"), "--checkpoint-every", "1000"});
  EXPECT_EQ(run.code, 65) << run.err;
  EXPECT_EQ(saved_step("run"), 10) << run.err;
  write_png(path("22.png"), test_image(kHeight, kWidth, 22));
  EXPECT_EQ(resume("run").code, 0) << "with the evaluation that it owes";
  EXPECT_EQ(saved_step("run"), 20);
}

/// The checkpoint can be written where the logs cannot.
TEST_F(BadFrames, ALogThatCannotBeWrittenCostsNoSteps) {
  ASSERT_EQ(train("run", {"--max-steps", "3"}).code, 0);
  fs::create_symlink(path("nowhere/events"), path("run/events.out.tfevents.mdtrain.0002"));
  const ToolRun ended = resume("run", {"--max-steps", "0"});
  EXPECT_EQ(ended.code, 73) << ended.err;
  EXPECT_NE(ended.err.find("events.out.tfevents.mdtrain.0002: cannot write\n"), ended.err.npos) << ended.err;
  EXPECT_EQ(saved_step("run"), 4) << "three, and the one that could not be logged";
  fs::remove(path("run/events.out.tfevents.mdtrain.0002"));
  EXPECT_EQ(resume("run").code, 0);
  ASSERT_EQ(train("whole").code, 0);
  EXPECT_EQ(weights("run"), weights("whole"));
}

/// As a disk that is not there any more.
TEST_F(BadFrames, DataThatGoesAwayEndsTheRunSaved) {
  const pid_t child =
      start_tool("mdtrain", {"--config", path("config.toml"), "--out", path("run"), "--max-steps", "1000000"});
  ASSERT_TRUE(wait_until([&] { return lines("run").size() >= 3; }, 60));
  for (int i = 0; i < kFrames; ++i) fs::remove(path(cat("d", i, ".png")));
  EXPECT_EQ(exit_code_of(child, 60), 66);
  EXPECT_EQ(saved_step("run"), i64(lines("run").size()));
}

/// The steps before a row of non-finite ones are kept, beside the checkpoint before them.
TEST_F(BadFrames, ARunThatDivergesKeepsTheStepsBefore) {
  ASSERT_EQ(train("run", {"--max-steps", "2"}).code, 0);
  const ToolRun run = resume("run", {"--lr", "1e30", "--allow-changes", "--max-steps", "0"});
  EXPECT_EQ(run.code, 70) << run.err;
  // Back to step 2 with half the rate, one more step that spoils the weights, ten that are skipped.
  EXPECT_EQ(saved_step("run"), 3) << run.err;
  EXPECT_EQ(Checkpoint(path("run/step-000000002.safetensors")).state().step, 2);
}

TEST_F(BadFrames, SignalsOfATerminalThatGoesAwaySaveToo) {
  const pid_t child =
      start_tool("mdtrain", {"--data", path(""), "--list", path("list.txt"), "--out", path("run"), "--height", "32",
                             "--width", "48", "--batch", "2", "--max-steps", "1000000", "--device", "cpu"});
  ASSERT_TRUE(wait_until([&] { return lines("run").size() >= 2; }, 60));
  kill(child, SIGHUP);
  EXPECT_EQ(exit_code_of(child, 60), 75);
  EXPECT_EQ(saved_step("run"), i64(lines("run").size()));
}

// --- Crops without ground truth --------------------------------------------------------------------------------------

TEST_F(BadFrames, ABatchWithoutGroundTruthIsASkippedStep) {
  for (int i = 0; i < kFrames; i += 2) too_near(i);
  const ToolRun run = train("run", {"--batch", "1", "--epochs", "1", "--no-metric-depth"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("10 skipped"), run.out.npos) << run.out;
  EXPECT_NE(run.err.find("no ground truth above --valid-above in the batch, step skipped; files: "), run.err.npos);
  for (const json& line : lines("run")) {
    const bool skipped = line.contains("skipped");
    EXPECT_EQ(line.contains("loss"), !skipped) << line;
    EXPECT_EQ(line.contains("silog"), !skipped) << line;
    EXPECT_EQ(line.contains("not_measured"), skipped) << line;
    if (skipped) {
      EXPECT_EQ(std::stoi(line["skipped"][0].get<std::string>()) % 2, 0) << line;
    } else {
      EXPECT_GT(line["loss"], 0) << line;
    }
  }
}

/// Measured in the first columns alone, where few crops reach.
TEST_F(BadFrames, ACropWithoutGroundTruthIsNamedAmongOthers) {
  for (const int i : {4, 13}) {
    DepthImage depth{kHeight, kWidth, std::vector<std::uint16_t>(std::size_t(kHeight) * kWidth)};
    for (int y = 0; y < kHeight; ++y) depth.pixels[std::size_t(y) * kWidth] = 2000;
    write_png(path(cat("d", i, ".png")), depth);
  }
  const ToolRun run = train("run", {"--epochs", "6", "--rotation", "0"});
  ASSERT_EQ(run.code, 0) << run.err;
  std::size_t named = 0;
  for (const json& line : lines("run")) {
    if (!line.contains("not_measured")) continue;
    ++named;
    EXPECT_TRUE(line["not_measured"][0] == "4.png" || line["not_measured"][0] == "13.png") << line;
  }
  EXPECT_GT(named, 6U) << "of twelve";
}

TEST_F(BadFrames, AnEpochWithoutAnyGroundTruthEndsTheRun) {
  for (int i = 0; i < kFrames; ++i) too_near(i);
  const ToolRun run = train("run");
  EXPECT_EQ(run.code, 65) << run.err;
  EXPECT_NE(run.err.find("no ground truth above --valid-above 0.1 m in as many steps in a row as an epoch has"),
            run.err.npos)
      << run.err;
  EXPECT_EQ(saved_step("run"), 10);
}

// --- What a run is begun with, or goes on with
// ------------------------------------------------------------------------

TEST_F(BadFrames, InitFromOtherOptionsIsSaid) {
  ASSERT_EQ(train("far", {"--max-steps", "1", "--max-depth", "80"}).code, 0);
  const std::string far = path("far/last.safetensors");
  const ToolRun near = train("near", {"--max-steps", "1", "--init", far});
  EXPECT_EQ(near.code, 0) << near.err;
  EXPECT_NE(
      near.err.find("mdtrain: --init " + far + ": its network was trained with other options: max-depth 80 -> 10\n"),
      near.err.npos)
      << near.err;
  const ToolRun recipe = train("recipe", {"--max-steps", "1", "--init-partial", far, "--max-depth", "80", "--dataset",
                                          "plain", "--depth-scale", "1000", "--width", "64"});
  EXPECT_EQ(recipe.code, 0) << recipe.err;
  for (const char* part : {"--init-partial ", "dataset \"nyu\" -> \"plain\"", "width 48 -> 64"})
    EXPECT_NE(recipe.err.find(part), recipe.err.npos) << part << recipe.err;
  EXPECT_EQ(recipe.err.find("max-depth"), recipe.err.npos) << recipe.err;
  const ToolRun same = train("same", {"--max-steps", "1", "--init", far, "--max-depth", "80", "--lr", "0.5"});
  EXPECT_EQ(same.err.find("--init"), same.err.npos) << same.err;
}

TEST_F(BadFrames, AJumpOfTheLearningRateIsShown) {
  ASSERT_EQ(train("run", {"--max-steps", "2"}).code, 0);
  const ToolRun larger = resume("run", {"--lr", "0.01", "--allow-changes", "--max-steps", "3"});
  EXPECT_EQ(larger.code, 0) << larger.err;
  EXPECT_NE(larger.err.find("--allow-changes: lr 0.001 -> 0.01\n"), larger.err.npos) << larger.err;
  EXPECT_NE(larger.err.find("the learning rate of step 3 is 0.00909623, before the changes 0.000910437\n"),
            larger.err.npos)
      << larger.err;
  const ToolRun longer = resume("run", {"--epochs", "4", "--allow-changes", "--max-steps", "4"});
  EXPECT_NE(longer.err.find("the learning rate of step 4 is "), longer.err.npos) << "another decay: " << longer.err;
  const ToolRun same = resume("run", {"--max-steps", "5"});
  EXPECT_EQ(same.err.find("learning rate"), same.err.npos) << same.err;
}

TEST_F(BadFrames, ResumingBeforeTheFirstCheckpointIsSaid) {
  ASSERT_EQ(train("run", {"--max-steps", "1"}).code, 0);
  fs::remove(path("run/last.safetensors"));
  const ToolRun run = resume("run");
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("mdtrain: --resume " + path("run") + ": no checkpoint in it yet: the run begins anew\n"),
            run.err.npos)
      << run.err;
  EXPECT_EQ(lines("run").front()["step"], 1);
  EXPECT_EQ(resume("run").err.find("anew"), std::string::npos);
}

}  // namespace
}  // namespace md::test
