// Three sums over the measured pixels, and the gradient from them in one pass.
#include "losses/silog.h"

#include <cmath>

#include "engine/autograd.h"
#include "engine/backend.h"
#include "engine/launch.h"
#include "layers/common.h"

namespace md {
namespace {

struct Pixels {  // [N,H,W]
  const float *depth_m, *target_m;
  float min_depth_m;
  i64 W;
  MD_HD bool counts(i64 i) const { return target_m[i] > min_depth_m; }
  MD_HD float d(i64 i) const { return logf(depth_m[i] / target_m[i]); }  // ln(depth) - ln(target), with one logarithm
};

struct Terms {  // of every pixel: counted, 1 or 0, and d, 0 where it does not count
  Pixels pixels;
  float *counted, *d;
  MD_HD void operator()(i64 row, i64 x) const {
    const i64 i = row * pixels.W + x;
    const bool counts = pixels.counts(i);
    counted[i] = counts ? 1.F : 0.F;
    d[i] = counts ? pixels.d(i) : 0.F;
  }
};

struct Loss {  // of the three sums over all pixels
  const float *count, *sum_d, *sum_d2;
  float variance_focus;
  float* loss;
  MD_HD void operator()(i64, i64) const {
    const float n = *count > 0.F ? *count : 1.F, mean = *sum_d / n;
    const float g = *sum_d2 / n - variance_focus * mean * mean;
    *loss = g <= 0.F ? 0.F : 10.F * sqrtf(g);  // NaN stays NaN
  }
};

/// L = 10 sqrt(g), g = (1/n) sum d_i^2 - v ((1/n) sum d_i)^2, d_i = ln(depth_i) - ln(target_i):
/// dL/dd_i = 10 / (2 sqrt(g)) * (2/n d_i - 2v/n mean(d)) = 100 / (n L) * (d_i - v mean(d)), and dd_i/ddepth_i =
/// 1/depth_i.
struct LossBackward {
  Pixels pixels;
  const float* d;  // of the forward pass: a logarithm costs more than a read
  const float *count, *sum_d, *loss, *dy;
  float variance_focus;
  float* dx;
  MD_HD void operator()(i64 row, i64 x) const {
    const i64 i = row * pixels.W + x;
    const bool counts = pixels.counts(i) && *loss != 0.F;
    const float n = *count, dd = 100.F / (n * *loss) * (d[i] - variance_focus * (*sum_d / n));
    dx[i] = counts ? *dy * dd / pixels.depth_m[i] : 0.F;
  }
};

void check(const Tensor& depth_m, const Tensor& target_m, const SilogOptions& options) {
  const Shape& p = depth_m.shape();
  const Shape& t = target_m.shape();
  MD_CHECK(t.rank() == 3 && t.numel() > 0 && p == Shape({t[0], t[1], t[2], 1}), "silog: prediction ", p,
           " and ground truth ", t, " are not [N,H,W,1] and [N,H,W]");
  require_together("silog", {depth_m, target_m});
  MD_CHECK(options.min_depth_m >= 0.F && options.variance_focus >= 0.F && options.variance_focus <= 1.F,
           "silog: min_depth ", options.min_depth_m, " m, variance_focus ", options.variance_focus);
}

}  // namespace

Tensor silog(const Tensor& depth_m, const Tensor& target_m, const SilogOptions& options, Communicator& ranks) {
  check(depth_m, target_m, options);
  const Device device = depth_m.device();
  const i64 W = target_m.dim(2), pixels = target_m.numel(), rows = pixels / W;
  const Pixels in{depth_m.data(), target_m.data(), options.min_depth_m, W};

  const Tensor sums = Tensor::empty({3}, device), loss = Tensor::empty({}, device);
  const Tensor count = sums.rows(0, 1), sum_d = sums.rows(1, 2), sum_d2 = sums.rows(2, 3);
  const Tensor d = Tensor::empty(target_m.shape(), device);
  {
    const Tensor counted = Tensor::empty(target_m.shape(), device);
    launch(device, rows, W, Terms{in, counted.data(), d.data()});
    backend(device).reduce_sum(counted, {}, 1, pixels, 1, count);
    backend(device).reduce_sum(d, {}, 1, pixels, 1, sum_d);
    backend(device).reduce_sum(d, d, 1, pixels, 1, sum_d2);
  }
  ranks.sum(sums);
  launch(device, 1, 1, Loss{count.data(), sum_d.data(), sum_d2.data(), options.variance_focus, loss.data()});

  return record("silog", loss, {depth_m},
                [depth_m = Saved(depth_m), target_m = Saved(target_m), loss = Saved(loss), d, count, sum_d, options](
                    const Tensor& dy, Needs) {
                  const Pixels saved{depth_m->data(), target_m->data(), options.min_depth_m, target_m->dim(2)};
                  const Tensor dx = Tensor::empty(depth_m->shape(), dy.device());
                  launch(dy.device(), target_m->numel() / saved.W, saved.W,
                         LossBackward{saved, d.data(), count.data(), sum_d.data(), loss->data(), dy.data(),
                                      options.variance_focus, dx.data()});
                  return Grads{dx};
                });
}

}  // namespace md
