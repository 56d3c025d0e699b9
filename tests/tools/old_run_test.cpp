// Runs and checkpoints of older programs go on. old_run/ holds what the program of 2026-11-28 wrote for
//   mdtrain --dataset kitti --data d --list kitti_train.txt --max-depth 80.0 --height 64 --width 96 --batch 2
//           --metric-depth --ranges 1-5,5-10,10-15 --margins 2,3,3.5 --reduction sum --lr 1e-3 --optimizer adamw
//           --weight-decay 0.01 --brightness 0.9,1.1 --no-flip --max-steps 2 --checkpoint-every 1 --device cpu
// its config.toml, and the metadata of its last.safetensors (whose 48 MB of tensors are made anew here).
// Labels: tool
#include <CLI/CLI.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/safetensors.h"
#include "tests/data/data_files.h"
#include "tests/kit/run_tool.h"
#include "tests/kit/testing.h"
#include "tools/run/checkpoint.h"
#include "tools/train/train_command.h"

namespace md::test {
namespace {

namespace fs = std::filesystem;

fs::path old_run(const std::string& name) { return fs::path(source_dir()) / "tests/tools/old_run" / name; }

std::map<std::string, std::string> old_metadata() {
  return nlohmann::json::parse(std::ifstream(old_run("metadata.json")));
}

class OldRunTest : public DataFolder {
 protected:
  ToolRun train(std::vector<std::string> more) {
    const ToolPlace here{.folder = path("")};
    return run_tool("mdtrain", std::move(more), here);
  }
  /// Two steps by today's program, whose files then get the words of the old one.
  void make_old_run() {
    ASSERT_EQ(run_tool("mdsynth", {"kitti", "--out", path("d"), "--frames", "4", "--seed", "1"}).code, 0);
    const ToolRun made = train({"--config", old_run("config.toml"), "--out", "run"});
    ASSERT_EQ(made.code, 0) << made.err;
    const std::string last = path("run/last.safetensors");
    auto metadata = old_metadata();
    nlohmann::json run = nlohmann::json::parse(metadata.at("run"));
    run["computed_on"] = nlohmann::json::parse(SafeTensors::read(last).metadata().at("run"))["computed_on"];
    metadata["run"] = run.dump();  // on a machine with other kernels the backend has another name
    write_safetensors(last, SafeTensors::read(last).state(), metadata);
    fs::copy_file(old_run("config.toml"), path("run/config.toml"), fs::copy_options::overwrite_existing);
  }
};

TEST_F(OldRunTest, ItsConfigHasTheValuesOfItsCheckpoint) {
  CLI::App app;
  TrainOptions options;
  add_train_options(app, options);
  app.parse("--config " + old_run("config.toml").string() + " --out x");
  resolve(app, options);
  const auto kept = nlohmann::json::parse(old_metadata().at("config"));
  EXPECT_EQ(config_changes(kept, config_json(options)), "");
  EXPECT_EQ(options.net_options.max_depth_m, 80.F);
  EXPECT_EQ(options.augment.brightness, (std::array{0.9, 1.1}));
  EXPECT_TRUE(options.adam.decoupled_decay);
  EXPECT_EQ(options.metric.reduction, MetricDepthOptions::Reduction::sum);
  EXPECT_FALSE(options.augment.flip);
  options.lr = 0.002;
  EXPECT_EQ(config_changes(kept, config_json(options)), "lr 0.001 -> 0.002");
}

TEST_F(OldRunTest, ItsCheckpointLoadsAndItsRunGoesOn) {
  make_old_run();
  const LoadedNet loaded = load_net(path("run/last.safetensors"));
  EXPECT_EQ(loaded.net->options().max_depth_m, 80.F);
  EXPECT_EQ(loaded.state.step, 2);
  const ToolRun resumed = train({"--resume", "run", "--max-steps", "3"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.out.find("3 steps, "), resumed.out.npos) << resumed.out;
  const ToolRun changed = train({"--resume", "run", "--max-steps", "4", "--margins", "2,3,4"});
  EXPECT_TRUE(refused(changed, 2, {"margins [2,3,3.5] -> [2,3,4]"}));
}

}  // namespace
}  // namespace md::test
