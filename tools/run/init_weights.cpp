// Both ways complete the file with the network's own values and load the whole strictly.
#include "tools/run/init_weights.h"

#include <set>

#include "engine/safetensors.h"
#include "nets/trained_net.h"

namespace md {
namespace {

std::string part_of(const std::string& name) { return name.substr(0, name.find('.')); }

State weights_of(const std::string& path) { return SafeTensors::read(path).state("", kOptimizerPrefix); }

}  // namespace

void init_weights(Module& net, const std::string& path) {
  State weights = weights_of(path);
  if (weights.empty()) fail(ErrorKind::bad_data, "--init ", path, ": no weights in it");
  std::set<std::string> parts;
  for (const auto& [name, tensor] : weights) parts.insert(part_of(name));
  for (const auto& [name, tensor] : net.state())
    if (!parts.contains(part_of(name))) weights.emplace(name, tensor);
  try {
    net.load(weights);
  } catch (const Error& error) {
    fail(ErrorKind::bad_data, "--init ", path, ": ", error.what(), " (--init-partial takes what fits)");
  }
}

std::vector<std::string> init_weights_partially(Module& net, const std::string& path) {
  const State file = weights_of(path);
  State merged = net.state();
  std::vector<std::string> notes;
  for (auto& [name, tensor] : merged) {
    const auto found = file.find(name);
    if (found != file.end() && found->second.shape() == tensor.shape() && found->second.dtype() == tensor.dtype()) {
      tensor = found->second;
    } else {
      notes.push_back(
          cat(path, ": '", name, "' stays random: ", found == file.end() ? "not in the file" : "of another shape"));
    }
  }
  if (notes.size() == merged.size())
    fail(ErrorKind::bad_data, "--init-partial ", path, ": nothing in it fits the network");
  for (const auto& [name, tensor] : file)
    if (!merged.contains(name)) notes.push_back(cat(path, ": '", name, "' is left out: the network has no such name"));
  net.load(merged);
  return notes;
}

}  // namespace md
