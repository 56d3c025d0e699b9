#include "engine/cpu/widened_product.h"

#include "engine/cpu/activate.h"
#include "engine/cpu/isa_dnnl.h"
#include "engine/cpu/weight_copy.h"
#include "engine/cpu/weight_panels.h"
#include "engine/cpu/winograd_product.h"
#include "engine/cpu/workspace.h"

namespace md::MD_KERNELS {
namespace {

// Of LT's 1x1 convolutions (Emerald Rapids): between fewer channels memory decides, of which the library's kernels take
// less care; with fewer rows, writing the weight in panels takes as long as the product.
constexpr i64 kLeastMatrix = 2048, kLeastWidened = 64;

constexpr i64 kTerms = 256;    // of a sum, multiplied at once: a panel of b of so many stays in the first cache
constexpr i64 kColumns = 256;  // of a result that a thread makes at once
i64 whole(i64 count, i64 unit) { return (count + unit - 1) / unit * unit; }
i64 parts(i64 count, i64 size) { return (count + size - 1) / size; }

// ---- y = x b: a thread takes a block of rows times a block of columns, and its rows of x are widened once for it.

constexpr i64 kRows = kLanes == 8 ? 6 : 14;          // of a tile: with two registers each, all that there are
constexpr i64 kMostTiles = 8, kWidened = 128 << 10;  // of a block of rows: tiles, and floats of x
using TileRows = LeftLayout<kLanes, 1>;
using RowTiles = RowKernels<kRows, TileRows>;

/// w [K,N] in panels of kWide columns, each [K,kWide].
void cut_panels(const float* w, i64 K, i64 N, float* panels) {
#pragma omp parallel for schedule(static)
  for (i64 first = 0; first < N; first += kWide) {
    for (i64 k = 0; k < K; ++k) {
      for (i64 c = first; c < std::min(N, first + kWide); c += kLanes)
        store(panels + first * K + k * kWide + c - first, load_part(w + k * N + c, std::min(kLanes, N - c)));
    }
  }
}

/// b in panels of kWide columns, each [K,kWide].
std::shared_ptr<Storage> panels_of(const WidenedProduct& p, i64 K, i64 N) {
  const std::size_t bytes = std::size_t(K * whole(N, kWide)) * sizeof(float);
  return weight_copy(p.w, kFirstWidenedLayout + p.transposed, bytes, [&](void* copy) {
    auto* const panels = static_cast<float*>(copy);
    p.transposed ? pack_panels(p.w.data(), N, K, kWide, panels) : cut_panels(p.w.data(), K, N, panels);
  });
}

/// Some rows of x in panels of kRows rows and blocks of kLanes terms.
void widen_rows(const bf16* x, i64 K, i64 rows, float* to) {
  for (i64 r = 0; r < rows; ++r, x += K) {
    float* const row = to + r / kRows * kRows * whole(K, kLanes) + r % kRows * kLanes;
    for (i64 k = 0; k < K; k += kLanes) store(row + k * kRows, load_lanes(x + k, std::min(kLanes, K - k)));
  }
}

/// A row of sums z, and what else goes into y.
template <class T>
void finish_row(const WidenedProduct& p, float* z, const float* bias, T* y, i64 columns) {
  if (bias || p.accumulate) {
    for (i64 c = 0; c < columns; c += kLanes) {
      const i64 lanes = std::min(kLanes, columns - c);
      Vec sum = load(z + c);
      if (bias) sum += load_part(bias + c, lanes);
      if (p.accumulate) sum += load_lanes(y + c, lanes);
      store(z + c, sum);
    }
  }
  activate(p.act, z, columns);
  for (i64 c = 0; c < columns; c += kLanes) store_lanes(y + c, load(z + c), std::min(kLanes, columns - c));
}

/// z = rows of x, widened, times columns of b, whose panels begin there.
void multiply_block(const float* x, i64 rows, i64 K, const float* b, i64 columns, float* z, i64 z_row) {
  for (i64 k = 0; k < K; k += kTerms) {
    for (i64 c = 0; c < columns; c += kWide) {
      for (i64 r = 0; r < rows; r += kRows) {
        RowTiles::run(std::min(kRows, rows - r), columns - c, {kLanes, kRows * kLanes},
                      {x + r * whole(K, kLanes) + k * kRows, std::min(kTerms, K - k), b + c * K + k * kWide,
                       z + r * z_row + c, z_row, k > 0});
      }
    }
  }
}

template <class T>
void multiply(const WidenedProduct& p) {
  const i64 K = p.x.dim(-1), N = p.y.dim(-1), M = p.y.numel() / N;
  const bf16* const x = p.x.data<bf16>();
  T* const y = p.y.data<T>();
  const std::shared_ptr<Storage> panels = panels_of(p, K, N);
  const float* const b = static_cast<const float*>(panels->data);
  const i64 x_row = whole(K, kLanes), z_row = whole(std::min(N, kColumns), kWide);
  const i64 most = std::clamp(kWidened / x_row / kRows, i64(1), kMostTiles) * kRows;
  const ThreadWorkspaces workspaces(most * (x_row + z_row));
#pragma omp parallel for collapse(2) schedule(static)
  for (i64 left = 0; left < N; left += kColumns) {
    for (i64 top = 0; top < M; top += most) {
      float *const wide_x = workspaces.mine(), *const z = wide_x + most * x_row;
      const i64 columns = std::min(kColumns, N - left), rows = std::min(most, M - top);
      widen_rows(x + top * K, K, rows, wide_x);
      multiply_block(wide_x, rows, K, b + left * K, columns, z, z_row);
      for (i64 r = 0; r < rows; ++r)
        finish_row(p, z + r * z_row, p.bias ? p.bias.data() + left : nullptr, y + (top + r) * N + left, columns);
    }
  }
}

// ---- dw = dz' x: a patch is some rows and columns of dw. Where there are few patches, each is the sum of those that
// several chunks of the maps' rows give.

constexpr i64 kPatchRows = 128;
constexpr i64 kTileRows = kLanes == 16 ? 8 : 4;  // a divisor of kLanes
using TileChannels = LeftLayout<1, kLanes>;
using ChannelTiles = RowKernels<kTileRows, TileChannels>;
constexpr i64 kTasks = 32;       // patches times chunks, at least
constexpr i64 kLeastRows = 512;  // of a chunk

/// `rows` rows of a map, `row` apart, in blocks of kBlock channels, each [rows,kBlock].
template <i64 kBlock>
void widen_channels(const bf16* map, i64 row, i64 rows, i64 channels, float* to) {
  for (i64 r = 0; r < rows; ++r, map += row) {
    for (i64 c = 0; c < channels; c += kLanes) {
      store(to + (c / kBlock * rows + r) * kBlock + c % kBlock, load_lanes(map + c, std::min(kLanes, channels - c)));
    }
  }
}

/// dw as patches, and those as sums of chunks.
struct Gradient {
  Gradient(const Tensor& upstream, const Tensor& input, const Tensor& gradient)
      : O(upstream.dim(-1)),
        I(input.dim(-1)),
        M(input.numel() / I),
        patch_rows(std::min(O, kPatchRows)),
        patch_row(whole(std::min(I, kColumns), kWide)),
        across(parts(I, kColumns)),
        patches(parts(O, kPatchRows) * across),
        chunks(std::clamp<i64>(kTasks / patches, 1, parts(M, kLeastRows))),
        dz(upstream.data<bf16>()),
        x(input.data<bf16>()),
        dw(gradient.data()) {}
  i64 patch_floats() const { return patch_rows * patch_row; }
  i64 widened_floats() const { return kTerms * (whole(patch_rows, kLanes) + patch_row); }

  /// What one chunk gives to a patch.
  void add_up(i64 chunk, i64 patch, float* widened, float* sums) const {
    const i64 o = patch / across * kPatchRows, i = patch % across * kColumns, begin = M * chunk / chunks;
    const i64 rows = std::min(kPatchRows, O - o), columns = std::min(kColumns, I - i), end = M * (chunk + 1) / chunks;
    float *const a = widened, *const b = a + kTerms * whole(patch_rows, kLanes);
    for (i64 t = begin; t < end; t += kTerms) {
      const i64 terms = std::min(kTerms, end - t);
      widen_channels<kLanes>(dz + t * O + o, O, terms, rows, a);
      widen_channels<kWide>(x + t * I + i, I, terms, columns, b);
      for (i64 c = 0; c < columns; c += kWide) {
        for (i64 r = 0; r < rows; r += kTileRows) {
          ChannelTiles::run(std::min(kTileRows, rows - r), columns - c, {terms, 0},
                            {a + r / kLanes * kLanes * terms + r % kLanes, terms, b + c * terms,
                             sums + r * patch_row + c, patch_row, t > begin});
        }
      }
    }
  }

  /// A row of dw that crosses a patch: the sum over all chunks.
  void finish_row(const float* sums, i64 patch, i64 r) const {
    const i64 o = patch / across * kPatchRows + r, i = patch % across * kColumns;
    for (i64 c = i; c < std::min(I, i + kColumns); c += kLanes) {
      Vec sum{};
      for (i64 chunk = 0; chunk < chunks; ++chunk)
        sum += load(sums + (chunk * patches + patch) * patch_floats() + r * patch_row + c - i);
      store_part(dw + o * I + c, sum, std::min(kLanes, I - c));
    }
  }

  i64 O, I, M, patch_rows, patch_row, across, patches, chunks;
  const bf16 *dz, *x;
  float* dw;
};

}  // namespace

bool widens_product(const Tensor& map, i64 matrix) {
  return map.dtype() == DType::bf16 && bf16_rate() < 1 && matrix >= kLeastMatrix &&
         map.numel() / map.dim(-1) >= kLeastWidened;
}

void widened_product(const WidenedProduct& p) {
  with_storage(p.y.dtype(), [&](auto storage) { multiply<decltype(storage)>(p); });
}

void widened_weight_gradient(const Tensor& dz, const Tensor& x, const Tensor& dw) {
  const Gradient g(dz, x, dw);
  const Workspace sums(g.chunks * g.patches * g.patch_floats());
  const ThreadWorkspaces workspaces(g.widened_floats());
#pragma omp parallel
  {
#pragma omp for schedule(dynamic)
    for (i64 task = 0; task < g.chunks * g.patches; ++task)
      g.add_up(task / g.patches, task % g.patches, workspaces.mine(), sums.data() + task * g.patch_floats());
#pragma omp for collapse(2) schedule(static)
    for (i64 patch = 0; patch < g.patches; ++patch) {
      for (i64 r = 0; r < g.patch_rows; ++r) {
        if (patch / g.across * kPatchRows + r < g.O) g.finish_row(sums.data(), patch, r);
      }
    }
  }
}

}  // namespace md::MD_KERNELS
