// The one place that includes oneDNN: 2.6 (API v2), as Debian 12 has it.
#pragma once
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "engine/tensor.h"

namespace md {

/// The CPU engine of the library with a stream; runs primitives whose scratchpad comes from our pool.
class Dnnl {
 public:
  using Args = std::unordered_map<int, dnnl::memory>;

  dnnl::memory at(const dnnl::memory::desc& d, void* data) const { return dnnl::memory(d, engine, data); }
  static dnnl::primitive_attr attributes() {
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attr;
  }
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
