// conv2d: torch.nn.functional.conv2d, optionally plus a map and followed by an activation.
//   x [N,H,W,I], w [O,kh,kw,I/groups] (depthwise: [kh,kw,C]), bias [O] or none, residual [N,OH,OW,O] or none -> y
//   OH = (H + 2*pad - dilation*(kh-1) - 1) / stride + 1, OW alike.
//   z[n,oy,ox,o] = bias[o] + sum over ky,kx,i of x[n,iy,ix,i] * w[o,ky,kx,i]    (outside the image x is 0)
//   iy = oy*stride - pad + ky*dilation,  ix = ox*stride - pad + kx*dilation
// and y = act(z + residual), in one pass where nothing is recorded. For a gradient the kernel takes along what can be
// told from y: act'(z) of leaky_relu, elu and sigmoid. The kernels are the backend's (oneDNN or cuDNN);
// tests/layers/conv2d_test.cpp has all three sums as loops. On a bf16 device a wide y is bf16, and so is the x that it
// is made of; gradients have x's dtype.
#include <algorithm>
#include <utility>

#include "engine/autograd.h"
#include "layers/common.h"
#include "layers/fused.h"
#include "layers/ops.h"

namespace md {
namespace {

/// The output shape; checks everything on the way.
Shape output_shape(const Tensor& x, const Tensor& w, const Tensor& bias, const Conv2dSpec& s, const Tensor& residual) {
  MD_CHECK(x.shape().rank() == 4 && x.numel() > 0, "conv2d: input ", x.shape(), " wants [N,H,W,C]");
  MD_CHECK(w.numel() > 0, "conv2d: weight ", w.shape(), " is empty");
  require_together("conv2d", {x}, {w, bias});
  const i64 I = x.dim(3);
  const bool depthwise = s.groups > 1 && s.groups == I && w.shape().rank() == 3;
  const bool dense = w.shape().rank() == 4 && !(s.groups > 1 && s.groups == I && w.dim(0) == I);
  MD_CHECK(depthwise || dense, "conv2d: weight ", w.shape(), " wants [O,kh,kw,I/groups], or [kh,kw,C] where depthwise");
  MD_CHECK(
      std::min({s.stride.h, s.stride.w, s.dilation.h, s.dilation.w, s.groups}) > 0 && std::min(s.pad.h, s.pad.w) >= 0,
      "conv2d: stride ", s.stride, ", dilation ", s.dilation, ", pad ", s.pad, ", groups ", s.groups);
  const i64 O = depthwise ? w.dim(2) : w.dim(0), wants = depthwise ? O : w.dim(3) * s.groups;
  MD_CHECK(I == wants && O % s.groups == 0, "conv2d: input ", x.shape(), " has ", I, " channels, weight ", w.shape(),
           " with groups ", s.groups, " wants ", wants);
  MD_CHECK(!bias || bias.shape() == Shape({O}), "conv2d: bias ", bias.shape(), " for ", O, " output channels");
  MD_CHECK(!s.accumulate, "conv2d: what is added is the residual");
  MD_CHECK(s.act.slope >= 0.F, "conv2d: slope ", s.act.slope, " is negative: backward needs the output's sign");
  const auto extent = [](i64 in, i64 k, int stride, int pad, int dilation) {
    const i64 room = in + 2 * pad - dilation * (k - 1) - 1;  // for the window to move in
    return room < 0 ? 0 : room / stride + 1;
  };
  const int ky = depthwise ? 0 : 1;
  const i64 OH = extent(x.dim(1), w.dim(ky), s.stride.h, s.pad.h, s.dilation.h);
  const i64 OW = extent(x.dim(2), w.dim(ky + 1), s.stride.w, s.pad.w, s.dilation.w);
  MD_CHECK(OH > 0 && OW > 0, "conv2d: input ", x.shape(), " is smaller than the window of ", w.shape());
  const Shape y{x.dim(0), OH, OW, O};
  const DType dtype = map_dtype(x.device().precision, O);
  MD_CHECK(!residual || (residual.shape() == y && residual.dtype() == dtype && residual.device() == x.device()),
           "conv2d: residual ", residual.shape(), " ", name_of(residual.dtype()), " for an output ", y, " ",
           name_of(dtype), residual.device() == x.device() ? "" : ", on another device");
  return y;
}

/// The same as ops of their own, each of which can be recorded.
Tensor step_by_step(const Tensor& x, const Tensor& w, const Tensor& bias, Conv2dSpec s, const Tensor& residual) {
  const Activation act = std::exchange(s.act, {});
  const Tensor z = conv2d(x, w, bias, s);
  return activate(residual ? add(z, residual) : z, act);
}

/// dz, in the dtype of x. Where the backend has summed its rows on the way, `left_bias`, the gradient that is still to
/// be written, becomes empty.
Tensor inside_activation(const Activation& act, const Tensor& y, const Tensor& dy, DType dtype, Tensor& left_bias) {
  if (left_bias && act.kind != Act::none) {
    const Tensor dz = in_place_of(dy);
    if (backend(dy.device()).activation_backward(act, dy, y, dz, left_bias)) {
      left_bias = {};
      return as_dtype(dz, dtype);
    }
  }
  return as_dtype(before_activation(act, y, dy), dtype);
}

/// Memory for the output, which holds the residual if there is one: its own memory where nobody else has it.
Tensor output(const Shape& shape, Device device, const Tensor& residual) {
  if (!residual) return Tensor::empty(shape, device, map_dtype(device.precision, shape[-1]));
  return residual.unique() ? residual.detach() : residual.clone();
}

}  // namespace

// y is a sum of products x * w, so each gradient is the same list of products, summed for the other factor. With
// (iy,ix) = (oy,ox) * stride - pad + (ky,kx) * dilation as above, z before the activation and dz its gradient:
//
//   dx[n,iy,ix,i] = sum over all o,ky,kx,oy,ox that lead to (iy,ix) of dz[n,oy,ox,o] * w[o,ky,kx,i]
//   dw[o,ky,kx,i] = sum over n,oy,ox of dz[n,oy,ox,o] * x[n,iy,ix,i]
//   dbias[o]      = sum over n,oy,ox of dz[n,oy,ox,o]
Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias, const Conv2dSpec& s, Tensor residual) {
  const Shape shape = output_shape(x, w, bias, s, residual);
  if (recording({&x, &w, &bias, &residual}) && (residual || !fuses_for_training(s.act)))
    return step_by_step(x, w, bias, s, residual);
  const DType dtype = x.dtype();
  if (dtype == DType::f32 && map_dtype(x.device().precision, shape[3]) == DType::bf16)
    return conv2d(cast(x, DType::bf16), w, bias, s, std::move(residual));
  const Tensor y = output(shape, x.device(), residual);
  Conv2dSpec run = s;
  run.accumulate = bool(residual);
  backend(x.device()).conv2d(run, x, w, bias, y);
  std::vector<Tensor> inputs = {x, w, bias};
  if (residual) inputs.push_back(std::move(residual));
  // Only the activation's backward needs y.
  const Saved needed_y(s.act.kind == Act::none ? Tensor() : y);
  return record({"conv2d", s}, y, inputs,
                [s, dtype, x = Saved(x), w = Saved(w), y = needed_y](const Tensor& dy, Needs needs) mutable -> Grads {
                  Backend& b = backend(dy.device());
                  Tensor dx, dw, dbias, left_bias;
                  if (needs[2]) dbias = left_bias = Tensor::empty({dy.dim(3)}, dy.device());
                  const Tensor dz = inside_activation(s.act, *y, dy, dtype, left_bias);
                  y.release();
                  if (needs[1]) {
                    dw = Tensor::empty(w.shape(), dy.device());
                    b.conv2d_dw(s, dz, *x, dw, left_bias);
                  } else if (left_bias) {
                    b.reduce_sum(dz, {}, 1, dz.numel() / dz.dim(3), dz.dim(3), left_bias);
                  }
                  x.release();  // dx is as large, and comes last
                  if (needs[0]) dx = needs.take_sum(0);
                  if (dx) {
                    b.add_conv2d_dx(s, dz, *w, dx);
                  } else if (needs[0]) {
                    dx = Tensor::empty(x.shape(), dy.device(), dtype);
                    b.conv2d_dx(s, dz, *w, dx);
                  }
                  return {dx, dw, dbias};
                });
}

}  // namespace md
