// Activations stay plain nhwc, which runs as fast here as the library's own blocked layouts; weights take the layout
// the library asks for, and the type of x, in copies that are redone when the weight's version changed. Creating a
// primitive costs milliseconds, so primitives and reorders are cached.
#include "engine/cpu/conv_dnnl.h"

#include <mutex>
#include <tuple>

#include "engine/cpu/dnnl.h"
#include "engine/lru_cache.h"

namespace md {
namespace {

using dnnl::memory;
using Args = Dnnl::Args;
constexpr auto kDirect = dnnl::algorithm::convolution_direct;

enum class Pass : std::uint8_t { forward, data, weights };

/// Everything that decides which primitive is wanted.
struct Key {
  Pass pass;
  std::array<i64, 8> image;   // N H W I OH OW O, and whether there is a bias
  std::array<i64, 9> window;  // kh kw, stride, pad and dilation along H and W, groups
  DType x, y;
  Activation act;
  bool accumulate;
  auto operator<=>(const Key& o) const {
    return std::tie(pass, image, window, x, y, act.kind, act.slope, accumulate) <=>
           std::tie(o.pass, o.image, o.window, o.x, o.y, o.act.kind, o.act.slope, o.accumulate);
  }
};

/// One convolution, as the library sees it (NCHW order of dimensions, whatever the layout in memory).
struct Problem {
  memory::desc x, y, bias;
  memory::desc w_plain;        // ours
  memory::desc w_any, dw_any;  // the library may choose; the gradient is f32
  memory::dims strides, dilation, pads, far_pads;
};

struct Primitive {
  dnnl::primitive run;
  memory::desc x, y, w, bias, scratchpad;
  memory::desc w_plain;
  std::uint64_t w_layout = 0;  // identity of `w`, the key of derived copies
  dnnl::primitive reorder;     // between w_plain and w
};

Key key_of(Pass pass, const Conv2dSpec& s, const Tensor& x, const Tensor& w, const Tensor& y, bool bias) {
  const int window = is_depthwise(w) ? 0 : 1;  // axis of kh
  return {pass,
          {x.dim(0), x.dim(1), x.dim(2), x.dim(3), y.dim(1), y.dim(2), y.dim(3), bias},
          {w.dim(window), w.dim(window + 1), s.stride.h, s.stride.w, s.pad.h, s.pad.w, s.dilation.h, s.dilation.w,
           s.groups},
          x.dtype(),
          y.dtype(),
          pass == Pass::forward ? s.act : Activation{},
          pass == Pass::forward && s.accumulate};
}

Problem describe(const Key& k) {
  const auto f32 = memory::data_type::f32, x_type = Dnnl::type_of(k.x);
  const auto [N, H, W, I, OH, OW, O, has_bias] = k.image;
  const auto [kh, kw, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, G] = k.window;
  Problem p;
  p.x = memory::desc({N, I, H, W}, x_type, memory::format_tag::nhwc);
  p.y = memory::desc({N, O, OH, OW}, Dnnl::type_of(k.y), memory::format_tag::nhwc);
  if (has_bias) p.bias = memory::desc({O}, f32, memory::format_tag::x);
  const i64 J = I / G;
  const memory::dims grouped{G, O / G, J, kh, kw}, dense{O, I, kh, kw};
  if (G == 1) {
    p.w_plain = memory::desc(dense, f32, memory::dims{kh * kw * J, 1, kw * J, J});
  } else if (G == I && G == O) {  // [kh,kw,C]
    p.w_plain = memory::desc(grouped, f32, memory::dims{1, G, G, kw * G, G});
  } else {
    p.w_plain = memory::desc(grouped, f32, memory::dims{O / G * kh * kw * J, kh * kw * J, 1, kw * J, J});
  }
  p.w_any = memory::desc(G == 1 ? dense : grouped, x_type, memory::format_tag::any);
  p.dw_any = memory::desc(G == 1 ? dense : grouped, f32, memory::format_tag::any);
  p.strides = {stride_h, stride_w};
  p.dilation = {dilation_h - 1, dilation_w - 1};  // 0 is an ordinary convolution here
  p.pads = {pad_h, pad_w};
  // The library derives the output size from the padding; where the stride does not divide, less of it is read at the
  // bottom and right than the padding there would allow.
  p.far_pads = {(OH - 1) * stride_h + (kh - 1) * dilation_h + 1 - H - pad_h,
                (OW - 1) * stride_w + (kw - 1) * dilation_w + 1 - W - pad_w};
  return p;
}

class DnnlConvPrimitives final : public ConvPrimitives {
 public:
  explicit DnnlConvPrimitives(std::size_t most) : cache_(most) {}

  void forward(const Conv2dSpec& s, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) override {
    const auto found = find(key_of(Pass::forward, s, x, w, y, bool(bias)));
    const Primitive& p = *found;
    Args args{{DNNL_ARG_SRC, at(p.x, x.raw())}, {DNNL_ARG_DST, at(p.y, y.raw())}};
    const std::shared_ptr<Storage> weights = library_weights(p, w);
    args.emplace(DNNL_ARG_WEIGHTS, at(p.w, weights ? weights->data : w.raw()));
    if (bias) args.emplace(DNNL_ARG_BIAS, at(p.bias, bias.raw()));
    execute(p, std::move(args));
  }

  void data_gradient(const Conv2dSpec& s, const Tensor& dz, const Tensor& w, const Tensor& dx) override {
    const auto found = find(key_of(Pass::data, s, dx, w, dz, false));
    const Primitive& p = *found;
    const std::shared_ptr<Storage> weights = library_weights(p, w);
    execute(p, {{DNNL_ARG_DIFF_DST, at(p.y, dz.raw())},
                {DNNL_ARG_DIFF_SRC, at(p.x, dx.raw())},
                {DNNL_ARG_WEIGHTS, at(p.w, weights ? weights->data : w.raw())}});
  }

  void weight_gradient(const Conv2dSpec& s, const Tensor& dz, const Tensor& x, const Tensor& dw,
                       const Tensor& dbias) override {
    const auto found = find(key_of(Pass::weights, s, x, dw, dz, bool(dbias)));
    const Primitive& p = *found;
    Args args{{DNNL_ARG_SRC, at(p.x, x.raw())}, {DNNL_ARG_DIFF_DST, at(p.y, dz.raw())}};
    if (dbias) args.emplace(DNNL_ARG_DIFF_BIAS, at(p.bias, dbias.raw()));
    const Storage chosen({}, p.reorder ? p.w.get_size() : 0);
    args.emplace(DNNL_ARG_DIFF_WEIGHTS, at(p.w, p.reorder ? chosen.data : dw.raw()));
    execute(p, std::move(args));
    if (p.reorder) reorder(p, at(p.w, chosen.data), at(p.w_plain, dw.raw()));
  }

  void keep_at_most(std::size_t primitives) override {
    const std::lock_guard lock(mutex_);
    if (cache_.keep_at_most(primitives)) Dnnl::forget_primitives();
  }
  i64 created() const override { return created_; }
  i64 kept() const override { return static_cast<i64>(cache_.size()); }

 private:
  memory at(const memory::desc& d, void* data) const { return library_.at(d, data); }
  void execute(const Primitive& p, Args args) { library_.execute(p.run, p.scratchpad, std::move(args)); }

  void reorder(const Primitive& p, const memory& from, const memory& to) {
    p.reorder.execute(library_.stream, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
    library_.stream.wait();
  }

  /// The weight in the library's layout; null where ours serves as it is.
  std::shared_ptr<Storage> library_weights(const Primitive& p, const Tensor& w) {
    if (!p.reorder) return nullptr;
    return weight_copy(w, p.w_layout, p.w.get_size(),
                       [&](void* copy) { reorder(p, at(p.w_plain, w.raw()), at(p.w, copy)); });
  }

  /// Shared: another thread's may be the one that makes it go.
  std::shared_ptr<const Primitive> find(const Key& key) {
    const std::lock_guard lock(mutex_);
    return cache_.find_or_make(key, [&] { return std::make_shared<const Primitive>(create(key)); });
  }

  dnnl::convolution_forward::primitive_desc forward_desc(const Key& k, const Problem& p,
                                                         dnnl::primitive_attr attr) const {
    using Forward = dnnl::convolution_forward;
    const auto kind = dnnl::prop_kind::forward_training;
    if (k.accumulate || k.act.kind != Act::none) Dnnl::fuse(attr, k.accumulate, k.act);
    return p.bias ? library_.describe<Forward>(attr, kind, kDirect, p.x, p.w_any, p.bias, p.y, p.strides, p.dilation,
                                               p.pads, p.far_pads)
                  : library_.describe<Forward>(attr, kind, kDirect, p.x, p.w_any, p.y, p.strides, p.dilation, p.pads,
                                               p.far_pads);
  }

  Primitive create(const Key& k) {
    const Problem p = describe(k);
    const dnnl::primitive_attr attr = Dnnl::attributes();
    const auto forward = forward_desc(k, p, attr);
    if (k.pass == Pass::forward)
      return finish(p, dnnl::convolution_forward(forward), forward, forward.weights_desc(), true);
    if (k.pass == Pass::data) {
      using Data = dnnl::convolution_backward_data;
      const auto d = library_.describe_gradient<Data>(forward, attr, kDirect, p.x, p.w_any, p.y, p.strides, p.dilation,
                                                      p.pads, p.far_pads);
      return finish(p, Data(d), d, d.weights_desc(), true);
    }
    using Weights = dnnl::convolution_backward_weights;
    const auto d = p.bias ? library_.describe_gradient<Weights>(forward, attr, kDirect, p.x, p.dw_any, p.bias, p.y,
                                                                p.strides, p.dilation, p.pads, p.far_pads)
                          : library_.describe_gradient<Weights>(forward, attr, kDirect, p.x, p.dw_any, p.y, p.strides,
                                                                p.dilation, p.pads, p.far_pads);
    return finish(p, Weights(d), d, d.diff_weights_desc(), false);
  }

  template <class Desc>
  Primitive finish(const Problem& p, dnnl::primitive run, const Desc& d, const memory::desc& w, bool into_library) {
    ++created_;
    Primitive made{std::move(run), p.x, p.y, w, p.bias, d.scratchpad_desc(), p.w_plain, layouts_.of(w), {}};
    if (w != p.w_plain) {
      const auto& [from, to] = into_library ? std::tie(p.w_plain, w) : std::tie(w, p.w_plain);
      made.reorder = dnnl::reorder(dnnl::reorder::primitive_desc(library_.engine, from, library_.engine, to));
      ++created_;
    }
    return made;
  }

  Dnnl library_;
  std::mutex mutex_;
  LruCache<Key, std::shared_ptr<const Primitive>> cache_;
  LayoutIds layouts_;
  i64 created_ = 0;
};

}  // namespace

std::unique_ptr<ConvPrimitives> make_conv_primitives(std::size_t most) {
  return std::make_unique<DnnlConvPrimitives>(most);
}

}  // namespace md
