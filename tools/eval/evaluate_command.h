// `mdeval CHECKPOINT` and `mdeval --predictions DIR`: a table, and the files that it is made of.
#pragma once
#include <string>

#include "tools/cli/data_options.h"
#include "tools/cli/device_option.h"
#include "tools/cli/exit_code.h"
#include "tools/eval/evaluation_guest.h"
#include "tools/eval/protocol_options.h"

namespace CLI {
class App;
}

namespace md {

struct EvaluateCommand {
  std::string checkpoint, predictions;  // one of the two
  // Of predictions data.dataset says what the protocol leaves open; empty, or a depth_scale of 0: the checkpoint's.
  DataOptions data = {.dataset = ""};
  double prediction_scale = 0;     // units of predicted integers per metre; 0: the data set's
  std::string resize_predictions;  // "bilinear", "nearest"; empty: other sizes are refused
  std::string list;
  ProtocolOptions protocol;
  std::string json, csv, markdown, maps, error_maps, colormap = "turbo";
  std::uint64_t seed = 0;  // of the bootstrap
  int batch = 1, loader_threads = 2;
  DeviceOptions device;
};

/// Defines the options of `mdeval` itself.
void add_evaluate_options(CLI::App&, EvaluateCommand&);

/// The page of --help (tools/cli/short_help.h), --report with it: comes after all options are defined.
void set_evaluate_help(CLI::App&);

/// Nothing is written unless every image that has ground truth could be read and scored. The guest, if there is one, is
/// told of each frame, and of the results once they are written. Of several ranks, which divide the frames of a
/// CHECKPOINT, rank 0 writes the results; each of them is that of one rank, digit for digit, where --batch is 1.
Exit evaluate_command(const EvaluateCommand&, const EvaluationGuest& = {}, Communicator& ranks = alone());

}  // namespace md
