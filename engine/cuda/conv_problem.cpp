// A problem in words, and from an op's shapes.
#include "engine/cuda/conv_problem.h"

#include "engine/text.h"

namespace md::cuda {

std::string ConvProblem::str() const {
  static const char* const names[] = {"forward", "data gradient", "weight gradient"};
  const Shape x_shape{x[0], x[1], x[2], x[3]}, w_shape{w[0], w[1], w[2], w[3]};
  return cat(names[static_cast<int>(pass)], " ", tf32 ? "tf32" : name_of(dtype), " ", x_shape, " * ", w_shape,
             " stride ", spec.stride, " pad ", spec.pad, spec.dilation == 1 ? "" : cat(" dilation ", spec.dilation),
             " groups ", spec.groups, bias ? " + bias" : "",
             spec.act.kind == Act::none ? "" : cat(", ", name_of(spec.act.kind)));
}

std::string ConvProblem::key() const {
  const Shape y_shape{y[0], y[1], y[2], y[3]};
  return cat(str(), " slope ", shortest(spec.act.slope), " -> ", y_shape, " alignment ", alignment);
}

ConvProblem describe_conv(ConvPass pass, const Conv2dSpec& spec, const Shape& x, const Shape& w, const Shape& y,
                          DType dtype) {
  const bool depthwise = w.rank() == 3;  // [kh,kw,C]
  ConvProblem p{.pass = pass,
                .spec = spec,
                .dtype = dtype,
                .x = {x[0], x[1], x[2], x[3]},
                .w = depthwise ? std::array<i64, 4>{w[2], w[0], w[1], 1} : std::array<i64, 4>{w[0], w[1], w[2], w[3]},
                .y = {y[0], y[1], y[2], y[3]}};
  if (pass != ConvPass::forward || spec.accumulate) p.spec.act = {};
  p.spec.accumulate = false;
  return p;
}

}  // namespace md::cuda
