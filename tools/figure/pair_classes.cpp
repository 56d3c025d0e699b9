// The rule is the loss's own (engine/metric_depth_formula.h), asked for a range's number instead of its margin.
#include "tools/figure/pair_classes.h"

#include <array>
#include <cmath>

#include "engine/check.h"
#include "engine/metric_depth_formula.h"
#include "engine/printed.h"
#include "tools/train/trained_metric.h"

namespace md {

namespace {

/// Three of them: a line below a picture is short.
std::string digits(float value) { return printed("%.3g", double(value)); }

const char* unit_of(const MetricDepthOptions& options) {
  return options.difference == MetricDepthOptions::Difference::relative ? "" : " m";
}

/// "3", or the factor of D_r that a proportional margin is.
std::string margin_text(const MetricDepthOptions& options, const MetricDepthPairs::Range& range) {
  if (!options.proportional_margins) return digits(range.margin);
  return digits(range.margin / centre_of(range)) + " D_r";
}

}  // namespace

PairClass class_of(const MetricDepthOptions& options, float anchor, float sample) {
  if (!(anchor > 0) || !(sample > 0)) return {PairClass::Kind::unmeasured};
  std::vector<MetricDepthPairs::Range> numbered = options.ranges;  // with its number, from 1, for a margin
  for (std::size_t j = 0; j < numbered.size(); ++j) numbered[j] = {numbered[j].low, numbered[j].high, float(j + 1)};
  const float kind = kind_of_pair(anchor, sample, options.positive_below_m, numbered.data(), int(numbered.size()));
  if (kind == kNoPair) return {PairClass::Kind::nothing};
  if (kind == kPositivePair) return {PairClass::Kind::positive};
  return {PairClass::Kind::range, std::size_t(kind) - 1};
}

float margin_of(const MetricDepthOptions& options, const PairClass& pair, float anchor, float sample) {
  return margin_at(options, options.ranges[pair.range], std::abs(anchor - sample));
}

std::string name_of(const MetricDepthOptions& options, const PairClass& pair) {
  switch (pair.kind) {
    case PairClass::Kind::unmeasured:
      return "not measured: no pair";
    case PairClass::Kind::nothing:
      return "any other D_r: no pair";
    case PairClass::Kind::positive:
      return cat("D_r < ", digits(options.positive_below_m), unit_of(options), ": positive");
    case PairClass::Kind::range:
      break;
  }
  const MetricDepthPairs::Range& range = options.ranges[pair.range];
  const std::string low = digits(range.low), margin = margin_text(options, range);
  if (std::isinf(range.high)) return cat("D_r > ", low, unit_of(options), ": margin ", margin);
  return cat("D_r ", low, " to ", digits(range.high), unit_of(options), ": margin ", margin);
}

std::string difference_text(const MetricDepthOptions& options, double difference) {
  return printed("%.2f%s", difference, unit_of(options));
}

std::string difference_note(const MetricDepthOptions& options) {
  return *unit_of(options) ? "" : "D_r = |ln D_a - ln D_s|, of depths";
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
