// A module that is moved to another device keeps its values and trains there.
// Labels: devices cudnn
#include <gtest/gtest.h>

#include "engine/autograd.h"
#include "engine/optim.h"
#include "layers/modules.h"
#include "layers/ops.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

using test::random_tensor;

TEST(MovedModule, KeepsItsValuesAndTrains) {
  test::for_each_device([](Device device) {
    Rng rng(1, Purpose::test);
    const Conv2d conv(rng, 3, 4, 3, {.pad = 1});
    const State before = conv.state();
    conv.to(device);
    for (const auto& [name, value] : conv.state()) EXPECT_EQ(value.to_host(), before.at(name).to_host()) << name;
    Adam adam({{conv.parameters()}}, {});
    sum(conv.forward(random_tensor({1, 5, 6, 3}, 2, -1, 1, device))).backward();
    adam.step(0.1);
    for (const auto& [name, value] : conv.state()) EXPECT_NE(value.to_host(), before.at(name).to_host()) << name;
  });
}

TEST(MovedModule, StaysFolded) {
  test::for_each_device([](Device device) {
    Rng rng(1, Purpose::test);
    ConvNormAct block(rng, 3, 4, 3, {.norm = {.act = {Act::hardswish}}});
    block.eval();
    fold_batch_norms(block);
    block.to(device);
    int ops = 0;
    const Trace count([&](const Op&, const Tensor&, const std::vector<Tensor>&) { ++ops; });
    const NoGrad nothing_is_recorded;
    block.forward(random_tensor({1, 5, 6, 3}, 2, -1, 1, device));
    EXPECT_EQ(ops, 1);
  });
}

}  // namespace
}  // namespace md
