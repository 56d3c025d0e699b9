// Where predictions come from, and where their measures go.
#include "tools/eval/evaluate_command.h"

#include <iostream>
#include <memory>

#include "data/datasets.h"
#include "engine/durable_file.h"
#include "engine/text.h"
#include "tools/cli/cli.h"
#include "tools/cli/clock.h"
#include "tools/cli/flag_in_error.h"
#include "tools/cli/option_table.h"
#include "tools/cli/output.h"
#include "tools/cli/progress.h"
#include "tools/cli/ranks.h"
#include "tools/cli/short_help.h"
#include "tools/eval/predictions.h"
#include "tools/eval/result_maps.h"
#include "tools/eval/results.h"
#include "tools/eval/unknown_pixels.h"
#include "tools/run/checkpoint.h"

namespace md {
namespace {

/// What the list's depth files hold: the checkpoint knows, or the protocol, or the user.
DataOptions where_data_is(const EvaluateCommand& c, const LoadedNet* loaded) {
  DataOptions where = c.data;
  if (loaded) {
    try {
      const DataOptions trained_on = data_options_of(loaded->state.config);
      where.dataset = trained_on.dataset;
      if (dataset_traits(where.dataset).user_units && where.depth_scale == 0)
        where.depth_scale = trained_on.depth_scale;
      if (where.invalid_value == 0) where.invalid_value = trained_on.invalid_value;
      if (where.valid_below_m == 0) where.valid_below_m = trained_on.valid_below_m;
    } catch (const std::exception& error) {
      fail(ErrorKind::bad_data, c.checkpoint, ": __metadata__: ", error.what());
    }
    return where;
  }
  const auto its_dataset = [&] { return protocol_dataset(c.protocol.name); };
  const std::optional<std::string> named = with_flag("--protocol", ErrorKind::usage, its_dataset);
  if (!named && where.dataset.empty())
    fail(ErrorKind::usage, "--dataset is required: --protocol ", c.protocol.name, " is for any");
  if (where.dataset.empty()) where.dataset = *named;
  return where;
}

/// What a protocol says of a network does not hold for predictions that are there already.
void as_of_predictions(const EvaluateCommand& c, Protocol& protocol) {
  if (c.protocol.flip_average)
    fail(ErrorKind::usage, "--flip-average: those of --predictions were made already, averaged or not");
  protocol.flip_average = false;  // --compat newcrfs
  if (!c.resize_predictions.empty())
    protocol.resampling = c.resize_predictions == "nearest" ? Resampling::nearest : Resampling::bilinear;
}

EvaluateOptions options_of(const EvaluateCommand& c, const DatasetSpec& spec, const LoadedNet* loaded) {
  Protocol protocol = protocol_of(c.protocol, spec.dataset);
  if (!loaded) as_of_predictions(c, protocol);
  // Frames of no known data set are scored as far as the network can see.
  if (loaded && dataset_traits(spec.dataset).cap_of_network && c.protocol.cap_m == 0)
    protocol.cap_m = loaded->net->options().max_depth_m;
  protocol.depth_scale = spec.units_per_m();
  protocol.velodyne_raw = spec.velodyne_raw;
  protocol.invalid_value = float(spec.invalid_value);
  protocol.valid_below_m = spec.valid_below_m;
  return {.protocol = protocol, .batch = c.batch, .threads = c.loader_threads};
}

/// Finds the files; the options then say which is a frame's.
PredictionFolder folder_of(const EvaluateCommand& c, const Dataset& data, const Protocol& protocol) {
  return {c.predictions,
          data,
          {.scale = c.prediction_scale > 0 ? float(c.prediction_scale) : protocol.depth_scale,
           .through_png = protocol.evaluator == Evaluator::pngs,
           .resampling = protocol.resampling}};
}

/// The files as a predictor; the folder must outlive it.
Predictor reader_of(PredictionFolder& folder) {
  return [&folder](const std::vector<EvalFrame>& frames) {
    std::vector<Tensor> maps_m;
    for (const EvalFrame& frame : frames) maps_m.push_back(folder.read(frame));
    return maps_m;
  };
}

void say_what_was_read(const EvaluateCommand& c, const PredictionFolder& folder) {
  std::cout << "predictions " << c.predictions << ": " << folder.kinds()
            << (folder.resampled_maps() > 0 ? cat(", ", folder.resampled_maps(), " resampled") : "") << "\n";
  if (c.prediction_scale > 0 && folder.integer_maps() == 0)
    std::cerr << "mdeval: --prediction-scale is for integers; these predictions are floats, which are metres\n";
}

/// What several ranks do not divide.
void require_divisible(const EvaluateCommand& c) {
  for (const auto& [flag, value] :
       {std::pair("--predictions", c.predictions), {"--maps", c.maps}, {"--error-maps", c.error_maps}}) {
    if (!value.empty()) fail(ErrorKind::usage, flag, " is for one process, and a launcher has started more");
  }
}

void require_outputs(const EvaluateCommand& c) {
  if (!c.json.empty()) require_writable("--json", c.json);
  if (!c.csv.empty()) require_writable("--csv", c.csv);
  if (!c.markdown.empty()) require_writable("--markdown", c.markdown);
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
            << " missing (no ground truth, or none of it is scored), " << i64(evaluation.mean.pixels) << " pixels"
            << unknown_text(evaluation, results.protocol) << "\n";
  for (const std::string& zeros : zero_lines(evaluation, results.protocol)) std::cerr << zeros << "\n";
}

}  // namespace

void add_evaluate_options(CLI::App& app, EvaluateCommand& c) {
  app.add_option("CHECKPOINT", c.checkpoint, "safetensors file that mdtrain wrote");
  app.add_option(
      "--predictions", c.predictions,
      "in place of a CHECKPOINT: folder of another program's depth maps under the frames' names: .npy, .npz, .exr, "
      ".pfm or 16-bit PNG; floats are metres, integers units of --prediction-scale");
  app.add_option("--prediction-scale", c.prediction_scale,
                 "units per metre of --predictions that are integers (PNG, integer .npy); default: the data set's")
      ->check(positive());
  app.add_option("--resize-predictions", c.resize_predictions,
                 "bring --predictions of another size to their frame's: bilinear or nearest; else they are refused")
      ->check(CLI::IsMember({"bilinear", "nearest"}));
  OptionTable data;
  add_data_options(data, c.data);
  data.add("velodyne-raw", c.data.velodyne_raw, "score on KITTI's raw LiDAR sweeps, not on its annotated ground truth");
  data.define(app);
  app.get_option("--data")->required();
  app.add_option("--list", c.list, "list file to evaluate on, as given or else inside --data")->required();
  add_protocol_options(app, c.protocol);
  app.add_option("--json", c.json, "file for the measures, their intervals and those of each image, as JSON");
  app.add_option("--csv", c.csv, "file for the measures of each image, as CSV");
  app.add_option("--markdown", c.markdown, "file for the table, as Markdown");
  app.add_option("--maps", c.maps, "folder for each prediction as a colour PNG");
  app.add_option("--error-maps", c.error_maps,
                 "folder for the relative error of each prediction as a colour PNG, black where nothing is scored");
  OptionTable how;
  how.add("colormap", c.colormap, "colours of --maps and --error-maps: " + either(colormap_names()),
          CLI::IsMember(colormap_names()));
  how.add("seed", c.seed, "number that fixes the bootstrap of the 95 % intervals");
  how.add("batch", c.batch, "frames of equal size that the network sees at once", CLI::Range(1, 4096));
  how.add("loader-threads", c.loader_threads, "threads that decode images", CLI::Range(1, 256));
  add_device_options(how, c.device);
  add_precision_option(how, c.device);
  how.define(app);
}

void set_evaluate_help(CLI::App& app) {
  const std::vector<HelpGroup> groups{
      {"what is scored",
       {{"CHECKPOINT", "a network that mdtrain wrote, or else"},
        {"--predictions DIR", "another program's depth maps: .npy, .npz, .exr, .pfm or 16-bit PNG"},
        {"--prediction-scale N", "units per metre of those that are integers; default: the data set's"},
        {"--resize-predictions HOW", "bring those of another size to their frame's: bilinear or nearest"}}},
      {"on what",
       {{"--data DIR", "folder of the frames"},
        {"--list FILE", "frames to score"},
        {"--dataset NAME", "what depth files hold, where neither checkpoint nor protocol says it"}}},
      {"how",
       {{"--protocol NAME", "plain, nyu_eigen, kitti_eigen_garg, kitti_official ..."},
        {"--compat NAME", "with the habits of bts, bts-online or newcrfs"},
        {"--cap METRES", "largest depth that is scored"},
        {"--median-scaling", "scale each prediction to the median of its ground truth"},
        {"--batch N", "frames that the network sees at once"},
        {"--device NAME", "auto, cpu, cuda or cuda:N"}}},
      {"results",
       {{"--report FILE", "a report as HTML"},
        {"--json FILE", "everything; --csv FILE: each image; --markdown FILE: the table"},
        {"--maps DIR", "each prediction as a colour PNG; --error-maps DIR: its relative error"}}},
      {"other commands; each has --help",
       {{"mdeval report", "training runs side by side, as one HTML file"},
        {"mdeval figure", "the paper's figures of any frames and networks"},
        {"mdeval predict", "depth for pictures and videos"},
        {"mdeval compare", "whether one result is better than another, and on which images"},
        {"mdeval export", "the network as ONNX"}}}};
  set_short_help(app,
                 {"mdeval CHECKPOINT --data DIR --list FILE --protocol NAME [OPTIONS]",
                  "mdeval --predictions DIR --data DIR --list FILE --protocol NAME [OPTIONS]"},
                 groups);
}

Exit evaluate_command(const EvaluateCommand& c, const EvaluationGuest& guest, Communicator& ranks) {
  if (ranks.size() > 1) require_divisible(c);
  if (c.checkpoint.empty() == c.predictions.empty())
    fail(ErrorKind::usage, "wanted is a CHECKPOINT or --predictions DIR");
  if (!c.checkpoint.empty() && !c.resize_predictions.empty())
    fail(ErrorKind::usage, "--resize-predictions: a CHECKPOINT predicts at the frames' size");
  if (!c.checkpoint.empty() && !c.data.dataset.empty()) fail(ErrorKind::usage, "--dataset: the CHECKPOINT says it");
  std::optional<LoadedNet> loaded;
  if (!c.checkpoint.empty()) loaded.emplace(load_folded_net(c.checkpoint));
  const LoadedNet* const net = loaded ? &*loaded : nullptr;
  const DatasetSpec spec = dataset_spec(where_data_is(c, net), c.list);
  EvaluateOptions options = options_of(c, spec, net);
  options.ranks = &ranks;
  const Dataset data(spec);
  require_outputs(c);
  const ResultMaps maps({c.maps, c.error_maps, colormap(c.colormap), options.protocol.cap_m});

  ProgressLine progress;
  const double begin_s = now_s();
  options.on_progress = [&](i64 done, i64 total) {
    progress.show(cat("evaluating ", done, "/", total, "  ", rate_and_eta(done, total, now_s() - begin_s)));
  };
  options.on_frame = [&](const EvaluatedFrame& frame) {
    maps.write(frame);
    if (guest.on_frame) guest.on_frame(frame, options.protocol);
  };
  options.every_frame = loaded && !c.maps.empty();
  Results results{.method = loaded ? c.checkpoint : c.predictions, .protocol = options.protocol};
  if (loaded) loaded->net->to(choose_device(device_of_rank(c.device, ranks)));
  std::optional<PredictionFolder> folder;
  if (!loaded) folder.emplace(folder_of(c, data, options.protocol));
  if (folder) options.prediction_file = [&](const EvalFrame& frame) { return folder->file(frame); };
  const Predictor predictor = loaded ? net_predictor(*loaded->net, options.protocol) : reader_of(*folder);
  results.evaluation = evaluate(predictor, data, options);
  if (folder) say_what_was_read(c, *folder);
  results.bootstrap.seed = c.seed;
  results.intervals = bootstrap(scored_images(results.evaluation), options.protocol.averaging, results.bootstrap);
  if (ranks.rank() == 0) write_results(c, results);
  maps.publish();
  print(results);
  if (!results.evaluation.turned.empty()) std::cerr << results.evaluation.turned << "\n";
  for (const std::string& remark : data.remarks()) std::cout << remark << "\n";
  if (guest.on_results) guest.on_results(results, {data, options, predictor, loaded ? &*loaded : nullptr});
  return Exit::ok;
}

}  // namespace md
