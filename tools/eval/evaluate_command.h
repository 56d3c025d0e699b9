// `mdeval CHECKPOINT` and `mdeval --predictions DIR`: a table, and the files that it is made of.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

#include "engine/check.h"
#include "tools/eval/protocol_options.h"

namespace md {

struct EvaluateCommand {
  std::string checkpoint, predictions;  // one of the two
  std::string dataset;                  // of predictions, where the protocol leaves it open
  float depth_scale = 0;                // of the data set "plain"; 0: the checkpoint's
  bool velodyne_raw = false;
  double prediction_scale = 0;  // units of predicted PNGs per metre; 0: the data set's
  std::string data, depth_root, list;
  ProtocolOptions protocol;
  std::string json, csv, markdown, maps, error_maps, colormap = "turbo", device = "auto";
  std::uint64_t seed = 0;  // of the bootstrap
  int batch = 1, loader_threads = 2;
  bool tf32 = false;
};

void add_evaluate_options(CLI::App&, EvaluateCommand&);

/// Nothing is written unless every image that has ground truth could be read and scored.
Exit evaluate_command(const EvaluateCommand&);

}  // namespace md
