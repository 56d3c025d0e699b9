// `mdeval figure NAME`: one of the paper's figures, of the user's own frames and networks.
#pragma once
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
  std::vector<std::string> ranges;  // empty: as the figure in the paper
  std::vector<double> margins;
  MetricDepthOptions metric;
  std::uint64_t seed = 0;
  DeviceOptions device;
  std::string out;  // without ending; empty: the figure's name
};

/// Defines the options of `mdeval figure`.
void add_figure_options(CLI::App&, FigureCommand&);

/// Writes OUT.png and OUT.svg, or the one that --out names by its ending.
Exit figure_command(const FigureCommand&);

}  // namespace md
