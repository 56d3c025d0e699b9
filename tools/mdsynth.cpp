// mdsynth nyu|kitti --out DIR --frames N --seed S: ray-casts a data set (tools/synth/synth_dataset.h).
#include <CLI/CLI.hpp>
#include <iostream>

#include "data/score.h"
#include "tools/cli/cli.h"
#include "tools/cli/output.h"
#include "tools/synth/synth_dataset.h"

namespace md {
namespace {

/// AbsRel of predicting the same depth everywhere, by mdeval's own measures: what a trained network has to beat.
double constant_abs_rel(const Dataset& data, double constant_m) {
  const Protocol protocol = named_protocol("plain", data.spec().dataset);
  std::vector<Metrics> scored;
  for (i64 i = 0; i < data.size(); ++i) {
    const Sample sample = data.load(i);
    const Shape shape{sample.image.height, sample.image.width};
    const Tensor gt_m = Tensor::from_host(sample.depth_m, shape), pred_m = Tensor::full(shape, float(constant_m));
    const EvalCrop whole{.height = sample.image.height, .width = sample.image.width};
    const auto metrics = score(protocol, pred_m, gt_m, whole, sample.image_name).metrics;
    if (metrics) scored.push_back(*metrics);
  }
  return mean_metrics(scored).abs_rel;
}

Exit synthesise(const synth::SetSpec& set) {
  const auto show = [](const synth::WrittenSplit& split) {
    std::cout << split.list << ": " << split.frames << " frames of " << split.scenes << " scenes, median depth "
              << split.median_depth_m << " m" << std::endl;
  };
  const OutputFolder out("--out", set.out);
  const synth::WrittenSplit train = write_split(set, synth::Split::train);
  show(train);
  if (set.test_frames == 0) return Exit::ok;
  const synth::WrittenSplit test = write_split(set, synth::Split::test);
  show(test);
  const Dataset data({.dataset = set.layout->dataset, .list = test.list, .root = set.out, .depth_root = {}});
  std::cout << "AbsRel of predicting the training median there: " << constant_abs_rel(data, train.median_depth_m)
            << "\n";
  return Exit::ok;
}

/// A layout's own size is the default.
void add_layout(CLI::App& app, synth::SetSpec& set, const synth::Layout& layout) {
  const synth::SetSpec defaults{.layout = &layout};
  CLI::App* sub = app.add_subcommand(layout.dataset, layout.help);
  sub->preparse_callback([&set, defaults](std::size_t) { set = defaults; });
  show_defaults(*sub);
  sub->add_option("--out", set.out, "folder to write the data set into")->required();
  sub->add_option("--frames", set.train_frames, "training frames to render")->required()->check(CLI::Range(1, 1000000));
  sub->add_option("--test-frames", set.test_frames, "test frames to render, of other scenes than the training frames")
      ->check(CLI::Range(0, 1000000));
  sub->add_option("--seed", set.seed, "number that fixes the scenes: equal seeds give equal files");
  sub->add_option("--height", set.height, "rows of a frame, pixels")->check(CLI::Range(layout.least_height, 4096));
  sub->add_option("--width", set.width, "columns of a frame, pixels; the focal length scales with them")
      ->check(CLI::Range(32, 4096));
}

}  // namespace
}  // namespace md

int main(int argc, char** argv) {
  CLI::App app{"Ray-casts a small data set with exact depth, in the layout of NYU Depth V2 or KITTI.", "mdsynth"};
  app.require_subcommand(1);
  md::synth::SetSpec set;
  for (const md::synth::Layout& layout : md::synth::layouts()) md::add_layout(app, set, layout);
  return md::run_main(app, argc, argv, [&set] { return md::synthesise(set); });
}
