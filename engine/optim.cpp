// Adam and AdamW: one kernel over all parameters.
#include "engine/optim.h"

#include <cmath>

#include "engine/backend.h"
#include "engine/launch_many.h"

namespace md {
namespace {

/// What changes from step to step, of one parameter tensor.
struct Rates {
  float keep;        // 1 - lr*decay, or 1
  float grad_decay;  // decay added to the gradient (torch.optim.Adam), or 0
  float step_size;   // lr / (1 - b1^t)
  float root_scale;  // 1 / sqrt(1 - b2^t)
};
constexpr i64 kRates = sizeof(Rates) / sizeof(float);

/// One parameter tensor and what belongs to it.
struct Slice {
  float *param, *exp_avg, *exp_avg_sq;
  const float* grad;
  i64 count;
  std::size_t slot;
};

// Kingma & Ba 2015, Algorithm 1, with decoupled decay after Loshchilov & Hutter 2019, Algorithm 2, in the order of
// torch.optim: p *= 1 - lr*decay;  m += (1 - b1)(g - m);  v = b2 v + (1 - b2) g^2;
// p -= lr/(1 - b1^t) * m / (sqrt(v)/sqrt(1 - b2^t) + eps).
struct Rule {
  float beta2, one_less_beta1, one_less_beta2, eps;

  MD_HD void apply(const Slice& s, const Rates& rates, i64 i) const {
    const float p = s.param[i] * rates.keep;
    const float g = s.grad[i] + rates.grad_decay * p;
    const float m = s.exp_avg[i] + one_less_beta1 * (g - s.exp_avg[i]);
    const float v = beta2 * s.exp_avg_sq[i] + one_less_beta2 * g * g;
    s.exp_avg[i] = m;
    s.exp_avg_sq[i] = v;
    s.param[i] = p - rates.step_size * (m / (sqrtf(v) * rates.root_scale + eps));
  }
};

/// Of a CPU: rates that the loop keeps in registers.
struct SliceWithRates : Slice {
  Rates rates;
};
struct RuleOfRates {
  Rule rule;
  MD_HD void operator()(const SliceWithRates& s, i64 i) const { rule.apply(s, s.rates, i); }
};

/// Of a GPU: rates and verdict as its memory holds them when it comes to the update.
struct RuleInMemory {
  Rule rule;
  const Rates* rates;    // of each slot
  const float* verdict;  // or null
  MD_HD void operator()(const Slice& s, i64 i) const {
    if (!verdict || *verdict == 0.F) rule.apply(s, rates[s.slot], i);
  }
};

void launch_update(Device device, const std::vector<Slice>& slices, const Rule& rule, const Tensor& rates,
                   const Tensor& verdict) {
  const auto* const of_slot = reinterpret_cast<const Rates*>(rates.data());
  if (device.kind != Device::cpu)
    return launch_many(device, slices, RuleInMemory{rule, of_slot, verdict ? verdict.data() : nullptr});
  if (verdict && !(*verdict.data() == 0.F)) return;
  std::vector<SliceWithRates> with_rates;
  for (const Slice& slice : slices) with_rates.push_back({slice, of_slot[slice.slot]});
  launch_many(device, with_rates, RuleOfRates{rule});
}

}  // namespace

Adam::Adam(std::vector<Group> groups, AdamSpec spec) : spec_(spec) {
  for (const Group& group : groups) {
    for (const Module::Entry& param : group.params) {
      const Tensor& p = param.tensor;
      slots_.push_back({param, group.weight_decay, Tensor::zeros(p.shape(), p.device()),
                        Tensor::zeros(p.shape(), p.device()), Tensor::zeros({})});
    }
  }
  if (!slots_.empty()) rates_ = Tensor::empty({i64(slots_.size()), kRates}, slots_.front().param.tensor.device());
}

void Adam::step(double lr) {
  set_rates(lr);
  update();
  count_update();
}

void Adam::set_rates(double lr) {
  std::vector<Rates> rates;
  for (const Slot& slot : slots_) {
    const double t = double(*slot.step.data() + 1.F);
    rates.push_back({.keep = spec_.decoupled_decay ? float(1 - lr * double(slot.weight_decay)) : 1.F,
                     .grad_decay = spec_.decoupled_decay ? 0.F : slot.weight_decay,
                     .step_size = float(lr / (1 - std::pow(spec_.beta1, t))),
                     .root_scale = float(1 / std::sqrt(1 - std::pow(spec_.beta2, t)))});
  }
  if (!rates.empty()) backend(rates_.device()).to_device(rates_.raw(), rates.data(), rates_.bytes());
}

void Adam::update(const Tensor& verdict) {
  const Rule rule{.beta2 = float(spec_.beta2),
                  .one_less_beta1 = float(1 - spec_.beta1),
                  .one_less_beta2 = float(1 - spec_.beta2),
                  .eps = float(spec_.eps)};
  std::vector<Slice> slices;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    const Tensor &p = slot.param.tensor, grad = p.grad();
    if (!grad) continue;
    slices.push_back({.param = p.data(),
                      .exp_avg = slot.exp_avg.data(),
                      .exp_avg_sq = slot.exp_avg_sq.data(),
                      .grad = grad.data(),
                      .count = p.numel(),
                      .slot = i});
    p.bump_version();
  }
  if (!slices.empty()) launch_update(rates_.device(), slices, rule, rates_, verdict);
}

void Adam::count_update() {
  for (const Slot& slot : slots_) {
    if (slot.param.tensor.grad()) *slot.step.data() += 1.F;
  }
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
