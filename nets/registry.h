// Every network by its name: what the programs need to know of one, as a record that stands beside the network.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "nets/depth_net.h"

namespace md {

/// An option of networks, under the name that configurations and checkpoints use.
struct NetOption {
  std::string name, help;
  std::variant<bool NetOptions::*, float NetOptions::*, double NetOptions::*> member;
  std::string must_be = {};           // of numbers: "above 0"
  bool (*allowed)(double) = nullptr;  // the same as a function
  bool of_every_net = false;
};
/// All of them. Those that are not of every network belong to the networks whose record names them.
const std::vector<NetOption>& net_options();

/// A part of the encoder that does not learn: parameters with one of these parts in their names.
struct FreezeRule {
  std::string name, help;
  std::vector<std::string> parts;
};

/// All that the programs know of a network.
struct NetRecord {
  std::string name;  // as configurations have it
  std::function<std::unique_ptr<DepthNet>(const NetOptions&)> make;
  std::string encoder = "encoder.";       // what the names of the encoder's parameters begin with
  std::vector<std::string> options = {};  // of net_options()
  std::vector<FreezeRule> freeze_rules = {};
};

/// Adds a network to those that the programs know; a later one takes the place of an earlier one of the same name.
void register_net(NetRecord);
/// Throws ErrorKind::usage for an unknown name, and lists the known ones.
const NetRecord& net_record(const std::string& name);
/// In the order in which they were registered.
std::vector<std::string> net_names();
/// The freeze rules of all networks, each once.
std::vector<FreezeRule> freeze_rules();

/// The name of an option that has not its default and is not the network's; empty where there is none.
std::string foreign_option(const NetRecord&, const NetOptions&);
/// The networks that have an option, "bts, bts_resnet101".
std::string nets_with(const std::string& option);
/// Throws ErrorKind::usage for a freeze rule that the network does not have; "none" always passes.
void require_freeze_rule(const NetRecord&, const std::string& rule);

/// A network with fresh weights, in training mode. Throws ErrorKind::usage for an unknown name, and lists the known
/// ones, or for a largest depth that is not positive and finite.
std::unique_ptr<DepthNet> make_net(const std::string& name, const NetOptions&);

/// Freezes what a rule of the network says; "none" freezes nothing. Running statistics go on being updated. Throws
/// ErrorKind::usage for a rule that the network does not have.
void freeze_encoder(const Module& net, const NetRecord&, const std::string& rule);

}  // namespace md
