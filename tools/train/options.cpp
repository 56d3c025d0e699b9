// One line of definition for each option; what the strings among them mean is said in resolve() and the functions
// after.
#include "tools/train/options.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

#include "data/file_status.h"
#include "tools/cli/cli.h"

namespace md {
namespace {

constexpr std::size_t most_config_bytes = 1 << 16;

std::string all_of(std::istream& input) {
  std::string text(most_config_bytes + 1, '\0');
  input.read(text.data(), std::streamsize(text.size()));
  text.resize(std::size_t(input.gcount()));
  if (text.size() > most_config_bytes)
    throw CLI::ConfigError(cat("more than ", most_config_bytes, " bytes"), CLI::ExitCodes::ConfigError);
  return text;
}

[[noreturn]] void refuse_line(int number, const std::string& why) {
  throw CLI::ConfigError(cat("line ", number, ": ", why), CLI::ExitCodes::ConfigError);
}

/// CLI11 takes a '#' for the beginning of a comment, inside quotes too.
bool has_quoted_hash(const std::string& line) {
  char quote = 0;
  for (const char c : line) {
    if (c == '#') return quote != 0;
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    }
  }
  return false;
}

/// Throws on what CLI11 would misread: a '#' in quotes, or a key that is given twice in one section, which TOML forbids
/// (CLI11 joins or drops the second).
void refuse_misread_lines(const std::string& text) {
  std::set<std::string> seen;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (has_quoted_hash(line)) refuse_line(number, "values must not contain '#'");
    if (CLI::detail::ltrim(line).starts_with('[')) seen.clear();
    const auto equals = line.find('=');
    const std::string key = CLI::detail::trim_copy(line.substr(0, std::min(equals, line.size())));
    const bool comment = key.starts_with('#') || key.starts_with(';');
    if (equals != line.npos && !comment && !seen.insert(key).second)
      refuse_line(number, cat("key '", key, "' is given twice"));
  }
}

/// TOML as CLI11 reads it, but strict about what it would misread.
class StrictToml : public CLI::ConfigTOML {
 public:
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::istringstream text(all_of(input));
    refuse_misread_lines(text.str());
    return CLI::ConfigTOML::from_config(text);
  }
};

/// --name and --no-name; CLI11 does not capture the default of a flag by itself.
void add_switch(CLI::App& app, const std::string& name, bool& value, const std::string& what) {
  app.add_flag(cat("--", name, ",!--no-", name), value, what)->default_str(value ? "true" : "false");
}

void add_data_options(CLI::App& app, TrainOptions& o) {
  app.option_defaults()->group("data");
  app.add_option("--dataset", o.dataset, "what depth files hold: nyu (mm), kitti (1/256 m), plain (--depth-scale)")
      ->check(CLI::IsMember({"nyu", "kitti", "plain"}));
  app.add_option("--depth-scale", o.depth_scale, "units of a depth file per metre (dataset plain)")
      ->check(not_negative());
  app.add_option("--data", o.data, "folder that the list's paths are relative to");
  app.add_option("--depth-root", o.depth_root, "the same for ground truth, if it lies elsewhere");
  app.add_option("--list", o.list, "list file to train on (as given, or else inside --data)");
  app.add_option("--eval-list", o.eval_list, "list file to evaluate on; none: no evaluation");
  add_switch(app, "dense", o.dense, "train on the third column's depth (dense NYU list)");
  add_switch(app, "velodyne-raw", o.velodyne_raw,
             "train on raw LiDAR sweeps instead of KITTI's annotated ground truth");
}

void add_augmentation_options(CLI::App& app, TrainOptions& o) {
  app.option_defaults()->group("augmentation");
  app.add_option("--augment", o.recipe,
                 "the recipe of a peer's code, where the options below are not given: bts, newcrfs")
      ->check(CLI::IsMember({"", "bts", "newcrfs"}));
  app.add_option("--height", o.augment.height, "rows of a training sample")->check(CLI::Range(32, 4096));
  app.add_option("--width", o.augment.width, "columns of a training sample")->check(CLI::Range(32, 4096));
  app.add_option("--border", o.border, "white border of NYU frames: keep, crop (BTS) or zero-depth (NeWCRFs)")
      ->check(CLI::IsMember({"keep", "crop", "zero-depth"}));
  add_switch(app, "kb-crop", o.augment.kb_crop, "first crop to KITTI's 352x1216");
  app.add_option("--rotation", o.augment.rotation_degree, "largest rotation, degrees; 0: none")
      ->check(finite() & CLI::Range(0.0, 45.0));
  add_switch(app, "always-draw-crop", o.augment.always_draw_crop,
             "draw the crop's place even where there is no choice (BTS)");
  add_switch(app, "flip", o.augment.flip, "mirror every other sample");
  add_switch(app, "photometric", o.augment.photometric, "jitter every other sample's colours");
  app.add_option("--brightness", o.brightness, "lowest and highest brightness factor")
      ->expected(2)
      ->delimiter(',')
      ->check(positive());
}

void add_loss_options(CLI::App& app, TrainOptions& o) {
  app.option_defaults()->group("network and loss");
  app.add_option("--net", o.net, "the network")->check(CLI::IsMember(net_names()));
  app.add_option("--init", o.init, "safetensors file to begin with: a whole network, or whole parts as its encoder");
  app.add_option("--init-partial", o.init_partial, "the same, but take what fits and list what stays random");
  app.add_option("--max-depth", o.net_options.max_depth_m, "largest depth it can predict, metres")->check(positive());
  add_switch(app, "focal-scaling", o.net_options.focal_scaling, "depth times focal / 715.0873 (BTS on KITTI)");
  app.add_option("--freeze", o.freeze,
                 "what of a ResNet does not learn: none; stem: it and all .bn; first-block, first-blocks: layer1 too")
      ->check(CLI::IsMember({"none", "stem", "first-block", "first-blocks"}));
  add_switch(app, "freeze-statistics", o.freeze_statistics, "train on the batch norms' running statistics");
  app.add_option("--drop-path", o.net_options.drop_path_rate, "stochastic depth of Swin's last block (NeWCRFs)")
      ->check(finite() & CLI::Range(0.0, 0.99));
  add_switch(app, "checkpoint-activations", o.net_options.checkpoint_activations,
             "keep less of a forward pass and compute it again for the backward (NeWCRFs)");
  app.add_option("--valid-above", o.silog.min_depth_m, "ground truth counts above this depth, metres")
      ->check(not_negative());
  app.add_option("--variance-focus", o.silog.variance_focus, "of the scale-invariant loss")
      ->check(finite() & CLI::Range(0.0, 1.0));
  add_switch(app, "metric-depth", o.metric_depth, "add the MetricDepth regulariser");
  app.add_option("--metric-depth-weight", o.metric.weight)->check(not_negative());
  app.add_option("--reduction", o.reduction, "over the identified pairs: mean, or sum as in Eq. 13")
      ->check(CLI::IsMember({"mean", "sum"}));
  app.add_option("--n-within", o.metric.n_within, "samples from the same image")->check(CLI::Range(0, 1000));
  app.add_option("--n-across", o.metric.n_across, "samples from other images of the batch")->check(CLI::Range(0, 1000));
  app.add_option("--positive-below", o.metric.positive_below_m, "r_p, metres")->check(not_negative());
  app.add_option("--ranges", o.ranges, "depth differences of negatives, metres: 0.5-1,1-1.5 (0.5-inf: uniform)")
      ->delimiter(',');
  app.add_option("--margins", o.margins, "one margin for each range")->delimiter(',')->check(positive());
  app.add_option("--depth-cell", o.depth_cell, "ground truth at the features' size: nearest or first-valid")
      ->check(CLI::IsMember({"nearest", "first-valid"}));
}

void add_schedule_options(CLI::App& app, TrainOptions& o) {
  app.option_defaults()->group("training");
  app.add_option("--seed", o.seed, "fixes weights, order, augmentation and MetricDepth's shifts");
  app.add_option("--batch", o.batch, "samples computed at once")->check(CLI::Range(1, 4096));
  app.add_option("--accumulate", o.accumulate, "such batches a step: their gradients' mean is its gradient")
      ->check(CLI::Range(1, 4096));
  app.add_option("--epochs", o.epochs)->check(CLI::Range(1, kMostEpochs));
  app.add_option("--max-steps", o.max_steps,
                 "stop after so many steps; 0: after --epochs, as the decay does (or later, if this is more)")
      ->check(CLI::Range(i64(0), kMostSteps));
  app.add_option("--optimizer", o.optimizer, "adamw or adam")->check(CLI::IsMember({"adamw", "adam"}));
  app.add_option("--lr", o.lr, "learning rate of the first step")->check(positive());
  app.add_option("--end-lr", o.end_lr, "and towards the last: polynomial decay, power 0.9")->check(not_negative());
  app.add_option("--adam-eps", o.adam.eps)->check(positive());
  app.add_option("--weight-decay", o.weight_decay)->check(not_negative());
  app.add_option("--decay-on", o.decay_on, "what the weight decay is for: all, or encoder")
      ->check(CLI::IsMember({"all", "encoder"}));
  app.add_option("--loader-threads", o.loader_threads, "threads that decode; no influence on the run")
      ->check(CLI::Range(1, 256));
  add_device_options(app, o.device, o.tf32);
  app.add_option("--checkpoint-every", o.checkpoint_every, "steps between checkpoints; 0: once an epoch")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--keep", o.keep, "newest checkpoints to keep: last.safetensors, the others as step-*.safetensors")
      ->check(CLI::Range(1, 1000));
}

/// --resume RUN stands for --out RUN and --config RUN/config.toml; flags win over what stands there.
void add_resume_options(CLI::App& app, TrainOptions& o) {
  const auto resume = [&app, &o](const std::string& run) {
    const std::string config = cat(run, "/config.toml");
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(config, ignored))
      fail(Exit::missing_input, "--resume ", run, ": no config.toml in it: not a run");
    // As if it had been given: not all versions of CLI11 read a config file that is only a default. With a --config of
    // the user's there are two then; resolve() refuses them, so CLI11 need not.
    app.get_config_ptr()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)->add_result(config);
    o.resume = o.out = run;
  };
  app.add_option_function<std::string>("--resume", resume, "the run to go on with, from its newest checkpoint")
      ->trigger_on_parse()
      ->configurable(false);
  app.add_flag("--allow-changes", o.allow_changes, "go on although the config has changed")->configurable(false);
}

void add_evaluation_options(CLI::App& app, TrainOptions& o) {
  app.option_defaults()->group("evaluation");
  app.add_option("--protocol", o.protocol, "plain, nyu_eigen, kitti_eigen_garg, kitti_eigen_eigen or kitti_official");
  add_switch(app, "flip-average", o.flip_average, "average with the prediction of the mirrored frame (NeWCRFs)");
  app.add_option("--compat", o.compat, "evaluate with the quirks of a peer: bts or newcrfs")
      ->check(CLI::IsMember({"", "bts", "newcrfs"}));
  app.add_option("--eval-every", o.eval_every, "epochs between evaluations; 0: only after the last step")
      ->check(CLI::NonNegativeNumber);
}

NyuBorder border(const std::string& name) {
  if (name == "crop") return NyuBorder::crop;
  return name == "zero-depth" ? NyuBorder::zero_depth : NyuBorder::keep;
}

std::string name_of(NyuBorder border) {
  if (border == NyuBorder::crop) return "crop";
  return border == NyuBorder::zero_depth ? "zero-depth" : "keep";
}

/// Another default, also for what is written down.
template <class T>
void set_default(CLI::App& app, const std::string& option, T& value, const T& now) {
  CLI::Option* const defined = app.get_option(option);
  if (defined->count() > 0) return;
  value = now;
  if constexpr (std::is_same_v<T, bool>) {
    defined->default_str(now ? "true" : "false");
  } else {
    defined->default_str(CLI::detail::to_string(now));
  }
}

void apply_recipe(CLI::App& app, TrainOptions& o) {
  const AugmentSpec spec = official_augmentation(o.recipe, dataset_kind(o.dataset));
  set_default(app, "--height", o.augment.height, spec.height);
  set_default(app, "--width", o.augment.width, spec.width);
  set_default(app, "--border", o.border, name_of(spec.border));
  set_default(app, "--kb-crop", o.augment.kb_crop, spec.kb_crop);
  set_default(app, "--rotation", o.augment.rotation_degree, spec.rotation_degree);
  set_default(app, "--always-draw-crop", o.augment.always_draw_crop, spec.always_draw_crop);
  set_default(app, "--flip", o.augment.flip, spec.flip);
  set_default(app, "--photometric", o.augment.photometric, spec.photometric);
  set_default(app, "--brightness", o.brightness, {spec.brightness_low, spec.brightness_high});
}

std::vector<std::string> final_values(const CLI::Option& option, bool is_list) {
  if (option.count() > 0) return option.results();
  const std::string text = option.get_default_str();
  if (!is_list) return {text};
  return CLI::detail::split(text.substr(1, text.size() - 2), ',');  // CLI11 shows a list as "[a,b]"
}

}  // namespace

void add_train_options(CLI::App& app, TrainOptions& o) {
  app.config_formatter(std::make_shared<StrictToml>());
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.set_config("--config", "", "TOML file with any of the options below");
  app.add_option("--out", o.out, "the run: a folder that is empty or not there yet")->configurable(false);
  add_resume_options(app, o);
  app.option_defaults()->always_capture_default();
  add_data_options(app, o);
  add_augmentation_options(app, o);
  add_loss_options(app, o);
  add_schedule_options(app, o);
  add_evaluation_options(app, o);
}

std::string config_changes(const nlohmann::json& before, const nlohmann::json& now) {
  static const std::set<std::string> harmless = {"loader-threads", "checkpoint-every", "keep", "eval-every",
                                                 "max-steps"};
  const auto value = [](const nlohmann::json& config, const std::string& key) {
    return config.contains(key) ? config[key].dump() : "(absent)";
  };
  nlohmann::json all = before;
  all.update(now);
  std::string changes;
  for (const auto& [key, ignored] : all.items()) {
    const std::string was = value(before, key), is = value(now, key);
    if (was != is && !harmless.contains(key)) changes += cat(changes.empty() ? "" : ", ", key, " ", was, " -> ", is);
  }
  return changes;
}

void resolve(CLI::App& app, TrainOptions& o) {
  if (!o.recipe.empty()) apply_recipe(app, o);
  if (!o.resume.empty() && app.get_config_ptr()->count() > 1)
    fail(Exit::usage, "--resume and --config exclude each other");
  if (!o.resume.empty() && o.out != o.resume) fail(Exit::usage, "--resume and --out exclude each other");
  resolve(o);
}

/// Options that would be written into the config and change nothing.
static void refuse_what_the_net_has_not(const TrainOptions& o) {
  const bool bts = o.net.starts_with("bts"), newcrfs = o.net.starts_with("newcrfs");
  if (o.net_options.focal_scaling && !bts) fail(Exit::usage, "--focal-scaling is for BTS, not for --net ", o.net);
  if (o.net_options.checkpoint_activations && !newcrfs)
    fail(Exit::usage, "--checkpoint-activations is for NeWCRFs, not for --net ", o.net);
  if (o.net_options.drop_path_rate != NetOptions().drop_path_rate && !newcrfs)
    fail(Exit::usage, "--drop-path is for NeWCRFs, not for --net ", o.net);
  if (o.border != "keep" && o.dataset != "nyu")
    fail(Exit::usage, "--border ", o.border, " is for NYU's frames, not for --dataset ", o.dataset);
}

void resolve(TrainOptions& o) {
  refuse_what_the_net_has_not(o);
  if (!o.init.empty() && !o.init_partial.empty()) fail(Exit::usage, "--init and --init-partial exclude each other");
  const std::pair<const char*, const std::string&> required[] = {
      {"--data", o.data}, {"--list", o.list}, {"--out", o.out}};
  for (const auto& [flag, value] : required) {
    if (value.empty()) fail(Exit::usage, flag, " is required");
  }
  if (o.max_steps > kMostSteps / o.accumulate)
    fail(Exit::usage, "--max-steps: ", o.max_steps, " times --accumulate ", o.accumulate, " is more than ", kMostSteps);
  o.augment.border = border(o.border);
  if (o.brightness[0] > o.brightness[1])
    fail(Exit::usage, "--brightness: ", o.brightness[0], " to ", o.brightness[1], " is no range of factors");
  o.augment.brightness_low = o.brightness[0];
  o.augment.brightness_high = o.brightness[1];
  o.net_options.seed = o.seed;
  o.adam.decoupled_decay = o.optimizer == "adamw";
  o.metric.ranges = parse_ranges(o.ranges, o.margins);
  o.metric.reduction = o.reduction == "sum" ? MetricDepthOptions::Reduction::sum : MetricDepthOptions::Reduction::mean;
}

DatasetSpec dataset_spec(const TrainOptions& o, const std::string& list) {
  namespace fs = std::filesystem;
  const DatasetKind kind = dataset_kind(o.dataset);
  if ((kind == DatasetKind::plain) != (o.depth_scale > 0))
    fail(Exit::usage, "--depth-scale is for --dataset plain, which wants it: the units of a depth file per metre");
  if (o.velodyne_raw && kind != DatasetKind::kitti) fail(Exit::usage, "--velodyne-raw is for --dataset kitti");
  const bool inside_data = !fs::exists(status_of(list)) && fs::exists(status_of(fs::path(o.data) / list));
  return {.kind = kind,
          .list = inside_data ? (fs::path(o.data) / list).string() : list,
          .root = o.data,
          .depth_root = o.depth_root,
          .dense = o.dense,
          .velodyne_raw = o.velodyne_raw,
          .depth_scale = o.depth_scale};
}

Protocol eval_protocol(const TrainOptions& o) {
  Protocol protocol = named_protocol(o.protocol, dataset_kind(o.dataset));
  if (o.depth_scale > 0) protocol.depth_scale = o.depth_scale;
  if (protocol.dataset == DatasetKind::plain) protocol.cap_m = o.net_options.max_depth_m;
  if (!o.compat.empty()) apply_compat(protocol, o.compat);
  protocol.flip_average |= o.flip_average;
  return protocol;
}

DepthCell depth_cell(const TrainOptions& o) {
  return o.depth_cell == "first-valid" ? DepthCell::first_valid : DepthCell::nearest;
}

Freeze freeze_rule(const TrainOptions& o) {
  if (o.freeze == "first-blocks") return Freeze::first_blocks;
  if (o.freeze == "first-block") return Freeze::first_block;
  return o.freeze == "stem" ? Freeze::stem : Freeze::none;
}

std::string is_device_name(const std::string& name) {
  static const std::regex known("auto|cpu|cuda(:[0-9]{1,3})?");
  return std::regex_match(name, known) ? "" : cat("'", name, "' is not auto, cpu, cuda or cuda:N");
}

void add_device_options(CLI::App& app, std::string& name, bool& tf32) {
  app.add_option("--device", name, "cpu, cuda, cuda:N or auto: a GPU if there is one")->check(is_device_name);
  add_switch(app, "tf32", tf32, "GPUs may round factors to TF32: several times faster, three digits instead of seven");
}

Device choose_device(const std::string& name) {
  if (name == "cpu" || (name == "auto" && cuda_device_names().empty())) return {};
  const Device gpu{Device::cuda, name.starts_with("cuda:") ? std::stoi(name.substr(5)) : 0};
  try {
    backend(gpu);
  } catch (const Error& error) {
    if (name != "auto") throw;
    std::cerr << "no usable GPU: " << error.what() << "; computing on the CPU" << std::endl;
    return {};
  }
  return gpu;
}

/// A run's config is kept as TOML and as JSON, and read again to go on.
static void require_keepable(const std::string& option, const std::string& value) {
  if (value.find_first_of("#\n") != value.npos)
    fail(Exit::usage, "--", option, " ", value, ": '#' and line breaks do not come back from a run's config.toml");
  try {
    nlohmann::json(value).dump();
  } catch (const nlohmann::json::exception&) {
    fail(Exit::usage, "--", option, " ", value, ": not UTF-8");
  }
}

std::vector<ResolvedOption> resolved_options(const CLI::App& app) {
  std::vector<ResolvedOption> resolved;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_configurable() || option == app.get_help_ptr() || option == app.get_version_ptr()) continue;
    const bool is_list = option->get_items_expected_max() > 1;
    resolved.push_back({option->get_group(), option->get_single_name(), final_values(*option, is_list), is_list});
    for (const std::string& value : resolved.back().values) require_keepable(resolved.back().name, value);
  }
  return resolved;
}

std::string to_toml(const std::vector<ResolvedOption>& options) {
  std::string text, group;
  for (const ResolvedOption& option : options) {
    if (option.group != group) text += cat(group.empty() ? "" : "\n", "# ", group = option.group, "\n");
    std::string values;
    for (const std::string& value : option.values)
      values += (values.empty() ? "" : ", ") + CLI::detail::convert_arg_for_ini(value);
    text += option.name + " = " + (option.is_list ? "[" + values + "]" : values) + "\n";
  }
  return text;
}

nlohmann::json to_json(const std::vector<ResolvedOption>& options) {
  const auto typed = [](const std::string& value) {
    const nlohmann::json parsed = nlohmann::json::parse(value, nullptr, false);  // numbers, true, false
    return parsed.is_number() || parsed.is_boolean() ? parsed : nlohmann::json(value);
  };
  nlohmann::json object = nlohmann::json::object();
  for (const ResolvedOption& option : options) {
    nlohmann::json list = nlohmann::json::array();
    for (const std::string& value : option.values) list.push_back(typed(value));
    object[option.name] = option.is_list ? list : list[0];
  }
  return object;
}

}  // namespace md
