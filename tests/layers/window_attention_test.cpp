// Window attention for maps of every size, shift and number of heads, on every device, against the definition of lesson
// 11 (tests/lessons/11_attention.h).
// Labels: devices
#include <omp.h>

#include <cmath>
#include <limits>

#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/lessons/11_attention.h"

namespace md::test {
namespace {

struct Setting {
  const char* name;
  Shape map;  // [N,H,W,C]
  WindowSpec spec;
  bool own_values;  // v comes with q and k; or as a tensor of its own
};
std::ostream& operator<<(std::ostream& out, const Setting& it) { return out << it.name; }

const Setting kSettings[] = {
    {"one_window", {2, 7, 7, 8}, {2, 0}, true},
    {"whole_windows", {1, 14, 21, 6}, {3, 0}, true},
    {"whole_windows_shifted", {2, 14, 14, 4}, {1, 3}, true},
    {"padded", {2, 9, 12, 6}, {2, 0}, true},
    {"padded_shifted", {1, 10, 13, 12}, {3, 3}, true},
    {"smaller_than_a_window", {2, 3, 5, 4}, {2, 0}, true},
    {"smaller_than_a_window_shifted", {2, 3, 5, 4}, {2, 3}, true},
    {"one_pixel", {1, 1, 1, 2}, {1, 3}, true},
    {"given_values", {2, 9, 10, 8}, {2, 0}, false},
    {"given_values_shifted", {1, 8, 15, 34}, {1, 3}, false},
    {"wide_heads", {1, 8, 7, 64}, {2, 3}, true},
    {"given_values_of_wide_heads", {1, 9, 10, 48}, {2, 3}, false},
};

/// qkv, padding, table and, if they are given, v.
std::vector<Tensor> inputs(const Setting& s, Device device = {}) {
  const i64 C = s.map[3], parts = s.own_values ? 3 : 2;
  std::vector<Tensor> in = {random_tensor({s.map[0], s.map[1], s.map[2], parts * C}, 1, -2, 2, device),
                            random_tensor({parts * C}, 2, -2, 2, device),
                            random_tensor({169, s.spec.heads}, 3, -2, 2, device)};
  if (!s.own_values) in.push_back(random_tensor(s.map, 4, -2, 2, device));
  return in;
}

Definition definition(const Setting& s) { return lessons::attention::in_windows(s.spec, s.own_values); }

Function op(const Setting& s) { return definition(s).kernel; }

Arrays arrays_of(const std::vector<Tensor>& in) { return {in.begin(), in.end()}; }

class WindowAttention : public ::testing::TestWithParam<Setting> {
 protected:
  const Setting s = GetParam();
};

TEST_P(WindowAttention, EqualsItsDefinition) {
  for_each_device([&](Device device) {
    const std::vector<Tensor> in = inputs(s, device);
    poison_pool(s.map, device);
    const Array want = definition(s).value(arrays_of(in));
    EXPECT_TRUE(close(op(s)(in), want.tensor(), 2e-6));  // exponentials of scores of about 5: 10 roundings
  });
}

TEST_P(WindowAttention, HasTheGradientOfItsDefinition) {
  for_each_device([&](Device device) {
    const std::vector<Tensor> in = inputs(s, device);
    const std::uint64_t seed = 5;
    const Arrays want = definition(s).gradients(arrays_of(in), Array(random_upstream(s.map, seed)), {});
    const std::vector<Tensor> got = gradients(op(s), in, seed);
    for (std::size_t i = 0; i < in.size(); ++i)
      EXPECT_TRUE(close(got[i], want[i].tensor(), 4e-6)) << "input " << i;  // of differences of such products
  });
}

// Where a GPU's device has TF32 and heads divide by 8, products are a tensor core's, of rounded factors.
TEST_P(WindowAttention, IsNearlyTheSameInTf32) {
  for_each_device([&](Device device) {
    if (device.kind == Device::cpu) return;
    Device rounded = device;
    rounded.precision = Precision::tf32;
    const std::vector<Tensor> in = inputs(s, rounded);
    constexpr double kOfFactors = 4e-3;  // 2^-11 of each, of scores of about 5
    EXPECT_LE(relative_l2(to_double(op(s)(in)), to_double(op(s)(inputs(s, device)))), kOfFactors);
    const std::vector<Tensor> got = gradients(op(s), in), want = gradients(op(s), inputs(s, device));
    for (std::size_t i = 0; i < in.size(); ++i)
      EXPECT_LE(relative_l2(to_double(got[i]), to_double(want[i])), kOfFactors) << "input " << i;
    const bool rounds = s.map[3] / s.spec.heads % 8 == 0;
    EXPECT_EQ(got[0].to_host() != want[0].to_host(), rounds);
  });
}

INSTANTIATE_TEST_SUITE_P(, WindowAttention, ::testing::ValuesIn(kSettings),
                         [](const auto& instance) { return std::string(instance.param.name); });

TEST(WindowAttentionGradient, PassesTheGradientCheck) {
  for (const Setting& s :
       {Setting{"padded", {1, 8, 3, 4}, {2, 0}, true}, Setting{"shifted", {1, 8, 3, 4}, {2, 3}, true},
        Setting{"given values", {2, 3, 8, 2}, {1, 3}, false}}) {
    SCOPED_TRACE(s.name);
    for_each_device([&](Device device) { expect_gradcheck(op(s), inputs(s, device)); });
  }
}

// Swin's padding takes part: a padded token has the keys and values of a zero token, which are the bias of the linear
// layer. Their gradient belongs to that bias; their queries' results are cut off, so queries get none.
TEST(WindowAttentionPadding, HasKeysAndValuesButNoQueries) {
  const Setting s = kSettings[3];
  const std::vector<double> g = to_double(gradients(op(s), inputs(s))[1]);
  const i64 C = s.map[3];
  for (i64 c = 0; c < 3 * C; ++c) EXPECT_EQ(g[std::size_t(c)] == 0, c < C) << c;
  const Setting whole = kSettings[1];
  EXPECT_EQ(gradients(op(whole), inputs(whole))[1].to_host(), std::vector<float>(18, 0.F));
}

// A mask of -100 is not infinity: a large enough score reaches through it. 200 in the table is.
TEST(WindowAttentionMask, IsMinusOneHundred) {
  const Setting s = kSettings[2];
  std::vector<Tensor> in = inputs(s);
  for (const float bias : {200.F, 50.F}) {
    Tensor table = Tensor::zeros({169, 1});
    for (i64 at = 0; at < 169; ++at) table.data()[at] = at == 84 ? 0.F : bias;  // 84: a token and itself
    in[2] = table;
    EXPECT_TRUE(close(op(s)(in), definition(s).value(arrays_of(in)).tensor(),
                      1e-4));  // float: scores of 200 are known to 1.5e-5
  }
}

// A score that is no number must be seen in the loss: the softmax of its row is none either, never a uniform one.
TEST(WindowAttentionScores, ThatAreNoNumbersMakeNone) {
  const Setting s{"", {1, 7, 7, 4}, {1, 0}, false};
  for (const float query : {std::numeric_limits<float>::quiet_NaN(), 1e30F}) {
    for_each_device([&](Device device) {
      std::vector<Tensor> in = inputs(s);
      for (i64 i = 0; i < 4; ++i) in[0].data()[i] = query;         // of the first token
      for (i64 i = 4; i < 8; ++i) in[0].data()[i] = query * 1e9F;  // and its key: the product is beyond a float
      for (Tensor& t : in) t = t.to(device);
      const std::vector<float> y = op(s)(in).to_host();
      for (i64 c = 0; c < 4; ++c) EXPECT_FALSE(std::isfinite(y[std::size_t(c)])) << query << ", channel " << c;
    });
  }
}

TEST(WindowAttentionThreads, TwoRunsAgreeBitForBit) {
  const Setting s{"", {3, 30, 40, 24}, {3, 3}, true};
  const std::vector<Tensor> a = gradients(op(s), inputs(s)), b = gradients(op(s), inputs(s));
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].to_host(), b[i].to_host());
}

TEST(WindowAttentionThreads, TheirNumberChangesNoBit) {
  const Setting s{"", {3, 30, 40, 24}, {3, 3}, true};
  const int before = omp_get_max_threads();
  const auto with = [&](int threads) {
    omp_set_num_threads(threads);
    std::vector<Tensor> all = gradients(op(s), inputs(s));
    all.push_back(op(s)(inputs(s)));
    return all;
  };
  const std::vector<Tensor> one = with(1), three = with(3);
  omp_set_num_threads(before);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i].to_host(), three[i].to_host());
}

TEST(WindowAttentionErrors, NameTheShapes) {
  const Tensor table = Tensor::zeros({169, 2});
  const auto call = [&](const Shape& qkv, const Shape& v, const Shape& padding, const WindowSpec& spec) {
    return window_attention(Tensor::zeros(qkv), v.rank() ? Tensor::zeros(v) : Tensor(), Tensor::zeros(padding), table,
                            spec);
  };
  EXPECT_ERROR(call({1, 7, 7, 15}, {}, {15}, {2, 0}),
               "window_attention: input [1,7,7,15] does not divide into 3 parts of 2 heads");
  EXPECT_ERROR(call({1, 7, 7, 8}, {1, 7, 6, 4}, {8}, {2, 0}),
               "window_attention: values [1,7,6,4] for queries and keys [1,7,7,8]");
  EXPECT_ERROR(call({1, 7, 7, 12}, {}, {4}, {2, 0}), "window_attention: padding [4] for input [1,7,7,12]");
  EXPECT_ERROR(call({1, 7, 7, 12}, {}, {12}, {4, 0}), "window_attention: bias table [169,2], not [169,4]");
  EXPECT_ERROR(call({1, 7, 7, 12}, {}, {12}, {2, 7}), "window_attention: shift 7 of windows of 7");
}

}  // namespace
}  // namespace md::test
