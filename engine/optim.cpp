// Adam and AdamW: one kernel over all parameters.
#include "engine/optim.h"

#include <cmath>

#include "engine/launch_many.h"

namespace md {
namespace {

/// One parameter tensor and what belongs to it.
struct Slice {
  float *param, *exp_avg, *exp_avg_sq;
  const float* grad;
  i64 count;
  float keep;        // 1 - lr*decay, or 1
  float grad_decay;  // decay added to the gradient (torch.optim.Adam), or 0
  float step_size;   // lr / (1 - b1^t)
  float root_scale;  // 1 / sqrt(1 - b2^t)
};

// Kingma & Ba 2015, Algorithm 1, with decoupled decay after Loshchilov & Hutter 2019, Algorithm 2, in the order of
// torch.optim: p *= 1 - lr*decay;  m += (1 - b1)(g - m);  v = b2 v + (1 - b2) g^2;
// p -= lr/(1 - b1^t) * m / (sqrt(v)/sqrt(1 - b2^t) + eps).
struct Rule {
  float beta2, one_less_beta1, one_less_beta2, eps;

  MD_HD void operator()(const Slice& s, i64 i) const {
    const float p = s.param[i] * s.keep;
    const float g = s.grad[i] + s.grad_decay * p;
    const float m = s.exp_avg[i] + one_less_beta1 * (g - s.exp_avg[i]);
    const float v = beta2 * s.exp_avg_sq[i] + one_less_beta2 * g * g;
    s.exp_avg[i] = m;
    s.exp_avg_sq[i] = v;
    s.param[i] = p - s.step_size * (m / (sqrtf(v) * s.root_scale + eps));
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
  const Rule rule{.beta2 = float(spec_.beta2),
                  .one_less_beta1 = float(1 - spec_.beta1),
                  .one_less_beta2 = float(1 - spec_.beta2),
                  .eps = float(spec_.eps)};
  std::vector<Slice> slices;
  for (const Slot& slot : slots_) {
    const Tensor &p = slot.param.tensor, grad = p.grad();
    if (!grad) continue;
    const double t = double(*slot.step.data() += 1.F);
    slices.push_back({.param = p.data(),
                      .exp_avg = slot.exp_avg.data(),
                      .exp_avg_sq = slot.exp_avg_sq.data(),
                      .grad = grad.data(),
                      .count = p.numel(),
                      .keep = spec_.decoupled_decay ? float(1 - lr * double(slot.weight_decay)) : 1.F,
                      .grad_decay = spec_.decoupled_decay ? 0.F : slot.weight_decay,
                      .step_size = float(lr / (1 - std::pow(spec_.beta1, t))),
                      .root_scale = float(1 / std::sqrt(1 - std::pow(spec_.beta2, t)))});
    p.bump_version();
  }
  if (!slices.empty()) launch_many(slots_.front().param.tensor.device(), slices, rule);
}

void Adam::zero_grad() {
  for (const Slot& slot : slots_) slot.param.tensor.zero_grad();
}

State Adam::state() const { return copies_of(entries()); }

void Adam::load(const State& state) {
  for (const auto& [name, tensor] : state) {
    if (!name.starts_with("step.") || tensor.numel() != 1 || tensor.dtype() != DType::f32) continue;
    const float step = tensor.item();
    if (!(step >= 0.F && step == std::floor(step))) fail(ErrorKind::bad_data, "optimizer: ", name, " is ", step);
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
