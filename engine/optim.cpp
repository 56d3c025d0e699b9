// Adam and AdamW as one kernel over each parameter.
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
      slots_.push_back({param, group.weight_decay, Tensor::zeros(p.shape(), p.device()),
                        Tensor::zeros(p.shape(), p.device()), Tensor::zeros({})});
    }
  }
}

void Adam::step(double lr) {
  for (const Slot& slot : slots_) {
    if (slot.param.tensor.grad()) update(slot, lr);
  }
}

void Adam::update(const Slot& slot, double lr) const {
  const Tensor &p = slot.param.tensor, grad = p.grad();
  const double t = double(*slot.step.data() += 1.F);
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
  update.step_size = float(lr / (1 - std::pow(spec_.beta1, t)));
  update.root_scale = float(1 / std::sqrt(1 - std::pow(spec_.beta2, t)));
  update.eps = float(spec_.eps);
  launch(p.device(), (p.numel() + kRow - 1) / kRow, kRow, update);
  p.bump_version();
}

void Adam::zero_grad() {
  for (const Slot& slot : slots_) slot.param.tensor.zero_grad();
}

State Adam::state() const {
  State state;
  for (const Module::Entry& entry : entries()) state[entry.name] = to_torch(entry.tensor, entry.layout);
  return state;
}

void Adam::load(const State& state) {
  for (const auto& [name, tensor] : state) {
    if (!name.starts_with("step.") || tensor.numel() != 1 || tensor.dtype() != DType::f32) continue;
    const float step = tensor.item();
    if (!(step >= 0.F && step == std::floor(step))) fail(Exit::bad_data, "optimizer: ", name, " is ", step);
  }
  load_entries(entries(), state, "optimizer");
}

std::vector<Module::Entry> Adam::entries() const {
  std::vector<Module::Entry> entries;
  for (const Slot& slot : slots_) {
    entries.push_back({"exp_avg." + slot.param.name, slot.exp_avg, slot.param.layout});
    entries.push_back({"exp_avg_sq." + slot.param.name, slot.exp_avg_sq, slot.param.layout});
    entries.push_back({"step." + slot.param.name, slot.step});
  }
  return entries;
}

double polynomial_lr(double base, double end, i64 step, i64 total, double power) {
  MD_CHECK(0 <= step && step <= total && total > 0, "polynomial_lr: step ", step, " of ", total);
  return (base - end) * std::pow(1 - double(step) / double(total), power) + end;
}

}  // namespace md
