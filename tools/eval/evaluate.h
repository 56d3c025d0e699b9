// Scores predictions of a data set's frames under a protocol: mdeval's work, and mdtrain's evaluation during training.
#pragma once
#include <functional>

#include "data/loader.h"
#include "data/score.h"
#include "engine/comm.h"
#include "nets/depth_net.h"

namespace md {

/// One frame on its way through an evaluation.
struct EvaluatedFrame {
  const EvalFrame& frame;
  const Tensor& pred_m;       // [h,w], of frame.crop, before the protocol changed it
  const Scored* scored = {};  // null without ground truth
};

/// How to evaluate, and whom to tell.
struct EvaluateOptions {
  Protocol protocol = {};
  int batch = 1;                  // frames of equal size that the network sees at once
  int threads = 2;                // of the loader
  bool every_frame = false;       // predict those without ground truth too
  Communicator* ranks = nullptr;  // who divide the frames, and all get the result; null: this process has all

  /// The file of a frame's prediction; empty where a network predicts.
  std::function<std::string(const EvalFrame&)> prediction_file = {};

  /// Called after each batch, and for each frame in the order of the list; on a rank, for its own frames.
  std::function<void(i64 done, i64 total)> on_progress = {};
  std::function<void(const EvaluatedFrame&)> on_frame = {};
};

/// The measures of one image.
struct ImageScore {
  std::string image;                             // as in the list
  std::optional<Metrics> metrics;                // nothing: no ground truth, or no pixel of it is scored
  std::string prediction = {};                   // its file; empty: a network's
  i64 zeros = 0, filled = 0, filled_scored = 0;  // pixels, as in Scored
};

/// The measures of a data set.
struct Evaluation {
  Metrics mean;
  i64 images = 0, missing = 0;        // scored, and not (see ImageScore)
  std::vector<ImageScore> per_image;  // in list order
  std::string turned = {};            // turned_remark() of the first image that has one ...
  i64 turned_image = -1;              // ... and its number in the list; -1: none has
};

/// Depth [h,w] in metres of frame.crop of each of these frames of equal size.
using Predictor = std::function<std::vector<Tensor>(const std::vector<EvalFrame>&)>;

/// Throws what Dataset::load, the predictor and score() throw, naming the image and the file of its prediction;
/// ErrorKind::bad_data if no image could be scored.
Evaluation evaluate(const Predictor&, const Dataset&, const EvaluateOptions&);

/// The network runs in evaluation mode without a tape, and is left in the mode it was in.
Evaluation evaluate(DepthNet&, const Dataset&, const EvaluateOptions&);

/// The network as evaluate() asks it under a protocol: flipped or not, through a file or not. While the function or a
/// copy of it lives the network is in evaluation mode and stays on its device.
Predictor net_predictor(DepthNet&, const Protocol&);

/// What evaluate() makes of one frame and its prediction [h,w]; nothing without ground truth. `file` is that of the
/// prediction, empty: a network's.
std::optional<Scored> score_frame(const Protocol&, const EvalFrame&, const Tensor& pred_m,
                                  const std::string& file = "");

/// The measures of the images that have some, in order.
std::vector<Metrics> scored_images(const Evaluation&);

}  // namespace md
