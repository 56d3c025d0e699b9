// The paper's test sets: 654 frames of NYU, 697 of KITTI's Eigen split, 652 of which have annotated ground truth.
#include "tools/report/paper_results.h"

#include <algorithm>
#include <cmath>

#include "tools/report/assets.h"

namespace md {
namespace {

using nlohmann::json;

/// "bts_resnet50" is the paper's BTS.
std::string family(const std::string& net) { return net.substr(0, net.find('_')); }

PaperRow row_of(const json& object) {
  PaperRow row{.method = object.at("method"),
               .ranges = object.value("ranges", ""),
               .margins = object.value("margins", ""),
               .metric_depth = object.contains("ranges"),
               .measures = {}};
  for (const auto& [key, value] : object.at("measures").items()) row.measures[key] = value;
  return row;
}

/// The protocols, caps and frames of the paper's tables.
struct TestSet {
  std::string dataset, protocol;
  float cap_m;
  std::vector<i64> images;
};
const std::vector<TestSet>& test_sets() {
  static const std::vector<TestSet> all{{"nyu", "nyu_eigen", 10.F, {654}},
                                        {"kitti", "kitti_eigen_garg", 80.F, {652, 697}}};
  return all;
}

}  // namespace

std::optional<PaperRows> paper_rows(const std::string& net, const std::string& dataset) {
  const json all = json::parse(asset("paper_results.json"));
  for (const json& table : all.at("tables")) {
    if (table.at("dataset") != dataset) continue;
    PaperRows found{table.at("table"), table.at("title"), all.at("source"), {}};
    for (const json& row : table.at("rows")) {
      if (row.value("net", "") == family(net)) found.rows.push_back(row_of(row));
    }
    if (!found.rows.empty()) return found;
  }
  return std::nullopt;
}

std::vector<std::string> not_comparable(const Results& results) {
  std::vector<std::string> why;
  const Protocol& protocol = results.protocol;
  const auto set = std::ranges::find(test_sets(), protocol.dataset, &TestSet::dataset);
  if (set == test_sets().end()) return {cat("the paper has no results on ", protocol.dataset)};
  if (protocol.name != set->protocol)
    why.push_back(cat("protocol ", protocol.name, ", the paper's is ", set->protocol));
  if (std::abs(protocol.cap_m - set->cap_m) > 0.01F)
    why.push_back(cat("depth is scored up to ", protocol.cap_m, " m, in the paper to ", set->cap_m, " m"));
  if (protocol.median_scaling) why.emplace_back("each prediction is scaled to its ground truth's median");
  const i64 images = results.evaluation.images;
  if (std::ranges::find(set->images, images) == set->images.end())
    why.push_back(cat(images, " frames are scored, in the paper ", set->images.front()));
  return why;
}

}  // namespace md
