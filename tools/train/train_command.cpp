// The rows, group by group; then what is only on the command line.
#include "tools/train/train_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/datasets.h"
#include "engine/text.h"
#include "nets/registry.h"
#include "tools/cli/cli.h"
#include "tools/cli/config_file.h"
#include "tools/cli/flag_in_error.h"
#include "tools/cli/option_table.h"
#include "tools/cli/short_help.h"
#include "tools/run/run_folder.h"

namespace md {
namespace {

constexpr const char* kAugmentation = "augmentation";  // the rows that --augment stands for

void add_files(OptionTable& table, TrainOptions& o) {
  table.group("data");
  add_data_options(table, o.data);
  table.add("list", o.list, "list file to train on, as given or else inside --data");
  table.add("eval-list", o.eval_list, "list file to evaluate on during training; empty: no evaluation");
  table.add("dense", o.data.dense,
            "train on the depth of a list's third column, the completed one of NYU's dense list");
  table.add("velodyne-raw", o.data.velodyne_raw, "train on raw LiDAR sweeps instead of KITTI's annotated ground truth");
}

void add_augmentation(OptionTable& table, TrainOptions& o) {
  AugmentSpec& a = o.augment;
  table.group(kAugmentation);
  table.add(
      "augment", o.recipe,
      "augment as a peer's code does, bts or newcrfs: sets all augmentation options that are not given themselves",
      CLI::IsMember({"", "bts", "newcrfs"}));
  table.add("height", a.height, "rows of a training sample, pixels", CLI::Range(32, 4096));
  table.add("width", a.width, "columns of a training sample, pixels", CLI::Range(32, 4096));
  table.add_choice<NyuBorder>(
      "border", a.border, {{"keep", NyuBorder::keep}, {"crop", NyuBorder::crop}, {"zero-depth", NyuBorder::zero_depth}},
      "white border of NYU's frames: keep, crop it away (BTS) or zero-depth: no ground truth there (NeWCRFs)");
  table.add("kb-crop", a.kb_crop, "first crop KITTI's frames to the benchmark's 352x1216 pixels");
  table.add("rotation", a.rotation_degree, "largest rotation of a sample, degrees; 0: none",
            finite() & CLI::Range(0.0, 45.0));
  table.add("always-draw-crop", a.always_draw_crop,
            "draw a random number for the crop's place even where there is no choice, as BTS does");
  table.add("flip", a.flip, "mirror every other sample");
  table.add("photometric", a.photometric, "change gamma, brightness and colours of every other sample");
  table.add("brightness", a.brightness, "lowest and highest factor of the brightness", positive());
}

void add_network(OptionTable& table, TrainOptions& o) {
  table.group("network and loss");
  table.add("net", o.net, "the network", CLI::IsMember(net_names()));
  table.add("init", o.init,
            "safetensors file to begin with, of a whole network or of whole parts of it such as the encoder; empty: "
            "random weights");
  table.add("init-partial", o.init_partial,
            "safetensors file to begin with: takes what fits by name and shape, lists what stays random; empty: none");
  for (const NetOption& option : net_options()) {
    const std::string whose = option.of_every_net ? "" : " (" + nets_with(option.name) + ")";
    std::visit(
        [&](auto member) {
          if constexpr (std::is_same_v<decltype(member), bool NetOptions::*>) {
            table.add(option.name, o.net_options.*member, option.help + whose);
          } else {
            table.add(option.name, o.net_options.*member, option.help + whose,
                      number_that(option.must_be, option.allowed));
          }
        },
        option.member);
  }
  std::vector<std::string> rules = {"none"};
  std::string meanings = "none";
  for (const FreezeRule& rule : freeze_rules()) {
    rules.push_back(rule.name);
    meanings += "; " + rule.name + ": " + rule.help;
  }
  table.add("freeze", o.freeze, "what of the encoder does not learn: " + meanings, CLI::IsMember(rules));
  table.add("freeze-statistics", o.freeze_statistics, "normalise by the batch norms' running statistics in training");
}

void add_losses(OptionTable& table, TrainOptions& o) {
  table.add("valid-above", o.silog.min_depth_m, "smallest ground truth that the losses count, metres", not_negative());
  table.add("variance-focus", o.silog.variance_focus, "lambda of the scale-invariant loss, 0 to 1",
            finite() & CLI::Range(0.0, 1.0));
  table.add("metric-depth", o.metric_depth, "add the MetricDepth regulariser to the loss");
  table.add("metric-depth-weight", o.metric.weight, "factor of the MetricDepth regulariser in the loss",
            not_negative());
  using Reduction = MetricDepthOptions::Reduction;
  table.add_choice<Reduction>("reduction", o.metric.reduction, {{"mean", Reduction::mean}, {"sum", Reduction::sum}},
                              "MetricDepth over its identified pairs: mean, or sum as in the paper's Eq. 13");
  table.add("n-within", o.metric.n_within, "MetricDepth's samples from the same image, for each pixel",
            CLI::Range(0, 1000));
  table.add("n-across", o.metric.n_across, "MetricDepth's samples from other images of the batch, for each pixel",
            CLI::Range(0, 1000));
  using AcrossRanks = MetricDepthOptions::AcrossRanks;
  table.add_choice<AcrossRanks>(
      "across", o.metric.across_ranks, {{"global", AcrossRanks::global}, {"local", AcrossRanks::local}},
      "with several ranks, whose images MetricDepth compares: global: of the whole batch, or local: of a rank's part");
  table.add_choice<bool>("thresholds", o.adaptive_thresholds, {{"given", false}, {"adaptive", true}},
                         "MetricDepth's --positive-below, --ranges and --margins: as given, or adaptive: from the "
                         "running distributions of depth differences and of features' distances");
  using Difference = MetricDepthOptions::Difference;
  table.add_choice<Difference>("depth-difference", o.metric.difference,
                               {{"absolute", Difference::absolute}, {"relative", Difference::relative}},
                               "what MetricDepth compares: absolute: metres, or relative: differences of the depths' "
                               "natural logarithms, which --positive-below and --ranges then are");
  table.add("proportional-margins", o.metric.proportional_margins,
            "MetricDepth's margin grows with the depth difference, and is that of --margins in the middle of a range");
  table.add("positive-below", o.metric.positive_below_m,
            "depth difference below which MetricDepth pulls two pixels together (r_p), metres", not_negative());
  table.add("ranges", o.ranges,
            "depth differences at which MetricDepth pushes two pixels apart, metres: 0.5-1,1-1.5 (0.5-inf: uniform)");
  table.add("margins", o.margins, "margin of each of --ranges, in units of the features' distance", positive());
  table.add_choice<DepthCell>(
      "depth-cell", o.depth_cell, {{"nearest", DepthCell::nearest}, {"first-valid", DepthCell::first_valid}},
      "ground truth of a feature: nearest pixel, or first-valid: the first measured one under it");
}

void add_schedule(OptionTable& table, TrainOptions& o) {
  table.group("training");
  table.add("seed", o.seed, "number that fixes weights, order, augmentation and MetricDepth's samples");
  table.add("batch", o.batch, "samples computed at once; of several ranks together", CLI::Range(1, 4096));
  table.add("accumulate", o.accumulate,
            "batches of a step, one after the other: the mean of their gradients is its gradient", CLI::Range(1, 4096));
  table.add("epochs", o.epochs, "passes over the training list, after which the learning rate has decayed",
            CLI::Range(1, kMostEpochs));
  table
      .add("max-steps", o.max_steps,
           "steps after which to stop; 0: after --epochs. More than --epochs has stretches the decay of the learning "
           "rate",
           CLI::Range(i64(0), kMostSteps))
      .changes_numbers = false;
  table.add_choice<bool>("optimizer", o.adam.decoupled_decay, {{"adamw", true}, {"adam", false}},
                         "adamw, or adam: weight decay is added to the gradient");
  table.add("lr", o.lr, "learning rate of the first step", positive());
  table.add("end-lr", o.end_lr, "learning rate that the last step comes near: polynomial decay of power 0.9",
            not_negative());
  table.add("adam-eps", o.adam.eps, "epsilon in the denominator of Adam's update", positive());
  table.add("weight-decay", o.weight_decay, "weight decay of the optimizer, per unit of learning rate", not_negative());
  table.add_choice<DecayOn>("decay-on", o.decay_on, {{"all", DecayOn::all}, {"encoder", DecayOn::encoder}},
                            "parameters that decay: all, or encoder");
  table
      .add("loader-threads", o.loader_threads, "threads that decode images; no influence on the numbers",
           CLI::Range(1, 256))
      .changes_numbers = false;
  table
      .add(
          "max-bad-frames", o.max_bad_frames,
          "number from 0 to 1: the part of an epoch's frames, one at least, that may be missing, damaged, too small or "
          "without ground truth; others take their places; more end the run; 0: the first one does",
          finite() & CLI::Range(0.0, 1.0))
      .changes_numbers = false;
  table.add("sync-batch-norm", o.sync_batch_norm,
            "with several ranks, take batch norms' statistics over the batches of all of them, as one device does");
  table
      .add("bucket", o.bucket_mb,
           "with several ranks, megabytes of gradients that are sent at once; no influence on the numbers", positive())
      .changes_numbers = false;
  table
      .add("wait-limit", o.wait_limit_s,
           "with several ranks, seconds after which a rank that waits for the others gives up", positive())
      .changes_numbers = false;
  add_device_options(table, o.device);
  add_precision_option(table, o.device);
  table
      .add("cuda-graph", o.cuda_graph,
           "let a GPU repeat the kernels of a training step as a graph, where it can, instead of launching each: the "
           "same numbers, sooner")
      .changes_numbers = false;
  table
      .add("checkpoint-every", o.checkpoint_every, "steps between checkpoints; 0: one at the end of each epoch",
           CLI::NonNegativeNumber)
      .changes_numbers = false;
  table
      .add("keep", o.keep, "newest checkpoints to keep: last.safetensors, and older ones as step-*.safetensors",
           CLI::Range(1, 1000))
      .changes_numbers = false;
}

void add_evaluation(OptionTable& table, TrainOptions& o) {
  table.group("evaluation");
  table.add("protocol", o.protocol, "how evaluations score: " + either(protocol_names()));
  table.add("flip-average", o.flip_average,
            "average each prediction with that of the mirrored frame in evaluations, as NeWCRFs does");
  table.add("compat", o.compat, "evaluate with the quirks of a peer, bts or newcrfs; empty: none",
            CLI::IsMember({"", "bts", "newcrfs"}));
  table
      .add("eval-every", o.eval_every, "epochs between evaluations; 0: only after the last step",
           CLI::NonNegativeNumber)
      .changes_numbers = false;
  table.add("report", o.report, "write report.html into the run in the end: curves, measures, frames, errors, features")
      .changes_numbers = false;
  table
      .add("report-every", o.report_every,
           "epochs between reports while the run goes on; each evaluates the best network anew; 0: only in the end",
           CLI::NonNegativeNumber)
      .changes_numbers = false;
}

/// --resume RUN stands for --out RUN and --config RUN/config.toml; flags win over what stands there.
void add_resume_options(CLI::App& app, TrainOptions& o) {
  const auto resume = [&app, &o](const std::string& run) {
    const std::string config = config_file(run);
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(config, ignored))
      fail(ErrorKind::missing, "--resume ", run, ": no config.toml in it: not a run");
    // As if it had been given: not all versions of CLI11 read a config file that is only a default. With a --config of
    // the user's there are two then; resolve() refuses them, so CLI11 need not.
    app.get_config_ptr()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)->add_result(config);
    o.resume = o.out = run;
  };
  app.add_option_function<std::string>("--resume", resume,
                                       "folder of the run to go on with, from its newest checkpoint")
      ->trigger_on_parse()
      ->configurable(false);
  app.add_flag("--allow-changes", o.allow_changes, "with --resume: go on although options have changed")
      ->configurable(false);
}

void apply_recipe(const CLI::App& app, TrainOptions& o) {
  const auto official = [&] { return official_augmentation(o.recipe, o.data.dataset); };
  TrainOptions recipe = o;
  recipe.augment = with_flag("--augment", ErrorKind::usage, official);
  OptionTable from = train_table(recipe), to = train_table(o);
  for (const OptionRow& row : to.rows()) {
    if (row.group == kAugmentation && app.get_option("--" + row.name)->count() == 0)
      row.store(from.at(row.name).value());
  }
}

/// The size of samples that fits the data set's frames, where nobody says another.
void apply_sample_size(const CLI::App& app, TrainOptions& o) {
  const DatasetTraits& traits = dataset_traits(o.data.dataset);
  const bool said = app.get_option("--height")->count() + app.get_option("--width")->count() > 0;
  if (said || traits.sample_height == 0) return;
  o.augment.height = traits.sample_height;
  o.augment.width = traits.sample_width;
}

/// As today's program writes it down, so that only values are compared: an option that is newer than the config has the
/// value that does what programs did before it. What today's program does not know stays.
nlohmann::json rewritten(const nlohmann::json& config) {
  TrainOptions options;
  OptionTable table = train_table(options);
  table.read(config);
  nlohmann::json all = config;
  for (const OptionRow& row : table.rows()) all[row.name] = row.value();
  return all;
}

bool changes_numbers(const OptionTable& table, const std::string& name) {
  for (const OptionRow& row : table.rows()) {
    if (row.name == name) return row.changes_numbers;
  }
  return true;
}

}  // namespace

OptionTable train_table(TrainOptions& options) {
  OptionTable table;
  add_files(table, options);
  add_augmentation(table, options);
  add_network(table, options);
  add_losses(table, options);
  add_schedule(table, options);
  add_evaluation(table, options);
  return table;
}

void add_train_options(CLI::App& app, TrainOptions& options) {
  app.config_formatter(strict_toml());
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.set_config("--config", "", "TOML file with any of the options below");
  app.add_option("--out", options.out, "folder of the run, empty or not there yet")->configurable(false);
  add_resume_options(app, options);
  train_table(options).define(app);
}

void set_train_help(CLI::App& app) {
  const std::vector<HelpGroup> groups{
      {"run",
       {{"--config FILE", "recipe: a TOML file of any options; tools/configs has the paper's"},
        {"--out DIR", "folder of the run, empty or not there yet"},
        {"--resume RUN", "go on with a run from its newest checkpoint"}}},
      {"data",
       {{"--data DIR", "folder of the frames"},
        {"--dataset NAME", "what depth files hold: nyu, kitti, plain, tum, scannet, diode ..."},
        {"--list FILE", "frames to train on; --eval-list FILE: to evaluate on"},
        {"--height, --width", "of a training sample, pixels"},
        {"--augment NAME", "augment as bts or newcrfs do"}}},
      {"network and loss",
       {{"--net NAME", "network: lt, bts, newcrfs_tiny07 ..."},
        {"--init FILE", "weights to begin with"},
        {"--max-depth METRES", "largest depth that the network can predict"},
        {"--metric-depth", "add the MetricDepth regulariser"},
        {"--thresholds KIND", "of MetricDepth: given (--ranges, --margins) or adaptive"},
        {"--ranges A-B,C-D", "depth differences to push apart, metres; --margins 3,6: how far"}}},
      {"training",
       {{"--epochs N", "passes over the list"},
        {"--batch N", "samples computed at once"},
        {"--lr RATE", "learning rate of the first step; --end-lr RATE: of the last"},
        {"--device NAME", "auto, cpu, cuda or cuda:N"},
        {"--precision NAME", "f32, or bf16 on a CPU that has it"},
        {"--seed N", "number that fixes everything random"}}},
      {"evaluation",
       {{"--protocol NAME", "how it scores: plain, nyu_eigen, kitti_eigen_garg ..."},
        {"--eval-every N", "epochs between evaluations"},
        {"--no-report", "write no report.html in the end"}}}};
  set_short_help(app,
                 {"mdtrain --config RECIPE --data DIR --out RUN [OPTIONS]", "mdtrain check-data LIST... --data DIR",
                  "mdtrain doctor [OPTIONS]"},
                 groups);
}

void apply_defaults(const CLI::App& app, TrainOptions& o) {
  if (!o.recipe.empty())
    apply_recipe(app, o);
  else
    apply_sample_size(app, o);
}

bool any_given(const CLI::App& app) {
  TrainOptions options;
  const OptionTable table = train_table(options);
  return std::ranges::any_of(table.rows(),
                             [&](const OptionRow& row) { return app.get_option("--" + row.name)->count() > 0; });
}

void resolve(CLI::App& app, TrainOptions& o) {
  apply_defaults(app, o);
  if (!o.resume.empty() && app.get_config_ptr()->count() > 1)
    fail(ErrorKind::usage, "--resume and --config exclude each other");
  if (!o.resume.empty() && o.out != o.resume) fail(ErrorKind::usage, "--resume and --out exclude each other");
  resolve(o);
}

nlohmann::json config_json(const TrainOptions& options) {
  TrainOptions copy = options;
  return train_table(copy).json();
}

std::string config_toml(const TrainOptions& options) {
  TrainOptions copy = options;
  return train_table(copy).toml();
}

std::string config_changes(const nlohmann::json& before, const nlohmann::json& now) {
  TrainOptions options;
  const OptionTable table = train_table(options);
  const nlohmann::json old_config = rewritten(before), new_config = rewritten(now);
  const auto value = [](const nlohmann::json& config, const std::string& key) {
    return config.contains(key) ? config[key].dump() : "(absent)";
  };
  nlohmann::json all = old_config;
  all.update(new_config);
  std::string changes;
  for (const auto& [key, ignored] : all.items()) {
    const std::string was = value(old_config, key), is = value(new_config, key);
    if (was != is && changes_numbers(table, key))
      changes += cat(changes.empty() ? "" : ", ", key, " ", was, " -> ", is);
  }
  return changes;
}

}  // namespace md
