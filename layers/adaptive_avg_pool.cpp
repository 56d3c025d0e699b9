// torch.nn.functional.adaptive_avg_pool2d: output i is the mean over the bin [floor(i H/h), ceil((i+1) H/h)) of rows,
// and likewise of columns; bins may overlap. The mean over a box is a mean along W of means along H. avg_pool2d is the
// case of equal bins.
#include "engine/autograd.h"
#include "engine/four.h"
#include "engine/launch.h"
#include "engine/unravel.h"
#include "layers/common.h"
#include "layers/ops.h"
#include "layers/resample.h"

namespace md {
namespace {

template <class T>
struct Times {
  const float* sum;  // [N,C]
  T* y;              // [N,C]
  i64 channels;
  float factor;
  MD_HD void operator()(i64 n, i64 c) const { y[n * channels + c] = sum[n * channels + c] * factor; }
};

template <class T>
struct Spread {
  const T* dy;  // [N,C]
  T* dx;        // [N*pixels,C]
  i64 pixels, channels;
  float factor;
  MD_HD void operator()(i64 pixel, i64 c) const {
    dx[pixel * channels + c] = factor * dy[unravel(pixel, {kAnyExtent, pixels})[0] * channels + c];
  }
};

// y[n,c] = 1/(HW) sum over h,w of x[n,h,w,c]: dx[n,h,w,c] = dy[n,c] / (HW). [N,H,W,C] -> [N,1,1,C].
Tensor mean_over_pixels(const Tensor& x) {
  return record("mean_over_pixels", mean_of_pixels(x), {x}, [shape = x.shape()](const Tensor& dy, Needs) -> Grads {
    const i64 pixels = shape[1] * shape[2];
    const Tensor dx = Tensor::empty(shape, dy.device(), dy.dtype());
    with_wide_storage({dy, dx}, {shape[3]}, [&](auto storage, i64 n) {
      using T = decltype(storage);
      launch(dy.device(), shape[0] * pixels, shape[3] / n,
             Spread<T>{elements<T>(dy), elements<T>(dx), pixels, shape[3] / n, 1.F / static_cast<float>(pixels)});
    });
    return {dx};
  });
}

Taps bin_taps(const Axis& axis) {
  const i64 from = axis.from, to = axis.to;
  Taps taps;
  taps.from = from;
  for (i64 i = 0; i < to; ++i) {
    const i64 begin = i * from / to, end = ((i + 1) * from + to - 1) / to;
    for (i64 source = begin; source < end; ++source) taps.tap(source, 1.F / static_cast<float>(end - begin));
    taps.end_row();
  }
  return taps;
}

}  // namespace

Tensor mean_of_pixels(const Tensor& x) {
  const i64 images = x.dim(0), pixels = x.dim(1) * x.dim(2), channels = x.dim(3);
  const Tensor y = Tensor::empty({images, 1, 1, channels}, x.device(), x.dtype());
  Backend& b = backend(x.device());
  if (b.reduce_mean(x, images, pixels, channels, y)) return y;
  const Tensor sum = x.dtype() == DType::f32 ? y : Tensor::empty(y.shape(), x.device());
  b.reduce_sum(x, {}, images, pixels, channels, sum);
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    launch(x.device(), images, channels, Times<T>{sum.data(), y.data<T>(), channels, 1.F / static_cast<float>(pixels)});
  });
  return y;
}

Tensor adaptive_avg_pool(const Tensor& x, i64 h, i64 w) {
  require_image("adaptive_avg_pool", x);
  MD_CHECK(h > 0 && w > 0, "adaptive_avg_pool: input ", x.shape(), " cannot become ", h, " x ", w);
  if (h == 1 && w == 1) return mean_over_pixels(x);
  return resample("adaptive_avg_pool", x, {bin_taps, x.dim(1), h}, {bin_taps, x.dim(2), w});
}

Tensor avg_pool(const Tensor& x, int kernel) {
  require_image("avg_pool", x);
  MD_CHECK(kernel > 0 && x.dim(1) % kernel == 0 && x.dim(2) % kernel == 0, "avg_pool: ", x.shape(),
           " does not divide into squares of ", kernel);
  return resample({"avg_pool", PoolSpec{.kernel = kernel, .stride = kernel}}, x,
                  {bin_taps, x.dim(1), x.dim(1) / kernel}, {bin_taps, x.dim(2), x.dim(2) / kernel});
}

}  // namespace md
