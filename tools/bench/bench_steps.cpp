#include "tools/bench/bench_steps.h"

#include "engine/optim.h"
#include "losses/silog.h"
#include "nets/registry.h"
#include "tools/train/train_step.h"

namespace md {

std::shared_ptr<DepthNet> bench_net(Device device, const std::string& name) {
  std::shared_ptr<DepthNet> net = make_net(name, {});
  net->to(device);
  return net;
}

namespace {

BenchStep train_step(const std::shared_ptr<DepthNet>& net, const std::vector<Adam::Group>& groups,
                     const AdamSpec& spec) {
  const auto optimizer = std::make_shared<Adam>(groups, spec);
  double bytes = 0;
  for (const Adam::Group& group : groups) {
    for (const auto& parameter : group.params) bytes += 7. * double(parameter.tensor.bytes());
  }
  const auto update = [=] { optimizer->step(1e-4); };
  const auto run = [=](const Tensor& image, const Tensor& target_m) {
    optimizer->zero_grad();
    silog(net->forward(image).depth_m, target_m, {}).backward();
    update();
  };
  return {run, update, bytes};
}

}  // namespace

BenchStep lt_step(Device device) {
  const auto net = bench_net(device, "lt");
  return train_step(net, {{net->parameters(), 1e-2F}}, {.eps = 1e-6});
}

BenchStep bts_step(Device device) {
  const auto net = bench_net(device, "bts");
  TrainOptions recipe;
  recipe.net = "bts";
  recipe.freeze = "stem";
  recipe.decay_on = DecayOn::encoder;
  recipe.weight_decay = 1e-2F;
  return train_step(net, freeze_and_group(recipe, *net), {.eps = 1e-3});
}

BenchStep newcrfs_step(Device device) {
  const auto net = bench_net(device, "newcrfs_tiny07");
  return train_step(net, {{net->parameters(), 0.F}}, {.decoupled_decay = false});
}

}  // namespace md
