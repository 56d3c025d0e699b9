// The one place that includes oneDNN, from 2.6 (API v2, as Debian 12 has it) to the newest 3.x. Where the two APIs
// differ, the difference ends here: in v2 an operation is described first and its primitive from that, in v3 in one
// step; and v3 has no scale of its own for activations that are fused.
#pragma once
#include <algorithm>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "engine/backend.h"
#include "engine/cpu/weight_copy.h"

namespace md {

/// The CPU engine of the library with a stream; runs primitives whose scratchpad comes from our pool.
class Dnnl {
 public:
  using Args = std::unordered_map<int, dnnl::memory>;

  /// What the library calls a dtype.
  static dnnl::memory::data_type type_of(DType dtype) {
    return dtype == DType::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
  }
  /// The library's view of memory of ours.
  dnnl::memory at(const dnnl::memory::desc& d, void* data) const { return dnnl::memory(d, engine, data); }
  /// The library has a cache of its own, of which everything goes: what is in use is held by who uses it.
  static void forget_primitives() {
    const int most = dnnl::get_primitive_cache_capacity();
    dnnl::set_primitive_cache_capacity(0);
    dnnl::set_primitive_cache_capacity(most);
  }
  /// Says that the scratchpad is ours.
  static dnnl::primitive_attr attributes() {
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attr;
  }

  /// What is needed to make a P (dnnl::matmul, a convolution, ...) that does `operation`: the arguments of v2's
  /// P::desc.
  template <class P, class... Operation>
  typename P::primitive_desc describe(const dnnl::primitive_attr& attr, const Operation&... operation) const {
#if DNNL_VERSION_MAJOR >= 3
    return {engine, operation..., attr};
#else
    return {typename P::desc(operation...), attr, engine};
#endif
  }
  /// The same for a gradient; `forward` is the description of what it is the gradient of.
  template <class P, class Forward, class... Operation>
  typename P::primitive_desc describe_gradient(const Forward& forward, const dnnl::primitive_attr& attr,
                                               const Operation&... operation) const {
#if DNNL_VERSION_MAJOR >= 3
    return {engine, operation..., forward, attr};
#else
    return {typename P::desc(operation...), attr, engine, forward};
#endif
  }
  /// One more pointwise operation on the result.
  static void append(dnnl::post_ops& ops, dnnl::algorithm what, float alpha = 0.F, float beta = 0.F) {
#if DNNL_VERSION_MAJOR >= 3
    ops.append_eltwise(what, alpha, beta);
#else
    ops.append_eltwise(1.F, what, alpha, beta);
#endif
  }
  /// act of the result, or of its sum with what the output holds.
  static void fuse(dnnl::primitive_attr& attr, bool accumulate, const Activation& act) {
    using dnnl::algorithm;
    dnnl::post_ops ops;
    if (accumulate) ops.append_sum(1.F);
    switch (act.kind) {
      case Act::none:
        break;
      case Act::relu:
        append(ops, algorithm::eltwise_relu);
        break;
      case Act::hardswish:
#if DNNL_VERSION_MAJOR >= 3
        append(ops, algorithm::eltwise_hardswish, 1.F / 6, 0.5F);
#else
        append(ops, algorithm::eltwise_hardswish);
#endif
        break;
      case Act::leaky_relu:
        append(ops, algorithm::eltwise_relu, act.slope);
        break;
      case Act::elu:
        append(ops, algorithm::eltwise_elu, 1.F);
        break;
      case Act::sigmoid:
        append(ops, algorithm::eltwise_logistic);
        break;
      case Act::hardsigmoid:  // 2.6 has none
        append(ops, algorithm::eltwise_linear, 1.F / 6, 0.5F);
        append(ops, algorithm::eltwise_clip, 0.F, 1.F);
        break;
    }
    attr.set_post_ops(ops);
  }

  /// Runs a primitive and waits for it.
  void execute(const dnnl::primitive& p, const dnnl::memory::desc& scratchpad, Args args) {
    const Storage workspace({}, scratchpad.get_size());
    args.emplace(DNNL_ARG_SCRATCHPAD, at(scratchpad, workspace.data));
    p.execute(stream, args);
    stream.wait();
  }

  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};

/// Whether the data gradient of a 1x1 convolution of stride 1 to `outputs` channels is not to be trusted: of maps of
/// bf16, 2.6.3 multiplies the last of an odd number of channels with another one's weight where it takes 30 pixels at a
/// time, as with 480x640 (findings/onednn-bf16-1x1-data-gradient-odd-channels.sh).
inline bool pixel_gradient_is_wrong(DType map, i64 outputs) { return map == DType::bf16 && outputs % 2 != 0; }

/// Numbers of the layouts that the library asked for, from `first` on: the keys of Storage::derived.
class LayoutIds {
 public:
  explicit LayoutIds(std::uint64_t first = 0) : first_(first) {}
  /// The layout's number, the same whenever it comes again.
  std::uint64_t of(const dnnl::memory::desc& layout) {
    const auto found = std::find(layouts_.begin(), layouts_.end(), layout);
    const auto index = std::uint64_t(found - layouts_.begin());
    if (found == layouts_.end()) layouts_.push_back(layout);
    return first_ + index;
  }

 private:
  std::uint64_t first_;
  std::vector<dnnl::memory::desc> layouts_;
};

}  // namespace md
