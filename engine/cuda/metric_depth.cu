// MetricDepth on a GPU: loss and gradient in one pass over the features (engine/metric_depth_formula.h has the maths),
// one warp a pixel. For each shift a pixel is the anchor of one pair and the sample of one, so its gradient is a gather
// over 2N neighbours: no rolled copies, no atomics. First the lanes look at the depths of a neighbour each; then, for
// every neighbour that these identify, the warp takes the distance together, a lane a channel. Features that no depth
// identifies are never read. All sums run in an order that the shape alone fixes.
#include <algorithm>

#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/warp.h"
#include "engine/metric_depth_formula.h"

namespace md {
namespace {

using cuda::kAllLanes;
using cuda::kWarp;

constexpr int kWarps = 8;  // of a block
constexpr i64 kMostBlocks = 4096;
constexpr std::size_t kMostShifts = 128, kMostRanges = 32;  // of a launch: kernel parameters end at 4 KB
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
  PairNeighbour around[kMostNeighbours];
};

__device__ int pixel_at(const Map& map, int p, const PairNeighbour& to) {
  const int x = p % map.w, row = p / map.w, y = row % map.h, k = row / map.h;
  return (wrapped(k + to.image, map.K) * map.h + wrapped(y + to.row, map.h)) * map.w + wrapped(x + to.column, map.w);
}

/// |f_p - f_q|, for all lanes.
__device__ float distance(const Map& map, int p, int q, int lane) {
  const float *f = map.feature(p), *g = map.feature(q);
  float sum = 0.F;
  for (int c = lane; c < map.C; c += kWarp) {
    const float d = f[c] - g[c];
    sum += d * d;
  }
  return sqrtf(cuda::sum_of_warp(sum));
}

struct Sum {
  double terms = 0, pairs = 0;
};

/// What one lane knows of its neighbour.
struct Found {
  int pixel = 0;
  float kind = kNoPair, coefficient = 0.F;
};

/// The gradient at p gains the sum of coefficient * (f_p - f_q) over the lanes of `hits`.
__device__ void add_gradient(const Map& map, int p, int lane, const Found& mine, unsigned hits, bool fresh) {
  if (hits == 0 && !fresh) return;
  float* const gradient = map.gradient + static_cast<i64>(p) * map.C;
  for (int first = 0; first < map.C; first += kWarp) {  // the same for all lanes: they exchange what they found
    const int c = first + lane;
    const bool here = c < map.C;
    const float f = here && hits != 0 ? map.feature(p)[c] : 0.F;
    float g = here && !fresh ? gradient[c] : 0.F;
    for (unsigned left = hits; left != 0; left &= left - 1) {
      const int from = __ffs(static_cast<int>(left)) - 1;
      const int q = __shfl_sync(kAllLanes, mine.pixel, from);
      const float coefficient = __shfl_sync(kAllLanes, mine.coefficient, from);
      if (here) g += coefficient * (f - map.feature(q)[c]);
    }
    if (here) gradient[c] = g;
  }
}

/// All pairs of pixel p, 32 neighbours at a time.
__device__ void add_pixel(const Map& map, const Pairs& pairs, const PairNeighbour* around, int p, int lane, Sum& sum) {
  const float anchor_m = measured_or_nan(map.depth_m[p]);
  for (int first = 0; first < pairs.neighbours; first += kWarp) {
    Found mine;
    if (anchor_m > 0.F && first + lane < pairs.neighbours) {
      mine.pixel = pixel_at(map, p, around[first + lane]);
      mine.kind = kind_of_pair(anchor_m, measured_or_nan(map.depth_m[mine.pixel]), pairs.positive_below_m, pairs.range,
                               pairs.ranges);
    }
    const unsigned hits = __ballot_sync(kAllLanes, mine.kind != kNoPair);
    float terms = 0.F;
    int counted = 0;
    for (unsigned left = hits; left != 0; left &= left - 1) {
      const int from = __ffs(static_cast<int>(left)) - 1;
      const int q = __shfl_sync(kAllLanes, mine.pixel, from);
      const PairTerm term = term_of_pair(__shfl_sync(kAllLanes, mine.kind, from), distance(map, p, q, lane));
      if (lane == from) mine.coefficient = term.coefficient;
      if (first + from < pairs.anchors) {
        terms += term.value;
        ++counted;
      }
    }
    sum.terms += static_cast<double>(terms);
    sum.pairs += counted;
    if (map.gradient) add_gradient(map, p, lane, mine, hits, first == 0 && !pairs.adds);
  }
}

/// partial [blocks]: what the block's pixels add up to.
__global__ void pairs_of_pixels(Map map, Pairs pairs, Sum* partial) {
  __shared__ PairNeighbour around[kMostNeighbours];  // lanes index it apart: constant memory would take turns
  __shared__ double terms[kWarps], counts[kWarps];
  for (int n = static_cast<int>(threadIdx.x); n < pairs.neighbours; n += kWarp * kWarps) around[n] = pairs.around[n];
  __syncthreads();
  const int warp = static_cast<int>(threadIdx.x) / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;
  const int pixels = map.K * map.h * map.w, stride = static_cast<int>(gridDim.x) * kWarps;
  Sum sum;
  for (int p = static_cast<int>(blockIdx.x) * kWarps + warp; p < pixels; p += stride) {
    add_pixel(map, pairs, around, p, lane, sum);
  }
  if (lane == 0) {
    terms[warp] = sum.terms;
    counts[warp] = sum.pairs;
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  Sum total;
  for (int w = 0; w < kWarps; ++w) {
    total.terms += terms[w];
    total.pairs += counts[w];
  }
  partial[blockIdx.x] = total;
}

/// One warp: result = {sum, pairs}.
__global__ void add_blocks(const Sum* partial, int blocks, float* result) {
  __shared__ double terms[kWarp], counts[kWarp];
  const int lane = static_cast<int>(threadIdx.x);
  terms[lane] = counts[lane] = 0;
  for (int b = lane; b < blocks; b += kWarp) {
    terms[lane] += partial[b].terms;
    counts[lane] += partial[b].pairs;
  }
  __syncthreads();
  if (lane > 1) return;
  const double* const held = lane == 0 ? terms : counts;
  double total = 0;
  for (int l = 0; l < kWarp; ++l) total += held[l];
  result[lane] = static_cast<float>(total);
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
  for (int n = 0; n < pairs.neighbours; ++n) {
    const auto& s = from.shifts[first + static_cast<std::size_t>(n) % count];
    pairs.around[n] = neighbour_of(s, n < pairs.anchors, map.K, map.h, map.w);
  }
  return pairs;
}

}  // namespace

void CudaBackend::metric_depth(const MetricDepthPairs& pairs, const Tensor& features, const Tensor& depth_m,
                               const Tensor& result, const Tensor& gradient) {
  const auto size = [&](int axis) { return static_cast<int>(features.dim(axis)); };
  const Map map{
      size(0), size(1), size(2), size(3), features.data(), depth_m.data(), gradient ? gradient.data() : nullptr};
  const std::size_t shifts = pairs.shifts.size(), groups = (shifts + kMostShifts - 1) / kMostShifts;
  MD_CHECK(depth_m.numel() < (i64{1} << 30), "metric_depth: ", depth_m.shape(), " has too many pixels");
  MD_CHECK(pairs.ranges.size() <= kMostRanges, "metric_depth: ", pairs.ranges.size(), " ranges, a GPU takes ",
           kMostRanges);
  if (shifts == 0 && gradient) fill(gradient, 0.F);
  const auto blocks = static_cast<int>(std::min((depth_m.numel() + kWarps - 1) / kWarps, kMostBlocks));
  const Storage scratch(features.device(), groups * static_cast<std::size_t>(blocks) * sizeof(Sum));
  auto* const partial = static_cast<Sum*>(scratch.data);
  const cudaStream_t stream = cuda::runtime().compute;
  for (std::size_t g = 0; g < groups; ++g) {
    const std::size_t first = g * kMostShifts, count = std::min(kMostShifts, shifts - first);
    cuda::launch_kernel(pairs_of_pixels, dim3(unsigned(blocks)), dim3(kWarp * kWarps), 0, stream, map,
                        pairs_of(pairs, first, count, map), partial + g * static_cast<std::size_t>(blocks));
  }
  cuda::launch_kernel(add_blocks, dim3(1), dim3(kWarp), 0, stream, partial, static_cast<int>(groups) * blocks,
                      result.data());
}

}  // namespace md
