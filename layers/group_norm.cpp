// torch.nn.functional.group_norm: the C channels of x [N,H,W,C] are cut into G neighbouring groups; each group of each
// image gets mean 0 and variance 1 (biased) over its m = H W C/G values, then y = xhat * weight[c] + bias[c].
//   g = dy * weight;  dx = rstd * (g - mean(g) - xhat * mean(g * xhat)), means over the group
//   dweight[c] = sum over n,h,w of dy * xhat;  dbias[c] = sum over n,h,w of dy
// Made for the small maps of a pyramid pooling head (at most 6x6): one call walks a whole group.
#include <cmath>

#include "engine/autograd.h"
#include "engine/launch.h"
#include "engine/unravel.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

/// Where the values of groups lie.
struct Groups {
  i64 pixels, channels, count;
  MD_HD i64 width() const { return channels / count; }
  MD_HD i64 size() const { return pixels * width(); }
  /// The i-th value of a group.
  MD_HD i64 at(i64 image, i64 group, i64 i) const {
    const auto [pixel, c] = unravel(i, {pixels, width()});
    return (image * pixels + pixel) * channels + group * width() + c;
  }
  /// Of a value: its index into mean and rstd [N,G].
  MD_HD i64 group_of(i64 pixel, i64 c) const { return pixel / pixels * count + c / width(); }
};

struct Moments {
  Groups groups;
  const float* x;
  float *mean, *rstd;  // [N,G]
  float eps;
  MD_HD void operator()(i64 n, i64 g) const {
    const i64 m = groups.size();
    float sum = 0.F, squares = 0.F;
    for (i64 i = 0; i < m; ++i) sum += x[groups.at(n, g, i)];
    const float mu = sum / static_cast<float>(m);
    for (i64 i = 0; i < m; ++i) {
      const float d = x[groups.at(n, g, i)] - mu;
      squares += d * d;
    }
    mean[n * groups.count + g] = mu;
    rstd[n * groups.count + g] = 1.F / sqrtf(squares / static_cast<float>(m) + eps);
  }
};

struct Normalise {
  Groups groups;
  const float *x, *weight, *bias, *mean, *rstd;
  float* y;
  MD_HD void operator()(i64 pixel, i64 c) const {
    const i64 at = pixel * groups.channels + c, g = groups.group_of(pixel, c);
    y[at] = (x[at] - mean[g]) * rstd[g] * weight[c] + bias[c];
  }
};

struct InputGradient {
  Groups groups;
  const float *dy, *x, *weight, *mean, *rstd;
  float* dx;
  MD_HD void operator()(i64 n, i64 g) const {
    const i64 m = groups.size(), group = n * groups.count + g, first = g * groups.width();
    const float mu = mean[group], r = rstd[group];
    float sum = 0.F, sum_xhat = 0.F;
    for (i64 i = 0; i < m; ++i) {
      const i64 at = groups.at(n, g, i);
      const float upstream = dy[at] * weight[first + i % groups.width()];
      sum += upstream;
      sum_xhat += upstream * (x[at] - mu) * r;
    }
    const float mean_g = sum / static_cast<float>(m), mean_xhat = sum_xhat / static_cast<float>(m);
    for (i64 i = 0; i < m; ++i) {
      const i64 at = groups.at(n, g, i);
      const float upstream = dy[at] * weight[first + i % groups.width()];
      dx[at] = r * (upstream - mean_g - (x[at] - mu) * r * mean_xhat);
    }
  }
};

struct ParameterGradient {
  Groups groups;
  const float *dy, *x, *mean, *rstd;
  float *dweight, *dbias;
  i64 rows;  // N * pixels
  MD_HD void operator()(i64, i64 c) const {
    float sum = 0.F, sum_xhat = 0.F;
    for (i64 row = 0; row < rows; ++row) {
      const i64 at = row * groups.channels + c, g = groups.group_of(row, c);
      sum += dy[at];
      sum_xhat += dy[at] * (x[at] - mean[g]) * rstd[g];
    }
    dweight[c] = sum_xhat;
    dbias[c] = sum;
  }
};

}  // namespace

Tensor group_norm(const Tensor& x, i64 groups, const Tensor& weight, const Tensor& bias, float eps) {
  require_image("group_norm", x);
  const i64 N = x.dim(0), C = x.dim(3), pixels = x.dim(1) * x.dim(2);
  MD_CHECK(groups > 0 && C % groups == 0, "group_norm: input ", x.shape(), " does not divide into ", groups, " groups");
  MD_CHECK(weight.shape() == Shape({C}) && bias.shape() == Shape({C}), "group_norm: weight ", weight.shape(),
           " and bias ", bias.shape(), " for input ", x.shape());
  require_together("group_norm", {x}, {weight, bias});
  if (x.dtype() != DType::f32)  // networks have it on maps of a few pixels
    return cast(group_norm(cast(x, DType::f32), groups, weight, bias, eps), x.dtype());
  const Groups layout{pixels, C, groups};
  const Tensor y = Tensor::empty(x.shape(), x.device()), mean = Tensor::empty({N, groups}, x.device()),
               rstd = Tensor::empty({N, groups}, x.device());
  launch(x.device(), N, groups, Moments{layout, x.data(), mean.data(), rstd.data(), eps});
  launch(x.device(), N * pixels, C,
         Normalise{layout, x.data(), weight.data(), bias.data(), mean.data(), rstd.data(), y.data()});
  return record({"group_norm", std::pair(groups, eps)}, y, {x, weight, bias},
                [layout, N, C, groups, pixels, mean, rstd, x = Saved(x), weight = Saved(weight)](const Tensor& dy,
                                                                                                 Needs) -> Grads {
                  const Tensor dx = Tensor::empty(x.shape(), dy.device()), dweight = Tensor::empty({C}, dy.device()),
                               dbias = Tensor::empty({C}, dy.device());
                  launch(
                      dy.device(), N, groups,
                      InputGradient{layout, dy.data(), x->data(), weight->data(), mean.data(), rstd.data(), dx.data()});
                  launch(dy.device(), 1, C,
                         ParameterGradient{layout, dy.data(), x->data(), mean.data(), rstd.data(), dweight.data(),
                                           dbias.data(), N * pixels});
                  return {dx, dweight, dbias};
                });
}

}  // namespace md
