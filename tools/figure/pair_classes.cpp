// The loss itself asks no class of one pair alone: it sums over all of them.
#include "tools/figure/pair_classes.h"

#include <array>
#include <cmath>

#include "engine/check.h"
#include "tools/report/axis.h"

namespace md {

PairClass class_of(const MetricDepthOptions& options, float anchor_m, float sample_m) {
  if (!(anchor_m > 0) || !(sample_m > 0)) return {PairClass::Kind::unmeasured};
  const float apart_m = std::abs(anchor_m - sample_m);
  for (std::size_t j = options.ranges.size(); j-- > 0;) {
    if (options.ranges[j].low < apart_m && apart_m < options.ranges[j].high) return {PairClass::Kind::range, j};
  }
  return {apart_m < options.positive_below_m ? PairClass::Kind::positive : PairClass::Kind::nothing};
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
