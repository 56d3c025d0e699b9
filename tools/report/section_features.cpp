// Feature maps of the shown frames as pictures, and how their distances go with depth.
#include "tools/report/section_features.h"

#include <algorithm>
#include <cmath>

#include "data/quantile.h"
#include "engine/printed.h"
#include "losses/metric_depth.h"
#include "tools/report/feature_pictures.h"
#include "tools/report/frame_pictures.h"
#include "tools/report/svg_chart.h"
#include "tools/train/trained_metric.h"

namespace md {
namespace {

using nlohmann::json;
using Subjects = std::vector<ReportSubject>;

constexpr int kPairBins = 25;

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
  return titled_picture("three components",
                        cat("first three principal components of the features of ", maps.frames[i]->name),
                        component_picture(colours, maps.features[i]), budget);
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
  json picture =
      titled_picture(printed("distance to the anchor, at %.2f m", double(anchor_m)),
                     cat("distance of features to that of the anchor, ", maps.frames[i]->name), image, budget);
  picture["legend"] = legend_of(scale);
  picture["words"] = "feature distance";
  return picture;
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
    const ShownFrame& frame = *maps.frames[i];
    json pictures = json::array();
    pictures.push_back(titled_picture("image", "photo " + frame.name, frame.image, budget));
    pictures.push_back(component_of(maps, i, colours, budget));
    pictures.push_back(distance_picture(maps, i, spec, budget));
    subject["frames"].push_back({{"name", frame.name}, {"pictures", pictures}});
  }
  return subject;
}

/// The margins that a network was trained with, over the depth difference; none where that is not in metres.
void add_margins(LineChart& chart, const ReportSubject& subject, std::size_t place, double most_m) {
  const LoadedNet* const loaded = subject.evaluated ? subject.evaluated->source.loaded : nullptr;
  const auto metric = loaded ? trained_metric(loaded->state) : std::nullopt;
  if (!metric || metric->difference != MetricDepthOptions::Difference::absolute) return;
  for (const MetricDepthPairs::Range& range : metric->ranges) {
    const double low = double(range.low), high = std::min(double(range.high), most_m);
    if (low < most_m)
      chart.series.push_back(
          {.name = subject.name + ", margin",
           .x = {low, high},
           .y = {double(margin_at(*metric, range, float(low))), double(margin_at(*metric, range, float(high)))},
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

}  // namespace

json features_section(const Subjects& subjects, const std::vector<ShownSubject>& shown, const ReportSpec& spec,
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

}  // namespace md
