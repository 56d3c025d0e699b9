// Window attention on a GPU: a block takes one head of a window (the formulas are in engine/cpu/window_attention.cpp).
// Queries, keys, values and scores live in shared memory only; backward computes the scores again. A block of a
// gradient takes a few windows one after the other and adds up in float what belongs to no window; then blocks are
// added.
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/warp.h"
#include "engine/launch.h"
#include "engine/windows.h"

namespace md {
namespace {

using cuda::kWarp;
using cuda::max_of_warp;
using cuda::sum_of_warp;

constexpr int kTokens = static_cast<int>(kWindowTokens), kPairs = kTokens * kTokens;
constexpr int kThreads = 256;
constexpr i64 kWindowsOfBlock = 4;  // of a gradient

/// A thing that every token has: channels [first, first + C) of rows of memory.
struct Part {
  const float* map;
  i64 row, first;
  const float* padding;  // its value beyond the edge, at the same channel; null: 0
};
struct Target {
  float* map;
  i64 row, first;
};

struct Problem {
  Problem(const WindowSpec& spec, const WindowTensors& in)
      : windows(in.qkv.shape(), spec.shift),
        channels(in.qkv.dim(3) / (in.v ? 2 : 3)),
        heads(spec.heads),
        dim(static_cast<int>(channels / heads)),
        stride(dim | 1),
        scale(1.F / sqrtf(static_cast<float>(dim))),
        table(in.bias_table.data()) {
    const i64 row = in.qkv.dim(3);
    const float* const padding = in.padding.data();
    q = {in.qkv.data(), row, 0, padding};
    k = {in.qkv.data(), row, channels, padding};
    v = in.v ? Part{in.v.data(), channels, 0, nullptr} : Part{in.qkv.data(), row, 2 * channels, padding};
  }
  constexpr int matrix() const { return kTokens * stride; }  // floats
  /// What a block of a gradient adds up: dS, then dK and dV of the tokens beyond the edge.
  constexpr int sums() const { return kPairs + 2 * dim; }

  Windows windows;
  i64 channels;
  int heads, dim;
  int stride;  // of a matrix [49,dim] in shared memory: odd, so that its rows begin in different banks
  float scale;
  const float* table;  // [169,heads]
  Part q, k, v;
};

/// One head of one window, in shared memory: matrices [49,dim], and [49,49] for scores.
struct Head {
  __device__ Head(const Problem& problem, float* memory)
      : q(memory), k(q + problem.matrix()), v(k + problem.matrix()), p(v + problem.matrix()) {}
  static std::size_t bytes(const Problem& problem) {
    return static_cast<std::size_t>(3 * problem.matrix() + kPairs) * sizeof(float);
  }
  float *q, *k, *v, *p;  // Q is scaled
};
struct HeadGradient {
  __device__ HeadGradient(const Problem& problem, const Head& head) : dy(head.p + kPairs), ds(dy + problem.matrix()) {}
  static std::size_t bytes(const Problem& problem) {
    return Head::bytes(problem) + static_cast<std::size_t>(problem.matrix() + kPairs) * sizeof(float);
  }
  float *dy, *ds;
};

struct Place {
  i64 token[kTokens];  // or -1 beyond the edge
  int region[kTokens];
};

// ---- What all threads of a block do together. Threads own elements, warps own rows of scores. ----

__device__ void find_tokens(const Problem& p, i64 window, Place& place) {
  for (int t = static_cast<int>(threadIdx.x); t < kTokens; t += kThreads) {
    place.token[t] = p.windows.token(window, t);
    place.region[t] = p.windows.region(window, t);
  }
}

/// to = factor * the part, for one head.
__device__ void gather(const Problem& p, const Part& part, const Place& place, int head, float factor, float* to) {
  for (int e = static_cast<int>(threadIdx.x); e < kTokens * p.dim; e += kThreads) {
    const int t = e / p.dim, d = e % p.dim;
    const i64 token = place.token[t], channel = part.first + head * p.dim + d;
    float value = 0.F;
    if (token >= 0) {
      value = part.map[token * part.row + channel];
    } else if (part.padding) {
      value = part.padding[channel];
    }
    to[t * p.stride + d] = factor * value;
  }
}

/// c [49,49] = a b'
__device__ void multiply_rows(const Problem& p, const float* a, const float* b, float* c) {
  for (int e = static_cast<int>(threadIdx.x); e < kPairs; e += kThreads) {
    const float *const row = a + e / kTokens * p.stride, *const column = b + e % kTokens * p.stride;
    float sum = 0.F;
    for (int d = 0; d < p.dim; ++d) sum += row[d] * column[d];
    c[e] = sum;
  }
}

/// The left factor of a product: element (i,t) is at[i * row + t * term].
struct Left {
  const float* at;
  int row, term;
};

/// factor * a b, for the tokens of the map; each has one window, so nobody else writes there.
__device__ void multiply_into(const Target& to, const Problem& p, const Left& a, const float* b, float factor,
                              const Place& place, int head) {
  for (int e = static_cast<int>(threadIdx.x); e < kTokens * p.dim; e += kThreads) {
    const int i = e / p.dim, d = e % p.dim;
    if (place.token[i] < 0) continue;
    float sum = 0.F;
    for (int t = 0; t < kTokens; ++t) sum += a.at[i * a.row + t * a.term] * b[t * p.stride + d];
    to.map[place.token[i] * to.row + to.first + head * p.dim + d] = factor * sum;
  }
}

/// Calls row(i, lane) for the rows of this warp.
template <class Row>
__device__ void for_rows(const Row& row) {
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = thread / kWarp; i < kTokens; i += kThreads / kWarp) row(i, thread % kWarp);
}

/// Products of Q and K to P, in place.
__device__ void softmax(const Problem& p, const Place& place, int head, float* scores) {
  for_rows([&](int i, int lane) {
    float* const row = scores + i * kTokens;
    float largest = -INFINITY, sum = 0.F;
    for (int j = lane; j < kTokens; j += kWarp) {
      row[j] += p.table[distance_row(i, j) * p.heads + head];
      if (place.region[i] != place.region[j]) row[j] += kMaskedScore;
      largest = fmaxf(largest, row[j]);
    }
    largest = max_of_warp(largest);
    for (int j = lane; j < kTokens; j += kWarp) sum += row[j] = expf(row[j] - largest);
    const float inverse = 1.F / sum_of_warp(sum);
    for (int j = lane; j < kTokens; j += kWarp) row[j] *= inverse;
  });
}

/// dP to dS, in place.
__device__ void softmax_gradient(const float* probabilities, float* gradients) {
  for_rows([&](int i, int lane) {
    const float* const p = probabilities + i * kTokens;
    float *const row = gradients + i * kTokens, sum = 0.F;
    for (int j = lane; j < kTokens; j += kWarp) sum += p[j] * row[j];
    const float mean = sum_of_warp(sum);
    for (int j = lane; j < kTokens; j += kWarp) row[j] = p[j] * (row[j] - mean);
  });
}

/// Q (scaled), K, V and P.
__device__ void compute(const Problem& p, const Place& place, int head, const Head& h) {
  gather(p, p.q, place, head, p.scale, h.q);
  gather(p, p.k, place, head, 1.F, h.k);
  gather(p, p.v, place, head, 1.F, h.v);
  __syncthreads();
  multiply_rows(p, h.q, h.k, h.p);
  __syncthreads();
  softmax(p, place, head, h.p);
  __syncthreads();
}

/// sums (+)= dS, and dK and dV of the tokens beyond the edge.
__device__ void add_sums(const Problem& p, const Place& place, const Head& h, const HeadGradient& g, bool first,
                         float* sums) {
  for (int e = static_cast<int>(threadIdx.x); e < kPairs; e += kThreads) sums[e] = first ? g.ds[e] : sums[e] + g.ds[e];
  for (int e = static_cast<int>(threadIdx.x); e < 2 * p.dim; e += kThreads) {
    const float *const left = e < p.dim ? g.ds : h.p, *const right = (e < p.dim ? h.q : g.dy) + e % p.dim;
    float sum = first ? 0.F : sums[kPairs + e];
    for (int t = 0; t < kTokens; ++t) {
      if (place.token[t] >= 0) continue;
      for (int i = 0; i < kTokens; ++i) sum += left[i * kTokens + t] * right[i * p.stride];
    }
    sums[kPairs + e] = sum;
  }
}

// ---- Kernels ----

/// Grid [windows,heads].
__global__ void attend(Problem p, Target y) {
  MD_DYNAMIC_SHARED(float, memory);
  __shared__ Place place;
  const int head = static_cast<int>(blockIdx.y);
  const Head h(p, memory);
  find_tokens(p, blockIdx.x, place);
  __syncthreads();
  compute(p, place, head, h);
  multiply_into(y, p, {h.p, kTokens, 1}, h.v, 1.F, place, head);
}

/// Grid [blocks of windows,heads]; partial [blocks,heads,sums].
__global__ void attend_backward(Problem p, Part dy, Target dq, Target dk, Target dv, float* partial) {
  MD_DYNAMIC_SHARED(float, memory);
  __shared__ Place place;
  const int head = static_cast<int>(blockIdx.y);
  const Head h(p, memory);
  const HeadGradient g(p, h);
  float* const sums = partial + (static_cast<i64>(blockIdx.x) * p.heads + head) * p.sums();
  const i64 begin = blockIdx.x * kWindowsOfBlock;
  for (i64 window = begin; window < begin + kWindowsOfBlock && window < p.windows.count(); ++window) {
    find_tokens(p, window, place);
    __syncthreads();
    compute(p, place, head, h);
    gather(p, dy, place, head, 1.F, g.dy);
    __syncthreads();
    multiply_into(dv, p, {h.p, 1, kTokens}, g.dy, 1.F, place, head);
    multiply_rows(p, g.dy, h.v, g.ds);
    __syncthreads();
    softmax_gradient(h.p, g.ds);
    __syncthreads();
    multiply_into(dq, p, {g.ds, kTokens, 1}, h.k, p.scale, place, head);
    multiply_into(dk, p, {g.ds, 1, kTokens}, h.q, 1.F, place, head);
    add_sums(p, place, h, g, window == begin, sums);
    __syncthreads();  // before the next window takes the memory
  }
}

/// dtable [169,heads]: the sum of dS over all pairs of tokens at one distance.
struct TableGradient {
  const float* sums;  // [heads,row]
  i64 row;
  int heads;
  float* dtable;
  MD_HD void operator()(i64 distance, i64 head) const {
    const i64 down = distance / kDistances - (kWindow - 1), right = distance % kDistances - (kWindow - 1);
    double sum = 0;
    for (i64 query = 0; query < kWindowTokens; ++query) {
      const i64 y = query / kWindow - down, x = query % kWindow - right;
      if (y < 0 || y >= kWindow || x < 0 || x >= kWindow) continue;
      sum += static_cast<double>(sums[head * row + query * kWindowTokens + y * kWindow + x]);
    }
    dtable[distance * heads + head] = static_cast<float>(sum);
  }
};

/// dpadding [2C] or [3C]. Queries beyond the edge have no gradient: their results are cut off.
struct PaddingGradient {
  const float* sums;  // [heads,row]
  i64 row, channels, dim;
  float* dpadding;
  MD_HD void operator()(i64 part, i64 channel) const {
    const i64 at = channel / dim * row + kPairs + (part - 1) * dim + channel % dim;
    dpadding[part * channels + channel] = part == 0 ? 0.F : sums[at];
  }
};

}  // namespace

void CudaBackend::window_attention(const WindowSpec& spec, const WindowTensors& in, const Tensor& y) {
  const Problem p(spec, in);
  cuda::launch_kernel(attend, dim3(unsigned(p.windows.count()), unsigned(p.heads)), kThreads, Head::bytes(p),
                      cuda::runtime().compute, p, Target{y.data(), p.channels, 0});
}

void CudaBackend::window_attention_backward(const WindowSpec& spec, const WindowTensors& in, const Tensor& dy,
                                            const WindowTensors& gradients) {
  const Problem p(spec, in);
  const i64 blocks = (p.windows.count() + kWindowsOfBlock - 1) / kWindowsOfBlock;
  const Device device = dy.device();
  const Tensor partial = Tensor::empty({blocks, p.heads, p.sums()}, device);
  const Tensor sums = Tensor::empty({p.heads, p.sums()}, device);
  float* const dqkv = gradients.qkv.data();
  const Target dv = in.v ? Target{gradients.v.data(), p.channels, 0} : Target{dqkv, p.v.row, p.v.first};
  cuda::launch_kernel(attend_backward, dim3(unsigned(blocks), unsigned(p.heads)), kThreads, HeadGradient::bytes(p),
                      cuda::runtime().compute, p, Part{dy.data(), p.channels, 0, nullptr},
                      Target{dqkv, p.q.row, p.q.first}, Target{dqkv, p.k.row, p.k.first}, dv, partial.data());
  reduce_sum(partial, {}, 1, blocks, sums.numel(), sums);
  launch(device, kDistances * kDistances, p.heads,
         TableGradient{sums.data(), p.sums(), p.heads, gradients.bias_table.data()});
  launch(device, in.v ? 2 : 3, p.channels,
         PaddingGradient{sums.data(), p.sums(), p.channels, p.dim, gradients.padding.data()});
}

}  // namespace md
