// Where predictions come from, and where their measures go.
#include "tools/eval/evaluate_command.h"

#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <memory>

#include "engine/state.h"
#include "tools/cli/cli.h"
#include "tools/cli/clock.h"
#include "tools/cli/output.h"
#include "tools/eval/predictions.h"
#include "tools/eval/result_maps.h"
#include "tools/eval/results.h"
#include "tools/run/checkpoint.h"
#include "tools/train/options.h"

namespace md {
namespace {

/// "evaluating 12/654  3.4 img/s  ETA 189 s" on a terminal.
class EvalProgress {
 public:
  void show(i64 done, i64 total) {
    const double per_s = double(done) / std::max(now_s() - start_s_, 1e-9);
    std::ostringstream text;
    text << std::fixed << std::setprecision(1) << "evaluating " << done << "/" << total << "  " << per_s
         << " img/s  ETA " << std::setprecision(0) << double(total - done) / per_s << " s";
    line_.show(text.str());
  }

 private:
  ProgressLine line_;
  double start_s_ = now_s();
};

/// What the list's depth files hold: the checkpoint knows, or the protocol, or the user.
TrainOptions data_options(const EvaluateCommand& c, const LoadedNet* loaded) {
  TrainOptions where;
  where.data = c.data;
  where.depth_root = c.depth_root;
  where.velodyne_raw = c.velodyne_raw;
  where.depth_scale = c.depth_scale;
  if (loaded) {
    try {
      where.dataset = loaded->state.config.at("dataset");
      dataset_kind(where.dataset);
      if (where.dataset == "plain" && c.depth_scale == 0) where.depth_scale = loaded->state.config.at("depth-scale");
    } catch (const std::exception& error) {
      fail(Exit::bad_data, c.checkpoint, ": __metadata__: ", error.what());
    }
    return where;
  }
  const std::optional<DatasetKind> named = protocol_dataset(c.protocol.name);
  if (!named && c.dataset.empty()) fail(Exit::usage, "--dataset: --protocol ", c.protocol.name, " is for any");
  where.dataset = !c.dataset.empty() ? c.dataset : *named == DatasetKind::nyu ? "nyu" : "kitti";
  return where;
}

EvaluateOptions options_of(const EvaluateCommand& c, const DatasetSpec& spec, const LoadedNet* loaded) {
  Protocol protocol = protocol_of(c.protocol, spec.kind);
  // Frames of no known data set are scored as far as the network can see.
  if (loaded && spec.kind == DatasetKind::plain && c.protocol.cap_m == 0)
    protocol.cap_m = loaded->state.config.at("max-depth");
  protocol.depth_scale = spec.units_per_m();
  protocol.velodyne_raw = spec.velodyne_raw;
  return {.protocol = protocol, .batch = c.batch, .threads = c.loader_threads};
}

Evaluation of_checkpoint(const EvaluateCommand& c, const LoadedNet& loaded, const Dataset& data,
                         const EvaluateOptions& options) {
  loaded.net->to(choose_device(c.device));
  return evaluate(*loaded.net, data, options);
}

Evaluation of_predictions(const EvaluateCommand& c, const Dataset& data, const EvaluateOptions& options) {
  const Protocol& protocol = options.protocol;
  const PredictionFolder folder(c.predictions, data,
                                {.scale = c.prediction_scale > 0 ? float(c.prediction_scale) : protocol.depth_scale,
                                 .through_png = protocol.evaluator == Evaluator::pngs});
  const auto read = [&](const std::vector<EvalFrame>& frames) {
    std::vector<Tensor> maps_m;
    for (const EvalFrame& frame : frames) maps_m.push_back(folder.read(frame));
    return maps_m;
  };
  const Evaluation evaluation = evaluate(read, data, options);
  std::cout << "predictions " << c.predictions << ": " << folder.kinds() << "\n";
  return evaluation;
}

void write_results(const EvaluateCommand& c, const Results& results) {
  if (!c.json.empty()) write_file_durably(c.json, to_json(results).dump(2) + "\n");
  if (!c.markdown.empty()) write_file_durably(c.markdown, markdown_table(results));
  if (!c.csv.empty()) write_file_durably(c.csv, to_csv(results.evaluation, results.protocol));
}

void print(const Results& results) {
  const std::string line = describe(results.protocol);
  const Evaluation& evaluation = results.evaluation;
  std::cout << "protocol " << protocol_hash(line) << ": " << line << "\n"
            << metric_table(results) << evaluation.images << " images, " << evaluation.missing
            << " missing (no ground truth, or none of it is scored), " << i64(evaluation.mean.pixels) << " pixels\n";
}

}  // namespace

void add_evaluate_options(CLI::App& app, EvaluateCommand& c) {
  app.add_option("CHECKPOINT", c.checkpoint, "safetensors file that mdtrain wrote");
  app.add_option("--predictions", c.predictions,
                 "instead: a folder with another program's 16-bit PNGs or .npy (metres), by the frames' names");
  app.add_option("--prediction-scale", c.prediction_scale, "units of those PNGs per metre; default: the data set's")
      ->check(positive());
  app.add_option("--dataset", c.dataset, "of --predictions, for --protocol plain: nyu, kitti or plain")
      ->check(CLI::IsMember({"nyu", "kitti", "plain"}));
  app.add_option("--depth-scale", c.depth_scale, "units of a depth file per metre (data set plain)")->check(positive());
  app.add_flag("--velodyne-raw", c.velodyne_raw, "score on KITTI's raw LiDAR sweeps, not its annotated ground truth");
  app.add_option("--data", c.data, "folder that the list's paths are relative to")->required();
  app.add_option("--depth-root", c.depth_root, "the same for ground truth, if it lies elsewhere");
  app.add_option("--list", c.list, "list file to evaluate on (as given, or else inside --data)")->required();
  add_protocol_options(app, c.protocol);
  app.add_option("--json", c.json, "write the measures, their intervals and those of each image to this file");
  app.add_option("--csv", c.csv, "write the measures of each image to this file");
  app.add_option("--markdown", c.markdown, "write the table to this file");
  app.add_option("--maps", c.maps, "write each prediction as a colour PNG into this folder");
  app.add_option("--error-maps", c.error_maps, "the same for each relative error, black where nothing is scored");
  app.add_option("--colormap", c.colormap, "of the maps: turbo or magma")->check(CLI::IsMember({"turbo", "magma"}));
  app.add_option("--seed", c.seed, "of the bootstrap that gives the 95 % intervals");
  app.add_option("--batch", c.batch, "frames of equal size at once")->check(CLI::Range(1, 4096));
  app.add_option("--loader-threads", c.loader_threads, "threads that decode")->check(CLI::Range(1, 256));
  add_device_options(app, c.device, c.tf32);
}

Exit evaluate_command(const EvaluateCommand& c) {
  if (c.checkpoint.empty() == c.predictions.empty()) fail(Exit::usage, "wanted is a CHECKPOINT or --predictions DIR");
  if (!c.checkpoint.empty() && !c.dataset.empty()) fail(Exit::usage, "--dataset: the CHECKPOINT says it");
  allow_tf32(c.tf32);
  std::optional<LoadedNet> loaded;
  if (!c.checkpoint.empty()) loaded.emplace(load_net(c.checkpoint));
  const LoadedNet* const net = loaded ? &*loaded : nullptr;
  const DatasetSpec spec = dataset_spec(data_options(c, net), c.list);
  EvaluateOptions options = options_of(c, spec, net);
  const Dataset data(spec);
  if (!c.json.empty()) require_writable("--json", c.json);
  if (!c.csv.empty()) require_writable("--csv", c.csv);
  if (!c.markdown.empty()) require_writable("--markdown", c.markdown);
  const ResultMaps maps(
      {c.maps, c.error_maps, c.colormap == "magma" ? Colormap::magma : Colormap::turbo, options.protocol.cap_m});

  EvalProgress progress;
  options.on_progress = [&](i64 done, i64 total) { progress.show(done, total); };
  options.on_frame = [&](const EvaluatedFrame& frame) { maps.write(frame); };
  options.every_frame = loaded && !c.maps.empty();
  Results results{.method = loaded ? c.checkpoint : c.predictions, .protocol = options.protocol};
  results.evaluation = loaded ? of_checkpoint(c, *loaded, data, options) : of_predictions(c, data, options);
  results.bootstrap.seed = c.seed;
  results.intervals = bootstrap(scored_images(results.evaluation), options.protocol.averaging, results.bootstrap);
  write_results(c, results);
  maps.publish();
  print(results);
  return Exit::ok;
}

}  // namespace md
