// `mdeval figure NAME`: one of the paper's figures, of the user's own frames and networks.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "tools/cli/exit_code.h"
#include "tools/figure/figures.h"

namespace CLI {
class App;
}

namespace md {

/// What `mdeval figure` is asked for.
struct FigureCommand {
  std::string name;                      // of the figure
  std::vector<std::string> runs, names;  // folders of runs, or checkpoints; what to call them
  FrameChoice frames;
  std::vector<float> anchor = {0.5F, 0.5F};
  /// MetricDepth, as far as it is said here: the rest is the first run's that was trained with it, else the figure's in
  /// the paper.
  std::vector<std::string> ranges;
  std::vector<double> margins;
  std::optional<float> positive_below;
  std::string depth_difference;  // "absolute", "relative", or empty: not said
  std::optional<bool> proportional_margins;
  int n_within = 10, n_across = 4;
  std::uint64_t seed = 0;
  DeviceOptions device;
  std::string out;  // without ending; empty: the figure's name
};

/// Defines the options of `mdeval figure`.
void add_figure_options(CLI::App&, FigureCommand&);

/// Writes OUT.png and OUT.svg, or the one that --out names by its ending.
Exit figure_command(const FigureCommand&);

}  // namespace md
