// The frames that are worth a look, asked for again from every method, and the features of some of them.
#include <algorithm>
#include <cmath>

#include "engine/printed.h"
#include "losses/metric_depth.h"
#include "tools/report/feature_pictures.h"
#include "tools/report/frame_choice.h"
#include "tools/report/frame_pictures.h"
#include "tools/report/sections.h"
#include "tools/report/svg_chart.h"

namespace md {
namespace {

using nlohmann::json;
using Subjects = std::vector<ReportSubject>;

constexpr std::size_t kPicturesBytes = 2'300'000;  // of all pictures together, in the page: at most 3 MB with the rest
constexpr std::size_t kPictureBytes = 48'000;      // of one, at most
constexpr int kFeatureFrames = 3, kFewFrames = 12;
constexpr int kPairBins = 25;

/// What was shown of one method.
struct ShownSubject {
  std::size_t place = 0;  // of the subject
  std::vector<ShownFrame> frames = {};
};

/// Of the chosen frames so many are shown with their features: the worst, the middle and the best.
std::vector<std::size_t> feature_places(std::size_t frames) {
  std::vector<std::size_t> places;
  const std::size_t count = std::min<std::size_t>(frames, kFeatureFrames);
  for (std::size_t i = 0; i < count; ++i) places.push_back(count == 1 ? 0 : i * (frames - 1) / (count - 1));
  return places;
}

std::vector<ShownSubject> show_all(const Subjects& subjects, const std::vector<ChosenFrame>& chosen) {
  const std::vector<std::size_t> with_features = feature_places(chosen.size());
  std::vector<ShownSubject> shown;
  for (std::size_t s = 0; s < subjects.size(); ++s) {
    if (!subjects[s].evaluated) continue;
    ShownSubject& subject = shown.emplace_back(ShownSubject{s});
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const bool features = std::ranges::find(with_features, i) != with_features.end();
      subject.frames.push_back(show_frame(subjects[s].evaluated->source, chosen[i].index, features));
    }
  }
  return shown;
}

PictureBudget budget_of(std::size_t pictures, int frames) {
  return {.width = frames > kFewFrames ? 256 : 360, .bytes = std::min(kPictureBytes, kPicturesBytes / pictures)};
}

json frames_of(const Subjects& subjects, const std::vector<ShownSubject>& shown, const std::vector<ChosenFrame>& chosen,
               const PictureBudget& budget) {
  std::vector<std::string> names;
  for (const ShownSubject& subject : shown) names.push_back(subjects[subject.place].name);
  json frames = json::array();
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    std::vector<const ShownFrame*> of_all;
    for (const ShownSubject& subject : shown) of_all.push_back(&subject.frames[i]);
    json frame = frame_pictures(of_all, names, budget);
    frame["why"] = chosen[i].why;
    frame["number"] = chosen[i].index + 1;
    for (const ShownSubject& subject : shown) {
      json values = key_of(subjects, subject.place);
      const Metrics& metrics = subject.frames[i].metrics;
      values["abs_rel"] = printed("%.3f", metrics.abs_rel);
      values["rmse"] = printed("%.3f", metrics.rmse);
      values["d1"] = printed("%.3f", metrics.d1);
      frame["measures"].push_back(values);
    }
    frames.push_back(frame);
  }
  return frames;
}

/// The features of a subject and the depth at their size, frame by frame.
struct FeatureMaps {
  std::size_t place = 0;
  std::vector<const ShownFrame*> frames = {};
  std::vector<Tensor> features = {}, depth_m = {};
};

FeatureMaps feature_maps(const ShownSubject& subject) {
  FeatureMaps maps{subject.place};
  for (const ShownFrame& frame : subject.frames) {
    if (!frame.features) continue;
    const i64 h = frame.features.dim(0), w = frame.features.dim(1);
    const Tensor depth_m = frame.gt_m.reshape({1, frame.gt_m.dim(0), frame.gt_m.dim(1)});
    if (h > depth_m.dim(1) || w > depth_m.dim(2)) continue;
    maps.frames.push_back(&frame);
    maps.features.push_back(frame.features);
    maps.depth_m.push_back(depth_to_feature_size(depth_m, h, w, DepthCell::nearest).reshape({h, w}));
  }
  return maps;
}

json component_of(const FeatureMaps& maps, std::size_t i, const ComponentColours& colours,
                  const PictureBudget& budget) {
  const RgbImage image = component_picture(colours, maps.features[i]);
  return {{"title", "three components"},
          {"alt", cat("first three principal components of the features of ", maps.frames[i]->name)},
          {"address", data_address(image, budget)},
          {"width", image.width},
          {"height", image.height}};
}

json distance_picture(const FeatureMaps& maps, std::size_t i, const ReportSpec& spec, const PictureBudget& budget) {
  const Tensor& features = maps.features[i];
  const Anchor anchor = choose_anchor(maps.depth_m[i], spec.anchor_row, spec.anchor_column);
  const Tensor distances = distances_to(features, anchor);
  std::vector<double> values(distances.data(), distances.data() + distances.numel());
  const double most = nice_above(std::max(quantile(std::move(values), 0.98), 1e-9));
  const ColourScale scale{ColourScale::Kind::magnitude, 0, most, ""};
  RgbImage image = picture_of(scale, distances);
  mark_anchor(image, anchor, features.dim(0), features.dim(1));
  const float anchor_m = maps.depth_m[i].data()[anchor.row * features.dim(1) + anchor.column];
  return {{"title", printed("distance to the anchor, at %.2f m", double(anchor_m))},
          {"alt", cat("distance of features to that of the anchor, ", maps.frames[i]->name)},
          {"address", data_address(image, budget)},
          {"width", image.width},
          {"height", image.height},
          {"legend", legend_of(scale)},
          {"words", "feature distance"}};
}

json subject_features(const Subjects& subjects, const FeatureMaps& maps, const ReportSpec& spec,
                      const PictureBudget& budget) {
  const ComponentColours colours = component_colours(maps.features);
  json subject = key_of(subjects, maps.place);
  double shares = 0;
  for (const double share : colours.components.shares) shares += share;
  subject["shares"] = printed("%.0f", 100 * shares);
  subject["size"] =
      cat(maps.features.front().dim(0), "\u00d7", maps.features.front().dim(1), "\u00d7", maps.features.front().dim(2));
  for (std::size_t i = 0; i < maps.frames.size(); ++i) {
    const RgbImage& image = maps.frames[i]->image;
    subject["frames"].push_back({{"name", maps.frames[i]->name},
                                 {"pictures",
                                  {{{"title", "image"},
                                    {"alt", cat("photo ", maps.frames[i]->name)},
                                    {"address", data_address(image, budget)},
                                    {"width", image.width},
                                    {"height", image.height}},
                                   component_of(maps, i, colours, budget),
                                   distance_picture(maps, i, spec, budget)}}});
  }
  return subject;
}

/// The margins that a run was trained with, as steps over the depth difference.
void add_margins(LineChart& chart, const ReportSubject& subject, std::size_t place, double most_m) {
  if (!subject.metric_depth() || !subject.config.contains("ranges")) return;
  const auto ranges = parse_ranges(subject.config["ranges"].get<std::vector<std::string>>(),
                                   subject.config["margins"].get<std::vector<double>>());
  for (const MetricDepthPairs::Range& range : ranges) {
    const double low = double(range.low), high = std::min(double(range.high), most_m);
    if (low < most_m)
      chart.series.push_back({.name = subject.name + ", margin",
                              .x = {low, high},
                              .y = {double(range.margin), double(range.margin)},
                              .colour = int(place),
                              .dotted = true});
  }
}

json pairs_chart(const Subjects& subjects, const std::vector<FeatureMaps>& all, std::uint64_t seed) {
  double spread_m = 0;
  for (const Tensor& depth_m : all.front().depth_m) {
    const ColourScale scale = depth_scale_of(depth_m);
    spread_m = std::max(spread_m, scale.high - scale.low);
  }
  const double step_m = nice_above(spread_m / kPairBins);
  LineChart chart{
      "Feature distance by depth difference", "depth difference of two pixels, metres", "mean feature distance", {}};
  for (const FeatureMaps& maps : all) {
    const PairDistances pairs = pair_distances(maps.features, maps.depth_m, step_m, kPairBins, seed);
    ChartSeries series{.name = subjects[maps.place].name, .x = {}, .y = {}, .colour = int(maps.place), .marks = true};
    for (int bin = 0; bin < kPairBins; ++bin) {
      if (std::isnan(pairs.distance[std::size_t(bin)])) continue;
      series.x.push_back((bin + 0.5) * step_m);
      series.y.push_back(pairs.distance[std::size_t(bin)]);
    }
    chart.series.push_back(std::move(series));
    add_margins(chart, subjects[maps.place], maps.place, kPairBins * step_m);
  }
  chart.from_zero = true;
  return {{"title", chart.title}, {"svg", svg_of(chart)}};
}

json features_of(const Subjects& subjects, const std::vector<ShownSubject>& shown, const ReportSpec& spec,
                 const PictureBudget& budget) {
  std::vector<FeatureMaps> all;
  for (const ShownSubject& subject : shown) {
    FeatureMaps maps = feature_maps(subject);
    if (!maps.frames.empty()) all.push_back(std::move(maps));
  }
  if (all.empty()) return nullptr;
  json section{{"chart", pairs_chart(subjects, all, spec.seed)}};
  for (const FeatureMaps& maps : all) section["subjects"].push_back(subject_features(subjects, maps, spec, budget));
  return section;
}

}  // namespace

PictureSections picture_sections(const Subjects& subjects, const ReportSpec& spec) {
  std::vector<const Evaluation*> evaluations;
  for (const ReportSubject* subject : evaluated_subjects(subjects))
    evaluations.push_back(&subject->evaluated->results.evaluation);
  if (evaluations.empty() || spec.frames == 0) return {};
  const std::vector<ChosenFrame> chosen = choose_frames(evaluations, spec.frames);
  if (chosen.empty()) return {};
  const std::vector<ShownSubject> shown = show_all(subjects, chosen);
  const std::size_t of_frames = chosen.size() * (2 + 2 * shown.size()), of_features = 3 * kFeatureFrames * shown.size();
  const PictureBudget budget = budget_of(of_frames + of_features, int(chosen.size()));
  return {json{{"list", frames_of(subjects, shown, chosen, budget)}}, features_of(subjects, shown, spec, budget)};
}

}  // namespace md
