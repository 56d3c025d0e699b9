// mdsynth nyu|kitti|video --out DIR --frames N --seed S: ray-casts a data set (tools/synth/synth_dataset.h).
#include <CLI/CLI.hpp>
#include <iostream>

#include "data/score.h"
#include "tools/cli/cli.h"
#include "tools/cli/option_table.h"
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

CLI::Validator from_to(double low, double high) {
  return number_that(cat("from ", low, " to ", high), [=](double x) { return x >= low && x <= high; });
}

/// How many frames of what.
void add_frames(CLI::App& app, synth::SetSpec& set) {
  app.add_option("--out", set.out, "folder to write the data set into")->required();
  if (set.layout->video) {
    app.add_option("--frames", set.train_frames, "frames to render")->required()->check(CLI::Range(1, 1000000));
    app.add_option("--fps", set.frames_a_second, "frames a second of a walk at half a metre a second")
        ->check(from_to(0.1, 1000));
    app.add_option("--room", set.room, "which room of the seed: N is scene_N of `mdsynth nyu`")
        ->check(CLI::Range(1, 1000000));
  } else {
    app.add_option("--frames", set.train_frames, "training frames to render")
        ->required()
        ->check(CLI::Range(1, 1000000));
    app.add_option("--test-frames", set.test_frames, "test frames to render, of other scenes than the training frames")
        ->check(CLI::Range(0, 1000000));
  }
  app.add_option("--seed", set.seed, "number that fixes the scenes: equal seeds give equal files");
  app.add_option("--height", set.height, "rows of a frame, pixels")->check(CLI::Range(set.layout->least_height, 4096));
  app.add_option("--width", set.width, "columns of a frame, pixels; the focal length scales with them")
      ->check(CLI::Range(32, 4096));
}

const char* sensor_help(const synth::Layout& layout) {
  if (layout.drives) return "what measures depth; none: exact, everywhere";
  return "what measures depth; none: exact, everywhere; holes: exact, 0 in a Kinect's shadow and out of its range; "
         "kinect: with its noise and steps, and holes at edges and on glass, mirrors and dark things too";
}

/// What is to be seen, and with what it is taken.
void add_look(CLI::App& app, synth::SetSpec& set) {
  OptionTable table;
  if (set.layout->world == synth::WorldKind::room)
    table.add_choice("detail", set.detail, {{"basic", synth::Detail::basic}, {"high", synth::Detail::high}},
                     "high: the same furniture with windows, lamps, mirrors, books, small things and worn surfaces");
  table.add_choice("sensor", set.sensor, set.layout->sensors, sensor_help(*set.layout));
  table.define(app);
  app.add_option_function<double>(
         "--motion-blur", [&set](double ms) { set.shutter_s = ms / 1000; },
         "how long the shutter is open while the camera moves, ms; depth is that of the middle; default: 0")
      ->check(from_to(0, 500));
  app.add_option("--exposure", set.exposure_error_stops,
                 "automatic exposure, which clips what is bright, off by up to so many stops; default: light as it is")
      ->check(from_to(0, 8));
}

/// A layout's own size is the default.
void add_layout(CLI::App& app, synth::SetSpec& set, const synth::Layout& layout) {
  const synth::SetSpec defaults{.layout = &layout};
  CLI::App* sub = app.add_subcommand(layout.name, layout.help);
  sub->preparse_callback([&set, defaults](std::size_t) { set = defaults; });
  show_defaults(*sub);
  set = defaults;  // --help shows them
  add_frames(*sub, set);
  add_look(*sub, set);
}

}  // namespace
}  // namespace md

int main(int argc, char** argv) {
  CLI::App app{"Ray-casts a small data set with exact depth, in the layout of NYU Depth V2 or KITTI, or a video.",
               "mdsynth"};
  app.require_subcommand(1);
  md::synth::SetSpec set;
  for (const md::synth::Layout& layout : md::synth::layouts()) md::add_layout(app, set, layout);
  return md::run_main(app, argc, argv, [&set] { return md::synthesise(set); });
}
