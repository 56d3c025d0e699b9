#include "engine/optim.h"

#include <cmath>

#include "engine/launch.h"

namespace md {
namespace {

constexpr i64 kRow = 1024;  // elements a launch row: parameters have no axis of their own here

// Kingma & Ba 2015, Algorithm 1, with decoupled decay after Loshchilov & Hutter 2019, Algorithm 2, in the order of
// torch.optim: p *= 1 - lr*decay;  m += (1 - b1)(g - m);  v = b2 v + (1 - b2) g^2;
// p -= lr/(1 - b1^t) * m / (sqrt(v)/sqrt(1 - b2^t) + eps).
struct Update {
  float *param, *exp_avg, *exp_avg_sq;
  const float* grad;
  i64 count;
  float keep;        // 1 - lr*decay, or 1
  float grad_decay;  // decay added to the gradient (torch.optim.Adam), or 0
  float beta2, one_less_beta1, one_less_beta2;
  float step_size;   // lr / (1 - b1^t)
  float root_scale;  // 1 / sqrt(1 - b2^t)
  float eps;

  MD_HD void operator()(i64 row, i64 column) const {
    const i64 i = row * kRow + column;
    if (i >= count) return;
    const float p = param[i] * keep;
    const float g = grad[i] + grad_decay * p;
    const float m = exp_avg[i] + one_less_beta1 * (g - exp_avg[i]);
    const float v = beta2 * exp_avg_sq[i] + one_less_beta2 * g * g;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    param[i] = p - step_size * (m / (sqrtf(v) * root_scale + eps));
  }
};

}  // namespace

Adam::Adam(std::vector<Group> groups, AdamSpec spec) : spec_(spec) {
  for (const Group& group : groups) {
    for (const Module::Entry& param : group.params) {
      const Tensor& p = param.tensor;
      slots_.push_back(
          {param, group.weight_decay, Tensor::zeros(p.shape(), p.device()), Tensor::zeros(p.shape(), p.device())});
    }
  }
}

void Adam::step(double lr) {
  ++steps_;
  const double correction1 = 1 - std::pow(spec_.beta1, double(steps_));
  const double correction2 = 1 - std::pow(spec_.beta2, double(steps_));
  for (const Slot& slot : slots_) {
    const Tensor& p = slot.param.tensor;
    const Tensor grad = p.grad();
    if (!grad) continue;
    Update update{};
    update.param = p.data();
    update.exp_avg = slot.exp_avg.data();
    update.exp_avg_sq = slot.exp_avg_sq.data();
    update.grad = grad.data();
    update.count = p.numel();
    update.keep = spec_.decoupled_decay ? float(1 - lr * double(slot.weight_decay)) : 1.F;
    update.grad_decay = spec_.decoupled_decay ? 0.F : slot.weight_decay;
    update.beta2 = float(spec_.beta2);
    update.one_less_beta1 = float(1 - spec_.beta1);
    update.one_less_beta2 = float(1 - spec_.beta2);
    update.step_size = float(lr / correction1);
    update.root_scale = float(1 / std::sqrt(correction2));
    update.eps = float(spec_.eps);
    launch(p.device(), (p.numel() + kRow - 1) / kRow, kRow, update);
    p.bump_version();
  }
}

void Adam::zero_grad() {
  for (const Slot& slot : slots_) slot.param.tensor.zero_grad();
}

State Adam::state() const {
  State state;
  for (const Module::Entry& entry : entries()) state[entry.name] = to_torch(entry.tensor, entry.layout);
  Tensor step = Tensor::empty({}, {}, DType::i32);
  *step.data<std::int32_t>() = std::int32_t(steps_);
  state["step"] = step;
  return state;
}

void Adam::load(const State& state) {
  std::vector<Module::Entry> wanted = entries();
  const Tensor step = Tensor::empty({}, {}, DType::i32);
  wanted.push_back({"step", step});
  load_entries(wanted, state, "optimizer");
  steps_ = *step.data<std::int32_t>();
}

std::vector<Module::Entry> Adam::entries() const {
  std::vector<Module::Entry> entries;
  for (const Slot& slot : slots_) {
    entries.push_back({"exp_avg." + slot.param.name, slot.exp_avg, slot.param.layout});
    entries.push_back({"exp_avg_sq." + slot.param.name, slot.exp_avg_sq, slot.param.layout});
  }
  return entries;
}

double polynomial_lr(double base, double end, i64 step, i64 total, double power) {
  return (base - end) * std::pow(1 - double(step) / double(total), power) + end;
}

}  // namespace md
