// torch.nn.functional.softmax over the last axis: y[i] = e^(x[i] - max x) / sum over j of e^(x[j] - max x).
//   dx[i] = y[i] * (dy[i] - sum over j of y[j] * dy[j])
// One call does a row. (Attention has its softmax inside window_attention.)
#include <cmath>

#include "engine/autograd.h"
#include "engine/launch.h"
#include "layers/ops.h"

namespace md {
namespace {

struct SoftmaxRow {
  const float* x;
  float* y;
  i64 channels;
  MD_HD void operator()(i64 row, i64) const {
    const float* const from = x + row * channels;
    float* const to = y + row * channels;
    float top = from[0], sum = 0.F;
    for (i64 c = 1; c < channels; ++c) top = from[c] > top ? from[c] : top;
    for (i64 c = 0; c < channels; ++c) sum += to[c] = expf(from[c] - top);
    for (i64 c = 0; c < channels; ++c) to[c] /= sum;
  }
};

struct SoftmaxGradientRow {
  const float *y, *dy;
  float* dx;
  i64 channels;
  MD_HD void operator()(i64 row, i64) const {
    const i64 begin = row * channels, end = begin + channels;
    float mean = 0.F;
    for (i64 i = begin; i < end; ++i) mean += y[i] * dy[i];
    for (i64 i = begin; i < end; ++i) dx[i] = y[i] * (dy[i] - mean);
  }
};

}  // namespace

Tensor softmax(const Tensor& x) {
  MD_CHECK(x.shape().rank() > 0 && x.numel() > 0, "softmax: input ", x.shape(), " wants [...,C]");
  const i64 channels = x.dim(-1), rows = x.numel() / channels;
  const Tensor y = Tensor::empty(x.shape(), x.device());
  launch(x.device(), rows, 1, SoftmaxRow{x.data(), y.data(), channels});
  return record("softmax", y, {x}, [y = Saved(y), channels, rows](const Tensor& dy, Needs) -> Grads {
    const Tensor dx = Tensor::empty(dy.shape(), dy.device());
    launch(dy.device(), rows, 1, SoftmaxGradientRow{y->data(), dy.data(), dx.data(), channels});
    return {dx};
  });
}

}  // namespace md
