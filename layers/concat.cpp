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
  std::vector<i64> widths;
  i64 channels = 0;
  for (const Tensor& part : parts) {
    MD_CHECK(part.shape().rank() > 0 && with_channels(part.shape(), 1) == with_channels(parts[0].shape(), 1),
             "concat: part ", part.shape(), " does not fit beside ", parts[0].shape());
    MD_CHECK(part.numel() > 0, "concat: part ", part.shape(), " is empty");
    require_together("concat", {parts[0], part});
    widths.push_back(part.dim(-1));
    channels += part.dim(-1);
  }
  const Device device = parts[0].device();
  const Tensor y = Tensor::empty(with_channels(parts[0].shape(), channels), device);
  const i64 rows = y.numel() / channels;
  float* to = y.data();
  for (const Tensor& part : parts) {
    launch(device, rows, part.dim(-1), CopyChannels{part.data(), to, part.dim(-1), channels});
    to += part.dim(-1);
  }
  return record("concat", y, parts, [widths, channels, rows](const Tensor& dy, Needs needs) {
    Grads grads(widths.size());
    const float* from = dy.data();
    for (std::size_t part = 0; part < widths.size(); from += widths[part++]) {
      if (!needs[static_cast<int>(part)]) continue;
      grads[part] = Tensor::empty(with_channels(dy.shape(), widths[part]), dy.device());
      launch(dy.device(), rows, widths[part], CopyChannels{from, grads[part].data(), channels, widths[part]});
    }
    return grads;
  });
}

// y[r,c] = x[r, begin + c]: dx[r, begin + c] = dy[r,c], and 0 in the other channels.
Tensor slice_channels(const Tensor& x, i64 begin, i64 end) {
  MD_CHECK(x.shape().rank() > 0 && begin >= 0 && begin < end && end <= x.dim(-1), "slice_channels: input ", x.shape(),
           " has no channels ", begin, " to ", end);
  const i64 channels = x.dim(-1), width = end - begin, rows = x.numel() / channels;
  const Tensor y = Tensor::empty(with_channels(x.shape(), width), x.device());
  launch(x.device(), rows, width, CopyChannels{x.data() + begin, y.data(), channels, width});
  return record({"slice_channels", begin}, y, {x},
                [begin, width, rows, channels, shape = x.shape()](const Tensor& dy, Needs) -> Grads {
                  const Tensor dx = Tensor::zeros(shape, dy.device());
                  launch(dy.device(), rows, width, CopyChannels{dy.data(), dx.data() + begin, width, channels});
                  return {dx};
                });
}

}  // namespace md
