// mdeval: the nine measures of a checkpoint on a list of frames, under a named protocol. mdeval predict: depth for
// images (tools/predict.h). mdeval export: the network as ONNX (tools/export_onnx.h).
#include <iomanip>
#include <iostream>
#include <memory>

#include "data/colormap.h"
#include "engine/state.h"
#include "tools/checkpoint.h"
#include "tools/cli.h"
#include "tools/clock.h"
#include "tools/export_onnx.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/predict.h"
#include "tools/results.h"

namespace md {
namespace {

struct EvalCommand {
  std::string checkpoint, data, depth_root, list, protocol, compat, json, csv, maps, colormap = "turbo",
                                                                                     device = "auto";
  bool flip_average = false;
  float cap_m = 0;
  int batch = 1, loader_threads = 2;
  bool tf32 = false;
};

void add_options(CLI::App& app, EvalCommand& c) {
  app.add_option("CHECKPOINT", c.checkpoint, "safetensors file that mdtrain wrote")->required();
  app.add_option("--data", c.data, "folder that the list's paths are relative to")->required();
  app.add_option("--depth-root", c.depth_root, "the same for ground truth, if it lies elsewhere");
  app.add_option("--list", c.list, "list file to evaluate on (as given, or else inside --data)")->required();
  app.add_option("--protocol", c.protocol, "plain, nyu_eigen, kitti_eigen_garg or kitti_eigen")->required();
  app.add_option("--cap", c.cap_m, "largest depth that is scored, metres, instead of the protocol's")
      ->check(positive());
  app.add_option("--compat", c.compat, "with the habits of a peer's evaluator: bts or newcrfs");
  app.add_flag("--flip-average", c.flip_average, "average with the prediction of the mirrored frame, as NeWCRFs does");
  app.add_option("--json", c.json, "write the measures to this file");
  app.add_option("--csv", c.csv, "write the measures of each image to this file");
  app.add_option("--maps", c.maps, "write each prediction as a colour PNG into this folder");
  app.add_option("--colormap", c.colormap, "of the maps: turbo or magma")->check(CLI::IsMember({"turbo", "magma"}));
  app.add_option("--batch", c.batch, "frames of equal size at once")->check(CLI::Range(1, 4096));
  app.add_option("--loader-threads", c.loader_threads, "threads that decode")->check(CLI::Range(1, 256));
  add_device_options(app, c.device, c.tf32);
}

Protocol protocol_of(const EvalCommand& c, DatasetKind kind) {
  Protocol protocol = named_protocol(c.protocol, kind);
  if (c.cap_m > 0) protocol.cap_m = c.cap_m;
  if (protocol.cap_m <= protocol.min_m) fail(Exit::usage, "--cap: ", c.cap_m, " m is not above ", protocol.min_m, " m");
  if (!c.compat.empty()) apply_compat(protocol, c.compat);
  protocol.flip_average |= c.flip_average;
  return protocol;
}

/// "0007_kitchen_rgb_00045.png": in list order, and never the same for two frames.
std::string map_name(const EvalFrame& frame) {
  std::string name = std::filesystem::path(frame.sample.image_name).replace_extension(".png").string();
  std::replace(name.begin(), name.end(), '/', '_');
  std::ostringstream numbered;
  numbered << std::setw(4) << std::setfill('0') << frame.index << '_' << name;
  return numbered.str();
}

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

Evaluation run(DepthNet& net, const Dataset& data, const Protocol& protocol, const EvalCommand& c,
               const StagedFolder* maps) {
  EvalProgress progress;
  EvaluateOptions options{.protocol = protocol, .batch = c.batch, .threads = c.loader_threads};
  options.on_progress = [&](i64 done, i64 total) { progress.show(done, total); };
  if (maps) {
    const Colormap colormap = c.colormap == "magma" ? Colormap::magma : Colormap::turbo;
    options.on_prediction = [&, colormap](const EvalFrame& frame, const Tensor& pred_m) {
      write_png((maps->path() / map_name(frame)).string(), colorize(pred_m, {.far_m = protocol.cap_m}, colormap));
    };
  }
  return evaluate(net, data, options);
}

/// It decides what the depth files hold.
DatasetKind trained_on(const LoadedNet& loaded, const std::string& checkpoint) {
  try {
    return dataset_kind(loaded.state.config.at("dataset"));
  } catch (const std::exception& error) {
    fail(Exit::bad_data, checkpoint, ": __metadata__: ", error.what());
  }
}

Exit evaluate_checkpoint(const EvalCommand& c) {
  allow_tf32(c.tf32);
  const Device device = choose_device(c.device);
  const LoadedNet loaded = load_net(c.checkpoint);
  loaded.net->to(device);
  const DatasetKind kind = trained_on(loaded, c.checkpoint);
  const Protocol protocol = protocol_of(c, kind);
  TrainOptions where;
  where.dataset = loaded.state.config["dataset"].get<std::string>();
  where.data = c.data;
  where.depth_root = c.depth_root;
  const Dataset data(dataset_spec(where, c.list));
  if (!c.json.empty()) require_writable("--json", c.json);
  if (!c.csv.empty()) require_writable("--csv", c.csv);
  const auto maps = c.maps.empty() ? nullptr : std::make_unique<StagedFolder>("--maps", c.maps);

  const Evaluation evaluation = run(*loaded.net, data, protocol, c, maps.get());
  if (!c.json.empty()) write_file_durably(c.json, to_json(evaluation, protocol).dump(2) + "\n");
  if (!c.csv.empty()) write_file_durably(c.csv, to_csv(evaluation));
  if (maps) maps->publish();
  std::cout << "protocol " << describe(protocol) << "\n"
            << metric_table(evaluation.mean, kind) << evaluation.images << " images, " << evaluation.missing
            << " missing (no ground truth, or none of it is scored)\n";
  return Exit::ok;
}

}  // namespace
}  // namespace md

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "predict") {
    CLI::App app{"Writes the depth that a checkpoint predicts for images.", "mdeval predict"};
    md::PredictCommand command;
    md::add_predict_options(app, command);
    return md::run_main(app, argc - 1, argv + 1, [&] { return md::predict(command); });
  }
  if (argc > 1 && std::string(argv[1]) == "export") {
    CLI::App app{"Writes the network of a checkpoint as a file for other programs.", "mdeval export"};
    md::ExportCommand command;
    md::add_export_options(app, command);
    return md::run_main(app, argc - 1, argv + 1, [&] { return md::export_onnx(command); });
  }
  CLI::App app{
      "Measures a checkpoint on a list of frames, under a named protocol. `mdeval predict --help`: depth for images; "
      "`mdeval export --help`: ONNX.",
      "mdeval"};
  md::EvalCommand command;
  md::add_options(app, command);
  return md::run_main(app, argc, argv, [&] { return md::evaluate_checkpoint(command); });
}
