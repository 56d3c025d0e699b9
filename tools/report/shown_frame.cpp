// The image is cut to what was scored: a peer's loop scores within KITTI's benchmark crop.
#include "tools/report/shown_frame.h"

#include <algorithm>

#include "engine/autograd.h"

namespace md {
namespace {

RgbImage cut_image(const RgbImage& image, const EvalCrop& crop) {
  RgbImage out{int(crop.height), int(crop.width), {}};
  for (i64 y = 0; y < crop.height; ++y) {
    const auto row = image.pixels.begin() + ((crop.top + y) * image.width + crop.left) * 3;
    out.pixels.insert(out.pixels.end(), row, row + crop.width * 3);
  }
  return out;
}

/// [h,w,C] on the CPU.
Tensor features_of(DepthNet& net, const EvalFrame& frame) {
  const NoGrad no_grad;
  const Device device = net.parameters().front().tensor.device();
  const Tensor focal = Tensor::from_host(std::vector<float>{float(frame.sample.focal_px)}, {1}, device);
  const Tensor features = net.forward(frame.image.to(device), focal).features.to(Device{});
  return features.reshape({features.dim(1), features.dim(2), features.dim(3)});
}

}  // namespace

ShownFrame show_frame(const EvaluationSource& source, i64 index, bool with_features) {
  const Protocol& protocol = source.options.protocol;
  const EvalFrame frame = load_eval_frame(source.data, index, protocol.kb_crop);
  const std::string file = source.options.prediction_file ? source.options.prediction_file(frame) : "";
  const std::optional<Scored> scored = score_frame(protocol, frame, source.predictor({frame}).front(), file);
  MD_CHECK(scored && scored->metrics, frame.sample.image_name, ": nothing of it is scored");
  const RgbImage& image = frame.sample.image;
  const bool whole = scored->gt_m.dim(0) == image.height && scored->gt_m.dim(1) == image.width;
  return {.index = index,
          .name = frame.sample.image_name,
          .image = whole ? image : cut_image(image, frame.crop),
          .gt_m = scored->gt_m,
          .pred_m = scored->pred_m,
          .scored = scored->pixels,
          .metrics = *scored->metrics,
          .features = with_features && source.loaded ? features_of(*source.loaded->net, frame) : Tensor()};
}

}  // namespace md
