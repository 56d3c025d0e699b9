// MetricDepth on a GPU: loss and gradient in one pass over the features (engine/metric_depth_formula.h has the maths),
// one warp a pixel. For each shift a pixel is the anchor of one pair and the sample of one, so its gradient is a gather
// over 2N neighbours: no rolled copies, no atomics. First the lanes look at the depths of a neighbour each; then the
// warp takes four at once of the neighbours that these identify, a team of eight lanes each, which keeps f_p - f_q in
// registers for the gradient. Features that no depth identifies are never read. All sums run in an order that shapes
// and depths fix.
#include <algorithm>

#include "engine/cuda/arrivals.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/pack.h"
#include "engine/cuda/warp.h"
#include "engine/metric_depth_formula.h"

namespace md {
namespace {

using cuda::kAllLanes;
using cuda::kWarp;
using cuda::load;
using cuda::Pack;
using cuda::store;

constexpr int kWarps = 8;                         // of a block
constexpr int kTeam = 8, kTeams = kWarp / kTeam;  // lanes of a team, and teams of a warp
constexpr i64 kMostBlocks = 2048;
constexpr std::size_t kMostShifts = 128, kMostRanges = 32;  // of a launch
constexpr std::size_t kMostNeighbours = 2 * kMostShifts;

struct Map {  // K images [h,w]; features and gradient are [K,h,w,C]
  int K, h, w, C;
  __device__ const float* feature(int p) const { return features + static_cast<i64>(p) * C; }
  const float *features, *depth_m;
  float* gradient;  // may be null
};

struct Pairs {
  bool adds;                // to the gradient of pairs before
  int neighbours, anchors;  // as seen from its anchor (the first so many) a pair counts; from its sample it does not
  int ranges;
  float positive_below_m;
  MetricDepthPairs::Range range[kMostRanges];
  const MetricDepthPairs::Shift* shifts;  // of the anchors; in memory, where those of the next step take their place

  /// Neighbour n as a pixel of the map sees it.
  __device__ PairNeighbour around(int n, const Map& map) const {
    const bool from_anchor = n < anchors;
    return neighbour_of(shifts[from_anchor ? n : n - anchors], from_anchor, map.K, map.h, map.w);
  }
};

__device__ int pixel_at(const Map& map, int p, const PairNeighbour& to) {
  const int x = p % map.w, row = p / map.w, y = row % map.h, k = row / map.h;
  return (wrapped(k + to.image, map.K) * map.h + wrapped(y + to.row, map.h)) * map.w + wrapped(x + to.column, map.w);
}

struct Sum {
  double terms = 0, pairs = 0;
};

/// What one lane knows of its neighbour.
struct Found {
  int pixel = 0;
  float kind = kNoPair;
};

struct Lane {
  __device__ Lane() : of_warp(static_cast<int>(threadIdx.x) % kWarp), of_team(of_warp % kTeam), team(of_warp / kTeam) {}
  int of_warp, of_team, team;
};

/// The lane whose neighbour this team takes next, -1 if none is left for it; what all teams take goes from `left`.
__device__ int next_of(int team, unsigned& left) {
  unsigned mine = 0;
  for (int t = 0; t < kTeams; ++t) {
    if (t == team) mine = left;
    left &= left - 1;
  }
  return __ffs(static_cast<int>(mine)) - 1;
}

/// Features of a pixel from some channel on, as the lanes of a team share them: kPacks packs each; 0 beyond the last.
/// kAll: no pixel has more.
template <int kLanes, int kPacks, bool kAll>
struct Slab {
  static constexpr int kChannels = kTeam * kLanes * kPacks;
  Pack<kLanes> of[kPacks] = {};

  /// body(pack, its channel) for the packs that there are.
  template <class Body>
  __device__ void each_pack(int first, const Map& map, const Lane& lane, const Body& body) {
    for (int i = 0; i < kPacks; ++i) {
      const int c = first + (i * kTeam + lane.of_team) * kLanes;
      if (c < map.C) body(of[i], c);
    }
  }
  /// += factor * f_p
  __device__ void add(float factor, int p, int first, const Map& map, const Lane& lane) {
    each_pack(first, map, lane, [&](Pack<kLanes>& pack, int c) {
      const Pack<kLanes> f = load<kLanes>(map.feature(p) + c);
      for (int l = 0; l < kLanes; ++l) pack.lane[l] += factor * f.lane[l];
    });
  }
  __device__ void add(float factor, const Slab& other) {
    for (int i = 0; i < kPacks; ++i) {
      for (int l = 0; l < kLanes; ++l) of[i].lane[l] += factor * other.of[i].lane[l];
    }
  }
  /// body(c) for the first channel c of each further slab.
  template <class Body>
  __device__ static void each_further(const Map& map, const Body& body) {
    if constexpr (!kAll) {
      for (int c = kChannels; c < map.C; c += kChannels) body(c);
    }
  }
  __device__ float squares() const {
    float sum = 0.F;
    for (const Pack<kLanes>& pack : of) {
      for (const float v : pack.lane) sum += v * v;
    }
    return sum;
  }
  /// The gradient at p becomes, or gains, the sum over the teams.
  __device__ void write(bool fresh, int p, int first, const Map& map, const Lane& lane) {
    for (Pack<kLanes>& pack : of) {
      for (float& v : pack.lane) {
        for (int apart = kTeam; apart < kWarp; apart *= 2) v += __shfl_xor_sync(kAllLanes, v, apart);
      }
    }
    if (lane.team != 0) return;
    each_pack(first, map, lane, [&](Pack<kLanes>& pack, int c) {
      float* const gradient = map.gradient + static_cast<i64>(p) * map.C + c;
      if (!fresh) {
        const Pack<kLanes> before = load<kLanes>(gradient);
        for (int l = 0; l < kLanes; ++l) pack.lane[l] += before.lane[l];
      }
      store(gradient, pack);
    });
  }
};

/// f_p - f_q from channel `first` on.
template <class Slab>
__device__ Slab apart(int p, int q, int first, const Map& map, const Lane& lane) {
  Slab d;
  d.add(1.F, p, first, map, lane);
  d.add(-1.F, q, first, map, lane);
  return d;
}

__device__ float sum_of_team(float value) {
  for (int step = kTeam / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
  return value;
}

/// The pairs of pixel p with what the lanes of `hits` found. The gradient of the first slab gathers in `gradient`, that
/// of further ones, which few features have, in memory. `sum` is the team's.
template <class Slab>
__device__ void add_hits(const Map& map, int anchors, int p, const Lane& lane, const Found& mine, unsigned hits,
                         Slab& gradient, Sum& sum) {
  Slab anchor;
  anchor.add(1.F, p, 0, map, lane);
  float terms = 0.F;
  int counted = 0;
  for (unsigned left = hits; left != 0;) {
    const int from = next_of(lane.team, left), source = from < 0 ? lane.of_warp : from;
    const float kind = __shfl_sync(kAllLanes, mine.kind, source);
    const int found = __shfl_sync(kAllLanes, mine.pixel, source),
              q = from < 0 ? p : found;  // nothing is apart from itself
    Slab d = anchor;
    d.add(-1.F, q, 0, map, lane);
    float squares = d.squares();
    Slab::each_further(map, [&](int c) { squares += apart<Slab>(p, q, c, map, lane).squares(); });
    const PairTerm term = term_of_pair(kind, sqrtf(sum_of_team(squares)));
    const bool counts = from >= 0 && from < anchors;
    terms += counts ? term.value : 0.F;
    counted += counts;
    if (!map.gradient) continue;
    gradient.add(term.coefficient, d);
    Slab::each_further(map, [&](int c) {
      Slab part;
      part.add(term.coefficient, apart<Slab>(p, q, c, map, lane));
      part.write(false, p, c, map, lane);
    });
  }
  sum.terms += static_cast<double>(terms);
  sum.pairs += counted;
}

/// All pairs of pixel p, 32 neighbours at a time.
template <class Slab>
__device__ void add_pixel(const Map& map, const Pairs& pairs, const PairNeighbour* around, int p, const Lane& lane,
                          Sum& sum) {
  const float anchor_m = measured_or_nan(map.depth_m[p]);
  const bool fresh = map.gradient && !pairs.adds;
  Slab gradient;
  bool any = fresh;
  if (fresh) Slab::each_further(map, [&](int c) { Slab().write(true, p, c, map, lane); });
  for (int first = 0; first < pairs.neighbours; first += kWarp) {
    Found mine;
    if (anchor_m > 0.F && first + lane.of_warp < pairs.neighbours) {
      mine.pixel = pixel_at(map, p, around[first + lane.of_warp]);
      mine.kind = kind_of_pair(anchor_m, measured_or_nan(map.depth_m[mine.pixel]), pairs.positive_below_m, pairs.range,
                               pairs.ranges);
    }
    const unsigned hits = __ballot_sync(kAllLanes, mine.kind != kNoPair);
    if (hits == 0) continue;
    any = true;
    add_hits(map, pairs.anchors - first, p, lane, mine, hits, gradient, sum);
  }
  if (map.gradient && any) gradient.write(fresh, p, 0, map, lane);
}

/// The sum over the block's threads, for all of them.
__device__ Sum sum_of_block(const Sum& mine) {
  __shared__ double terms[kWarp * kWarps], pairs[kWarp * kWarps];
  __syncthreads();  // the last call's sums have been read
  terms[threadIdx.x] = mine.terms;
  pairs[threadIdx.x] = mine.pairs;
  for (unsigned span = kWarp * kWarps / 2; span > 0; span /= 2) {
    __syncthreads();
    if (threadIdx.x >= span) continue;
    terms[threadIdx.x] += terms[threadIdx.x + span];
    pairs[threadIdx.x] += pairs[threadIdx.x + span];
  }
  __syncthreads();
  return {terms[0], pairs[0]};
}

/// Those of all launches of a call.
struct Results {
  Sum* partial;   // [a number for each block]
  int mine, all;  // the first of this launch, and how many there are
  float* result;  // {sum, pairs}, by the last launch; or null
};

/// A block's pixels; the last block of the last launch adds all blocks.
template <class Slab>
__global__ void pairs_of_pixels(Map map, Pairs pairs, Results to) {
  __shared__ PairNeighbour around[kMostNeighbours];  // lanes index it apart: constant memory would take turns
  const int thread = static_cast<int>(threadIdx.x), block = static_cast<int>(blockIdx.x);
  for (int n = thread; n < pairs.neighbours; n += kWarp * kWarps) around[n] = pairs.around(n, map);
  __syncthreads();
  const Lane lane;
  const int pixels = map.K * map.h * map.w, stride = static_cast<int>(gridDim.x) * kWarps;
  Sum sum;
  for (int p = block * kWarps + thread / kWarp; p < pixels; p += stride)
    add_pixel<Slab>(map, pairs, around, p, lane, sum);
  sum = sum_of_block(lane.of_team == 0 ? sum : Sum());
  if (thread == 0) to.partial[to.mine + block] = sum;
  if (!to.result || !cuda::last_of_group(0, gridDim.x)) return;
  Sum total;
  for (int b = thread; b < to.all; b += kWarp * kWarps) {
    total.terms += to.partial[b].terms;
    total.pairs += to.partial[b].pairs;
  }
  total = sum_of_block(total);
  if (thread != 0) return;
  to.result[0] = static_cast<float>(total.terms);
  to.result[1] = static_cast<float>(total.pairs);
}

/// Those of `count` shifts from `first` on.
Pairs pairs_of(const MetricDepthPairs& from, std::size_t first, std::size_t count, const Map& map) {
  Pairs pairs{};
  pairs.adds = first > 0;
  pairs.anchors = static_cast<int>(count);
  pairs.neighbours = map.gradient ? 2 * pairs.anchors : pairs.anchors;  // the value alone needs each pair once
  pairs.ranges = static_cast<int>(from.ranges.size());
  pairs.positive_below_m = from.positive_below;
  std::copy(from.ranges.begin(), from.ranges.end(), pairs.range);
  pairs.shifts = from.first_shift() + first;
  return pairs;
}

/// Calls fn.operator()<Slab>() for these features.
template <class Fn>
void with_slabs(const Map& map, const Fn& fn) {
  cuda::with_packs(map.C, {map.features, map.gradient}, [&]<int kLanes>() {
    if constexpr (kLanes == 4) {
      if (map.C <= Slab<4, 1, true>::kChannels) return fn.template operator()<Slab<4, 1, true>>();
      if (map.C <= Slab<4, 4, true>::kChannels) return fn.template operator()<Slab<4, 4, true>>();
    }
    fn.template operator()<Slab<kLanes, 4, false>>();
  });
}

}  // namespace

void CudaBackend::metric_depth(const MetricDepthPairs& pairs, const Tensor& features, const Tensor& depth_m,
                               const Tensor& result, const Tensor& gradient) {
  const auto size = [&](int axis) { return static_cast<int>(features.dim(axis)); };
  const Map map{
      size(0), size(1), size(2), size(3), features.data(), depth_m.data(), gradient ? gradient.data() : nullptr};
  const auto shifts = static_cast<std::size_t>(pairs.count()), groups = (shifts + kMostShifts - 1) / kMostShifts;
  MD_CHECK(depth_m.numel() < (i64{1} << 30), "metric_depth: ", depth_m.shape(), " has too many pixels");
  MD_CHECK(pairs.ranges.size() <= kMostRanges, "metric_depth: ", pairs.ranges.size(), " ranges, a GPU takes ",
           kMostRanges);
  if (shifts == 0) {
    if (gradient) fill(gradient, 0.F);
    return fill(result, 0.F);
  }
  const auto blocks = static_cast<int>(std::min((depth_m.numel() + kWarps - 1) / kWarps, kMostBlocks));
  const auto all = static_cast<int>(groups) * blocks;
  const Storage scratch(features.device(), static_cast<std::size_t>(all) * sizeof(Sum));
  with_slabs(map, [&]<class Slab>() {
    for (std::size_t g = 0; g < groups; ++g) {
      const std::size_t first = g * kMostShifts, count = std::min(kMostShifts, shifts - first);
      const Results to{static_cast<Sum*>(scratch.data), static_cast<int>(g) * blocks, all,
                       g + 1 == groups ? result.data() : nullptr};
      cuda::launch_kernel(pairs_of_pixels<Slab>, dim3(unsigned(blocks)), dim3(kWarp * kWarps), 0,
                          cuda::runtime().compute, map, pairs_of(pairs, first, count, map), to);
    }
  });
}

}  // namespace md
