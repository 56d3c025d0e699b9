// --init: a whole network or whole parts of one, strictly; --init-partial: what fits, and never silently.
#include "tools/run/init_weights.h"

#include <gtest/gtest.h>

#include <cstring>

#include "engine/safetensors.h"
#include "nets/registry.h"
#include "tests/data/data_files.h"

namespace md::test {
namespace {

class InitWeights : public DataFolder {
 protected:
  const std::unique_ptr<DepthNet> net_ = make_net("lt", {.seed = 1}), other_ = make_net("lt", {.seed = 2});

  /// Writes those of other_'s weights that begin with `prefix`, after `change`.
  std::string file(const std::string& prefix, const std::function<void(State&)>& change = {}) const {
    State state = other_->state();
    std::erase_if(state, [&](const auto& entry) { return !entry.first.starts_with(prefix); });
    if (change) change(state);
    write_safetensors(path("w.safetensors"), state);
    return path("w.safetensors");
  }
  static bool same(const Module& a, const Module& b, const std::string& name) {
    const Tensor x = a.state().at(name), y = b.state().at(name);
    return std::memcmp(x.raw(), y.raw(), x.bytes()) == 0;
  }
};

constexpr const char* kEncoder = "encoder.features.0.0.weight";
constexpr const char* kHead = "predict.weight";

TEST_F(InitWeights, TakesAWholeNetworkAndAnEncoder) {
  init_weights(*net_, file("encoder."));
  EXPECT_TRUE(same(*net_, *other_, kEncoder));
  EXPECT_FALSE(same(*net_, *other_, kHead));
  init_weights(*net_, file("", [](State& state) { state["optimizer.step"] = Tensor::zeros({1}); }));
  EXPECT_TRUE(same(*net_, *other_, kHead));
}

TEST_F(InitWeights, RefusesAnIncompletePartAndChangesNothing) {
  const auto init = [&](const std::function<void(State&)>& change) {
    return [this, change] { init_weights(*net_, file("encoder.", change)); };
  };
  EXPECT_TRUE(fails(init([](State& s) { s.erase(kEncoder); }), ErrorKind::bad_data, kEncoder));
  EXPECT_TRUE(fails(init([](State& s) { s[kEncoder] = Tensor::zeros({2}); }), ErrorKind::bad_data, kEncoder));
  EXPECT_TRUE(fails(init([](State& s) { s["head.bias"] = Tensor::zeros({2}); }), ErrorKind::bad_data, "head.bias"));
  EXPECT_FALSE(same(*net_, *other_, "encoder.features.1.block.0.0.weight"));
}

TEST_F(InitWeights, RefusesAFileWithoutWeights) {
  const auto moments_alone = [](State& s) { s["optimizer.step"] = Tensor::zeros({1}); };
  EXPECT_TRUE(fails([&] { init_weights(*net_, file("nothing.", moments_alone)); }, ErrorKind::bad_data, "no weights"));
}

TEST_F(InitWeights, TakesWhatFitsAndNamesTheRest) {
  const auto notes = init_weights_partially(*net_, file("encoder.", [](State& s) {
    s[kEncoder] = Tensor::zeros({2});
    s["classifier.weight"] = Tensor::zeros({2});
  }));
  EXPECT_TRUE(same(*net_, *other_, "encoder.features.1.block.0.0.weight"));
  EXPECT_FALSE(same(*net_, *other_, kEncoder));
  std::string all;
  for (const std::string& note : notes) all += note + "\n";
  for (const char* part : {"'encoder.features.0.0.weight' stays random: of another shape",
                           "'predict.weight' stays random: not in the file", "'classifier.weight' is left out"})
    EXPECT_NE(all.find(part), all.npos) << part << "\n" << all;
  const auto nothing = [&] {
    init_weights_partially(*net_, file("", [](State& s) { s = {{"x", Tensor::zeros({1})}}; }));
  };
  EXPECT_TRUE(fails(nothing, ErrorKind::bad_data, "nothing in it fits"));
}

}  // namespace
}  // namespace md::test
