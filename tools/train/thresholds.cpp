// Texts are those that --ranges takes.
#include "tools/train/thresholds.h"

#include "engine/check.h"
#include "engine/text.h"

namespace md {
namespace {

nlohmann::ordered_json number(float value) { return nlohmann::ordered_json::parse(shortest(value)); }

}  // namespace

Thresholds thresholds_of(const MetricDepthOptions& options) { return {options.positive_below_m, options.ranges}; }

nlohmann::ordered_json thresholds_json(const Thresholds& thresholds) {
  nlohmann::ordered_json ranges = nlohmann::ordered_json::array(), margins = nlohmann::ordered_json::array();
  for (const MetricDepthPairs::Range& range : thresholds.ranges) {
    ranges.push_back(cat(shortest(range.low), "-", shortest(range.high)));
    margins.push_back(number(range.margin));
  }
  return {{"positive-below", number(thresholds.positive_below)}, {"ranges", ranges}, {"margins", margins}};
}

Thresholds read_thresholds(const nlohmann::json& json) {
  return {json.at("positive-below"), parse_ranges(json.at("ranges").get<std::vector<std::string>>(),
                                                  json.at("margins").get<std::vector<double>>())};
}

}  // namespace md
