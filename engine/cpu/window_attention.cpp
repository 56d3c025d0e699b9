// Window attention. A thread takes one head of one window at a time: it gathers the 49 queries, keys and values into
// buffers that fit the first-level caches, computes the 49x49 scores there and writes only the result. Backward
// recomputes the scores, so that nothing of their size is ever saved.
//   S = scale Q K' + bias + mask,  P = softmax of the rows of S,  Y = P V         (' = transposed, scale = 1/sqrt(d))
//   dV = P' dY,  dP = dY V',  dS = P * (dP - sum over the row of P * dP),  dQ = scale dS K,  dK = scale dS' Q
//   dbias = the sum of dS over all windows; in the table, over all pairs of tokens at the same distance.
// Sums over windows run in chunks of kWindowsInChunk, in float, and over chunks in double: the result does not depend
// on the number of threads.
#include <algorithm>
#include <cmath>

#include "engine/cpu/cpu_backend.h"
#include "engine/cpu/per_thread.h"
#include "engine/cpu/vec.h"
#include "engine/windows.h"

namespace md::MD_KERNELS {
namespace {

constexpr i64 kTokens = kWindowTokens;
constexpr i64 kKeys = (kTokens + kLanes - 1) / kLanes * kLanes;  // a row of scores, in whole registers
constexpr i64 kWindowsInChunk = 16;
constexpr float kNoKey = -1e30F;  // score of the columns that only fill a register

/// Memory for vectors, aligned for them.
class Buffer {
 public:
  explicit Buffer(i64 floats) : memory_(std::size_t((floats + kLanes - 1) / kLanes)) {}
  float* data() { return reinterpret_cast<float*>(memory_.data()); }
  const float* data() const { return reinterpret_cast<const float*>(memory_.data()); }

 private:
  std::vector<Aligned<Vec>> memory_;
};

// ---- Which tokens a window has ----

struct Place {
  Place(const Windows& windows, i64 window) {
    for (i64 t = 0; t < kTokens; ++t) {
      token[t] = windows.token(window, t);
      region[t] = float(windows.region(window, t));
      masked = masked || region[t] != region[0];
    }
  }
  i64 token[kTokens];        // index into [N*H*W], or -1 beyond the edge
  float region[kKeys] = {};  // tokens see each other only inside one region
  bool masked = false;       // more than one region
};

/// The table spread over the pairs of tokens, [heads,49,kKeys].
Buffer spread_bias(const Tensor& table, i64 heads) {
  Buffer bias(heads * kTokens * kKeys);
  float* to = bias.data();
  for (i64 h = 0; h < heads; ++h) {
    for (i64 q = 0; q < kTokens; ++q) {
      for (i64 k = 0; k < kKeys; ++k) *to++ = k < kTokens ? table.data()[distance_row(q, k) * heads + h] : kNoKey;
    }
  }
  return bias;
}

// ---- Small matrices ----

/// The left factor of a product: element (i,t) is at[i * row + t * term].
struct Left {
  const float* at;
  i64 row, term;
};

template <int kRegisters>
void multiply_columns(const Left& a, i64 terms, const float* b, i64 b_row, float* c, i64 c_row) {
  for (i64 i = 0; i < kTokens; i += kWindow) {
    Vec sum[kWindow][kRegisters] = {};
    for (i64 t = 0; t < terms; ++t) {
      Vec right[kRegisters];
      for (int j = 0; j < kRegisters; ++j) right[j] = load(b + t * b_row + j * kLanes);
      for (i64 r = 0; r < kWindow; ++r) {
        const Vec left = broadcast(a.at[(i + r) * a.row + t * a.term]);
        for (int j = 0; j < kRegisters; ++j) sum[r][j] += left * right[j];
      }
    }
    for (i64 r = 0; r < kWindow; ++r) {
      for (int j = 0; j < kRegisters; ++j) store(c + (i + r) * c_row + j * kLanes, sum[r][j]);
    }
  }
}

/// c [49,columns] = a [49,terms] b [terms,columns]; columns a multiple of kLanes.
void multiply(const Left& a, i64 terms, const float* b, i64 b_row, i64 columns, float* c, i64 c_row) {
  i64 j = 0;
  for (; j + 2 * kLanes <= columns; j += 2 * kLanes) multiply_columns<2>(a, terms, b + j, b_row, c + j, c_row);
  for (; j < columns; j += kLanes) multiply_columns<1>(a, terms, b + j, b_row, c + j, c_row);
}

// ---- One head of one window ----

/// A thing that every token has, per head: channels [first + h * dim, + dim) of rows of memory.
struct Part {
  const float* map;
  i64 row, first;
  const float* padding;  // its value beyond the edge, at the same channel; null: 0
};

struct Problem {
  Problem(const WindowSpec& spec, const WindowTensors& in)
      : windows(in.qkv.shape(), spec.shift), heads(spec.heads), channels(in.qkv.dim(3) / (in.v ? 2 : 3)) {
    dim = channels / heads;
    width = (dim + kLanes - 1) / kLanes * kLanes;
    scale = 1.F / std::sqrt(float(dim));
    const i64 row = in.qkv.dim(3);
    q = {in.qkv.data(), row, 0, in.padding.data()};
    k = {in.qkv.data(), row, channels, in.padding.data()};
    v = in.v ? Part{in.v.data(), channels, 0, nullptr} : Part{in.qkv.data(), row, 2 * channels, in.padding.data()};
  }
  i64 chunks() const { return (windows.count() + kWindowsInChunk - 1) / kWindowsInChunk; }

  Windows windows;
  i64 heads, channels;
  i64 dim, width;  // channels of a head; the same in whole registers
  float scale;
  Part q, k, v;
};

/// [49,width] of one head, zeros behind its channels.
void gather(const Problem& p, const Part& part, const Place& place, i64 head, float* to) {
  const i64 first = part.first + head * p.dim;
  for (i64 t = 0; t < kTokens; ++t, to += p.width) {
    const float* from = place.token[t] >= 0 ? part.map + place.token[t] * part.row : part.padding;
    std::fill(to + p.dim, to + p.width, 0.F);
    if (from) {
      std::copy_n(from + first, p.dim, to);
    } else {
      std::fill_n(to, p.dim, 0.F);
    }
  }
}

/// The other way, for tokens of the map; each has one window, so nobody else writes there.
void scatter(const Problem& p, const float* from, const Place& place, i64 head, float* map, i64 row, i64 first) {
  for (i64 t = 0; t < kTokens; ++t, from += p.width) {
    if (place.token[t] >= 0) std::copy_n(from, p.dim, map + place.token[t] * row + first + head * p.dim);
  }
}

/// [49,width] -> [width,kKeys], zeros in the columns that only fill a register.
void transpose(const Problem& p, const float* from, float* to) {
  for (i64 d = 0; d < p.dim; ++d) {
    for (i64 t = 0; t < kTokens; ++t) to[d * kKeys + t] = from[t * p.width + d];
    std::fill(to + d * kKeys + kTokens, to + (d + 1) * kKeys, 0.F);
  }
}

/// One row of S, already with its products, to one of P.
void softmax_row(float* row, const float* bias, const Place& place, float region) {
  constexpr int kRegisters = kKeys / kLanes;
  Vec s[kRegisters], largest = broadcast(kNoKey), sum{};
  for (int j = 0; j < kRegisters; ++j) {
    s[j] = load(row + j * kLanes) + load(bias + j * kLanes);
    if (place.masked) s[j] += load(place.region + j * kLanes) != region ? broadcast(kMaskedScore) : Vec{};
    largest = larger(largest, s[j]);
  }
  const Vec top = broadcast(max_of_lanes(largest));
  for (int j = 0; j < kRegisters; ++j) sum += s[j] = exp_of_negative(s[j] - top);
  const float inverse = 1.F / sum_of_lanes(sum);
  for (int j = 0; j < kRegisters; ++j) store(row + j * kLanes, s[j] * inverse);
}

/// What both directions need of one head of one window.
class Head {
 public:
  explicit Head(const Problem& problem)
      : q(kTokens * problem.width),
        k(kTokens * problem.width),
        v(kTokens * problem.width),
        transposed(problem.width * kKeys),
        p(kTokens * kKeys) {}

  /// Q (scaled), K, V and P.
  void compute(const Problem& problem, const Place& place, i64 head, const float* bias) {
    gather(problem, problem.q, place, head, q.data());
    gather(problem, problem.k, place, head, k.data());
    gather(problem, problem.v, place, head, v.data());
    for (i64 i = 0; i < kTokens * problem.width; i += kLanes) store(q.data() + i, load(q.data() + i) * problem.scale);
    transpose(problem, k.data(), transposed.data());
    multiply({q.data(), problem.width, 1}, problem.dim, transposed.data(), kKeys, kKeys, p.data(), kKeys);
    for (i64 i = 0; i < kTokens; ++i)
      softmax_row(p.data() + i * kKeys, bias + (head * kTokens + i) * kKeys, place, place.region[i]);
  }

  Buffer q, k, v, transposed, p;
};

/// The same for the gradients.
class HeadGradient {
 public:
  explicit HeadGradient(const Problem& problem)
      : dy(kTokens * problem.width),
        dq(kTokens * problem.width),
        dk(kTokens * problem.width),
        dv(kTokens * problem.width),
        ds(kTokens * kKeys) {}

  void compute(const Problem& problem, const Place& place, i64 head, const Part& dy_part, Head& forward) {
    const i64 width = problem.width;
    const Buffer& p = forward.p;
    gather(problem, dy_part, place, head, dy.data());
    multiply({p.data(), 1, kKeys}, kTokens, dy.data(), width, width, dv.data(), width);
    transpose(problem, forward.v.data(), forward.transposed.data());
    multiply({dy.data(), width, 1}, problem.dim, forward.transposed.data(), kKeys, kKeys, ds.data(), kKeys);
    for (i64 i = 0; i < kTokens; ++i) softmax_gradient_row(p.data() + i * kKeys, ds.data() + i * kKeys);
    multiply({ds.data(), kKeys, 1}, kTokens, forward.k.data(), width, width, dq.data(), width);
    for (i64 i = 0; i < kTokens * width; i += kLanes) store(dq.data() + i, load(dq.data() + i) * problem.scale);
    multiply({ds.data(), 1, kKeys}, kTokens, forward.q.data(), width, width, dk.data(), width);  // Q is scaled
  }

  Buffer dy, dq, dk, dv, ds;

 private:
  /// dP to dS, in place.
  static void softmax_gradient_row(const float* p, float* row) {
    Vec sum{};
    for (i64 j = 0; j < kKeys; j += kLanes) sum += load(p + j) * load(row + j);
    const float mean = sum_of_lanes(sum);
    for (i64 j = 0; j < kKeys; j += kLanes) store(row + j, load(p + j) * (load(row + j) - mean));
  }
};

// ---- Sums over windows ----

/// Per chunk and head: dS [49,kKeys], and the dK and dV of all tokens beyond the edge [2,width].
class WindowSums {
 public:
  explicit WindowSums(const Problem& problem)
      : problem_(problem), unit_(kTokens * kKeys + 2 * problem.width), sums_(problem.chunks() * problem.heads * unit_) {
    std::fill_n(sums_.data(), problem.chunks() * problem.heads * unit_, 0.F);
  }

  void add(i64 chunk, i64 head, const Place& place, const HeadGradient& g) {
    float* const ds = at(chunk, head);
    for (i64 i = 0; i < kTokens * kKeys; i += kLanes) store(ds + i, load(ds + i) + load(g.ds.data() + i));
    float *const dk = ds + kTokens * kKeys, *const dv = dk + problem_.width;
    for (i64 t = 0; t < kTokens; ++t) {
      if (place.token[t] >= 0) continue;
      for (i64 d = t * problem_.width, e = 0; e < problem_.width; ++d, ++e) {
        dk[e] += g.dk.data()[d];
        dv[e] += g.dv.data()[d];
      }
    }
  }

  void table_gradient(const Tensor& dtable) const {
    std::vector<double> sums(std::size_t(dtable.numel()));
    for (i64 h = 0; h < problem_.heads; ++h) {
      for (i64 q = 0; q < kTokens; ++q) {
        for (i64 k = 0; k < kTokens; ++k)
          sums[std::size_t(distance_row(q, k) * problem_.heads + h)] += over_chunks(h, q * kKeys + k);
      }
    }
    std::copy(sums.begin(), sums.end(), dtable.data());
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
  float* at(i64 chunk, i64 head) { return sums_.data() + (chunk * problem_.heads + head) * unit_; }
  double over_chunks(i64 head, i64 element) const {
    double sum = 0;
    for (i64 c = 0; c < problem_.chunks(); ++c)
      sum += double(sums_.data()[(c * problem_.heads + head) * unit_ + element]);
    return sum;
  }
  const Problem& problem_;
  i64 unit_;  // kKeys and width are multiples of kLanes, and so is this
  Buffer sums_;
};

}  // namespace

void CpuBackend::window_attention(const WindowSpec& spec, const WindowTensors& in, const Tensor& y) {
  const Problem problem(spec, in);
  const Buffer bias = spread_bias(in.bias_table, spec.heads);
  float* const py = y.data();
  PerThread<Head> heads(problem);
  PerThread<Buffer> outputs(kTokens * problem.width);
#pragma omp parallel
  {
    Head& head = heads.mine();
    Buffer& out = outputs.mine();
#pragma omp for schedule(static)
    for (i64 window = 0; window < problem.windows.count(); ++window) {
      const Place place(problem.windows, window);
      for (i64 h = 0; h < problem.heads; ++h) {
        head.compute(problem, place, h, bias.data());
        multiply({head.p.data(), kKeys, 1}, kTokens, head.v.data(), problem.width, problem.width, out.data(),
                 problem.width);
        scatter(problem, out.data(), place, h, py, problem.channels, 0);
      }
    }
  }
}

void CpuBackend::window_attention_backward(const WindowSpec& spec, const WindowTensors& in, const Tensor& dy,
                                           const WindowTensors& gradients) {
  const Problem problem(spec, in);
  const Buffer bias = spread_bias(in.bias_table, spec.heads);
  WindowSums sums(problem);
  const Part dy_part{dy.data(), problem.channels, 0, nullptr};
  const i64 row = problem.q.row, C = problem.channels;
  float *const dqkv = gradients.qkv.data(), *const dv = gradients.v ? gradients.v.data() : dqkv;
  PerThread<Head> heads(problem);
  PerThread<HeadGradient> head_gradients(problem);
#pragma omp parallel
  {
    Head& head = heads.mine();
    HeadGradient& g = head_gradients.mine();
#pragma omp for collapse(2) schedule(static)
    for (i64 chunk = 0; chunk < problem.chunks(); ++chunk) {
      for (i64 h = 0; h < problem.heads; ++h) {
        const i64 end = std::min((chunk + 1) * kWindowsInChunk, problem.windows.count());
        for (i64 window = chunk * kWindowsInChunk; window < end; ++window) {
          const Place place(problem.windows, window);
          head.compute(problem, place, h, bias.data());
          g.compute(problem, place, h, dy_part, head);
          scatter(problem, g.dq.data(), place, h, dqkv, row, 0);
          scatter(problem, g.dk.data(), place, h, dqkv, row, C);
          scatter(problem, g.dv.data(), place, h, dv, problem.v.row, problem.v.first);
          sums.add(chunk, h, place, g);
        }
      }
    }
  }
  sums.table_gradient(gradients.bias_table);
  sums.padding_gradient(gradients.padding, !in.v);
}

}  // namespace md::MD_KERNELS
