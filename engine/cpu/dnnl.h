// The one place that includes oneDNN, from 2.6 (API v2, as Debian 12 has it) to the newest 3.x. Where the two APIs
// differ, the difference ends here: in v2 an operation is described first and its primitive from that, in v3 in one
// step; and v3 has no scale of its own for activations that are fused.
#pragma once
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "engine/tensor.h"

namespace md {

/// The CPU engine of the library with a stream; runs primitives whose scratchpad comes from our pool.
class Dnnl {
 public:
  using Args = std::unordered_map<int, dnnl::memory>;

  /// The library's view of memory of ours.
  dnnl::memory at(const dnnl::memory::desc& d, void* data) const { return dnnl::memory(d, engine, data); }
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
  /// max(z, slope z) of the result.
  static void fuse_leaky_relu(dnnl::primitive_attr& attr, float slope) {
    dnnl::post_ops ops;
#if DNNL_VERSION_MAJOR >= 3
    ops.append_eltwise(dnnl::algorithm::eltwise_relu, slope, 0.F);
#else
    ops.append_eltwise(1.F, dnnl::algorithm::eltwise_relu, slope, 0.F);
#endif
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

}  // namespace md
