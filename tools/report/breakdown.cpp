// One pass over the scored pixels of a frame.
#include "tools/report/breakdown.h"

#include <algorithm>
#include <cmath>

#include "data/datasets.h"
#include "data/quantile.h"
#include "tools/report/depth_edges.h"

namespace md {
namespace {

void add_to(ErrorSums& sums, double pred_m, double gt_m) {
  sums.pixels += 1;
  sums.relative += std::abs(pred_m - gt_m) / gt_m;
  sums.squared_m2 += (pred_m - gt_m) * (pred_m - gt_m);
}

std::size_t edge_bin(float distance) {
  const std::vector<float>& begins = Breakdown::edge_distances();
  return std::size_t(std::upper_bound(begins.begin(), begins.end(), distance) - begins.begin()) - 1;
}

}  // namespace

double ErrorSums::rmse_m() const { return std::sqrt(squared_m2 / pixels); }

const std::vector<float>& Breakdown::edge_distances() {
  static const std::vector<float> begins{0, 2, 4, 8, 16, 32};
  return begins;
}

void Breakdown::add(const EvaluatedFrame& frame) {
  if (!frame.scored || !frame.scored->metrics) return;
  const Scored& scored = *frame.scored;
  const i64 height = scored.gt_m.dim(0), width = scored.gt_m.dim(1);
  const Tensor to_edge = distance_to(depth_edges(scored.gt_m));
  std::vector<double> predicted, measured;
  for (i64 i = 0; i < height * width; ++i) {
    if (!scored.pixels.data<std::uint8_t>()[i]) continue;
    const double pred_m = double(scored.pred_m.data()[i]), gt_m = double(scored.gt_m.data()[i]);
    const i64 bin = std::min(i64(gt_m / double(far_m_) * kDepthBins), i64(kDepthBins - 1));
    const i64 row = i / width * kRegions / height, column = i % width * kRegions / width;
    add_to(by_depth_[std::size_t(bin)], pred_m, gt_m);
    add_to(by_region_[std::size_t(row * kRegions + column)], pred_m, gt_m);
    add_to(by_edge_[edge_bin(to_edge.data()[i])], pred_m, gt_m);
    predicted.push_back(pred_m);
    measured.push_back(gt_m);
  }
  scales_.push_back(quantile(std::move(predicted), 0.5) / quantile(std::move(measured), 0.5));
}

float usual_cap_m(const Protocol& protocol) {
  constexpr float no_cap_m = 1000;
  return protocol.cap_m < no_cap_m ? protocol.cap_m : dataset_traits(protocol.dataset).cap_m;
}

}  // namespace md
