// torch.nn.functional.interpolate, bilinear and nearest: along each axis output j reads the input at a position p(j),
// computed in float as PyTorch does, because rounding decides which pixel is "nearest".
//   step = H/h, or 1/scale_factor where a factor was given (then H/h is only nearly that)
//   bilinear, half pixels:   p = max(0, step (j + 1/2) - 1/2)       between floor(p) and the next, weights 1-f and f
//   bilinear, align corners: p = j (H-1)/(h-1)
//   nearest:                 floor(step j)
// The gradient is the transposed map (layers/resample.h): a gather over the outputs that read an input.
#include <algorithm>
#include <cmath>

#include "layers/common.h"
#include "layers/ops.h"
#include "layers/resample.h"

namespace md {
namespace {

float step_between(i64 from, i64 to, double scale_factor) {
  return scale_factor > 0 ? static_cast<float>(1 / scale_factor) : static_cast<float>(from) / static_cast<float>(to);
}

Taps bilinear_taps(const Axis& axis) {
  const i64 from = axis.from, to = axis.to;
  const Interpolation& how = axis.how;
  Taps taps;
  taps.from = from;
  const bool align = how.corners == Corners::align;
  const float step = !align   ? step_between(from, to, how.scale_factor)
                     : to > 1 ? static_cast<float>(from - 1) / static_cast<float>(to - 1)
                              : 0.F;
  for (i64 j = 0; j < to; ++j) {
    const float at = static_cast<float>(j);
    const float p = from == to ? at : align ? step * at : std::max(0.F, step * (at + 0.5F) - 0.5F);
    const i64 low = std::min(static_cast<i64>(p), from - 1), high = std::min(low + 1, from - 1);
    const float f = std::clamp(p - static_cast<float>(low), 0.F, 1.F);
    if (low == high || f == 0.F) {
      taps.tap(low, 1.F);
    } else {
      taps.tap(low, 1.F - f);
      taps.tap(high, f);
    }
    taps.end_row();
  }
  return taps;
}

Taps nearest_taps(const Axis& axis) {
  const float step = step_between(axis.from, axis.to, axis.how.scale_factor);
  return copying_taps(axis.from, axis.to, [&](i64 j) {
    if (axis.to == axis.from) return j;
    if (axis.to == 2 * axis.from) return j / 2;
    return std::min(static_cast<i64>(std::floor(static_cast<float>(j) * step)), axis.from - 1);
  });
}

struct Size {
  i64 h, w;
};

Size scaled_size(const char* op, const Tensor& x, double factor) {
  require_image(op, x);
  MD_CHECK(factor > 0, op, ": scale factor ", factor, " is not positive");
  const auto scaled = [factor](i64 side) { return static_cast<i64>(std::floor(static_cast<double>(side) * factor)); };
  return {scaled(x.dim(1)), scaled(x.dim(2))};
}

void require_size(const char* op, const Tensor& x, Size size) {
  require_image(op, x);
  MD_CHECK(size.h > 0 && size.w > 0, op, ": input ", x.shape(), " cannot become ", size.h, " x ", size.w);
}

Tensor bilinear(const Tensor& x, Size size, const Interpolation& how) {
  require_size("upsample_bilinear", x, size);
  return resample({"upsample_bilinear", how}, x, {bilinear_taps, x.dim(1), size.h, how},
                  {bilinear_taps, x.dim(2), size.w, how});
}

Tensor nearest(const Tensor& x, Size size, const Interpolation& how) {
  require_size("upsample_nearest", x, size);
  return resample({"upsample_nearest", how}, x, {nearest_taps, x.dim(1), size.h, how},
                  {nearest_taps, x.dim(2), size.w, how});
}

}  // namespace

Tensor upsample_bilinear(const Tensor& x, i64 h, i64 w, Corners corners) { return bilinear(x, {h, w}, {corners}); }
Tensor upsample_bilinear(const Tensor& x, double scale_factor, Corners corners) {
  return bilinear(x, scaled_size("upsample_bilinear", x, scale_factor), {corners, scale_factor});
}

Tensor upsample_concat(const Tensor& x, const Tensor& beside) {
  require_image("upsample_concat", x);
  require_image("upsample_concat", beside);
  for (const Tensor* map : {&x, &beside}) require_beside("upsample_concat", x, *map, dtype_as_map(*map));
  MD_CHECK(x.dim(0) == beside.dim(0), "upsample_concat: ", x.shape(), " does not fit beside ", beside.shape());
  return resample({"upsample_concat", Interpolation{}}, x, {bilinear_taps, x.dim(1), beside.dim(1)},
                  {bilinear_taps, x.dim(2), beside.dim(2)}, beside);
}

Tensor upsample_nearest(const Tensor& x, i64 h, i64 w) { return nearest(x, {h, w}, {}); }
Tensor upsample_nearest(const Tensor& x, double scale_factor) {
  return nearest(x, scaled_size("upsample_nearest", x, scale_factor), {.scale_factor = scale_factor});
}

}  // namespace md
