// The scale-invariant logarithmic loss of Eigen et al. (2014) as BTS and NeWCRFs train with it ("silog_loss"):
// 10 * sqrt(mean d^2 - 0.85 * (mean d)^2), d = ln(depth) - ln(ground truth), pooled over the measured pixels of the
// whole batch.
#pragma once
#include "engine/comm.h"
#include "engine/tensor.h"

namespace md {

/// The numbers of the loss, those of the published code.
struct SilogOptions {
  float min_depth_m = 0.1F;  // pixels with ground truth above it count (NYU 0.1, KITTI 1)
  float variance_focus = 0.85F;
};

/// depth_m [N,H,W,1], predicted; target_m [N,H,W], measured. Scalar []; differentiable in depth_m.
/// An image without a counted pixel takes no part. No counted pixel in the whole batch: loss 0, gradient 0, which is no
/// result; tools/train/train_step.h skips such a batch. (The peers' mean over no pixel is NaN there, and both BTS's
/// bts_main.py and NeWCRFs' train.py end the training at a NaN.) Root of 0 (or of a rounding error below): gradient 0.
/// A prediction that is not finite and positive at a counted pixel makes the loss NaN or infinite, so that a trainer
/// can skip the step.
/// Over several ranks: of the measured pixels of all of them, the same loss on each; the gradient is that of this one's
/// pixels.
Tensor silog(const Tensor& depth_m, const Tensor& target_m, const SilogOptions&, Communicator& ranks = alone());

}  // namespace md
