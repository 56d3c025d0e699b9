// One forward pass, or two of which one sees the mirrored images.
#include "tools/eval/predictor.h"

#include <algorithm>

#include "data/score.h"
#include "engine/autograd.h"

namespace md {
namespace {

/// The i-th map [h,w] of [n,h,w].
Tensor map_at(const Tensor& maps, i64 i) { return maps.rows(i, i + 1).reshape({maps.dim(1), maps.dim(2)}); }

}  // namespace

NetPredictor::NetPredictor(DepthNet& net, const PredictorOptions& options)
    : net_(net), options_(options), device_(net.parameters().front().tensor.device()), was_training_(net.training()) {
  net_.eval();
}

NetPredictor::~NetPredictor() { net_.train(was_training_); }

std::vector<Tensor> NetPredictor::operator()(const Tensor& images, const std::vector<float>& focal_px) const {
  const NoGrad no_grad;
  const i64 n = images.dim(0);
  const Tensor focal = focal_px.empty() ? Tensor() : Tensor::from_host(focal_px, {n}, device_);
  const bool flip = options_.flip_average;
  const Tensor plain = forward(images, focal), flipped = flip ? forward(mirrored(images), focal) : Tensor();
  std::vector<Tensor> maps_m;
  for (i64 i = 0; i < n; ++i)
    maps_m.push_back(flip ? flip_average(map_at(plain, i), map_at(flipped, i)) : map_at(plain, i));
  return maps_m;
}

/// Depth [n,h,w] on the CPU.
Tensor NetPredictor::forward(const Tensor& images, const Tensor& focal_px) const {
  const Tensor depth_m = net_.forward(images.to(device_), focal_px).depth_m.to(Device{});
  return depth_m.reshape({depth_m.dim(0), depth_m.dim(1), depth_m.dim(2)});
}

Tensor mirrored(const Tensor& images) {
  const i64 rows = images.dim(0) * images.dim(1), width = images.dim(2);
  const Tensor out = Tensor::empty(images.shape());
  float* to = out.data();
  for (i64 row = 0; row < rows; ++row) {
    const float* const from = images.data() + row * width * 3;
    for (i64 x = width - 1; x >= 0; --x, to += 3) std::copy_n(from + x * 3, 3, to);
  }
  return out;
}

}  // namespace md
