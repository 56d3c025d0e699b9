// Module: PyTorch's names, PyTorch's layout on disk, strict loading, train/eval.
#include "engine/module.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/kit/testing.h"

namespace md {
namespace {

Tensor counting(const Shape& shape) {
  std::vector<float> values(std::size_t(shape.numel()));
  std::iota(values.begin(), values.end(), 0.F);
  return Tensor::from_host(values, shape);
}

/// One of every kind of entry.
struct Leaf : Module {
  Leaf() {
    conv = param("conv", counting({2, 3, 4, 5}), Layout::conv);
    depthwise = param("depthwise", counting({3, 4, 5}), Layout::depthwise);
    statistic = buffer("statistic", counting({2}));
  }
  Tensor conv, depthwise, statistic;
};
struct Tree : Module {
  Tree() : left(child<Leaf>("left")), right(child<Leaf>("list.0")) { bias = param("bias", counting({3})); }
  Leaf &left, &right;
  Tensor bias;
};

TEST(ModuleTest, NamesFollowTheTreeInRegistrationOrder) {
  std::vector<std::string> names;
  for (const auto& entry : Tree().parameters()) names.push_back(entry.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"bias", "left.conv", "left.depthwise", "list.0.conv", "list.0.depthwise"}));
  EXPECT_EQ(Tree().buffers().size(), 2U);
  EXPECT_EQ(Tree().buffers()[1].name, "list.0.statistic");
}

TEST(ModuleTest, DiskHasPyTorchsLayout) {
  const Leaf leaf;
  const State state = leaf.state();
  const Tensor conv = state.at("conv"), depthwise = state.at("depthwise");
  ASSERT_EQ(conv.shape(), (Shape{2, 5, 3, 4}));       // O I kh kw
  ASSERT_EQ(depthwise.shape(), (Shape{5, 1, 3, 4}));  // C 1 kh kw
  for (i64 o = 0; o < 2; ++o) {
    for (i64 y = 0; y < 3; ++y) {
      for (i64 x = 0; x < 4; ++x) {
        for (i64 i = 0; i < 5; ++i) {
          EXPECT_EQ(conv.data()[((o * 5 + i) * 3 + y) * 4 + x], leaf.conv.data()[((o * 3 + y) * 4 + x) * 5 + i]);
          EXPECT_EQ(depthwise.data()[(i * 3 + y) * 4 + x], leaf.depthwise.data()[(y * 4 + x) * 5 + i]);
        }
      }
    }
  }
}

TEST(ModuleTest, LoadRestoresStateAndRaisesVersions) {
  Tree from, to;
  for (const auto& entry : to.parameters()) entry.tensor.copy_from(Tensor::zeros(entry.tensor.shape()));
  to.left.statistic.copy_from(Tensor::zeros({2}));
  const std::uint64_t before = to.left.conv.version();
  to.load(from.state());
  EXPECT_EQ(to.left.conv.to_host(), from.left.conv.to_host());
  EXPECT_EQ(to.right.depthwise.to_host(), from.right.depthwise.to_host());
  EXPECT_EQ(to.left.statistic.to_host(), from.left.statistic.to_host());
  EXPECT_GT(to.left.conv.version(), before);
  EXPECT_TRUE(to.left.conv.requires_grad());
}

TEST(ModuleTest, StateIsACopy) {
  const Tree tree;
  tree.state().at("bias").data()[0] = 99;
  EXPECT_EQ(tree.bias.data()[0], 0);
}

TEST(ModuleTest, StateToBeWrittenCopiesOnlyWhereTheLayoutDiffers) {
  const Tree tree;
  const State state = state_of(tree.entries()), copies = tree.state();
  EXPECT_EQ(state.at("bias").raw(), tree.bias.raw());
  EXPECT_NE(state.at("left.conv").raw(), tree.left.conv.raw());
  ASSERT_EQ(state.size(), copies.size());
  for (const auto& [name, tensor] : copies) EXPECT_EQ(state.at(name).to_host(), tensor.to_host()) << name;
}

TEST(ModuleTest, LoadListsEverythingThatDoesNotFitAndChangesNothing) {
  Tree tree;
  State state = tree.state();
  for (auto& [name, tensor] : state) tensor = Tensor::full(tensor.shape(), 7);
  state.erase("left.conv");
  state["list.0.conv"] = Tensor::zeros({2, 3, 4, 5});  // our layout, not PyTorch's
  state["list.0.statistic"] = Tensor::zeros({2}, {}, DType::u8);
  state["classifier.weight"] = Tensor::zeros({1});
  try {
    tree.load(state);
    FAIL() << "loaded a state that does not fit";
  } catch (const Error& error) {
    const std::string what = error.what();
    EXPECT_EQ(error.kind(), ErrorKind::bad_data);
    for (const char* part : {"missing left.conv [2,5,3,4]", "list.0.conv is f32 [2,3,4,5], wants f32 [2,5,3,4]",
                             "list.0.statistic is u8", "unexpected classifier.weight"})
      EXPECT_NE(what.find(part), what.npos) << "'" << what << "' lacks '" << part << "'";
  }
  EXPECT_EQ(tree.bias.data()[1], 1) << "a refused load changed a parameter";
}

TEST(ModuleTest, TrainReachesChildrenAndLeavesRequiresGradAlone) {
  Tree tree;
  tree.bias.requires_grad_(false);
  tree.eval();
  EXPECT_FALSE(tree.left.training());
  tree.train();
  EXPECT_TRUE(tree.right.training());
  EXPECT_FALSE(tree.bias.requires_grad());
}

}  // namespace
}  // namespace md
