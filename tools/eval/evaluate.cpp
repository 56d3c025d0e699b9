// Frames of equal size go through the network together; each is then scored by itself.
#include "tools/eval/evaluate.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "tools/cli/flag_in_error.h"
#include "tools/eval/predictor.h"

namespace md {
namespace {

/// Images [1,h,w,3] of equal size, one under the other.
Tensor stack(const std::vector<EvalFrame>& frames) {
  const Tensor& first = frames.front().image;
  const Tensor images = Tensor::empty({i64(frames.size()), first.dim(1), first.dim(2), 3});
  float* to = images.data();
  for (const EvalFrame& frame : frames) to = std::copy_n(frame.image.data(), first.numel(), to);
  return images;
}

/// The network's predictions; through a file where the evaluator reads files.
std::vector<Tensor> predict_batch(const NetPredictor& net, const Protocol& protocol,
                                  const std::vector<EvalFrame>& frames) {
  std::vector<float> focal_px;
  for (const EvalFrame& frame : frames) focal_px.push_back(float(frame.sample.focal_px));
  try {
    std::vector<Tensor> maps_m = net(stack(frames), focal_px);
    for (Tensor& map_m : maps_m) {
      if (protocol.evaluator == Evaluator::pngs) map_m = through_png(map_m, protocol.depth_scale);
    }
    return maps_m;
  } catch (const Error& error) {
    fail(error.kind(), frames.front().sample.image_name, ": ", error.what());
  }
}

void keep(const Scored& scored, const std::string& file, ImageScore& image) {
  image.metrics = scored.metrics;
  image.prediction = file;
  image.zeros = scored.zeros;
  image.filled = scored.filled;
  image.filled_scored = scored.filled_scored;
}

void score_batch(const Predictor& predictor, const std::vector<EvalFrame>& frames, const EvaluateOptions& options,
                 Evaluation& evaluation) {
  if (frames.empty()) return;
  const std::vector<Tensor> maps_m = predictor(frames);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const std::string file = options.prediction_file ? options.prediction_file(frames[i]) : "";
    const std::optional<Scored> scored = score_frame(options.protocol, frames[i], maps_m[i], file);
    if (options.on_frame) options.on_frame({frames[i], maps_m[i], scored ? &*scored : nullptr});
    if (scored) keep(*scored, file, evaluation.per_image[std::size_t(frames[i].index)]);
  }
}

void note_turned(const std::string& remark, i64 image, Evaluation& evaluation) {
  if (remark.empty() || (evaluation.turned_image >= 0 && evaluation.turned_image < image)) return;
  evaluation.turned = remark;
  evaluation.turned_image = image;
}

/// Of an image, as it goes from rank to rank: every bit of it.
struct SentScore {
  i64 image, zeros, filled, filled_scored;
  Metrics metrics;
};

/// Each rank gets the scores of the others' frames. Predictions have no files here: they are a network's.
void gather_scores(Evaluation& evaluation, Communicator& ranks) {
  std::string mine;
  for (std::size_t i = 0; i < evaluation.per_image.size(); ++i) {
    const ImageScore& image = evaluation.per_image[i];
    if (!image.metrics) continue;
    const SentScore sent{i64(i), image.zeros, image.filled, image.filled_scored, *image.metrics};
    mine.append(reinterpret_cast<const char*>(&sent), sizeof sent);
  }
  for (const std::string& scores : ranks.gather(mine)) {
    for (std::size_t at = 0; at < scores.size(); at += sizeof(SentScore)) {
      SentScore sent;
      std::memcpy(&sent, scores.data() + at, sizeof sent);
      ImageScore& image = evaluation.per_image[std::size_t(sent.image)];
      image.metrics = sent.metrics;
      image.zeros = sent.zeros;
      image.filled = sent.filled;
      image.filled_scored = sent.filled_scored;
    }
  }
  const i64 own = evaluation.turned_image;
  for (const std::string& turned : ranks.gather(cat(own, " ", evaluation.turned))) {
    const std::size_t blank = turned.find(' ');
    note_turned(turned.substr(blank + 1), std::stoll(turned.substr(0, blank)), evaluation);
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
  Communicator& ranks = options.ranks ? *options.ranks : alone();
  const EvalLoaderSpec how{
      .kb_crop = options.protocol.kb_crop, .threads = options.threads, .first = ranks.rank(), .every = ranks.size()};
  EvalLoader loader = with_flag("--loader-threads", ErrorKind::contract, [&] { return EvalLoader(data, how); });
  std::vector<EvalFrame> batch;
  i64 done = 0;
  while (const EvalFrame* frame = loader.next()) {
    note_turned(turned_remark(frame->sample), frame->index, evaluation);
    if (frame->sample.has_depth() || options.every_frame) {
      if (!batch.empty() &&
          (i64(batch.size()) >= options.batch || frame->image.shape() != batch.front().image.shape())) {
        score_batch(predictor, batch, options, evaluation);
        batch.clear();
      }
      batch.push_back(*frame);
    }
    done += ranks.size();
    if (options.on_progress) options.on_progress(std::min(done, data.size()), data.size());
  }
  score_batch(predictor, batch, options, evaluation);
  if (ranks.size() > 1) gather_scores(evaluation, ranks);
  summarise(evaluation, options.protocol.averaging, data.spec().list);
  return evaluation;
}

Evaluation evaluate(DepthNet& net, const Dataset& data, const EvaluateOptions& options) {
  return evaluate(net_predictor(net, options.protocol), data, options);
}

Predictor net_predictor(DepthNet& net, const Protocol& protocol) {
  const auto predictor = std::make_shared<NetPredictor>(net, PredictorOptions{.flip_average = protocol.flip_average});
  return [predictor, protocol](const std::vector<EvalFrame>& frames) {
    return predict_batch(*predictor, protocol, frames);
  };
}

std::optional<Scored> score_frame(const Protocol& protocol, const EvalFrame& frame, const Tensor& pred_m,
                                  const std::string& file) {
  const Sample& sample = frame.sample;
  if (!sample.has_depth()) return std::nullopt;
  const Tensor gt_m = Tensor::from_host(sample.depth_m, {sample.image.height, sample.image.width});
  const std::string prediction = file.empty() ? "" : cat(file, " (", sample.image_name, ")");
  return score(protocol, pred_m, gt_m, frame.crop, sample.image_name, prediction);
}

std::vector<Metrics> scored_images(const Evaluation& evaluation) {
  std::vector<Metrics> scored;
  for (const ImageScore& image : evaluation.per_image) {
    if (image.metrics) scored.push_back(*image.metrics);
  }
  return scored;
}

}  // namespace md
