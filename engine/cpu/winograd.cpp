// y and dx by Winograd's algorithm. Two ways through the same three steps (transform tiles, multiply the planes with
// the transformed weights, transform back). Where the weights are few, a thread takes a block of tiles through all of
// them, with all weights transformed before, and kept for the next convolution with them. Where they are many, and
// tiles few, all threads transform a chunk of tiles, and each then takes blocks of output channels, whose weights it
// transforms as it goes: they are read once a chunk, and never written back.
#include "engine/cpu/winograd.h"

#include "engine/cpu/activate.h"
#include "engine/cpu/weight_copy.h"
#include "engine/cpu/winograd_product.h"
#include "engine/cpu/winograd_tiles.h"
#include "engine/cpu/winograd_weights.h"
#include "engine/cpu/workspace.h"

namespace md::MD_KERNELS {
namespace {

constexpr i64 kRows = kLanes == 8 ? 6 : 14;  // tiles of a product: with two registers each, all that there are
using TileRows = LeftLayout<kLanes, 1>;
using Kernels = RowKernels<kRows, TileRows>;
constexpr i64 kTermsAtOnce = 128;  // input channels whose weights are transformed at once
// Floats of transformed weights that every thread may walk for each block of tiles; the more where tiles are many.
constexpr i64 kFewWeights = 1 << 20, kFewForManyTiles = 3 << 20, kManyTiles = 512;
constexpr i64 kBlockFloats = 144 << 10;  // transformed inputs and outputs of a block of tiles
constexpr i64 kChunkTiles = 9 * 14;

/// What one convolution needs: y = act(conv(x, taps) + bias).
template <class T>
struct Problem {
  Map<T> x, y;
  const Tensor& w;
  FilterTaps taps;
  PerAxis pad, dilation;
  const float* bias;  // or null
  Activation act;
  bool accumulate;
};

/// A number of tiles, between images and planes.
template <int kTile, int kTaps, class T>
class Engine {
 public:
  static constexpr int kPlanes = kTile * kTile, kOut = kTile - kTaps + 1;
  Engine(const Problem<T>& problem, i64 tiles_at_once)
      : p(problem),
        tiles(p.y, kOut, p.dilation),
        most(std::min((tiles_at_once + kRows - 1) / kRows * kRows, (tiles.count + kRows - 1) / kRows * kRows)),
        inputs(most, kRows, p.x.C),
        out_blocks((p.y.C + kWide - 1) / kWide),
        out_plane(most * kWide + kLanes),
        zeros_(p.x.C) {
    std::fill_n(zeros_.data(), p.x.C, 0.F);
  }
  i64 input_floats() const { return kPlanes * inputs.plane; }
  i64 output_floats() const { return kPlanes * out_plane + p.y.C; }  // of one block of channels; the rest is outside

  /// Tile t as number `at` of the planes u.
  void transform_input(i64 t, i64 at, float* u) const {
    T* pixels[kTile][kTile];
    tiles.pixels(t, p.x, p.pad, reinterpret_cast<T*>(zeros_.data()), pixels);
    inputs.template take<WinogradInput<kTile>>(pixels, at, u);
  }

  /// Input channels [first, first + terms) of `count` tiles, times v [planes][terms][kWide].
  void multiply(const float* u, i64 count, i64 first, i64 terms, const float* v, i64 v_plane, i64 columns,
                float* m) const {
    const TileRows left{kLanes, inputs.block()};
    for (i64 e = 0; e < kPlanes; ++e) {
      for (i64 t = 0; t < count; t += kRows) {
        const float* const a = u + e * inputs.plane + t / kRows * inputs.panel() + first / kLanes * inputs.block();
        Kernels::run(std::min(kRows, count - t), columns, left,
                     {a, terms, v + e * v_plane, m + e * out_plane + t * kWide, kWide, first > 0});
      }
    }
  }

  /// Output channels [o, o + kWide) of tiles [t, t + count), from m.
  void transform_output(i64 t, i64 count, i64 o, float* m) const {
    T* const outside = reinterpret_cast<T*>(m + kPlanes * out_plane);
    for (i64 k = 0; k < count; ++k) {
      T* pixels[kOut][kOut];
      tiles.pixels(t + k, p.y, 0, outside, pixels);
      for (i64 c = o; c < std::min(p.y.C, o + kWide); c += kLanes) write_tile(m + k * kWide + c - o, c, pixels);
    }
  }

  const Problem<T>& p;
  Tiles tiles;
  i64 most;  // tiles at once
  Planes<kLanes> inputs;
  i64 out_blocks, out_plane;

 private:
  /// A register of output channels from c on.
  void write_tile(const float* m, i64 c, T* const (&pixels)[kOut][kOut]) const {
    const i64 lanes = std::min(kLanes, p.y.C - c);
    const Vec bias = p.bias ? load_part(p.bias + c, lanes) : Vec{};
    Aligned<Vec> z[kOut * kOut];
    transform_square<WinogradOutput<kTile, kTaps>>([&](int i, int j) { return load(m + (i * kTile + j) * out_plane); },
                                                   [&](int i, int j, Vec v) { z[i * kOut + j].v = v + bias; });
    for (i64 k = 0; p.accumulate && k < kOut * kOut; ++k) z[k].v += load_part(pixels[k / kOut][k % kOut] + c, lanes);
    activate(p.act, reinterpret_cast<float*>(z), kOut * kOut * kLanes);
#pragma GCC unroll 25
    for (i64 k = 0; k < kOut * kOut; ++k) {
      store_lanes(pixels[k / kOut][k % kOut] + c, z[k].v, lanes);
    }
  }
  Workspace zeros_;
};

/// All weights, transformed: for each block of output channels the planes, `plane` floats apart.
template <int kTile, int kTaps, class T>
std::shared_ptr<Storage> transformed_weights(const Problem<T>& p, i64 blocks, i64 plane) {
  const i64 block = kTile * kTile * plane, groups = (p.x.C + kLanes - 1) / kLanes;
  const std::uint64_t layout = kFirstWinogradLayout + kTile * 2 + p.taps.turned;
  return weight_copy(p.w, layout, std::size_t(blocks * block) * sizeof(float), [&](void* copy) {
#pragma omp parallel for collapse(2) schedule(static)
    for (i64 b = 0; b < blocks; ++b) {
      for (i64 g = 0; g < groups; ++g) {
        const i64 first = g * kLanes;
        transform_filters<kTile, kTaps>(p.taps, b * kWide, first, std::min(kLanes, p.x.C - first),
                                        static_cast<float*>(copy) + b * block + first * kWide, plane);
      }
    }
  });
}

template <int kTile, int kTaps, class T>
void run_blocks(const Problem<T>& p) {
  constexpr int kPlanes = kTile * kTile;
  const i64 per_tile = kPlanes * (p.x.C + kWide);
  const Engine<kTile, kTaps, T> engine(p, std::max(kRows * 2, kBlockFloats / per_tile));
  const i64 plane = p.x.C * kWide, block = kPlanes * plane;
  const std::shared_ptr<Storage> weights = transformed_weights<kTile, kTaps>(p, engine.out_blocks, plane);
  const float* const v = static_cast<const float*>(weights->data);
  const ThreadWorkspaces workspaces(engine.input_floats() + engine.output_floats());
#pragma omp parallel
  {
    float *const u = workspaces.mine(), *const m = u + engine.input_floats();
#pragma omp for schedule(dynamic)
    for (i64 t = 0; t < engine.tiles.count; t += engine.most) {
      const i64 count = std::min(engine.most, engine.tiles.count - t);
      for (i64 k = 0; k < count; ++k) engine.transform_input(t + k, k, u);
      for (i64 b = 0; b < engine.out_blocks; ++b) {
        engine.multiply(u, count, 0, p.x.C, v + b * block, plane, p.y.C - b * kWide, m);
        engine.transform_output(t, count, b * kWide, m);
      }
    }
  }
}

template <int kTile, int kTaps, class T>
void run_chunks(const Problem<T>& p) {
  constexpr int kPlanes = kTile * kTile;
  const Engine<kTile, kTaps, T> engine(p, kChunkTiles);
  const Workspace planes(engine.input_floats());
  float* const u = planes.data();
  const i64 plane = kTermsAtOnce * kWide + kLanes;
  const ThreadWorkspaces workspaces(engine.output_floats() + kPlanes * plane);
#pragma omp parallel
  {
    float *const m = workspaces.mine(), *const v = m + engine.output_floats();
    for (i64 t = 0; t < engine.tiles.count; t += engine.most) {
      const i64 count = std::min(engine.most, engine.tiles.count - t);
#pragma omp for schedule(static)
      for (i64 k = 0; k < count; ++k) engine.transform_input(t + k, k, u);
#pragma omp for schedule(dynamic)
      for (i64 b = 0; b < engine.out_blocks; ++b) {
        for (i64 first = 0; first < p.x.C; first += kTermsAtOnce) {
          const i64 terms = std::min(kTermsAtOnce, p.x.C - first);
          for (i64 k = 0; k < terms; k += kLanes) {
            transform_filters<kTile, kTaps>(p.taps, b * kWide, first + k, std::min(kLanes, terms - k), v + k * kWide,
                                            plane);
          }
          engine.multiply(u, count, first, terms, v, plane, p.y.C - b * kWide, m);
        }
        engine.transform_output(t, count, b * kWide, m);
      }
    }
  }
}

template <int kTile, int kTaps, class T>
void run(const Problem<T>& p) {
  const i64 tiles = Tiles(p.y, kTile - kTaps + 1, p.dilation).count;
  const bool few = kTile * kTile * p.x.C * p.y.C <= (tiles < kManyTiles ? kFewWeights : kFewForManyTiles);
  few ? run_blocks<kTile, kTaps>(p) : run_chunks<kTile, kTaps>(p);
}

/// y = act(conv(x, taps) + bias), of a convolution of its own: a data gradient's is not that of w.
void run(int tile, const Conv2dSpec& spec, const Tensor& x, const Tensor& w, const FilterTaps& taps, const Tensor& bias,
         const Tensor& y) {
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    const Problem<T> p{Map<T>(x), Map<T>(y),      w, taps, spec.pad, spec.dilation, bias ? bias.data() : nullptr,
                       spec.act,  spec.accumulate};
    if (w.dim(1) == 2) return tile == 4 ? run<4, 2>(p) : run<6, 2>(p);
    return tile == 4 ? run<4, 3>(p) : run<6, 3>(p);
  });
}

}  // namespace

bool winograd_can(const Conv2dSpec& spec, const Tensor& w) {
  const bool dense = spec.groups == 1 && spec.stride == PerAxis(1) && w.shape().rank() == 4;
  return dense && w.dim(1) == w.dim(2) && (w.dim(1) == 2 || w.dim(1) == 3);
}

void winograd_forward(int tile, const Conv2dSpec& spec, const Tensor& x, const Tensor& w, const Tensor& bias,
                      const Tensor& y) {
  const FilterTaps taps{w.data(), w.dim(0), w.dim(3), false};
  run(tile, spec, x, w, taps, bias, y);
}

// dx is the convolution of dz with the window turned by half a turn; what is padding of x is cut off.
void winograd_data_gradient(int tile, const Conv2dSpec& spec, const Tensor& dz, const Tensor& w, const Tensor& dx) {
  const int reach = int(w.dim(1)) - 1;
  const PerAxis pad(reach * spec.dilation.h - spec.pad.h, reach * spec.dilation.w - spec.pad.w);
  const FilterTaps taps{w.data(), w.dim(3), w.dim(0), true};
  run(tile, {.pad = pad, .dilation = spec.dilation}, dz, w, taps, {}, dx);
}

}  // namespace md::MD_KERNELS
