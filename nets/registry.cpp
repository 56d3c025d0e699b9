// The list of networks. Another one is its own file and a line here (CONTRIBUTING.md).
#include "nets/registry.h"

#include <algorithm>
#include <cmath>

#include "engine/records.h"
#include "engine/text.h"

namespace md {

// Beside each network.
std::vector<NetRecord> lt_networks();
std::vector<NetRecord> bts_networks();
std::vector<NetRecord> newcrfs_networks();

namespace {

Records<NetRecord>& records() {
  static Records<NetRecord> all = [] {
    Records<NetRecord> known;
    for (const auto& networks : {bts_networks, lt_networks, newcrfs_networks}) {
      for (NetRecord& record : networks()) known.add(std::move(record));
    }
    return known;
  }();
  return all;
}

bool is_default(const NetOption& option, const NetOptions& values) {
  return std::visit([&](auto member) { return values.*member == NetOptions().*member; }, option.member);
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

auto find_rule(const NetRecord& record, const std::string& rule) {
  return std::ranges::find_if(record.freeze_rules, [&](const FreezeRule& each) { return each.name == rule; });
}

}  // namespace

const std::vector<NetOption>& net_options() {
  static const std::vector<NetOption> all = {
      {"max-depth", "largest depth that the network can predict, metres", &NetOptions::max_depth_m, "above 0",
       [](double depth_m) { return depth_m > 0; }, true},
      {"focal-scaling", "multiply the depth by focal length / 715.0873 pixels, as BTS does on KITTI",
       &NetOptions::focal_scaling},
      {"drop-path", "probability that training leaves out the last block of Swin, stochastic depth",
       &NetOptions::drop_path_rate, "from 0 to 0.99", [](double rate) { return rate >= 0 && rate <= 0.99; }},
      {"checkpoint-activations",
       "keep less of a forward pass and compute it again for the backward pass: less memory, more time",
       &NetOptions::recompute},
  };
  return all;
}

void register_net(NetRecord record) { records().add(std::move(record)); }

const NetRecord& net_record(const std::string& name) {
  const NetRecord* const found = records().find(name);
  if (!found) fail(ErrorKind::usage, "network '", name, "' is unknown; there are: ", listed(net_names(), " "));
  return *found;
}

std::vector<std::string> net_names() { return records().names(); }

std::vector<FreezeRule> freeze_rules() {
  std::vector<FreezeRule> rules;
  for (const NetRecord& record : records()) {
    for (const FreezeRule& rule : record.freeze_rules) {
      const auto same = [&](const FreezeRule& known) { return known.name == rule.name; };
      if (std::ranges::none_of(rules, same)) rules.push_back(rule);
    }
  }
  return rules;
}

std::string foreign_option(const NetRecord& record, const NetOptions& options) {
  for (const NetOption& option : net_options()) {
    if (!option.of_every_net && !is_default(option, options) && !contains(record.options, option.name))
      return option.name;
  }
  return "";
}

std::string nets_with(const std::string& option) {
  return listed(records().names_where([&](const NetRecord& record) { return contains(record.options, option); }));
}

void require_freeze_rule(const NetRecord& record, const std::string& rule) {
  if (rule != "none" && find_rule(record, rule) == record.freeze_rules.end())
    fail(ErrorKind::usage, "network '", record.name, "' has no rule '", rule, "' to freeze its encoder by");
}

std::unique_ptr<DepthNet> make_net(const std::string& name, const NetOptions& options) {
  const NetRecord& record = net_record(name);
  if (!std::isfinite(options.max_depth_m) || options.max_depth_m <= 0)
    fail(ErrorKind::usage, "network: the largest depth is ", options.max_depth_m, " m, must be positive and finite");
  return record.make(options);
}

void freeze_encoder(const Module& net, const NetRecord& record, const std::string& rule) {
  require_freeze_rule(record, rule);
  if (rule == "none") return;
  const auto found = find_rule(record, rule);
  for (const Module::Entry& p : net.parameters()) {
    const auto in_name = [&](const std::string& part) { return p.name.find(part) != std::string::npos; };
    if (p.name.starts_with(record.encoder) && std::ranges::any_of(found->parts, in_name))
      p.tensor.requires_grad_(false);
  }
}

}  // namespace md
