// Evaluation protocols: everything that lies between a predicted map and a number in a table, under a name. Printed
// and hashed with every result, because published numbers differ in exactly these choices. How they act: data/score.h.
// Source: the evaluators of BTS and NeWCRFs.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/metrics.h"

namespace md {

/// The part of the ground truth that is scored.
enum class ScoreCrop : std::uint8_t {
  none,
  eigen_nyu,    // rows 45..470, columns 41..600 of 480x640
  eigen_kitti,  // Eigen's fractions of height and width
  garg,         // Garg's
};

/// The two evaluators of the official code differ outside the pasted KITTI crop.
enum class Evaluator : std::uint8_t {
  online,  // paste, then clamp: outside the crop the prediction is `min_m`
  pngs,    // through a 16-bit file; clamp, then paste: outside the crop it is 0, and scoring such a pixel is an error
};

/// What a prediction of 0 is.
enum class ZeroDepth : std::uint8_t {
  clamped,  // to `min_m`, as the peers do
  filled,   // unknown, and filled as KITTI's own evaluation does (data/kitti_fill.h), before everything else
};

/// How predictions of another size came to the frame's (of other programs; see tools/eval/resample.h).
enum class Resampling : std::uint8_t { refused, bilinear, nearest };

struct Protocol {
  std::string name = {};
  std::string dataset = "nyu";        // of dataset_names()
  float min_m = 1e-3F, cap_m = 10.F;  // scored: min_m < ground truth < cap_m; predictions are clamped to both
  ScoreCrop crop = ScoreCrop::none;
  bool kb_crop = false;     // the net sees KITTI's 352x1216 benchmark crop; its prediction is pasted back
  bool gt_kb_crop = false;  // score within that crop, so that `crop` is a part of 352x1216 (online loops of the peers)
  float depth_scale = 1000.F;   // units of the ground truth file per metre
  bool velodyne_raw = false;    // KITTI's raw LiDAR sweeps are the ground truth, not the annotated depth
  bool flip_average = false;    // average with the flipped prediction of the flipped image (NeWCRFs)
  bool median_scaling = false;  // each prediction times median(ground truth) / median(prediction) (relative depth)
  Averaging averaging = Averaging::per_image;
  bool repair = false;  // NaN -> min_m, inf -> cap_m as the peers do; else they are an error
  Evaluator evaluator = Evaluator::online;
  Arithmetic arithmetic = Arithmetic::f32;
  float invalid_value = 0;  // a number of ground truth files that was taken for "no measurement"; 0: none besides 0
  float valid_below_m = 0;  // ground truth at or beyond it was taken for "no measurement"; 0: all is
  ZeroDepth zero_depth = ZeroDepth::clamped;
  Resampling resampling = Resampling::refused;

  bool operator==(const Protocol&) const = default;
};

/// A protocol that belongs to a data set: what differs from scoring the whole frame up to the data set's usual cap.
struct NamedProtocol {
  std::string name;
  ScoreCrop crop = ScoreCrop::none;
  bool kb_crop = false;
  float cap_m = 0;  // 0: the data set's
  ZeroDepth zero_depth = ZeroDepth::clamped;
  std::vector<std::string> table_columns = {};  // empty: the data set's
};

/// "plain" (whole frame, the data set's usual cap) or one of the data set's own: "nyu_eigen", "kitti_eigen_garg"
/// (Garg's crop, the usual one), "kitti_eigen_eigen" (Eigen's), "kitti_official" (the depth prediction benchmark: whole
/// frame, no cap, a predicted 0 is filled). Throws ErrorKind::usage for any other name, and for one that is not for
/// this data set.
Protocol named_protocol(const std::string& name, const std::string& dataset);

/// "plain", then those of all data sets.
std::vector<std::string> protocol_names();

/// The data set that a named protocol is for; nothing for "plain". Throws ErrorKind::usage for an unknown name.
std::optional<std::string> protocol_dataset(const std::string& name);

/// The measures of a table of results, in their order: the protocol's own, or its data set's.
std::vector<const MetricField*> table_columns(const Protocol&);

/// A peer's habits on top; all repair. "bts": its PNG evaluator. "bts-online", the loop in its training: gt_kb_crop
/// where the protocol has kb_crop. "newcrfs": the same and flip_average. Throws ErrorKind::usage for another name.
void apply_compat(Protocol&, const std::string& peer);

/// "NAME key=value ...": every parameter on one line; numbers with all their digits. invalid_value, valid_below_m,
/// zero_depth and resampling only where they are not as usual.
std::string describe(const Protocol&);

/// The protocol of a line of describe(), equal to the one that was described. Throws ErrorKind::bad_data, naming the
/// key, for one that is unknown, missing, there twice or without a value that it can have.
Protocol parse_protocol(const std::string& line);

/// 16 hexadecimal digits that stand for a line of describe() (FNV-1a, 64 bits).
std::string protocol_hash(const std::string& line);

/// "cap_m=10 and cap_m=80, ...": where two lines of describe() differ.
std::string protocol_difference(const std::string& line, const std::string& other);

}  // namespace md
