// What a training run is made of. Where the values come from (flags, a file) is tools/train/train_command.h's business.
#pragma once
#include <string>
#include <vector>

#include "data/augment.h"
#include "data/protocol.h"
#include "engine/optim.h"
#include "losses/metric_depth.h"
#include "losses/silog.h"
#include "nets/depth_net.h"
#include "tools/cli/data_options.h"
#include "tools/cli/device_option.h"

namespace md {

/// What the random numbers can tell apart, kept round (engine/rng.h: epochs below 2^20, steps below 2^40).
inline constexpr int kMostEpochs = 1'000'000;
inline constexpr i64 kMostSteps = 1'000'000'000'000;

/// Which parameters the weight decay is for.
enum class DecayOn : std::uint8_t { all, encoder };

/// Unless said otherwise the values of the paper for LT on NYU (tools/configs/nyu_lt_metricdepth_paper.toml).
struct TrainOptions {
  // Files.
  DataOptions data;
  std::string list, eval_list;  // as given, or else inside data.root; no eval_list: no evaluation
  std::string out;              // the run: a folder that is empty or not there yet
  std::string resume;           // the run to go on with; `out` then too
  bool allow_changes = false;   // go on although the config has changed
  // Samples.
  AugmentSpec augment = {.height = 480, .width = 640, .border = NyuBorder::keep, .always_draw_crop = false};
  std::string recipe;  // --augment: the peer whose augmentation it is; empty: none
  // Network and loss.
  std::string net = "lt";
  NetOptions net_options;
  std::string init, init_partial;  // files to begin with
  std::string freeze = "none";     // a rule of the network's record
  bool freeze_statistics = false;
  SilogOptions silog;
  bool metric_depth = false, adaptive_thresholds = false;
  MetricDepthOptions metric;
  std::vector<std::string> ranges = {"0.5-1", "1-1.5", "1.5-2"};  // these two become metric.ranges in resolve()
  std::vector<double> margins = {3, 6, 8};
  DepthCell depth_cell = DepthCell::nearest;
  // Schedule.
  std::uint64_t seed = 0;
  int batch = 8, accumulate = 1, epochs = 20, loader_threads = 2;
  // Several ranks (tools/train/SCALING.md).
  bool sync_batch_norm = false;
  double bucket_mb = 4, wait_limit_s = 600;
  DeviceOptions device;
  bool cuda_graph = true;  // a GPU repeats the launches of a step as a graph where it can
  i64 max_steps = 0, checkpoint_every = 0;
  int keep = 1;
  double max_bad_frames = 0.1;  // part of an epoch's frames
  AdamSpec adam = {.decoupled_decay = false};
  double lr = 1e-4, end_lr = 1e-5;
  float weight_decay = 0.F;
  DecayOn decay_on = DecayOn::all;
  // Evaluation.
  std::string protocol = "plain";  // how evaluations score: of protocol_names() (data/protocol.h)
  std::string compat;              // the peer whose habits they have (apply_compat); empty: none
  bool flip_average = false;
  int eval_every = 1;
  bool report = true;    // write report.html into the run in the end (tools/report)
  int report_every = 0;  // epochs between reports before that; 0: none
};

/// Makes what follows from other values, and refuses values that do not fit together. Throws ErrorKind::usage naming
/// the option, also where data.root, list or out is missing. Comes before train().
void resolve(TrainOptions&);

/// How many of so many frames may be bad (data/loader.h) in an epoch: the part that the options say, but one at least,
/// unless that part is 0; and no more than leave enough for a batch.
i64 most_bad_frames(const TrainOptions&, i64 frames);

/// Of the evaluations during training.
Protocol eval_protocol(const TrainOptions&);

}  // namespace md
