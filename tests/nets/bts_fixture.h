// One BTS for all tests of a program.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "engine/autograd.h"
#include "layers/ops.h"
#include "nets/bts.h"
#include "tests/kit/testing.h"

namespace md::test {

using Watched = std::map<std::string, Tensor>;  // by the names of Bts::run

/// Each test starts from its first state and may load another.
class BtsTest : public testing::Test {
 protected:
  void SetUp() override {
    net().load(start());
    net().eval();
    for (const Module::Entry& p : net().parameters()) {
      p.tensor.requires_grad_();
      p.tensor.zero_grad();
    }
  }
  static Bts& net() {
    static Bts net({.max_depth_m = 10.F, .seed = 3}, 50);
    return net;
  }
  static const State& start() {
    static const State state = net().state();
    return state;
  }
  static Tensor image(i64 n = 1) { return random_tensor({n, 64, 96, 3}, 5, -2, 2); }

  /// Every watched map of a forward pass without a tape.
  static Watched watched(const Tensor& image, Bts::Maps* maps = nullptr) {
    const NoGrad off;
    Watched seen;
    const Bts::Maps out = net().run(image, {}, [&](const std::string& name, const Tensor& map) { seen[name] = map; });
    if (maps != nullptr) *maps = out;
    return seen;
  }
  /// `weight` [O,I,k,k] with a single 1: output `out` copies input `in`.
  static void copy_channel(State& state, const std::string& name, i64 out, i64 in) {
    const Tensor w = Tensor::zeros(state.at(name).shape());
    const i64 I = w.dim(1), k = w.dim(2);
    w.data()[((out * I + in) * k + k / 2) * k + k / 2] = 1.F;
    state[name] = w;
  }
  static void set(State& state, const std::string& name, float value) {
    state[name] = Tensor::full(state.at(name).shape(), value);
  }
  static Tensor channel(const Tensor& map, i64 c) { return slice_channels(map, c, c + 1); }
};

/// The parameters that do not learn.
inline std::set<std::string> frozen(const Module& net) {
  std::set<std::string> names;
  for (const Module::Entry& p : net.parameters()) {
    if (!p.tensor.requires_grad()) names.insert(p.name);
  }
  return names;
}

}  // namespace md::test
