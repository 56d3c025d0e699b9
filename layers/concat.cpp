// Maps side by side along the last axis (PyTorch: torch.cat(parts, dim=1) of NCHW), and a range of channels taken out
// again. The gradient of a part is its slice of dy; the gradient of a slice is dy, with zeros for the other channels.
#include "engine/autograd.h"
#include "layers/common.h"
#include "layers/copy_channels.h"
#include "layers/ops.h"

namespace md {

// y[r, first_k + c] = part_k[r,c]: dpart_k[r,c] = dy[r, first_k + c].
Tensor concat(const std::vector<Tensor>& parts) {
  MD_CHECK(!parts.empty(), "concat: no parts");
  const Device device = parts[0].device();
  std::vector<i64> widths;
  std::vector<DType> dtypes;
  i64 channels = 0;
  for (const Tensor& part : parts) {
    MD_CHECK(part.shape().rank() > 0 && with_channels(part.shape(), 1) == with_channels(parts[0].shape(), 1),
             "concat: part ", part.shape(), " does not fit beside ", parts[0].shape());
    MD_CHECK(part.numel() > 0, "concat: part ", part.shape(), " is empty");
    require_beside("concat", parts[0], part, dtype_as_map(part));
    widths.push_back(part.dim(-1));
    dtypes.push_back(part.dtype());
    channels += part.dim(-1);
  }
  const Tensor y =
      Tensor::empty(with_channels(parts[0].shape(), channels), device, map_dtype(device.precision, channels));
  const i64 rows = y.numel() / channels;
  i64 first = 0;
  for (const Tensor& part : parts) {
    const i64 width = part.dim(-1);
    copy_channels({part, width}, {y, channels, first}, rows, width);
    first += width;
  }
  return record("concat", y, parts, [widths, dtypes, channels, rows](const Tensor& dy, Needs needs) {
    Grads grads(widths.size());
    i64 from = 0;
    for (std::size_t part = 0; part < widths.size(); from += widths[part++]) {
      if (!needs[static_cast<int>(part)]) continue;
      const i64 width = widths[part];
      grads[part] = Tensor::empty(with_channels(dy.shape(), width), dy.device(), dtypes[part]);
      copy_channels({dy, channels, from}, {grads[part], width}, rows, width);
    }
    return grads;
  });
}

// y[r,c] = x[r, begin + c]: dx[r, begin + c] = dy[r,c], and 0 in the other channels.
Tensor slice_channels(const Tensor& x, i64 begin, i64 end) {
  MD_CHECK(x.shape().rank() > 0 && begin >= 0 && begin < end && end <= x.dim(-1), "slice_channels: input ", x.shape(),
           " has no channels ", begin, " to ", end);
  const i64 channels = x.dim(-1), width = end - begin, rows = x.numel() / channels;
  const Tensor y = Tensor::empty(with_channels(x.shape(), width), x.device(), x.dtype());
  copy_channels({x, channels, begin}, {y, width}, rows, width);
  return record({"slice_channels", begin}, y, {x},
                [begin, width, rows, channels, shape = x.shape()](const Tensor& dy, Needs) -> Grads {
                  const Tensor dx = Tensor::zeros(shape, dy.device(), dy.dtype());
                  copy_channels({dy, width}, {dx, channels, begin}, rows, width);
                  return {dx};
                });
}

}  // namespace md
