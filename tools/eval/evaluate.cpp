// Frames of equal size go through the network together; each is then scored by itself.
#include "tools/eval/evaluate.h"

#include <algorithm>

#include "engine/autograd.h"

namespace md {
namespace {

/// Evaluation mode for a scope.
class EvalMode {
 public:
  explicit EvalMode(DepthNet& net) : net_(net), training_(net.training()) { net_.eval(); }
  ~EvalMode() { net_.train(training_); }
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;

 private:
  DepthNet& net_;
  bool training_;
};

/// Images [1,h,w,3] of equal size, one under the other; mirrored left to right where asked.
Tensor stack(const std::vector<EvalFrame>& frames, bool mirrored) {
  const Shape& one = frames.front().image.shape();
  const i64 rows = one[1], width = one[2], n = i64(frames.size());
  const Tensor images = Tensor::empty({n, rows, width, 3});
  float* to = images.data();
  for (const EvalFrame& frame : frames) {
    const float* const from = frame.image.data();
    for (i64 row = 0; row < rows; ++row) {
      for (i64 x = 0; x < width; ++x, to += 3) {
        std::copy_n(from + (row * width + (mirrored ? width - 1 - x : x)) * 3, 3, to);
      }
    }
  }
  return images;
}

/// Depth [n,h,w] on the CPU.
Tensor predict(const DepthNet& net, const std::vector<EvalFrame>& frames, bool mirrored) {
  const Device device = net.parameters().front().tensor.device();
  std::vector<float> focal_px;
  for (const EvalFrame& frame : frames) focal_px.push_back(float(frame.sample.focal_px));
  const Tensor focal = Tensor::from_host(focal_px, {i64(frames.size())}, device);
  try {
    const Tensor depth_m = net.forward(stack(frames, mirrored).to(device), focal).depth_m.to(Device{});
    return depth_m.reshape({depth_m.dim(0), depth_m.dim(1), depth_m.dim(2)});
  } catch (const Error& error) {
    fail(error.kind(), frames.front().sample.image_name, ": ", error.what());
  }
}

/// The i-th map [h,w] of [n,h,w].
Tensor map_at(const Tensor& maps, i64 i) { return maps.rows(i, i + 1).reshape({maps.dim(1), maps.dim(2)}); }

/// The network's own prediction, or its average with that of the mirrored frames; through a file where the evaluator
/// reads files.
std::vector<Tensor> predict_batch(const DepthNet& net, const Protocol& protocol, const std::vector<EvalFrame>& frames) {
  const bool flip = protocol.flip_average;
  const Tensor plain = predict(net, frames, false), flipped = flip ? predict(net, frames, true) : Tensor();
  std::vector<Tensor> maps_m;
  for (i64 i = 0; i < i64(frames.size()); ++i) {
    const Tensor map_m = flip ? flip_average(map_at(plain, i), map_at(flipped, i)) : map_at(plain, i);
    maps_m.push_back(protocol.evaluator == Evaluator::pngs ? through_png(map_m, protocol.depth_scale) : map_m);
  }
  return maps_m;
}

std::optional<Scored> score_frame(const Protocol& protocol, const EvalFrame& frame, const Tensor& pred_m) {
  const Sample& sample = frame.sample;
  if (!sample.has_depth()) return std::nullopt;
  const Tensor gt_m = Tensor::from_host(sample.depth_m, {sample.image.height, sample.image.width});
  return score(protocol, pred_m, gt_m, frame.crop, sample.image_name);
}

void score_batch(const Predictor& predictor, const std::vector<EvalFrame>& frames, const EvaluateOptions& options,
                 Evaluation& evaluation) {
  if (frames.empty()) return;
  const std::vector<Tensor> maps_m = predictor(frames);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const std::optional<Scored> scored = score_frame(options.protocol, frames[i], maps_m[i]);
    if (options.on_frame) options.on_frame({frames[i], maps_m[i], scored ? &*scored : nullptr});
    if (scored) evaluation.per_image[std::size_t(frames[i].index)].metrics = scored->metrics;
  }
}

void summarise(Evaluation& evaluation, Averaging averaging, const std::string& list) {
  const std::vector<Metrics> scored = scored_images(evaluation);
  evaluation.images = i64(scored.size());
  evaluation.missing = i64(evaluation.per_image.size() - scored.size());
  if (scored.empty())
    fail(ErrorKind::bad_data, list, ": none of its ", evaluation.missing, " frames has a pixel to score");
  evaluation.mean = mean_metrics(scored, averaging);
}

}  // namespace

Evaluation evaluate(const Predictor& predictor, const Dataset& data, const EvaluateOptions& options) {
  Evaluation evaluation;
  for (const ListEntry& entry : data.entries()) evaluation.per_image.push_back({entry.image, std::nullopt});
  EvalLoader loader(data, {.kb_crop = options.protocol.kb_crop, .threads = options.threads});
  std::vector<EvalFrame> batch;
  i64 done = 0;
  while (const EvalFrame* frame = loader.next()) {
    if (frame->sample.has_depth() || options.every_frame) {
      if (!batch.empty() &&
          (i64(batch.size()) >= options.batch || frame->image.shape() != batch.front().image.shape())) {
        score_batch(predictor, batch, options, evaluation);
        batch.clear();
      }
      batch.push_back(*frame);
    }
    if (options.on_progress) options.on_progress(++done, data.size());
  }
  score_batch(predictor, batch, options, evaluation);
  summarise(evaluation, options.protocol.averaging, data.spec().list);
  return evaluation;
}

Evaluation evaluate(DepthNet& net, const Dataset& data, const EvaluateOptions& options) {
  const NoGrad no_grad;
  const EvalMode eval_mode(net);
  return evaluate([&](const std::vector<EvalFrame>& frames) { return predict_batch(net, options.protocol, frames); },
                  data, options);
}

std::vector<Metrics> scored_images(const Evaluation& evaluation) {
  std::vector<Metrics> scored;
  for (const ImageScore& image : evaluation.per_image) {
    if (image.metrics) scored.push_back(*image.metrics);
  }
  return scored;
}

}  // namespace md
