// Both factors stay in the layout they have: on these shapes the library's own weight layout is no faster, and a copy
// of every weight would double their memory.
#include "engine/cpu/gemm_dnnl.h"

#include <mutex>

#include "engine/cpu/dnnl.h"
#include "engine/lru_cache.h"

namespace md {
namespace {

using dnnl::memory;

struct Key {
  i64 M, N, K;
  bool transpose_a, transpose_b, bias;
  auto operator<=>(const Key&) const = default;
};

struct Primitive {
  dnnl::matmul run;
  memory::desc a, b, bias, c, scratchpad;
};

/// A matrix as the product sees it; in memory it may be stored by columns.
memory::desc matrix(i64 rows, i64 columns, bool transposed) {
  return {{rows, columns}, memory::data_type::f32, transposed ? memory::format_tag::ba : memory::format_tag::ab};
}

class DnnlGemmPrimitives final : public GemmPrimitives {
 public:
  explicit DnnlGemmPrimitives(std::size_t most) : cache_(most) {}

  void run(const GemmSpec& s, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c) override {
    const i64 N = c.dim(-1), M = c.numel() / N;
    const auto found = find({M, N, a.numel() / M, s.transpose_a, s.transpose_b, bool(bias)});
    const Primitive& p = *found;
    Dnnl::Args args{{DNNL_ARG_SRC, library_.at(p.a, a.raw())},
                    {DNNL_ARG_WEIGHTS, library_.at(p.b, b.raw())},
                    {DNNL_ARG_DST, library_.at(p.c, c.raw())}};
    if (bias) args.emplace(DNNL_ARG_BIAS, library_.at(p.bias, bias.raw()));
    library_.execute(p.run, p.scratchpad, std::move(args));
  }

  i64 created() const override { return i64(cache_.made()); }
  i64 kept() const override { return i64(cache_.size()); }

 private:
  /// Shared: another thread's may be the one that makes it go.
  std::shared_ptr<const Primitive> find(const Key& key) {
    const std::lock_guard lock(mutex_);
    return cache_.find_or_make(key, [&] { return std::make_shared<const Primitive>(create(key)); });
  }

  Primitive create(const Key& k) const {
    const memory::desc a = matrix(k.M, k.K, k.transpose_a), b = matrix(k.K, k.N, k.transpose_b),
                       c = matrix(k.M, k.N, false), bias = k.bias ? matrix(1, k.N, false) : memory::desc();
    const dnnl::primitive_attr attr = Dnnl::attributes();
    const auto d =
        k.bias ? library_.describe<dnnl::matmul>(attr, a, b, bias, c) : library_.describe<dnnl::matmul>(attr, a, b, c);
    return {dnnl::matmul(d), a, b, bias, c, d.scratchpad_desc()};
  }

  Dnnl library_;
  std::mutex mutex_;
  LruCache<Key, std::shared_ptr<const Primitive>> cache_;
};

}  // namespace

std::unique_ptr<GemmPrimitives> make_gemm_primitives(std::size_t most) {
  return std::make_unique<DnnlGemmPrimitives>(most);
}

}  // namespace md
