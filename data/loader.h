// Prefetching loaders: worker threads decode ahead of the consumer into a bounded ring. What a batch holds depends on
// (seed, epoch, step) and the files alone, never on the threads: the order is shuffled per epoch by (seed, epoch), each
// frame's augmentation is keyed by (seed, epoch, index). The place of a frame that cannot be used goes to another one
// of the epoch's order, taken as a ring: the one half an epoch further on, or the first behind that which can be used.
// So batches stay full, and in lists longer than two batches no frame is twice in one. An error is thrown by next() of
// the batch it belongs to.
#pragma once
#include <memory>

#include "data/augment.h"
#include "data/dataset.h"
#include "engine/check.h"
#include "engine/tensor.h"

namespace md {

/// A training frame that cannot be used, and the one that has its place in the batch.
struct BadFrame {
  std::string name, replacement = {};    // image files, as in the list
  std::string why;                       // one line that names the file
  ErrorKind kind = ErrorKind::bad_data;  // or missing
};

/// On the CPU; valid until the next call of next().
struct Batch {
  Tensor image;                    // [N,H,W,3] f32, normalised
  Tensor depth_m;                  // [N,H,W] f32, 0 = no measurement
  Tensor focal_px;                 // [N] f32
  std::vector<std::string> names;  // image files, as in the list
  std::vector<i64> measured = {};  // [N] pixels of each sample that count (TrainLoaderSpec); empty: not known
  std::vector<BadFrame> bad = {};  // in the order of their places
  i64 epoch = 0, step = 0;         // step within the epoch
};

/// How batches are made, and where to begin.
struct TrainLoaderSpec {
  int batch = 4;
  int threads = 2;
  int ahead = 2;  // batches decoded in advance
  std::uint64_t seed = 0;
  i64 first_epoch = 0, first_step = 0;  // where to begin: resuming
  i64 most_bad = 0;          // bad frames to pass over before a place of a batch is filled; one more is an error
  float counts_above_m = 0;  // ground truth above it counts as measured
  /// Which places of each batch to fill, where other loaders have the others; empty: all. They are the batch then.
  std::vector<int> places = {};
};

/// Steps of `batch` frames with ground truth in an epoch, the last partial one dropped. Throws ErrorKind::bad_data
/// without any ground truth, ErrorKind::usage for a batch larger than the data.
i64 steps_per_epoch(const Dataset&, i64 batch);

/// Shuffled, augmented batches without end; the last partial batch of an epoch is dropped. Frames without ground truth
/// take no part (Dataset::with_depth counts them).
class TrainLoader {
 public:
  /// `data` must outlive the loader. Throws ErrorKind::bad_data without any ground truth, ErrorKind::usage for a batch
  /// larger than the data.
  TrainLoader(const Dataset& data, const AugmentSpec&, const TrainLoaderSpec&);
  ~TrainLoader();  // at any moment
  i64 steps_per_epoch() const;
  const Batch& next();
  double waited_s() const;  // spent in next() waiting for the workers, since the beginning

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// One frame to predict: the whole one, or its KITTI-benchmark crop.
struct EvalFrame {
  Sample sample;  // as in the files, full size
  Tensor image;   // [1,h,w,3] f32, normalised: the crop of the frame
  EvalCrop crop;
  i64 index = 0;  // in the list
};

/// How frames are prepared for a network.
struct EvalLoaderSpec {
  bool kb_crop = false;
  int threads = 2;
  int ahead = 4;             // frames
  i64 first = 0, every = 1;  // which frames of the list: first, first + every ...
};

/// A frame of a list by itself. Throws what Dataset::load throws.
EvalFrame load_eval_frame(const Dataset&, i64 index, bool kb_crop);

/// Frames of a list in order, those without ground truth too.
class EvalLoader {
 public:
  EvalLoader(const Dataset& data, const EvalLoaderSpec&);
  ~EvalLoader();
  /// The next frame, valid until the next call; nullptr after the last one.
  const EvalFrame* next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace md
