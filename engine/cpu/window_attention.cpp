// Window attention. A thread takes some heads of one window at a time: it gathers their 49 queries, keys and values
// into buffers that fit the nearest caches, computes the 49x49 scores of each there and writes only the result.
// Backward recomputes the scores, so that nothing of their size is ever saved. All products are tiles of 7 rows
// (engine/cpu/tile.h).
//   S = scale Q K' + bias + mask,  P = softmax of the rows of S,  Y = P V         (' = transposed, scale = 1/sqrt(d))
//   dV = P' dY,  dP = dY V',  dS = P * (dP - sum over the row of P * dP),  dQ = scale dS K,  dK = scale dS' Q
//   dbias = the sum of dS over all windows; in the table, over all pairs of tokens at the same distance.
// Sums over windows run in chunks of kWindowsInChunk, in float, and over chunks in double: the result does not depend
// on the number of threads.
#include <algorithm>
#include <cmath>

#include "engine/cpu/cpu_backend.h"
#include "engine/cpu/per_thread.h"
#include "engine/cpu/tile.h"
#include "engine/windows.h"

namespace md::MD_KERNELS {
namespace {

constexpr i64 kTokens = kWindowTokens;
constexpr i64 kKeys = (kTokens + kLanes - 1) / kLanes * kLanes;  // a row of scores, in whole registers
constexpr i64 kWindowsInChunk = 16;
constexpr i64 kHeadsTogether = 8;  // gathered at once: they are neighbours in memory, which is fast in long runs only
constexpr float kNoKey = -1e30F;   // score of the columns that only fill a register

/// Memory from the pool: the system's would be fresh pages at every call.
class Buffer {
 public:
  explicit Buffer(i64 floats) : memory_(std::make_unique<Storage>(Device{}, std::size_t(floats) * sizeof(float))) {}
  float* data() { return static_cast<float*>(memory_->data); }
  const float* data() const { return static_cast<const float*>(memory_->data); }

 private:
  std::unique_ptr<Storage> memory_;
};

// ---- Which tokens a window has ----

struct Place {
  Place() = default;
  Place(const Windows& windows, i64 window) {
    for (i64 t = 0; t < kTokens; ++t) {
      token[t] = windows.token(window, t);
      region[t] = float(windows.region(window, t));
      masked = masked || region[t] != region[0];
    }
  }
  i64 token[kTokens] = {};   // index into [N*H*W], or -1 beyond the edge
  float region[kKeys] = {};  // tokens see each other only inside one region
  bool masked = false;       // more than one region
};

/// All windows of a map: a head takes each of them again, and to find its tokens takes divisions.
std::vector<Place> places_of(const Windows& windows) {
  std::vector<Place> places(std::size_t(windows.count()));
#pragma omp parallel for schedule(static)
  for (i64 window = 0; window < windows.count(); ++window) places[std::size_t(window)] = Place(windows, window);
  return places;
}

/// The table spread over the pairs of tokens, [heads,49,kKeys].
Buffer spread_bias(const Tensor& table, i64 heads) {
  Buffer bias(heads * kTokens * kKeys);
  float* const to = bias.data();
#pragma omp parallel for schedule(static)
  for (i64 h = 0; h < heads; ++h) {
    float* row = to + h * kTokens * kKeys;
    for (i64 q = 0; q < kTokens; ++q, row += kKeys) {
      for (i64 k = 0; k < kKeys; ++k) row[k] = k < kTokens ? table.data()[distance_row(q, k) * heads + h] : kNoKey;
    }
  }
  return bias;
}

// ---- Small matrices ----

/// c [49,columns] = a [49,terms] b [terms,columns], and what is in `start` added, if anything.
struct Product {
  Left a;
  i64 terms;
  const float* b;
  float* c;
  i64 columns;                   // of b, c and start, a multiple of kLanes
  const float* start = nullptr;  // [49,columns]
};

template <int kRegisters>
void multiply_columns(const Product& p, i64 first) {
  for (i64 i = 0; i < kTokens; i += kWindow) {
    Vec sum[kWindow][kRegisters] = {};
    if (p.start) {
      for (i64 r = 0; r < kWindow; ++r) {
        for (int j = 0; j < kRegisters; ++j) sum[r][j] = load(p.start + (i + r) * p.columns + first + j * kLanes);
      }
    }
    multiply_add({p.a.at + i * p.a.row, p.a.row, p.a.term}, p.terms, p.b + first, p.columns, sum);
    for (i64 r = 0; r < kWindow; ++r) {
      for (int j = 0; j < kRegisters; ++j) store(p.c + (i + r) * p.columns + first + j * kLanes, sum[r][j]);
    }
  }
}

void multiply(const Product& p) {
  i64 j = 0;
  if constexpr (kLanes == 16) {  // 32 registers: 28 for the sums, 4 for b's; a's broadcasts come from memory
    for (; j + 4 * kLanes <= p.columns; j += 4 * kLanes) multiply_columns<4>(p, j);
  }
  for (; j + 2 * kLanes <= p.columns; j += 2 * kLanes) multiply_columns<2>(p, j);
  for (; j < p.columns; j += kLanes) multiply_columns<1>(p, j);
}

// ---- One head of one window ----

/// A thing that every token has, per head: channels [first + h * dim, + dim) of rows of memory.
template <class T>
struct Part {
  const T* map;
  i64 row, first;
  const float* padding;  // its value beyond the edge, at the same channel; null: 0
};

/// Heads [first, first + count) of one window.
struct Group {
  const Place& place;
  i64 first, count;
};

struct Problem {
  Problem(const WindowSpec& spec, const WindowTensors& in)
      : windows(in.qkv.shape(), spec.shift), heads(spec.heads), channels(in.qkv.dim(3) / (in.v ? 2 : 3)) {
    dim = channels / heads;
    width = (dim + kLanes - 1) / kLanes * kLanes;
    scale = 1.F / std::sqrt(float(dim));
  }
  i64 chunks() const { return (windows.count() + kWindowsInChunk - 1) / kWindowsInChunk; }
  i64 groups() const { return (heads + kHeadsTogether - 1) / kHeadsTogether; }
  /// The g-th group of a window's heads.
  Group group(const Place& place, i64 g) const {
    const i64 first = g * heads / groups();
    return {place, first, (g + 1) * heads / groups() - first};
  }

  Windows windows;
  i64 heads, channels;
  i64 dim, width;  // channels of a head; the same in whole registers
  float scale;
};

template <class T>
struct Inputs {
  Inputs(const Problem& p, const WindowTensors& in) {
    const T* const qkv = in.qkv.data<T>();
    const i64 row = in.qkv.dim(3);
    q = {qkv, row, 0, in.padding.data()};
    k = {qkv, row, p.channels, in.padding.data()};
    v = in.v ? Part<T>{in.v.data<T>(), p.channels, 0, nullptr} : Part<T>{qkv, row, 2 * p.channels, in.padding.data()};
  }
  Part<T> q, k, v;
};

/// Where results go: channels [first, ...) of the rows of a map.
template <class T>
struct Target {
  T* map;
  i64 row, first;
};

/// A matrix [49,width] for each head of a group.
class Matrices {
 public:
  explicit Matrices(const Problem& p) : size_(kTokens * p.width), memory_(kHeadsTogether * size_) {}
  float* operator[](i64 i) { return memory_.data() + i * size_; }

 private:
  i64 size_;
  Buffer memory_;
};

/// factor times channels of each head, from memory (null: zeros), zeros behind them.
template <class T>
void gather_heads(const Problem& p, const T* from, i64 heads, i64 t, float factor, Matrices& to) {
  for (i64 h = 0; h < heads; ++h) {
    float* const row = to[h] + t * p.width;
    for (i64 d = 0; d < p.width; d += kLanes) {
      Vec v{};
      if (from) v = p.dim - d >= kLanes ? load(from + h * p.dim + d) : load_part(from + h * p.dim + d, p.dim - d);
      store(row + d, v * factor);
    }
  }
}

template <class T>
void gather_token(const Problem& p, const Part<T>& part, const Group& group, i64 t, float factor, Matrices& to) {
  const i64 token = group.place.token[t], first = part.first + group.first * p.dim;
  if (token >= 0) {
    gather_heads(p, part.map + token * part.row + first, group.count, t, factor, to);
  } else {
    gather_heads(p, part.padding ? part.padding + first : nullptr, group.count, t, factor, to);
  }
}

/// The other way, for tokens of the map; each has one window, so nobody else writes there.
template <class T>
void scatter(const Problem& p, Matrices& from, const Group& group, float factor, const Target<T>& target) {
  for (i64 t = 0; t < kTokens; ++t) {
    if (group.place.token[t] < 0) continue;
    T* const to = target.map + group.place.token[t] * target.row + target.first + group.first * p.dim;
    for (i64 h = 0; h < group.count; ++h) {
      const float* const row = from[h] + t * p.width;
      for (i64 d = 0; d < p.width; d += kLanes) {
        const Vec v = load(row + d) * factor;
        p.dim - d >= kLanes ? store(to + h * p.dim + d, v) : store_part(to + h * p.dim + d, v, p.dim - d);
      }
    }
  }
}

/// [49,width] -> [width,kKeys], zeros in the columns that only fill a register.
void transpose(const Problem& p, const float* from, float* to) {
  for (i64 d = 0; d < p.width; d += kLanes) {
    for (i64 t = 0; t < kKeys; t += kLanes) {
      Vec block[kLanes];
      for (i64 i = 0; i < kLanes; ++i) block[i] = t + i < kTokens ? load(from + (t + i) * p.width + d) : Vec{};
      transpose_square(block);
      for (i64 i = 0; i < kLanes; ++i) store(to + (d + i) * kKeys + t, block[i]);
    }
  }
}

void add_mask(const Place& place, float* s) {
  for (i64 i = 0; i < kTokens; ++i, s += kKeys) {
    for (i64 j = 0; j < kKeys; j += kLanes) {
      const Vec apart = load(place.region + j) != place.region[i] ? broadcast(kMaskedScore) : Vec{};
      store(s + j, load(s + j) + apart);
    }
  }
}

/// S [49,kKeys] to P, in place. Each loop goes over all rows, so that the processor has several to work on at once.
void softmax(float* s) {
  float top[kTokens], inverse[kTokens];
  for (i64 i = 0; i < kTokens; ++i) {
    Vec largest = broadcast(kNoKey);
    for (i64 j = 0; j < kKeys; j += kLanes) largest = larger(largest, load(s + i * kKeys + j));
    top[i] = max_of_lanes(largest);
  }
  for (i64 i = 0; i < kTokens; ++i) {
    Vec sum{};
    for (i64 j = i * kKeys; j < (i + 1) * kKeys; j += kLanes) {
      const Vec e = exp_of_negative(load(s + j) - top[i]);
      sum += e;
      store(s + j, e);
    }
    inverse[i] = 1.F / sum_of_lanes(sum);
  }
  for (i64 i = 0; i < kTokens; ++i) {
    for (i64 j = i * kKeys; j < (i + 1) * kKeys; j += kLanes) store(s + j, load(s + j) * inverse[i]);
  }
}

/// dP [49,kKeys] to dS, in place.
void softmax_gradient(const float* p, float* ds) {
  float mean[kTokens];
  for (i64 i = 0; i < kTokens; ++i) {
    Vec sum{};
    for (i64 j = i * kKeys; j < (i + 1) * kKeys; j += kLanes) sum += load(p + j) * load(ds + j);
    mean[i] = sum_of_lanes(sum);
  }
  for (i64 i = 0; i < kTokens; ++i) {
    for (i64 j = i * kKeys; j < (i + 1) * kKeys; j += kLanes) store(ds + j, load(p + j) * (load(ds + j) - mean[i]));
  }
}

/// What both directions need of a group of heads, and of one of them.
class Heads {
 public:
  explicit Heads(const Problem& problem)
      : q(problem), k(problem), v(problem), transposed(problem.width * kKeys), p(kTokens * kKeys) {}

  /// Q (scaled), K and V.
  template <class T>
  void gather(const Problem& problem, const Inputs<T>& in, const Group& group) {
    for (i64 t = 0; t < kTokens; ++t) {
      gather_token(problem, in.q, group, t, problem.scale, q);
      gather_token(problem, in.k, group, t, 1.F, k);
      gather_token(problem, in.v, group, t, 1.F, v);
    }
  }

  /// P of the i-th head. bias [heads,49,kKeys].
  void attend(const Problem& problem, const Group& group, i64 i, const float* bias) {
    transpose(problem, k[i], transposed.data());
    const float* const its_bias = bias + (group.first + i) * kTokens * kKeys;
    multiply({{q[i], problem.width, 1}, problem.dim, transposed.data(), p.data(), kKeys, its_bias});
    if (group.place.masked) add_mask(group.place, p.data());
    softmax(p.data());
  }

  Matrices q, k, v;
  Buffer transposed, p;
};

/// The same for the gradients.
class HeadGradients {
 public:
  explicit HeadGradients(const Problem& problem)
      : dy(problem), dq(problem), dk(problem), dv(problem), ds(kTokens * kKeys) {}

  /// Of the i-th head, whose P `forward` has just computed. dQ still lacks the scale.
  void compute(const Problem& problem, i64 i, Heads& forward) {
    const i64 width = problem.width;
    const float* const p = forward.p.data();
    multiply({{p, 1, kKeys}, kTokens, dy[i], dv[i], width});
    transpose(problem, forward.v[i], forward.transposed.data());
    multiply({{dy[i], width, 1}, problem.dim, forward.transposed.data(), ds.data(), kKeys});
    softmax_gradient(p, ds.data());
    multiply({{ds.data(), kKeys, 1}, kTokens, forward.k[i], dq[i], width});
    multiply({{ds.data(), 1, kKeys}, kTokens, forward.q[i], dk[i], width});  // Q is scaled
  }

  Matrices dy, dq, dk, dv;
  Buffer ds;
};

// ---- Sums over windows ----

/// Per chunk and head: dS [49,kKeys], and the dK and dV of all tokens beyond the edge [2,width].
class WindowSums {
 public:
  explicit WindowSums(const Problem& problem)
      : problem_(problem), unit_(kTokens * kKeys + 2 * problem.width), sums_(problem.chunks() * problem.heads * unit_) {
    float* const sums = sums_.data();
#pragma omp parallel for schedule(static)
    for (i64 i = 0; i < problem.chunks() * problem.heads; ++i) std::fill_n(sums + i * unit_, unit_, 0.F);
  }

  /// Of the i-th head of the group.
  void add(i64 chunk, const Group& group, i64 i, HeadGradients& g) {
    float* const ds = at(chunk, group.first + i);
    for (i64 e = 0; e < kTokens * kKeys; e += kLanes) store(ds + e, load(ds + e) + load(g.ds.data() + e));
    float *const dk = ds + kTokens * kKeys, *const dv = dk + problem_.width;
    for (i64 t = 0; t < kTokens; ++t) {
      if (group.place.token[t] >= 0) continue;
      for (i64 d = t * problem_.width, e = 0; e < problem_.width; ++d, ++e) {
        dk[e] += g.dk[i][d];
        dv[e] += g.dv[i][d];
      }
    }
  }

  void table_gradient(const Tensor& dtable) const {
    float* const to = dtable.data();
#pragma omp parallel for schedule(static)
    for (i64 h = 0; h < problem_.heads; ++h) {
      double pairs[kTokens * kKeys] = {}, sums[kDistances * kDistances] = {};
      for (i64 c = 0; c < problem_.chunks(); ++c) {
        const float* const ds = at(c, h);
        for (i64 i = 0; i < kTokens * kKeys; ++i) pairs[i] += double(ds[i]);
      }
      for (i64 q = 0; q < kTokens; ++q) {
        for (i64 k = 0; k < kTokens; ++k) sums[distance_row(q, k)] += pairs[q * kKeys + k];
      }
      for (i64 d = 0; d < kDistances * kDistances; ++d) to[d * problem_.heads + h] = float(sums[d]);
    }
  }

  /// Queries beyond the edge have no gradient: their results are cut off.
  void padding_gradient(const Tensor& dpadding, bool with_values) const {
    const i64 C = problem_.channels;
    for (i64 h = 0; h < problem_.heads; ++h) {
      for (i64 d = 0; d < problem_.dim; ++d) {
        const i64 c = h * problem_.dim + d, k = kTokens * kKeys + d;
        dpadding.data()[c] = 0.F;
        dpadding.data()[C + c] = float(over_chunks(h, k));
        if (with_values) dpadding.data()[2 * C + c] = float(over_chunks(h, k + problem_.width));
      }
    }
  }

 private:
  const float* at(i64 chunk, i64 head) const { return sums_.data() + (chunk * problem_.heads + head) * unit_; }
  float* at(i64 chunk, i64 head) { return sums_.data() + (chunk * problem_.heads + head) * unit_; }
  double over_chunks(i64 head, i64 element) const {
    double sum = 0;
    for (i64 c = 0; c < problem_.chunks(); ++c) sum += double(at(c, head)[element]);
    return sum;
  }
  const Problem& problem_;
  i64 unit_;  // kKeys and width are multiples of kLanes, and so is this
  Buffer sums_;
};

template <class T>
void attend(const Problem& problem, const Inputs<T>& in, const Buffer& bias, const Target<T>& target) {
  const std::vector<Place> places = places_of(problem.windows);
  PerThread<Heads> all_heads(problem);
  PerThread<Matrices> outputs(problem);
#pragma omp parallel
  {
    Heads& heads = all_heads.mine();
    Matrices& out = outputs.mine();
#pragma omp for collapse(2) schedule(static)
    for (i64 window = 0; window < problem.windows.count(); ++window) {
      for (i64 g = 0; g < problem.groups(); ++g) {
        const Group group = problem.group(places[std::size_t(window)], g);
        heads.gather(problem, in, group);
        for (i64 i = 0; i < group.count; ++i) {
          heads.attend(problem, group, i, bias.data());
          multiply({{heads.p.data(), kKeys, 1}, kTokens, heads.v[i], out[i], problem.width});
        }
        scatter(problem, out, group, 1.F, target);
      }
    }
  }
}

/// Where the gradients of Inputs go.
template <class T>
struct Targets {
  Targets(const Inputs<T>& in, const WindowTensors& gradients) {
    T* const dqkv = gradients.qkv.data<T>();
    dq = {dqkv, in.q.row, in.q.first};
    dk = {dqkv, in.k.row, in.k.first};
    dv = {gradients.v ? gradients.v.data<T>() : dqkv, in.v.row, in.v.first};
  }
  Target<T> dq, dk, dv;
};

template <class T>
void attend_backward(const Problem& problem, const Inputs<T>& in, const Part<T>& dy, const Buffer& bias,
                     const Targets<T>& to, WindowSums& sums) {
  const std::vector<Place> places = places_of(problem.windows);
  PerThread<Heads> all_heads(problem);
  PerThread<HeadGradients> all_gradients(problem);
#pragma omp parallel
  {
    Heads& heads = all_heads.mine();
    HeadGradients& gradient = all_gradients.mine();
#pragma omp for collapse(2) schedule(dynamic)
    for (i64 chunk = 0; chunk < problem.chunks(); ++chunk) {
      for (i64 g = 0; g < problem.groups(); ++g) {
        const i64 end = std::min((chunk + 1) * kWindowsInChunk, problem.windows.count());
        for (i64 window = chunk * kWindowsInChunk; window < end; ++window) {
          const Group group = problem.group(places[std::size_t(window)], g);
          heads.gather(problem, in, group);
          for (i64 t = 0; t < kTokens; ++t) gather_token(problem, dy, group, t, 1.F, gradient.dy);
          for (i64 i = 0; i < group.count; ++i) {
            heads.attend(problem, group, i, bias.data());
            gradient.compute(problem, i, heads);
            sums.add(chunk, group, i, gradient);
          }
          scatter(problem, gradient.dq, group, problem.scale, to.dq);
          scatter(problem, gradient.dk, group, 1.F, to.dk);
          scatter(problem, gradient.dv, group, 1.F, to.dv);
        }
      }
    }
  }
}

}  // namespace

void CpuBackend::window_attention(const WindowSpec& spec, const WindowTensors& in, const Tensor& y) {
  const Problem problem(spec, in);
  const Buffer bias = spread_bias(in.bias_table, spec.heads);
  with_storage(in.qkv.dtype(), [&](auto storage) {
    using T = decltype(storage);
    attend<T>(problem, {problem, in}, bias, {y.data<T>(), problem.channels, 0});
  });
}

void CpuBackend::window_attention_backward(const WindowSpec& spec, const WindowTensors& in, const Tensor& dy,
                                           const WindowTensors& gradients) {
  const Problem problem(spec, in);
  const Buffer bias = spread_bias(in.bias_table, spec.heads);
  WindowSums sums(problem);
  with_storage(in.qkv.dtype(), [&](auto storage) {
    using T = decltype(storage);
    const Inputs<T> inputs(problem, in);
    attend_backward<T>(problem, inputs, {dy.data<T>(), problem.channels, 0, nullptr}, bias, {inputs, gradients}, sums);
  });
  sums.table_gradient(gradients.bias_table);
  sums.padding_gradient(gradients.padding, !in.v);
}

}  // namespace md::MD_KERNELS
