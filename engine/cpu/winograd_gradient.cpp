// dw by Winograd's algorithm: for each plane the sum over all tiles of transformed inputs times transformed upstream
// gradients, and the sums transformed back to windows. A patch is the sums of kPatchRows input channels and kWide
// output channels, of all planes. Where all patches together are small, each chunk of tiles has its own, which one
// thread fills; where they are large, all threads transform a block of tiles and then add it to one patch each. Chunks
// and blocks follow from the shapes alone.
#include "engine/cpu/winograd.h"
#include "engine/cpu/winograd_product.h"
#include "engine/cpu/winograd_tiles.h"
#include "engine/cpu/winograd_weights.h"
#include "engine/cpu/workspace.h"

namespace md::MD_KERNELS {
namespace {

constexpr i64 kPatchRows = 64;
constexpr i64 kRows = kLanes == 16 ? 8 : 4;  // channels of a product; a divisor of kLanes
using ChannelRows = LeftLayout<1, kLanes>;
using Kernels = RowKernels<kRows, ChannelRows>;
constexpr i64 kSmallPatches = 320 << 10;  // floats: about what a thread's second-level cache holds
constexpr i64 kManyTiles = 2048;          // worth the sums of all chunks
constexpr i64 kMostChunks = 16;
constexpr i64 kChunkFloats = 80 << 10;              // transformed tiles of a chunk at once
constexpr i64 kLeastBlock = 128, kMostBlock = 512;  // tiles

template <class T>
struct Problem {
  Map<T> x, dz;
  float* dw;  // [O,k,k,I]
  PerAxis pad, dilation;
};

template <int kTile, int kTaps, class T>
class Engine {
 public:
  static constexpr int kPlanes = kTile * kTile, kOut = kTile - kTaps + 1;
  Engine(const Problem<T>& problem, i64 tiles_at_once)
      : p(problem),
        tiles(p.dz, kOut, p.dilation),
        most(std::min(tiles_at_once, tiles.count)),
        inputs(most, most, p.x.C),
        upstream(most, most, p.dz.C),
        row_groups((p.x.C + kPatchRows - 1) / kPatchRows),
        patches(row_groups * upstream.blocks),
        patch_rows(std::min(kPatchRows, p.x.C)),
        zeros_(std::max(p.x.C, p.dz.C)) {
    std::fill_n(zeros_.data(), std::max(p.x.C, p.dz.C), 0.F);
  }
  i64 tile_floats() const { return kPlanes * (inputs.plane + upstream.plane); }
  i64 patch_floats() const { return kPlanes * patch_rows * kWide; }

  /// Tile t as number `at` of `to`.
  void transform(i64 t, i64 at, float* to) const {
    T *in[kTile][kTile], *out[kOut][kOut], *const zeros = reinterpret_cast<T*>(zeros_.data());
    tiles.pixels(t, p.x, p.pad, zeros, in);
    tiles.pixels(t, p.dz, 0, zeros, out);
    inputs.template take<WinogradInput<kTile>>(in, at, to);
    upstream.template take<WinogradUpstream<kTile, kTaps>>(out, at, to + kPlanes * inputs.plane);
  }

  /// What `count` transformed tiles give to a patch.
  void multiply(const float* from, i64 count, i64 patch, float* sums, bool add) const {
    const ChannelRows left{count, 0};
    const i64 first = patch % row_groups * kPatchRows, end = std::min(p.x.C, first + kPatchRows);
    const i64 block = patch / row_groups;
    for (i64 e = 0; e < kPlanes; ++e, sums += patch_rows * kWide) {
      const float* const u = from + e * inputs.plane;
      const float* const d = from + kPlanes * inputs.plane + e * upstream.plane + block * upstream.block();
      for (i64 c = first; c < end; c += kRows) {
        Kernels::run(std::min(kRows, end - c), p.dz.C - block * kWide, left,
                     {u + c / kLanes * inputs.block() + c % kLanes, count, d, sums + (c - first) * kWide, kWide, add});
      }
    }
  }

  /// A patch to its part of dw: the sum of those of all chunks, `next` floats apart.
  void finish(const float* sums, i64 patch, i64 chunks, i64 next) const {
    const i64 first = patch % row_groups * kPatchRows, end = std::min(p.x.C, first + kPatchRows);
    const i64 o = patch / row_groups * kWide;
    for (i64 c = first; c < end; c += kLanes) {
      for (i64 j = 0; j < kWide && o + j < p.dz.C; j += kLanes) {
        write_windows(sums + (c - first) * kWide + j, chunks, next, c, o + j);
      }
    }
  }

  const Problem<T>& p;
  Tiles tiles;
  i64 most;
  Planes<kLanes> inputs;
  Planes<kWide> upstream;
  i64 row_groups, patches, patch_rows;

 private:
  /// Up to kLanes input channels from c on, and output channels from o on.
  void write_windows(const float* sums, i64 chunks, i64 next, i64 c, i64 o) const {
    constexpr int kAll = kTaps * kTaps;
    const i64 ins = std::min(kLanes, p.x.C - c), outs = std::min(kLanes, p.dz.C - o);
    Vec windows[kAll][kLanes] = {};
    for (i64 k = 0; k < ins; ++k) {
      const auto total = [&](int i, int j) {
        const float* from = sums + ((i * kTile + j) * patch_rows + k) * kWide;
        Vec sum = load(from);
        for (i64 chunk = 1; chunk < chunks; ++chunk) sum += load(from += next);
        return sum;
      };
      transform_square<WinogradFilterGradient<kTile, kTaps>>(
          total, [&](int i, int j, Vec g) { windows[i * kTaps + j][k] = g; });
    }
    for (int tap = 0; tap < kAll; ++tap) {
      transpose_square(windows[tap]);
      for (i64 k = 0; k < outs; ++k) store_part(p.dw + ((o + k) * kAll + tap) * p.x.C + c, windows[tap][k], ins);
    }
  }
  Workspace zeros_;
};

template <int kTile, int kTaps, class T>
void run_chunks(const Problem<T>& p) {
  constexpr i64 kPlanes = kTile * kTile;
  const Engine<kTile, kTaps, T> engine(p, std::max<i64>(16, kChunkFloats / (kPlanes * (p.x.C + p.dz.C))));
  const i64 blocks = (engine.tiles.count + engine.most - 1) / engine.most, chunks = std::min(kMostChunks, blocks);
  const i64 next = engine.patches * engine.patch_floats();
  const Workspace sums(chunks * next);
  const ThreadWorkspaces workspaces(engine.tile_floats());
#pragma omp parallel
  {
    float* const planes = workspaces.mine();
#pragma omp for schedule(dynamic)
    for (i64 chunk = 0; chunk < chunks; ++chunk) {
      const i64 first = blocks * chunk / chunks;
      for (i64 b = first; b < blocks * (chunk + 1) / chunks; ++b) {
        const i64 t = b * engine.most, count = std::min(engine.most, engine.tiles.count - t);
        for (i64 k = 0; k < count; ++k) engine.transform(t + k, k, planes);
        for (i64 patch = 0; patch < engine.patches; ++patch) {
          engine.multiply(planes, count, patch, sums.data() + chunk * next + patch * engine.patch_floats(), b > first);
        }
      }
    }
#pragma omp for schedule(static)
    for (i64 patch = 0; patch < engine.patches; ++patch) {
      engine.finish(sums.data() + patch * engine.patch_floats(), patch, chunks, next);
    }
  }
}

template <int kTile, int kTaps, class T>
void run_blocks(const Problem<T>& p) {
  // A block costs two passes over its transformed tiles, in proportion to channels, and two over all patches.
  const Engine<kTile, kTaps, T> engine(p, std::clamp(p.x.C + p.dz.C, kLeastBlock, kMostBlock));
  const bool once = engine.tiles.count <= engine.most;  // then a patch is finished while it is warm, and not kept
  const Workspace planes(engine.tile_floats());
  const Workspace kept(once ? 0 : engine.patches * engine.patch_floats());
  const ThreadWorkspaces workspaces(once ? engine.patch_floats() : 0);
#pragma omp parallel
  for (i64 t = 0; t < engine.tiles.count; t += engine.most) {
    const i64 count = std::min(engine.most, engine.tiles.count - t);
#pragma omp for schedule(static)
    for (i64 k = 0; k < count; ++k) engine.transform(t + k, k, planes.data());
#pragma omp for schedule(dynamic)
    for (i64 patch = 0; patch < engine.patches; ++patch) {
      float* const sums = once ? workspaces.mine() : kept.data() + patch * engine.patch_floats();
      engine.multiply(planes.data(), count, patch, sums, t > 0);
      if (t + count == engine.tiles.count) engine.finish(sums, patch, 1, 0);
    }
  }
}

template <int kTile, int kTaps, class T>
void run(const Problem<T>& p) {
  const i64 tiles = Tiles(p.dz, kTile - kTaps + 1, p.dilation).count;
  if (tiles >= kManyTiles && kTile * kTile * p.x.C * p.dz.C <= kSmallPatches) {
    run_chunks<kTile, kTaps>(p);
  } else {
    run_blocks<kTile, kTaps>(p);
  }
}

}  // namespace

void winograd_weight_gradient(int tile, const Conv2dSpec& spec, const Tensor& dz, const Tensor& x, const Tensor& dw) {
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    const Problem<T> p{Map<T>(x), Map<T>(dz), dw.data(), spec.pad, spec.dilation};
    if (dw.dim(1) == 2) return tile == 4 ? run<4, 2>(p) : run<6, 2>(p);
    tile == 4 ? run<4, 3>(p) : run<6, 3>(p);
  });
}

}  // namespace md::MD_KERNELS
