// Everything around the pass over the features, which is the backend's (engine/cpu/metric_depth.cpp): options, shifts,
// depth at the features' size, the loss from its sums, and what ranks exchange.
#include "losses/metric_depth.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "engine/autograd.h"
#include "engine/backend.h"
#include "engine/launch.h"
#include "engine/metric_depth_formula.h"
#include "engine/philox.h"
#include "layers/common.h"

namespace md {
namespace {

/// Reads a number from the front of `text` and cuts it off; false if there is none.
bool take_number(std::string_view& text, float& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  text.remove_prefix(std::size_t(end - text.data()));
  return true;
}

MetricDepthPairs::Range parse_range(const std::string& range_m, double margin) {
  std::string_view rest = range_m;
  MetricDepthPairs::Range r{};
  bool ok = take_number(rest, r.low) && rest.starts_with('-');
  if (ok) rest.remove_prefix(1);
  ok = ok && take_number(rest, r.high) && rest.empty() && r.low >= 0.F && r.low < r.high;
  if (!ok)
    fail(ErrorKind::usage, "ranges: \"", range_m, "\" is not LOW-HIGH in metres, such as \"0.5-1\" or \"0.5-inf\"");
  if (!(margin > 0)) fail(ErrorKind::usage, "margins: ", margin, " of range \"", range_m, "\" is not positive");
  r.margin = float(margin);
  return r;
}

/// One call draws all of them: each depends on how many words the ones before it took.
struct DrawShifts {
  std::uint64_t seed;
  StepNumber::View step;
  i64 K, h, w;
  int n_within, n_across;
  MetricDepthPairs::Shift* to;
  MD_HD void operator()(i64, i64) const {
    PhiloxDraws draws(seed, Purpose::metric_depth, 0, std::uint64_t(step.number()));
    for (int n = 0; n < n_within; ++n) {
      const int row = int(draws.integer(1, h - 1)), column = int(draws.integer(1, w - 1));
      to[n] = {0, row, column};
    }
    for (int n = 0; n < n_across; ++n) to[n_within + n] = {int(draws.integer(1, K - 1)), 0, 0};
  }
};

struct NearestDepth {
  const float* depth_m;  // [K,H,W]
  i64 H, W, h, w;
  float* y;  // [K,h,w]
  MD_HD void operator()(i64 row, i64 x) const {
    const i64 k = row / h, top = row % h * H / h, left = x * W / w;
    y[row * w + x] = depth_m[(k * H + top) * W + left];
  }
};

struct FirstValidDepth {
  const float* depth_m;  // [K,H,W]
  i64 H, W, h, w;
  float* y;  // [K,h,w]
  MD_HD void operator()(i64 row, i64 x) const {
    const i64 k = row / h, i = row % h;
    const i64 top = i * H / h, bottom = (i + 1) * H / h, left = x * W / w, right = (x + 1) * W / w;
    float found = 0.F;
    for (i64 v = top; v < bottom; ++v) {
      for (i64 u = left; u < right; ++u) {
        const float d = depth_m[(k * H + v) * W + u];
        if (!(found > 0.F)) found = d;
      }
    }
    y[row * w + x] = found;
  }
};

constexpr float kAboveZero = 16.F;  // for logarithms of depths: 0 and less is "not measured"

struct LogDepth {
  const float* depth_m;
  float* y;
  i64 row;
  MD_HD void operator()(i64 r, i64 x) const {
    const float d = depth_m[r * row + x];
    y[r * row + x] = d > 0.F ? kAboveZero + std::log(d) : 0.F;
  }
};

/// As the backend takes them.
std::vector<MetricDepthPairs::Range> ranges_of(const MetricDepthOptions& options) {
  std::vector<MetricDepthPairs::Range> ranges = options.ranges;
  if (!options.proportional_margins) return ranges;
  for (MetricDepthPairs::Range& r : ranges) {
    r.slope = r.margin / centre_of(r);
    r.margin = 0.F;
  }
  return ranges;
}

/// From {sum, pairs} to the loss, and the factor that turns the gradient of the sum into that of the loss.
struct Reduce {
  const float* result;  // [2]
  float weight;
  bool mean;
  float *loss, *factor;
  MD_HD void operator()(i64, i64) const {
    *factor = mean && result[1] > 0.F ? weight / result[1] : weight;
    *loss = *factor * result[0];
  }
};

struct ScaleInPlace {
  const float *dy, *factor;
  i64 C;
  float* gradient;  // [R,C]
  MD_HD void operator()(i64 row, i64 c) const { gradient[row * C + c] *= *dy * *factor; }
};

struct AddScaled {
  const float* x;
  float factor;
  i64 row;
  float* sum;
  MD_HD void operator()(i64 r, i64 i) const { sum[r * row + i] += factor * x[r * row + i]; }
};

/// sum += factor * x
void add_scaled(const Tensor& sum, float factor, const Tensor& x) {
  const i64 row = x.dim(-1);
  launch(x.device(), x.numel() / row, row, AddScaled{x.data(), factor, row, sum.data()});
}

/// Of a set of pairs: {sum of the terms, how many}, and the gradient of the sum.
struct PairSums {
  Tensor result, gradient;  // [2]; [K,h,w,C], or none where nobody wants it
};

/// A list as the backend takes it.
Tensor on_device(const std::vector<MetricDepthPairs::Shift>& shifts, Device device) {
  const Tensor there = Tensor::empty({i64(shifts.size()), 3}, device, DType::i32);
  if (!shifts.empty()) backend(device).to_device(there.raw(), shifts.data(), there.bytes());
  return there;
}

PairSums pair_sums(const Tensor& features, const Tensor& comparable, const Tensor& shifts,
                   const MetricDepthOptions& options, bool with_gradient) {
  const Device device = features.device();
  const PairSums sums{Tensor::empty({2}, device), with_gradient ? Tensor::empty(features.shape(), device) : Tensor()};
  backend(device).metric_depth({shifts, ranges_of(options), options.positive_below_m}, features, comparable,
                               sums.result, sums.gradient);
  return sums;
}

/// The loss from its sums, on the tape.
Tensor loss_of(const PairSums& sums, const Tensor& features, const MetricDepthOptions& options) {
  const Device device = features.device();
  const Tensor loss = Tensor::empty({}, device), factor = Tensor::empty({}, device);
  const bool mean = options.reduction == MetricDepthOptions::Reduction::mean;
  launch(device, 1, 1, Reduce{sums.result.data(), options.weight, mean, loss.data(), factor.data()});
  return record("metric_depth", loss, {features}, [gradient = sums.gradient, factor](const Tensor& dy, Needs) {
    const i64 C = gradient.dim(3);
    launch(dy.device(), gradient.numel() / C, C, ScaleInPlace{dy.data(), factor.data(), C, gradient.data()});
    return Grads{gradient};
  });
}

/// What one shift across images has ranks send: of anchor g of the batch, sample number g - image, wrapped around.
struct Traffic {
  struct Place {
    int rank;  // the other one
    i64 here;  // which image of this rank
  };
  std::vector<Place> samples_out, samples_in, samples_here;  // in: `here` is the anchor's; here: rank is the sample
  Traffic(int image, i64 K, const Communicator& ranks) {
    const int all = int(K) * ranks.size();
    for (int anchor = 0; anchor < all; ++anchor) {
      const int sample = modulo(anchor - image, all), to = anchor / int(K), from = sample / int(K);
      if (to == ranks.rank() && from == ranks.rank()) samples_here.push_back({sample % int(K), anchor % K});
      if (to == ranks.rank() && from != ranks.rank()) samples_in.push_back({from, anchor % K});
      if (to != ranks.rank() && from == ranks.rank()) samples_out.push_back({to, sample % K});
    }
  }
};

std::vector<Communicator::Message> messages(const std::vector<Traffic::Place>& places, const Tensor& images) {
  std::vector<Communicator::Message> all;
  for (const Traffic::Place& place : places) all.push_back({place.rank, images.rows(place.here, place.here + 1)});
  return all;
}

/// Adds the pairs of a shift across the images of all ranks. A rank gets the samples of its anchors, takes the pairs,
/// and sends the samples' gradients back to where they are from. Samples stand behind the anchors in one stack, rolled
/// over half of which every pair is there twice, as anchor and sample and the other way round: half of that is it.
void add_across(const PairSums& sums, const Tensor& features, const Tensor& comparable, int image,
                const MetricDepthOptions& options, Communicator& ranks) {
  const i64 K = features.dim(0), h = features.dim(1), w = features.dim(2), C = features.dim(3);
  const Device device = features.device();
  Backend& b = backend(device);
  const Traffic traffic(image, K, ranks);
  const Tensor maps = Tensor::empty({2 * K, h, w, C}, device), depths = Tensor::empty({2 * K, h, w}, device);
  for (const auto& [from, stack] : {std::pair(features, maps), std::pair(comparable, depths)}) {
    b.copy(stack.raw(), from.raw(), from.bytes());
    const Tensor samples = stack.rows(K, 2 * K);
    for (const auto& [sample, anchor] : traffic.samples_here)
      samples.rows(anchor, anchor + 1).copy_from(from.rows(sample, sample + 1));
    ranks.exchange(messages(traffic.samples_out, from), messages(traffic.samples_in, samples));
  }
  const bool with_gradient = bool(sums.gradient);
  const PairSums twice = pair_sums(maps, depths, on_device({{int(K), 0, 0}}, device), options, with_gradient);
  add_scaled(sums.result, 0.5F, twice.result);
  if (!with_gradient) return;
  add_scaled(sums.gradient, 0.5F, twice.gradient.rows(0, K));
  const Tensor of_samples = twice.gradient.rows(K, 2 * K);
  for (const auto& [sample, anchor] : traffic.samples_here)
    add_scaled(sums.gradient.rows(sample, sample + 1), 0.5F, of_samples.rows(anchor, anchor + 1));
  const i64 sent = i64(traffic.samples_out.size());
  if (sent == 0) return;
  const Tensor back = Tensor::empty({sent, h, w, C}, device);
  std::vector<Communicator::Message> coming;
  for (i64 i = 0; i < sent; ++i) coming.push_back({traffic.samples_out[std::size_t(i)].rank, back.rows(i, i + 1)});
  ranks.exchange(messages(traffic.samples_in, of_samples), coming);
  for (i64 i = 0; i < sent; ++i) {
    const i64 sample = traffic.samples_out[std::size_t(i)].here;
    add_scaled(sums.gradient.rows(sample, sample + 1), 0.5F, back.rows(i, i + 1));
  }
}

void check(const Tensor& features, const Tensor& depth_m, const MetricDepthOptions& options) {
  const Shape& f = features.shape();
  MD_CHECK(f.rank() == 4 && f.numel() > 0 && depth_m.shape() == Shape({f[0], f[1], f[2]}), "metric_depth: features ", f,
           " and depth ", depth_m.shape(), " are not [K,h,w,C] and [K,h,w]");
  require_together("metric_depth", {features, depth_m});
  for (const auto& r : options.ranges) {
    MD_CHECK(r.low >= 0.F && r.low < r.high && r.margin > 0.F, "metric_depth: range ", r.low, "-", r.high,
             " m with margin ", r.margin);
  }
}

}  // namespace

std::vector<MetricDepthPairs::Range> parse_ranges(const std::vector<std::string>& ranges_m,
                                                  const std::vector<double>& margins) {
  if (ranges_m.size() != margins.size()) {
    fail(ErrorKind::usage, "margins: ", margins.size(), " of them for ", ranges_m.size(), " ranges");
  }
  std::vector<MetricDepthPairs::Range> out;
  for (std::size_t j = 0; j < margins.size(); ++j) out.push_back(parse_range(ranges_m[j], margins[j]));
  return out;
}

float centre_of(const MetricDepthPairs::Range& r) {
  if (std::isfinite(r.high)) return (r.low + r.high) / 2;
  return r.low > 0.F ? r.low : 1.F;
}

bool leaves_across_out(const MetricDepthOptions& options, i64 K) { return K == 1 && options.n_across > 0; }

Tensor draw_shifts(const MetricDepthOptions& options, std::uint64_t seed, const StepNumber& step, i64 K, i64 h, i64 w,
                   Device device) {
  MD_CHECK(h >= 2 && w >= 2, "metric_depth: a map of ", h, "x", w, " cannot be rolled");
  const int n_across = K > 1 ? options.n_across : 0;
  const Tensor shifts = Tensor::empty({options.n_within + n_across, 3}, device, DType::i32);
  auto* const to = static_cast<MetricDepthPairs::Shift*>(shifts.raw());
  if (shifts.numel() > 0) launch(device, 1, 1, DrawShifts{seed, step.view(), K, h, w, options.n_within, n_across, to});
  return shifts;
}

MetricDepthShifts draw_shifts(const MetricDepthOptions& options, std::uint64_t seed, i64 step, i64 K, i64 h, i64 w) {
  const Tensor drawn = draw_shifts(options, seed, step, K, h, w, Device{});
  const auto* const first = static_cast<const MetricDepthPairs::Shift*>(drawn.raw());
  return {{first, first + drawn.dim(0)}, leaves_across_out(options, K)};
}

Tensor depth_to_feature_size(const Tensor& depth_m, i64 h, i64 w, DepthCell cell) {
  const Shape& s = depth_m.shape();
  MD_CHECK(s.rank() == 3 && h > 0 && w > 0 && h <= s[1] && w <= s[2], "depth_to_feature_size: depth ", s, " to ", h,
           "x", w);
  const Tensor y = Tensor::empty({s[0], h, w}, depth_m.device());
  if (cell == DepthCell::nearest) {
    launch(depth_m.device(), s[0] * h, w, NearestDepth{depth_m.data(), s[1], s[2], h, w, y.data()});
  } else {
    launch(depth_m.device(), s[0] * h, w, FirstValidDepth{depth_m.data(), s[1], s[2], h, w, y.data()});
  }
  return y;
}

Tensor depth_to_compare(const Tensor& depth_m, MetricDepthOptions::Difference difference) {
  if (difference == MetricDepthOptions::Difference::absolute) return depth_m;
  const Tensor y = Tensor::empty(depth_m.shape(), depth_m.device());
  const i64 row = depth_m.dim(-1);
  launch(depth_m.device(), depth_m.numel() / row, row, LogDepth{depth_m.data(), y.data(), row});
  return y;
}

// L = factor * sum over pairs of t(l), l = |f_p - f_q|; t = l for a positive, max(0, m - l) in a range. Both ends move:
// dL/df_p = factor * sum over the pairs of p of t'(l) (f_p - f_q) / l, t' = 1, -1 or 0; the gradient of l at 0 is 0.
// The backend's pass over the features gives the sum and its gradient together; only the factor is left to backward.
Tensor metric_depth(const Tensor& features, const Tensor& depth_m, const Tensor& shifts,
                    const MetricDepthOptions& options) {
  check(features, depth_m, options);
  const Device device = features.device();
  MD_CHECK(shifts.dtype() == DType::i32 && shifts.device() == device && shifts.shape() == Shape({shifts.dim(0), 3}),
           "metric_depth: shifts ", shifts.shape(), " ", name_of(shifts.dtype()), " are not i32 [N,3] beside features");
  const Tensor comparable = depth_to_compare(depth_m, options.difference);
  return loss_of(pair_sums(features, comparable, shifts, options, recording({&features})), features, options);
}

Tensor metric_depth(const Tensor& features, const Tensor& depth_m, const std::vector<MetricDepthPairs::Shift>& shifts,
                    const MetricDepthOptions& options) {
  return metric_depth(features, depth_m, on_device(shifts, features.device()), options);
}

Tensor metric_depth(const Tensor& features, const Tensor& depth_m, const std::vector<MetricDepthPairs::Shift>& shifts,
                    const MetricDepthOptions& options, Communicator& ranks) {
  check(features, depth_m, options);
  std::vector<MetricDepthPairs::Shift> here, between;
  for (const MetricDepthPairs::Shift& shift : shifts) {
    const bool of_all = shift.image != 0 && options.across_ranks == MetricDepthOptions::AcrossRanks::global;
    (of_all ? between : here).push_back(shift);
  }
  const Tensor comparable = depth_to_compare(depth_m, options.difference);
  const PairSums sums =
      pair_sums(features, comparable, on_device(here, features.device()), options, recording({&features}));
  for (const MetricDepthPairs::Shift& shift : between)
    add_across(sums, features, comparable, shift.image, options, ranks);
  ranks.sum(sums.result);
  return loss_of(sums, features, options);
}

}  // namespace md
