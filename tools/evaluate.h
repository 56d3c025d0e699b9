// Runs a network over a data set under a protocol: mdeval's work, and mdtrain's evaluation during training.
#pragma once
#include <functional>

#include "data/loader.h"
#include "data/protocol.h"
#include "nets/depth_net.h"

namespace md {

struct EvaluateOptions {
  Protocol protocol = {};
  int batch = 1;    // frames of equal size that the network sees at once
  int threads = 2;  // of the loader
  std::function<void(i64 done, i64 total)> on_progress = {};
  /// The prediction [h,w] in metres as the net gave it, of every frame, those without ground truth too.
  std::function<void(const EvalFrame&, const Tensor& pred_m)> on_prediction = {};
};

struct ImageScore {
  std::string image;               // as in the list
  std::optional<Metrics> metrics;  // nothing: no ground truth, or no pixel of it is scored
};

struct Evaluation {
  Metrics mean;
  i64 images = 0, missing = 0;        // scored, and not (see ImageScore)
  std::vector<ImageScore> per_image;  // in list order
};

/// The network runs in evaluation mode without a tape, and is left in the mode it was in. Throws what Dataset::load
/// throws; Exit::numeric, naming the image, for a non-finite prediction; Exit::bad_data if no image could be scored.
Evaluation evaluate(DepthNet&, const Dataset&, const EvaluateOptions&);

/// Titles and values over two lines, in the order of the paper's table for that data set.
std::string metric_table(const Metrics&, DatasetKind);

}  // namespace md
