// Each figure says what it wants; then it is drawn once, and written twice.
#include "tools/figure/figure_command.h"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "engine/durable_file.h"
#include "engine/text.h"
#include "tools/cli/cli.h"
#include "tools/cli/option_table.h"
#include "tools/cli/output.h"
#include "tools/cli/short_help.h"
#include "tools/figure/raster.h"
#include "tools/train/trained_metric.h"

namespace md {
namespace {

namespace fs = std::filesystem;

/// A figure by its name.
struct FigureKind {
  const char* name;
  Drawing (*draw)(const FigureSpec&);  // none: made from the runs' results
  std::size_t least_nets;
  i64 frames;  // shown unless the user says which
  std::vector<std::string> ranges;
  std::vector<double> margins;
};

const std::vector<FigureKind>& figures() {
  static const std::vector<std::string> lt_ranges{"0.5-1", "1-1.5", "1.5-2"};
  static const std::vector<FigureKind> all{{"sampling", sampling_figure, 0, 4, lt_ranges, {3, 6, 8}},
                                           {"negatives", negatives_figure, 1, 1, {"0.5-inf"}, {2}},
                                           {"panels", panels_figure, 1, 4, lt_ranges, {3, 6, 8}},
                                           {"features", features_figure, 1, 2, lt_ranges, {3, 6, 8}},
                                           {"samples", nullptr, 1, 0, {}, {}}};
  return all;
}

const FigureKind& figure_named(const std::string& name) {
  return *std::ranges::find_if(figures(), [&](const FigureKind& each) { return each.name == name; });
}

std::vector<std::string> figure_names() {
  std::vector<std::string> names;
  for (const FigureKind& each : figures()) names.emplace_back(each.name);
  return names;
}

void require_runs(const FigureCommand& c, const FigureKind& kind) {
  if (c.runs.size() < kind.least_nets)
    fail(ErrorKind::usage, "figure ", c.name, " wants a RUN: a folder of mdtrain's",
         kind.draw ? ", or a checkpoint" : "");
  if (!c.names.empty() && c.names.size() != c.runs.size())
    fail(ErrorKind::usage, "--names: ", c.names.size(), " of them for ", c.runs.size(), " runs");
}

/// Of the first network that was trained with MetricDepth, else of the paper's figure.
MetricDepthOptions usual_metric(const std::vector<FigureNet>& nets, const FigureKind& kind) {
  for (const FigureNet& net : nets) {
    if (const auto trained = trained_metric(net.loaded.state)) return *trained;
  }
  MetricDepthOptions paper;
  paper.ranges = parse_ranges(kind.ranges, kind.margins);
  return paper;
}

void set_margins(std::vector<MetricDepthPairs::Range>& ranges, const std::vector<double>& margins) {
  if (margins.size() != ranges.size())
    fail(ErrorKind::usage, "--margins: ", margins.size(), " of them for ", ranges.size(), " ranges");
  for (std::size_t j = 0; j < ranges.size(); ++j) ranges[j].margin = float(margins[j]);
}

/// Thresholds of another unit than the usual ones must be said, too.
MetricDepthOptions metric_of(const FigureCommand& c, const std::vector<FigureNet>& nets, const FigureKind& kind) {
  using Difference = MetricDepthOptions::Difference;
  MetricDepthOptions metric = usual_metric(nets, kind);
  const Difference before = metric.difference;
  if (!c.depth_difference.empty())
    metric.difference = c.depth_difference == "relative" ? Difference::relative : Difference::absolute;
  if (metric.difference != before && (c.ranges.empty() || !c.positive_below))
    fail(ErrorKind::usage, "--depth-difference ", c.depth_difference,
         " wants --ranges, --margins and --positive-below, ",
         metric.difference == Difference::relative ? "which are logarithms of ratios then" : "in metres");
  if (c.ranges.empty() && !c.margins.empty()) set_margins(metric.ranges, c.margins);
  if (!c.ranges.empty()) metric.ranges = parse_ranges(c.ranges, c.margins);
  if (c.positive_below) metric.positive_below_m = *c.positive_below;
  if (c.proportional_margins) metric.proportional_margins = *c.proportional_margins;
  metric.n_within = c.n_within;
  metric.n_across = c.n_across;
  return metric;
}

FigureSpec spec_of(const FigureCommand& c, const FigureKind& kind) {
  FigureSpec spec{
      .nets = {}, .frames = {}, .anchor_row = c.anchor[0], .anchor_column = c.anchor[1], .metric = {}, .seed = c.seed};
  for (const std::string& run : c.runs) spec.nets.emplace_back(run, c.device);
  for (std::size_t i = 0; i < c.names.size(); ++i) spec.nets[i].name = c.names[i];
  spec.metric = metric_of(c, spec.nets, kind);
  spec.frames = figure_frames(c.frames, spec.nets, kind.frames);
  return spec;
}

/// The files to write, by their endings.
std::vector<std::string> files_of(const FigureCommand& c) {
  const std::string out = c.out.empty() ? c.name : c.out;
  const std::string ending = lower(fs::path(out).extension().string());
  if (ending == ".png" || ending == ".svg") return {out};
  return {out + ".png", out + ".svg"};
}

void write_figure(const std::string& file, const Drawing& drawing) {
  if (lower(fs::path(file).extension().string()) == ".png")
    write_png(file, raster_of(drawing));
  else
    write_file_durably(file, svg_of(drawing));
}

void set_help(CLI::App& app) {
  const std::vector<HelpGroup> groups{
      {"NAME, and the paper's figure",
       {{"sampling", "the samples of an anchor: its map rolled, other images (3)"},
        {"negatives", "the negatives of an anchor, and which still give loss (4)"},
        {"panels", "image, ground truth, the prediction of each RUN (5, 6)"},
        {"features", "features of each RUN, and their distances to an anchor's (7, 8)"},
        {"samples", "AbsRel of RUNs against their number of samples (9)"}}},
      {"of what",
       {{"RUN", "folder of a run of mdtrain, or a checkpoint; sampling needs none"},
        {"--names A,B,C", "what to call them"},
        {"--data DIR", "folder of the frames; default: the first run's"},
        {"--list FILE", "their list; default: the first run's --eval-list"},
        {"--frames 3,14,15", "their numbers in the list; default: spread over it"},
        {"--image FILE", "one picture instead; --depth FILE: its ground truth"}}},
      {"how",
       {{"--anchor ROW,COLUMN", "place of the anchor, 0 to 1 of the picture"},
        {"--ranges 0.5-1,1-inf", "depth differences of negatives, metres [the run's]; --margins 3,6"},
        {"--depth-difference KIND", "absolute, or relative: of logarithms; --proportional-margins"},
        {"--n-within N", "maps rolled; --n-across N: maps of other images; --seed N: which"},
        {"--out NAME", "NAME.png and NAME.svg, or one of them; default: the figure's name"},
        {"--device NAME", "auto, cpu, cuda or cuda:N"}}}};
  set_short_help(app, {"mdeval figure NAME [RUN...] [OPTIONS]"}, groups);
}

/// What sampling and negatives hold depth differences against.
void add_metric_options(CLI::App& app, FigureCommand& c) {
  app.add_option("--ranges", c.ranges,
                 "depth differences of negatives, metres: 0.5-1,1-1.5; default, as that of the next four: of the first "
                 "RUN with MetricDepth, adaptive ones as they stood, else the paper's figure's")
      ->delimiter(',');
  app.add_option("--margins", c.margins, "a margin for each of them: 3,6")->delimiter(',')->check(positive());
  app.add_option("--positive-below", c.positive_below, "pairs nearer in depth are positives, metres")
      ->check(positive());
  app.add_option("--depth-difference", c.depth_difference,
                 "absolute: metres, or relative: differences of the depths' natural logarithms, which --positive-below "
                 "and --ranges then are")
      ->check(CLI::IsMember({"absolute", "relative"}));
  app.add_flag_function(
      "--proportional-margins,!--no-proportional-margins",
      [&c](std::int64_t given) { c.proportional_margins = given > 0; },
      "margins grow with the depth difference, and are those of --margins in the middle of a range");
}

}  // namespace

void add_figure_options(CLI::App& app, FigureCommand& c) {
  app.add_option(
         "NAME", c.name,
         "sampling: an anchor's samples (the paper's Fig. 3); negatives: those of an anchor that give loss (4); "
         "panels: image, ground truth, predictions (5, 6); features: of networks, and their distances to an "
         "anchor's (7, 8); samples: AbsRel against the number of samples (9)")
      ->required()
      ->check(CLI::IsMember(figure_names()));
  app.add_option("RUN", c.runs, "runs of mdtrain, or checkpoints; for sampling they may be left out");
  app.add_option("--names", c.names, "what to call them: a,b,c; default: as their folders")->delimiter(',');
  app.add_option("--out", c.out,
                 "OUT.png and OUT.svg are written, or one of them where it has that ending; default: NAME");
  app.add_option("--list", c.frames.list, "list of frames; default: the --eval-list of the first run");
  app.add_option("--frames", c.frames.frames, "their numbers in the list, from 1: 3,14,15; default: spread over it")
      ->delimiter(',');
  app.add_option("--image", c.frames.image, "one picture instead of a list");
  app.add_option("--depth", c.frames.depth, "ground truth of --image");
  app.add_option("--focal", c.frames.focal_px, "focal length of --image, pixels, for networks that scale depth by it")
      ->check(positive());
  app.add_option("--anchor", c.anchor, "place of the anchor: row,column, 0 to 1 of the picture")
      ->delimiter(',')
      ->expected(2)
      ->check(CLI::Range(0.0, 1.0));
  add_metric_options(app, c);
  c.frames.data.dataset.clear();  // that of the run
  OptionTable how;
  add_data_options(how, c.frames.data);
  how.add("n-within", c.n_within, "sampling: maps rolled", CLI::Range(0, 1000));
  how.add("n-across", c.n_across, "sampling: maps of other images", CLI::Range(0, 1000));
  how.add("seed", c.seed, "sampling: number that fixes the samples");
  add_device_options(how, c.device);
  how.define(app);
  set_help(app);
}

Exit figure_command(const FigureCommand& c) {
  const FigureKind& kind = figure_named(c.name);
  require_runs(c, kind);
  const std::vector<std::string> files = files_of(c);
  for (const std::string& file : files) require_writable("--out", file);
  const Drawing drawing = kind.draw ? kind.draw(spec_of(c, kind)) : samples_figure(c.runs);
  for (const std::string& file : files) write_figure(file, drawing);
  std::cout << "figure " << listed(files) << "\n";
  return Exit::ok;
}

}  // namespace md
