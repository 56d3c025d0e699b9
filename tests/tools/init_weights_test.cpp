// --init: a whole network or whole parts of one, strictly; --init-partial: what fits, and never silently.
#include "tools/run/init_weights.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

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

/// The value of element i of every floating-point tensor below: 0, 0.5, 1, ... 3, which every dtype has.
float example_value(i64 i) { return 0.5F * float(i % 7); }

/// example_value(i) as a file keeps it.
std::string encoded(i64 i, const std::string& dtype) {
  const float value = example_value(i);
  const auto bytes_of = [](auto number) {
    const auto bytes = std::bit_cast<std::array<char, sizeof number>>(number);
    return std::string(bytes.data(), bytes.size());
  };
  constexpr std::array<std::uint16_t, 7> f16 = {0, 0x3800, 0x3c00, 0x3e00, 0x4000, 0x4100, 0x4200};
  if (dtype == "F64") return bytes_of(double(value));
  if (dtype == "F16") return bytes_of(f16[std::size_t(i % 7)]);
  return bytes_of(std::uint16_t(std::bit_cast<std::uint32_t>(value) >> 16));
}

/// A file with all names of `state` for which `wanted` holds, in `dtype`; integers are zeros of `integers`.
void write_in_dtype(const std::string& path, const State& state, const std::string& dtype, const std::string& integers,
                    const std::function<bool(const std::string&)>& wanted) {
  nlohmann::json header;
  std::string data;
  for (const auto& [name, tensor] : state) {
    if (!wanted(name)) continue;
    const bool real = tensor.dtype() == DType::f32;
    const std::size_t begin = data.size();
    std::vector<i64> dims;
    for (int axis = 0; axis < tensor.shape().rank(); ++axis) dims.push_back(tensor.dim(axis));
    for (i64 i = 0; i < tensor.numel(); ++i)
      data += real ? encoded(i, dtype) : std::string(integers == "I64" ? 8 : 2, 0);
    header[name] = {{"dtype", real ? dtype : integers}, {"shape", dims}, {"data_offsets", {begin, data.size()}}};
  }
  const std::string text = header.dump();
  const std::uint64_t length = text.size();
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(&length), sizeof length) << text << data;
}

void expect_example(const Module& net, const std::string& name) {
  const std::vector<float> got = net.state().at(name).to_host();
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], example_value(i64(i))) << name << " " << i;
}

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

TEST_F(InitWeights, TakesEveryFloatingPointTypeBothWays) {
  const auto all = [](const std::string&) { return true; };
  for (const auto& [dtype, integers] : {std::pair("F16", "I64"), {"BF16", "I64"}, {"F64", "I64"}, {"F16", "F16"}}) {
    write_in_dtype(path("w.safetensors"), net_->state(), dtype, integers, all);
    const auto strict = make_net("lt", {.seed = 3}), partial = make_net("lt", {.seed = 4});
    init_weights(*strict, path("w.safetensors"));
    EXPECT_EQ(init_weights_partially(*partial, path("w.safetensors")), std::vector<std::string>{}) << dtype;
    for (const char* name : {kEncoder, kHead, "encoder.features.0.1.running_var"}) {
      expect_example(*strict, name);
      expect_example(*partial, name);
    }
  }
}

TEST_F(InitWeights, NeverCallsATypeAShape) {
  const auto fractions = [](State& s) {
    s["encoder.features.0.1.num_batches_tracked"] = Tensor::full({}, 0.5F);
    s[kEncoder] = Tensor::full(s.at(kEncoder).shape(), 1.F, {}, DType::u8);
  };
  std::string all;
  for (const std::string& note : init_weights_partially(*net_, file("", fractions))) all += note + "\n";
  for (const char* part : {"num_batches_tracked' stays random: of another type there, f32 where the network has i32",
                           "'encoder.features.0.0.weight' stays random: of another type there, u8"})
    EXPECT_NE(all.find(part), all.npos) << part << "\n" << all;
  EXPECT_EQ(all.find("shape"), all.npos) << all;
  EXPECT_TRUE(fails([&] { init_weights(*net_, file("", fractions)); }, ErrorKind::bad_data, "is u8"));
}

TEST_F(InitWeights, SaysTheShareWhereLittleFits) {
  const auto last_note = [&](const std::string& prefix) {
    const auto notes = init_weights_partially(*make_net("lt", {.seed = 5}), file(prefix));
    return notes.empty() ? "" : notes.back();
  };
  // 328 entries of 4,034,671 numbers, of which the bottleneck has 960 x 256 + 256
  EXPECT_EQ(last_note("encoder.").find("ONLY"), std::string::npos);
  const std::string bottleneck = last_note("bottleneck.");
  EXPECT_NE(bottleneck.find("ONLY 6 % of the network's numbers come from this file (bottleneck 100 %)"),
            bottleneck.npos)
      << bottleneck;
  const std::string features = last_note("encoder.features.2");
  EXPECT_NE(features.find("the others stay random"), features.npos) << features;
}

}  // namespace
}  // namespace md::test
