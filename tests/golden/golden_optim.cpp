// Optimiser goldens: trajectories of Adam and AdamW over given gradients, and the learning-rate table.
#include <algorithm>

#include "engine/optim.h"
#include "tests/golden/golden.h"
#include "tests/kit/testing.h"

namespace md::golden {
namespace {

#if defined(__x86_64__) && __GNUC__ < 13
constexpr bool kFusesAsPyTorch = true;  // GCC 12 rounds the update as often as PyTorch's build does
#else
constexpr bool kFusesAsPyTorch = false;
#endif

/// Ten times what PyTorch's own float32 run misses its float64 run by, at least about one float rounding. Where the
/// compiler fuses other operations (on a GPU, on ARM, GCC 14 and 16), at least the four roundings of a moment's
/// update: a square, two products, their sum.
double tolerance(const Case& golden, const std::string& entry) {
  if (!golden.file.has(entry + ".f64")) return 1e-6;
  const double least = kFusesAsPyTorch && device().kind == Device::cpu ? 1e-7 : 4 * 0x1p-24;
  return std::max(least, 10 * test::relative_l2(golden.numbers(entry), golden.numbers(entry + ".f64")));
}

void compare(const Case& golden, Report& report, const std::string& entry, const Tensor& got) {
  report.compare(entry, test::to_double(got), golden.want(entry), tolerance(golden, entry));
}

std::vector<Adam::Group> groups_of(const Case& golden) {
  std::vector<Adam::Group> groups;
  for (const Json& group : golden.meta.at("groups")) {
    Adam::Group g;
    g.weight_decay = group.value("weight_decay", golden.meta.at("default_weight_decay").get<float>());
    for (const std::string name : group.at("names")) {
      g.params.push_back({name, golden.file.tensor("param0." + name).clone().to(device()), Layout::same});
    }
    groups.push_back(g);
  }
  return groups;
}

void adam_case(const Case& golden, Report& report) {
  const std::vector<Adam::Group> groups = groups_of(golden);
  const auto betas = golden.meta.at("betas").get<std::vector<double>>();
  Adam adam(groups, {betas.at(0), betas.at(1), golden.meta.at("eps").get<double>(), golden.op == "AdamW"});
  const auto lrs = golden.meta.at("lrs").get<std::vector<double>>();
  for (std::size_t k = 0; k < lrs.size(); ++k) {
    for (const auto& group : groups) {
      for (const Module::Entry& p : group.params) {
        p.tensor.set_grad(golden.file.tensor(cat("grad", k, ".", p.name)).to(device()));
      }
    }
    adam.step(lrs[k]);
    for (const auto& group : groups) {
      for (const Module::Entry& p : group.params) compare(golden, report, cat("param", k + 1, ".", p.name), p.tensor);
    }
  }
  const State state = adam.state();
  for (const auto& group : groups) {
    for (const Module::Entry& p : group.params) {
      for (const char* moment : {"exp_avg.", "exp_avg_sq."}) {
        compare(golden, report, moment + p.name, state.at(moment + p.name));
      }
    }
  }
}

void lr_case(const Case& golden, Report& report) {
  for (const Json& table : golden.meta.at("tables")) {
    const i64 total = table.at("total_steps");
    for (const Json& row : table.at("values")) {
      const i64 step = row.at(0);
      const double lr = polynomial_lr(table.at("base_lr"), table.at("end_lr"), step, total);
      report.compare(cat("step ", step, " of ", total), lr, row.at(1), 1e-12);  // double, as Python computes it
    }
  }
}

}  // namespace

Handlers optim_handlers() { return {{"Adam", adam_case}, {"AdamW", adam_case}, {"lr_polynomial", lr_case}}; }

}  // namespace md::golden
