// Any image size: a network pads its input at the bottom and right to the size it wants and crops its output. Beyond
// the edge a map is continued by reflection (torch.nn.functional.pad, mode="reflect": pixel H-1+k is pixel H-1-k);
// where the side is too short for that, by the edge pixel (mode="replicate"). A patch embedding continues it by zeros.
#include "layers/common.h"
#include "layers/ops.h"
#include "layers/resample.h"

namespace md {
namespace {

Taps padding_taps(i64 from, i64 to) {
  const bool reflect = to - from < from;
  return copying_taps(from, to, [from, reflect](i64 j) {
    return j < from ? j : reflect ? 2 * (from - 1) - j : from - 1;
  });
}

Taps zero_padding_taps(i64 from, i64 to) {
  Taps taps = copying_taps(from, from, [](i64 j) { return j; });
  for (i64 j = from; j < to; ++j) taps.end_row();  // nothing tapped
  return taps;
}

Taps cropping_taps(i64 from, i64 to) {
  return copying_taps(from, to, [](i64 j) { return j; });
}

}  // namespace

Tensor pad_reflect(const Tensor& x, i64 h, i64 w) {
  require_image("pad_reflect", x);
  MD_CHECK(h >= x.dim(1) && w >= x.dim(2), "pad_reflect: input ", x.shape(), " is larger than ", h, " x ", w);
  if (h == x.dim(1) && w == x.dim(2)) return x;
  return resample("pad_reflect", x, padding_taps(x.dim(1), h), padding_taps(x.dim(2), w));
}

Tensor pad_zero(const Tensor& x, i64 h, i64 w) {
  require_image("pad_zero", x);
  MD_CHECK(h >= x.dim(1) && w >= x.dim(2), "pad_zero: input ", x.shape(), " is larger than ", h, " x ", w);
  if (h == x.dim(1) && w == x.dim(2)) return x;
  return resample("pad_zero", x, zero_padding_taps(x.dim(1), h), zero_padding_taps(x.dim(2), w));
}

Tensor crop(const Tensor& x, i64 h, i64 w) {
  require_image("crop", x);
  MD_CHECK(h > 0 && w > 0 && h <= x.dim(1) && w <= x.dim(2), "crop: input ", x.shape(), " has no ", h, " x ", w,
           " pixels");
  if (h == x.dim(1) && w == x.dim(2)) return x;
  return resample("crop", x, cropping_taps(x.dim(1), h), cropping_taps(x.dim(2), w));
}

}  // namespace md
