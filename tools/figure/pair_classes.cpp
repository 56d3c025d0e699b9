// The rule is the loss's own (engine/metric_depth_formula.h), asked for a range's number instead of its margin.
#include "tools/figure/pair_classes.h"

#include <array>
#include <cmath>

#include "engine/check.h"
#include "engine/metric_depth_formula.h"
#include "tools/report/axis.h"

namespace md {

PairClass class_of(const MetricDepthOptions& options, float anchor_m, float sample_m) {
  if (!(anchor_m > 0) || !(sample_m > 0)) return {PairClass::Kind::unmeasured};
  std::vector<MetricDepthPairs::Range> numbered = options.ranges;  // with its number, from 1, for a margin
  for (std::size_t j = 0; j < numbered.size(); ++j) numbered[j] = {numbered[j].low, numbered[j].high, float(j + 1)};
  const float kind = kind_of_pair(anchor_m, sample_m, options.positive_below_m, numbered.data(), int(numbered.size()));
  if (kind == kNoPair) return {PairClass::Kind::nothing};
  if (kind == kPositivePair) return {PairClass::Kind::positive};
  return {PairClass::Kind::range, std::size_t(kind) - 1};
}

std::string name_of(const MetricDepthOptions& options, const PairClass& pair) {
  switch (pair.kind) {
    case PairClass::Kind::unmeasured:
      return "not measured: no pair";
    case PairClass::Kind::nothing:
      return "any other D_r: no pair";
    case PairClass::Kind::positive:
      return cat("D_r < ", short_number(double(options.positive_below_m)), " m: positive");
    case PairClass::Kind::range:
      break;
  }
  const MetricDepthPairs::Range& range = options.ranges[pair.range];
  const std::string low = short_number(double(range.low)), margin = short_number(double(range.margin));
  if (std::isinf(range.high)) return cat("D_r > ", low, " m: margin ", margin);
  return cat("D_r ", low, " to ", short_number(double(range.high)), " m: margin ", margin);
}

Rgb colour_of(const PairClass& pair) {
  constexpr std::array<Rgb, 5> ranges{{{230, 159, 0}, {213, 94, 0}, {204, 121, 167}, {0, 114, 178}, {240, 228, 66}}};
  constexpr Rgb positive{0, 158, 115}, nothing{150, 150, 150}, unmeasured{60, 60, 60};
  switch (pair.kind) {
    case PairClass::Kind::unmeasured:
      return unmeasured;
    case PairClass::Kind::nothing:
      return nothing;
    case PairClass::Kind::positive:
      return positive;
    case PairClass::Kind::range:
      break;
  }
  return ranges[pair.range % ranges.size()];
}

}  // namespace md
