// torch.nn.functional.normalize over the last axis: y = x / max(|x|, eps), |x| the Euclidean norm of a row.
//   dx = (dy - y (y . dy)) / |x|   what dy has along y only changes the length, which y has lost
//   dx = dy / eps                  where |x| <= eps
#include <cmath>

#include "engine/autograd.h"
#include "engine/launch.h"
#include "layers/ops.h"

namespace md {
namespace {

MD_HD inline float dot(const float* a, const float* b, i64 n) {
  float sum = 0.F;
  for (i64 i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

struct Normalize {
  const float* x;  // [rows,C]
  float* y;
  i64 channels;
  float eps;
  MD_HD void operator()(i64 row, i64) const {
    const float *from = x + row * channels, length = sqrtf(dot(from, from, channels));
    for (i64 c = 0; c < channels; ++c) y[row * channels + c] = from[c] / (length < eps ? eps : length);
  }
};

struct NormalizeGradient {
  const float *dy, *x;
  float* dx;
  i64 channels;
  float eps;
  MD_HD void operator()(i64 row, i64) const {
    const float *in = x + row * channels, *up = dy + row * channels, length = sqrtf(dot(in, in, channels));
    const bool unit = !(length <= eps);
    const float scale = 1.F / (unit ? length : eps);
    const float along = unit ? dot(in, up, channels) * scale * scale : 0.F;  // (y . dy) / |x|
    for (i64 c = 0; c < channels; ++c) dx[row * channels + c] = (up[c] - in[c] * along) * scale;
  }
};

}  // namespace

Tensor l2_normalize(const Tensor& x, float eps) {
  MD_CHECK(x.shape().rank() > 0 && x.numel() > 0 && eps > 0, "l2_normalize: input ", x.shape(), ", eps ", eps);
  const i64 channels = x.dim(-1), rows = x.numel() / channels;
  const Tensor y = Tensor::empty(x.shape(), x.device());
  launch(x.device(), rows, 1, Normalize{x.data(), y.data(), channels, eps});
  return record({"l2_normalize", eps}, y, {x}, [rows, channels, eps, x = Saved(x)](const Tensor& dy, Needs) -> Grads {
    const Tensor dx = Tensor::empty(dy.shape(), dy.device());
    launch(dy.device(), rows, 1, NormalizeGradient{dy.data(), x->data(), dx.data(), channels, eps});
    return {dx};
  });
}

}  // namespace md
