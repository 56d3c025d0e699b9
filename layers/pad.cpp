// Any image size: a network pads its input at the bottom and right to the size it wants and crops its output. Beyond
// the edge a map is continued by reflection (torch.nn.functional.pad, mode="reflect": pixel H-1+k is pixel H-1-k);
// where the side is too short for that, by the edge pixel (mode="replicate"). A patch embedding continues it by zeros.
#include "layers/common.h"
#include "layers/ops.h"
#include "layers/resample.h"

namespace md {
namespace {

Taps padding_taps(const Axis& axis) {
  const i64 last = axis.from - 1;
  const bool reflect = axis.to - axis.from < axis.from;
  return copying_taps(axis.from, axis.to, [=](i64 j) { return j <= last ? j : reflect ? 2 * last - j : last; });
}

Taps zero_padding_taps(const Axis& axis) {
  Taps taps = copying_taps(axis.from, axis.from, [](i64 j) { return j; });
  for (i64 j = axis.from; j < axis.to; ++j) taps.end_row();  // nothing tapped
  return taps;
}

Taps cropping_taps(const Axis& axis) {
  return copying_taps(axis.from, axis.to, [](i64 j) { return j; });
}

}  // namespace

Tensor pad_reflect(const Tensor& x, i64 h, i64 w) {
  require_image("pad_reflect", x);
  MD_CHECK(h >= x.dim(1) && w >= x.dim(2), "pad_reflect: input ", x.shape(), " is larger than ", h, " x ", w);
  if (h == x.dim(1) && w == x.dim(2)) return x;
  return resample("pad_reflect", x, {padding_taps, x.dim(1), h}, {padding_taps, x.dim(2), w});
}

Tensor pad_zero(const Tensor& x, i64 h, i64 w) {
  require_image("pad_zero", x);
  MD_CHECK(h >= x.dim(1) && w >= x.dim(2), "pad_zero: input ", x.shape(), " is larger than ", h, " x ", w);
  if (h == x.dim(1) && w == x.dim(2)) return x;
  return resample("pad_zero", x, {zero_padding_taps, x.dim(1), h}, {zero_padding_taps, x.dim(2), w});
}

Tensor crop(const Tensor& x, i64 h, i64 w) {
  require_image("crop", x);
  MD_CHECK(h > 0 && w > 0 && h <= x.dim(1) && w <= x.dim(2), "crop: input ", x.shape(), " has no ", h, " x ", w,
           " pixels");
  if (h == x.dim(1) && w == x.dim(2)) return x;
  return resample("crop", x, {cropping_taps, x.dim(1), h}, {cropping_taps, x.dim(2), w});
}

}  // namespace md
