// The options of a training run. One CLI11 definition serves the flags, `--config x.toml` (a key is the flag without
// its dashes) and the fully resolved dump. A flag wins over the file. Unknown keys, keys given twice and values out of
// range are Exit::usage and name the key.
#pragma once
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/loader.h"
#include "data/protocol.h"
#include "engine/optim.h"
#include "losses/metric_depth.h"
#include "losses/silog.h"
#include "nets/bts.h"

namespace md {

/// What the random numbers can tell apart, kept round (engine/rng.h: epochs below 2^20, steps below 2^40).
inline constexpr int kMostEpochs = 1'000'000;
inline constexpr i64 kMostSteps = 1'000'000'000'000;

/// Unless said otherwise the values of the paper for LT on NYU (tools/configs/nyu_lt_metricdepth_paper.toml).
struct TrainOptions {
  // Files.
  std::string dataset = "nyu", data, depth_root, list, eval_list, out;
  std::string resume;  // the run to go on with; `out` then too
  bool allow_changes = false;
  bool dense = false, velodyne_raw = false;
  float depth_scale = 0;
  // Samples.
  AugmentSpec augment = {.height = 480, .width = 640, .always_draw_crop = false};
  std::string recipe;  // --augment
  std::string border = "keep";
  std::vector<double> brightness = {augment.brightness_low, augment.brightness_high};
  // Network and loss.
  std::string net = "lt";
  NetOptions net_options;
  std::string init, init_partial;  // files to begin with
  std::string freeze = "none";
  bool freeze_statistics = false;
  SilogOptions silog;
  bool metric_depth = false;
  MetricDepthOptions metric;
  std::string reduction = "mean", depth_cell = "nearest";
  std::vector<std::string> ranges = {"0.5-1", "1-1.5", "1.5-2"};
  std::vector<double> margins = {3, 6, 8};
  // Schedule.
  std::uint64_t seed = 0;
  int batch = 8, accumulate = 1, epochs = 20, loader_threads = 2;
  bool tf32 = false;
  i64 max_steps = 0, checkpoint_every = 0;
  int keep = 1;
  std::string optimizer = "adam", device = "auto";
  AdamSpec adam;
  double lr = 1e-4, end_lr = 1e-5;
  float weight_decay = 0.F;
  std::string decay_on = "all";
  // Evaluation.
  std::string protocol = "plain", compat;
  bool flip_average = false;
  int eval_every = 1;
};

/// Defines every option, and `--config`.
void add_train_options(CLI::App&, TrainOptions&);

/// "lr 0.0001 -> 0.001, batch 4 -> 8": how a run's config differs from the one it began with, apart from options that
/// change none of its numbers; "" where it does not.
std::string config_changes(const nlohmann::json& before, const nlohmann::json& now);

/// What the raw strings mean; call after parsing. Throws Exit::usage naming the option, also where --data, --list or
/// --out is missing.
void resolve(TrainOptions&);
/// The same; also gives the options that --augment stands for their values, unless they are given themselves, and
/// throws where both --resume and --config are given.
void resolve(CLI::App&, TrainOptions&);
/// `list` as given or, where that does not exist, inside --data.
DatasetSpec dataset_spec(const TrainOptions&, const std::string& list);
Protocol eval_protocol(const TrainOptions&);
DepthCell depth_cell(const TrainOptions&);
Freeze freeze_rule(const TrainOptions&);

/// Empty for "auto", "cpu", "cuda" and "cuda:N", else what is wrong: a validator of CLI11.
std::string is_device_name(const std::string& name);
/// --device and --tf32.
void add_device_options(CLI::App&, std::string& name, bool& tf32);
/// "auto" takes the first GPU, or the CPU where there is none that can be used, and says so; throws Exit::no_device
/// where a GPU that was asked for cannot be.
Device choose_device(const std::string& name);

/// Every option of the app with the value it ended up with, in order of definition.
struct ResolvedOption {
  std::string group, name;
  std::vector<std::string> values;
  bool is_list;
};
std::vector<ResolvedOption> resolved_options(const CLI::App&);
/// A config file that gives the same run.
std::string to_toml(const std::vector<ResolvedOption>&);
nlohmann::json to_json(const std::vector<ResolvedOption>&);

}  // namespace md
