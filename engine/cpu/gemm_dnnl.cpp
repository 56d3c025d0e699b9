// A product is a 1x1 convolution of one row of pixels (or one of its gradients) wherever that is faster: the library's
// convolutions want the weight in a layout of their own, and reach 226 of 236 GFLOP/s where its products reach 205
// (2.6.3 on two Zen 4 cores; 1200 x 768 by 768 x 3072). As of other convolutions, the copy in that layout is kept from
// the second use of one version of the weight on. All other factors stay in the layout they have. Where the other
// factor is bf16, so is the weight's copy, which a product that is none of a convolution's wants too.
#include "engine/cpu/gemm_dnnl.h"

#include <algorithm>
#include <mutex>

#include "engine/cpu/dnnl.h"
#include "engine/lru_cache.h"

namespace md {
namespace {

using dnnl::memory;

struct Key {
  i64 M, N, K;
  bool transpose_a, transpose_b, bias;
  DType a, b, c;
  auto operator<=>(const Key&) const = default;
};

/// A matrix as an argument of a primitive: ours, and what the library wants in its place.
struct Operand {
  int argument;
  memory::desc ours, wanted;
  dnnl::primitive reorder;               // from one to the other; none where they are the same
  i64 rows = 0, columns = 0, panel = 0;  // of a weight; panel: see panel_of
  std::uint64_t layout = 0;              // identity of `wanted`, the key of derived copies
};

struct Primitive {
  dnnl::primitive run;
  memory::desc scratchpad;
  Operand a, b, c;
  memory::desc bias;
};

memory::desc floats(const memory::dims& dims, memory::format_tag tag) { return {dims, memory::data_type::f32, tag}; }

/// A matrix as the product sees it; in memory it may be stored by columns.
memory::desc matrix(DType type, i64 rows, i64 columns, bool transposed) {
  return {{rows, columns}, Dnnl::type_of(type), transposed ? memory::format_tag::ba : memory::format_tag::ab};
}
/// A matrix as one row of pixels, and as the weight of a 1x1 convolution, both dense by rows.
memory::desc pixels(DType type, i64 rows, i64 columns) {
  return {{1, columns, 1, rows}, Dnnl::type_of(type), memory::format_tag::nhwc};
}
memory::desc weight(i64 rows, i64 columns) { return floats({rows, columns, 1, 1}, memory::format_tag::oihw); }

/// The height of the panels (PackPanels) that a layout of [rows,columns] consists of; 0 if it does not.
i64 panel_of(const memory::desc& layout, i64 rows, i64 columns) {
  const std::pair<i64, memory::format_tag> tags[] = {{16, memory::format_tag::Acdb16a},
                                                     {32, memory::format_tag::Acdb32a},
                                                     {48, memory::format_tag::Acdb48a},
                                                     {64, memory::format_tag::Acdb64a}};
  for (const auto& [height, tag] : tags) {
    if (layout == floats({rows, columns, 1, 1}, tag)) return height;
  }
  return 0;
}

class DnnlGemmPrimitives final : public GemmPrimitives {
 public:
  DnnlGemmPrimitives(std::size_t most, PackPanels pack_panels) : pack_panels_(pack_panels), cache_(most) {}

  void run(const GemmSpec& s, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c) override {
    const i64 N = c.dim(-1), M = c.numel() / N;
    const auto found =
        find({M, N, a.numel() / M, s.transpose_a, s.transpose_b, bool(bias), a.dtype(), b.dtype(), c.dtype()});
    const Primitive& p = *found;
    const std::shared_ptr<Storage> weight = p.b.reorder ? library_weight(p.b, b) : nullptr;
    const Storage gradient({}, p.c.reorder ? p.c.wanted.get_size() : 0);
    const memory our_c = library_.at(p.c.ours, c.raw()),
                 its_c = p.c.reorder ? library_.at(p.c.wanted, gradient.data) : our_c;
    Dnnl::Args args{{p.a.argument, library_.at(p.a.ours, a.raw())},
                    {p.b.argument, library_.at(p.b.wanted, weight ? weight->data : b.raw())},
                    {p.c.argument, its_c}};
    if (bias) args.emplace(DNNL_ARG_BIAS, library_.at(p.bias, bias.raw()));
    library_.execute(p.run, p.scratchpad, std::move(args));
    if (p.c.reorder) reorder(p.c, its_c, our_c);
  }

  void keep_at_most(std::size_t primitives) override {
    const std::lock_guard lock(mutex_);
    if (cache_.keep_at_most(primitives)) Dnnl::forget_primitives();
  }
  i64 created() const override { return i64(cache_.made()); }
  i64 kept() const override { return i64(cache_.size()); }

 private:
  using Forward = dnnl::convolution_forward;
  using DataGradient = dnnl::convolution_backward_data;
  using WeightGradient = dnnl::convolution_backward_weights;

  /// Shared: another thread's may be the one that makes it go.
  std::shared_ptr<const Primitive> find(const Key& key) {
    const std::lock_guard lock(mutex_);
    return cache_.find_or_make(key, [&] { return std::make_shared<const Primitive>(create(key)); });
  }

  /// A weight of ours in the library's layout.
  std::shared_ptr<Storage> library_weight(const Operand& weight, const Tensor& ours) {
    return weight_copy(ours, weight.layout, weight.wanted.get_size(), [&](void* copy) {
      if (weight.panel) {
        pack_panels_(ours.data(), weight.rows, weight.columns, weight.panel, static_cast<float*>(copy));
      } else {
        reorder(weight, library_.at(weight.ours, ours.raw()), library_.at(weight.wanted, copy));
      }
    });
  }

  void reorder(const Operand& operand, const memory& from, const memory& to) {
    operand.reorder.execute(library_.stream, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
    library_.stream.wait();
  }

  Primitive create(const Key& k) {
    constexpr i64 kRows = 1024, kTerms = 8192;  // from which on it pays
    if (!k.transpose_a && k.transpose_b && k.M >= kRows) return create_forward(k);
    const bool wrong = pixel_gradient_is_wrong(k.a, k.K);
    if (!k.transpose_a && !k.transpose_b && !k.bias && k.M >= kRows && !wrong) return create_data_gradient(k);
    if (k.transpose_a && !k.transpose_b && !k.bias && k.K >= kTerms) return create_weight_gradient(k);
    return create_product(k);
  }

  Primitive create_product(const Key& k) {
    const memory::desc a = matrix(k.a, k.M, k.K, k.transpose_a), b = matrix(k.a, k.K, k.N, k.transpose_b),
                       c = matrix(k.c, k.M, k.N, false),
                       bias = k.bias ? matrix(DType::f32, 1, k.N, false) : memory::desc();
    const dnnl::primitive_attr attr = Dnnl::attributes();
    const auto d =
        k.bias ? library_.describe<dnnl::matmul>(attr, a, b, bias, c) : library_.describe<dnnl::matmul>(attr, a, b, c);
    return {dnnl::matmul(d),          d.scratchpad_desc(),
            {DNNL_ARG_SRC, a, a, {}}, operand(DNNL_ARG_WEIGHTS, matrix(k.b, k.K, k.N, k.transpose_b), b, true),
            {DNNL_ARG_DST, c, c, {}}, bias};
  }

  /// Of `rows` pixels, and that of which the gradients are.
  Forward::primitive_desc forward(DType type, i64 rows, i64 inputs, i64 outputs, const memory::desc& bias) const {
    const memory::dims one{1, 1}, none{0, 0};
    const auto kind = dnnl::prop_kind::forward_training;
    const auto algorithm = dnnl::algorithm::convolution_direct;
    const memory::desc x = pixels(type, rows, inputs), y = pixels(type, rows, outputs),
                       w = any_weight(type, outputs, inputs);
    const dnnl::primitive_attr attr = Dnnl::attributes();
    return bias ? library_.describe<Forward>(attr, kind, algorithm, x, w, bias, y, one, none, none, none)
                : library_.describe<Forward>(attr, kind, algorithm, x, w, y, one, none, none, none);
  }
  static memory::desc any_weight(DType type, i64 outputs, i64 inputs) {
    return {{outputs, inputs, 1, 1}, Dnnl::type_of(type), memory::format_tag::any};
  }

  /// The operand that is a weight [rows,columns]; `in`: it is read.
  Operand weight_operand(int argument, i64 rows, i64 columns, const memory::desc& wanted, bool in) {
    Operand w = operand(argument, weight(rows, columns), wanted, in);
    w.rows = rows;
    w.columns = columns;
    w.panel = panel_of(wanted, rows, columns);
    return w;
  }

  /// `in`: it is read.
  Operand operand(int argument, const memory::desc& ours, const memory::desc& wanted, bool in) {
    Operand o{argument, ours, wanted, {}};
    if (ours == wanted) return o;
    o.layout = layouts_.of(wanted);
    const memory::desc &from = in ? ours : wanted, &to = in ? wanted : ours;
    o.reorder = dnnl::reorder(dnnl::reorder::primitive_desc(library_.engine, from, library_.engine, to));
    return o;
  }

  /// a [M,K] pixels, b' [N,K] the weight.
  Primitive create_forward(const Key& k) {
    const memory::desc bias = k.bias ? floats({k.N}, memory::format_tag::x) : memory::desc();
    const auto d = forward(k.a, k.M, k.K, k.N, bias);
    const memory::desc a = pixels(k.a, k.M, k.K), c = pixels(k.a, k.M, k.N);
    return {Forward(d),
            d.scratchpad_desc(),
            {DNNL_ARG_SRC, a, a, {}},
            weight_operand(DNNL_ARG_WEIGHTS, k.N, k.K, d.weights_desc(), true),
            {DNNL_ARG_DST, c, c, {}},
            bias};
  }

  /// a [M,K] the output's gradient, b [K,N] the weight.
  Primitive create_data_gradient(const Key& k) {
    const memory::dims one{1, 1}, none{0, 0};
    const memory::desc a = pixels(k.a, k.M, k.K), c = pixels(k.a, k.M, k.N);
    const auto d = library_.describe_gradient<DataGradient>(forward(k.a, k.M, k.N, k.K, {}), Dnnl::attributes(),
                                                            dnnl::algorithm::convolution_direct, c,
                                                            any_weight(k.a, k.K, k.N), a, one, none, none, none);
    return {DataGradient(d),
            d.scratchpad_desc(),
            {DNNL_ARG_DIFF_DST, a, a, {}},
            weight_operand(DNNL_ARG_WEIGHTS, k.K, k.N, d.weights_desc(), true),
            {DNNL_ARG_DIFF_SRC, c, c, {}},
            {}};
  }

  /// a' [K,M] the output's gradient, b [K,N] pixels, c the weight's gradient.
  Primitive create_weight_gradient(const Key& k) {
    const memory::dims one{1, 1}, none{0, 0};
    const memory::desc a = pixels(k.a, k.K, k.M), b = pixels(k.a, k.K, k.N);
    const auto d = library_.describe_gradient<WeightGradient>(
        forward(k.a, k.K, k.N, k.M, {}), Dnnl::attributes(), dnnl::algorithm::convolution_direct, b,
        any_weight(DType::f32, k.M, k.N), a, one, none, none, none);
    return {WeightGradient(d),
            d.scratchpad_desc(),
            {DNNL_ARG_DIFF_DST, a, a, {}},
            {DNNL_ARG_SRC, b, b, {}},
            weight_operand(DNNL_ARG_DIFF_WEIGHTS, k.M, k.N, d.diff_weights_desc(), false),
            {}};
  }

  Dnnl library_;
  LayoutIds layouts_{std::uint64_t{1} << 32};  // those before are layouts of other convolutions
  PackPanels pack_panels_;
  std::mutex mutex_;
  LruCache<Key, std::shared_ptr<const Primitive>> cache_;
};

}  // namespace

std::unique_ptr<GemmPrimitives> make_gemm_primitives(std::size_t most, PackPanels pack_panels) {
  return std::make_unique<DnnlGemmPrimitives>(most, pack_panels);
}

}  // namespace md
