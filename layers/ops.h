// The index of all ops. Each is one file layers/<op>.cpp with its maths, kernels, forward and backward; README.md has
// the table with tests and PyTorch names. Images are [N,H,W,C]. Every op checks shapes and throws md::Error, and every
// op is differentiable unless it says otherwise. Parameters are f32. Maps are f32; on a bf16 device bf16 ones too, and
// what an op makes of them has their dtype, where convolutions and concat do not choose (map_dtype): softmax, sums,
// l2_normalize and planar guidance take f32 alone.
#pragma once
#include <functional>
#include <vector>

#include "engine/backend.h"
#include "engine/step_number.h"
#include "engine/tensor.h"
#include "engine/window_attention.h"

namespace md {

class Communicator;  // engine/comm.h

/// spec.act(torch.nn.functional.conv2d(x, w, bias) + residual). x [N,H,W,I]; w [O,kh,kw,I/groups], or [kh,kw,C] for
/// depthwise (groups == C); bias [O] or empty. Result [N,OH,OW,O], of map_dtype. So is the residual, or empty; where
/// nothing is recorded, the result takes its memory if the caller gives up the last handle of it.
Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias, const Conv2dSpec& spec, Tensor residual = {});

/// act(conv2d(interpolate(x, scale_factor=2, mode="nearest"), w, padding=1)), without the enlarged map and in 4/9 of
/// the multiplications. x [N,H,W,I]; w [O,3,3,I]. Result [N,2H,2W,O]. `folded`: fold_upsampling(w), of whoever keeps
/// it.
Tensor upsample_conv2d(const Tensor& x, const Tensor& w, const Activation& act = {}, const Tensor& folded = {});
/// The weight [4O,2,2,I] of the convolution on the small map. Not differentiable.
Tensor fold_upsampling(const Tensor& w);

/// torch.nn.functional.linear. x [...,I]; w [O,I]; bias [O] or empty. Result [...,O].
Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias);

/// The running statistics of a batch norm, and how a forward pass uses them.
struct BatchNormState {
  Tensor running_mean, running_var;  // [C]; updated in place in training
  float momentum = 0.1F;             // new = (1 - momentum) * old + momentum * batch
  bool training = false;             // batch statistics (and update), or running statistics
  Tensor batches_tracked = {};       // i32 [], counted up in training; or empty
  Communicator* ranks = nullptr;  // over whose batches, of equal size, statistics are taken in training; or this one's
};
/// torch.nn.functional.batch_norm, plus a residual of x's shape if there is one, followed by the activation of the
/// spec, which behind a residual is an op of its own unless it is relu. x [...,C]; weight, bias [C].
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const BatchNormState& state,
                  const BatchNormSpec& spec, const Tensor& residual = {});

/// torch.nn.functional.layer_norm over the last axis. x [...,C]; weight, bias [C].
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, float eps = 1e-5F);
/// torch.nn.functional.group_norm. x [N,H,W,C]; weight, bias [C].
Tensor group_norm(const Tensor& x, i64 groups, const Tensor& weight, const Tensor& bias, float eps = 1e-5F);

// Pointwise (torch.nn.functional.*), any shape.
Tensor relu(const Tensor& x);                     // max(0, x)
Tensor relu6(const Tensor& x);                    // min(max(0, x), 6)
Tensor leaky_relu(const Tensor& x, float slope);  // x above 0, slope * x below
Tensor elu(const Tensor& x);                      // x above 0, e^x - 1 below
Tensor hardswish(const Tensor& x);                // x * relu6(x + 3) / 6
Tensor hardsigmoid(const Tensor& x);              // relu6(x + 3) / 6
Tensor sigmoid(const Tensor& x);                  // 1 / (1 + e^-x)
Tensor gelu(const Tensor& x);                     // approximate="none": x times the normal distribution function
/// The one that `act` names.
Tensor activate(const Tensor& x, const Activation& act);

Tensor softmax(const Tensor& x);  // over the last axis

/// torch.Tensor.to(dtype), f32 or bf16; x itself where it has that dtype. Its gradient comes back in x's dtype.
Tensor cast(const Tensor& x, DType dtype);

Tensor add(const Tensor& a, const Tensor& b);       // same shape
Tensor multiply(const Tensor& a, const Tensor& b);  // same shape
Tensor scale(const Tensor& x, float factor);        // factor * x
/// x [N,H,W,C] * s [N,1,1,C]: the gate of squeeze-and-excitation.
Tensor multiply_channels(const Tensor& x, const Tensor& s);
/// x * gate(mean of x over H and W): squeeze-and-excitation around any gate. x [N,H,W,C]; the gate takes [N,1,1,C] and
/// gives the same shape, by ops that bring its argument a gradient.
Tensor squeeze_excite(const Tensor& x, const std::function<Tensor(const Tensor& mean)>& gate);

/// Which numbers drop_factors() draws.
struct DropKey {
  std::uint64_t seed = 0;
  i64 first = 0;  // number of the first map among those of a network
  StepNumber step = {};
  i64 first_sample = 0;  // of the samples that are drawn: those before it are somebody else's
};
/// Whether each of N samples survives in each of some maps, of which map i drops a sample with probability rates[i] of
/// [0,1): 0, or 1 / (1 - rate). [rates,N]. Not differentiable.
Tensor drop_factors(const std::vector<double>& rates, i64 samples, const DropKey&, Device);
/// torchvision.ops.stochastic_depth(mode="row"): the samples of x [N,H,W,C] times factors [N], a row of drop_factors().
Tensor stochastic_depth(const Tensor& x, const Tensor& factors);
/// shortcut + stochastic_depth(branch, factors); a GPU makes it in one pass. Both [N,H,W,C].
Tensor add_stochastic_depth(const Tensor& shortcut, const Tensor& branch, const Tensor& factors);

/// The attention of Swin inside windows of 7x7, from partition to reverse, for maps of any size. qkv [N,H,W,3C]: query,
/// key and value of each token; or, with values v [N,H,W,C] of their own, query and key [N,H,W,2C]. `padding` [3C] or
/// [2C]: the same for the tokens that fill up the last windows (their v is 0). bias_table [169,heads]. Result
/// [N,H,W,C].
Tensor window_attention(const Tensor& qkv, const Tensor& v, const Tensor& padding, const Tensor& bias_table,
                        const WindowSpec&);

/// torch.cat(parts, dim=1) of NCHW maps, of either dtype: here the last axis.
Tensor concat(const std::vector<Tensor>& parts);

/// Channels [begin, end) of the last axis: torch.narrow.
Tensor slice_channels(const Tensor& x, i64 begin, i64 end);

/// Where pixels stand: PyTorch's align_corners = False, True.
enum class Corners { half_pixel, align };
/// How an op that enlarges or shrinks a map places its pixels; what a Trace shows of it.
struct Interpolation {
  Corners corners = Corners::half_pixel;  // of the bilinear ones
  double scale_factor = 0;                // 0: to a size
};
/// torch.nn.functional.interpolate(mode="bilinear", size=(h, w)).
Tensor upsample_bilinear(const Tensor& x, i64 h, i64 w, Corners = Corners::half_pixel);
/// interpolate(mode="bilinear", scale_factor=s): the size is floor(s * side), but pixels are 1/s apart, not side/size.
Tensor upsample_bilinear(const Tensor& x, double scale_factor, Corners = Corners::half_pixel);
/// concat({upsample_bilinear(x, h, w), beside}) in one pass, h and w those of `beside` [N,h,w,K]. x [N,H,W,C]. Result
/// [N,h,w,C+K].
Tensor upsample_concat(const Tensor& x, const Tensor& beside);
/// torch.nn.functional.interpolate(mode="nearest", size=(h, w)): source index floor(i * H / h).
Tensor upsample_nearest(const Tensor& x, i64 h, i64 w);
/// interpolate(mode="nearest", scale_factor=s): source index floor(i / s).
Tensor upsample_nearest(const Tensor& x, double scale_factor);

/// torch.nn.functional.adaptive_avg_pool2d(x, (h, w)). [N,H,W,C] -> [N,h,w,C].
Tensor adaptive_avg_pool(const Tensor& x, i64 h, i64 w);

/// Pixels: a square window, its step, and a border that no maximum comes from.
struct PoolSpec {
  int kernel = 2, stride = 2, pad = 0;
};
/// torch.nn.functional.avg_pool2d(x, kernel) of sides that are multiples of it. [N,H,W,C] -> [N,H/kernel,W/kernel,C].
Tensor avg_pool(const Tensor& x, int kernel);
/// torch.nn.functional.max_pool2d. [N,H,W,C] -> [N,OH,OW,C]; a tie goes to the first pixel of the window.
Tensor max_pool(const Tensor& x, const PoolSpec&);

/// torch.nn.functional.normalize over the last axis: x / max(|x|, eps).
Tensor l2_normalize(const Tensor& x, float eps = 1e-12F);

// Local planar guidance (Lee et al. 2019, BTS).
/// Logits [N,h,w,3] of inclination, direction and distance -> unit normal and distance in metres [N,h,w,4].
Tensor plane_equation(const Tensor& logits, float max_distance_m);
/// Planes [N,h,w,4], each over a cell of r x r pixels -> depth [N,h*r,w*r,1], metres. Unbounded: a plane seen edge-on
/// has any depth, also below zero.
Tensor local_planar_guidance(const Tensor& plane, int r);

/// torch.nn.functional.pixel_shuffle: [N,H,W,C r^2] -> [N,H r,W r,C].
Tensor pixel_shuffle(const Tensor& x, i64 r);
/// The rearrangement of Swin's PatchMerging: each 2x2 pixels side by side, [N,H,W,C] -> [N,ceil(H/2),ceil(W/2),4C].
Tensor merge_patches(const Tensor& x);

Tensor sum(const Tensor& x);   // scalar []
Tensor mean(const Tensor& x);  // scalar []

/// Grows a map at the bottom and right by reflection (torch "reflect"; the edge pixel where the side is too short), and
/// cuts it back. pad_reflect throws for a smaller h or w than the map's, crop for a larger one.
Tensor pad_reflect(const Tensor& x, i64 h, i64 w);
Tensor crop(const Tensor& x, i64 h, i64 w);  // the top left h x w
/// torch.nn.functional.pad at the bottom and right with zeros, to h x w.
Tensor pad_zero(const Tensor& x, i64 h, i64 w);

}  // namespace md
