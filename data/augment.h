// The training pipeline of BTS and NeWCRFs, from a full-size sample to one row of a batch: KITTI-benchmark crop or NYU
// border, rotation exactly as Pillow's, random crop, flip, photometric jitter, ImageNet normalisation. Also what
// evaluation feeds the net. Every draw comes through `Draws`, in the official order, so that a run can be replayed.
#pragma once
#include <array>

#include "data/dataset.h"
#include "engine/rng.h"

namespace md {

/// The random numbers of one sample.
class Draws {
 public:
  virtual ~Draws() = default;
  virtual double unit() = 0;                            // [0,1)
  virtual i64 integer(i64 low, i64 high) = 0;           // both inclusive
  virtual double uniform(double low, double high) = 0;  // [low, high)
};

/// Keyed by (seed, epoch, index of the frame in its list): who draws when does not matter.
class RngDraws final : public Draws {
 public:
  RngDraws(std::uint64_t seed, i64 epoch, i64 index)
      : rng_(seed, Purpose::augment, std::uint64_t(epoch), std::uint64_t(index)) {}
  double unit() override { return rng_.uniform(); }
  i64 integer(i64 low, i64 high) override { return rng_.integer(low, high); }
  double uniform(double low, double high) override { return rng_.uniform(low, high); }

 private:
  Rng rng_;
};

/// A rectangle of a frame, in pixels of the file.
struct EvalCrop {
  int top = 0, left = 0, height = 0, width = 0;
};

/// What happens to the white border of NYU frames.
enum class NyuBorder : std::uint8_t {
  keep,
  crop,        // BTS: both cut to rows 45..471, columns 43..607
  zero_depth,  // NeWCRFs at 480x640: the depth outside that box becomes 0
};

/// The defaults are those of BTS on NYU.
struct AugmentSpec {
  int height = 416, width = 544;  // of the result
  NyuBorder border = NyuBorder::crop;
  bool kb_crop = false;          // first to 352x1216, bottom-aligned, centred (KITTI)
  double rotation_degree = 2.5;  // largest angle, both ways; 0: no rotation and no draw
  bool always_draw_crop = true;  // BTS draws the position even where there is no choice; NeWCRFs does not
  bool flip = true;              // left-right, p = 1/2
  bool photometric = true;       // gamma, brightness, colour, p = 1/2
  std::array<double, 2> brightness = {0.75, 1.25};  // lowest and highest factor
};

/// What the official code of "bts" or "newcrfs" does with NYU or KITTI, at its own size. Throws ErrorKind::usage for
/// another peer or data set.
AugmentSpec official_augmentation(const std::string& peer, const std::string& dataset);

/// What the spec's fixed crops (kb_crop, border) leave of a frame, from which the random one is then cut. Throws
/// ErrorKind::bad_data, naming the frame, where it is too small for them.
EvalCrop fixed_crop(const AugmentSpec&, int height, int width, const std::string& frame);

/// Writes image [height,width,3] (ImageNet-normalised) and depth_m [height,width].
/// Throws ErrorKind::bad_data, naming the frame, where it is smaller than the crop.
void augment(const Sample&, const AugmentSpec&, Draws&, float* image, float* depth_m);

/// Throws as augment() where the frame is smaller than the crop.
void require_room(const Sample&, const AugmentSpec&);

/// Of ImageNet's colours R, G, B in 0..1, as torchvision states them.
inline constexpr std::array kImageNetMean{0.485F, 0.456F, 0.406F}, kImageNetDeviation{0.229F, 0.224F, 0.225F};
/// ImageNet normalisation of a part of a frame, or all of it: image [h,w,3] = (pixel/255 - mean) / std.
void normalise(const RgbImage&, const EvalCrop&, float* image);
void normalise(const RgbImage&, float* image);

/// The KITTI-benchmark crop: 352x1216 at the bottom, centred. Throws ErrorKind::bad_data, naming the frame, if it is
/// smaller.
EvalCrop kb_crop(const Sample&);

}  // namespace md
