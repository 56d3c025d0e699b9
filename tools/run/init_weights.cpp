// Both ways complete the file with the network's own values and load the whole strictly.
#include "tools/run/init_weights.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/safetensors.h"
#include "nets/trained_net.h"

namespace md {
namespace {

constexpr double kLittle = 0.5;  // of a network's numbers: to begin with fewer than these from a file is odd

std::string part_of(const std::string& name) { return name.substr(0, name.find('.')); }

/// A count that a program wrote as a floating-point number, as .half() of everything does, as the integer that it is.
Tensor as_integers(const Tensor& counts) {
  constexpr float most = 1 << 24;  // above it, f32 has no odd numbers
  Tensor integers = Tensor::empty(counts.shape(), {}, DType::i32);
  const float* const from = counts.data();
  for (i64 i = 0; i < counts.numel(); ++i) {
    if (!(std::fabs(from[i]) < most) || from[i] != std::floor(from[i])) return counts;
    integers.data<std::int32_t>()[i] = std::int32_t(from[i]);
  }
  return integers;
}

/// The weights of a file, in the dtypes of `net` where no value is lost by that.
State weights_of(const std::string& path, const State& net) {
  State weights = SafeTensors::read(path).weights(kOptimizerPrefix);
  for (auto& [name, tensor] : weights) {
    const auto found = net.find(name);
    if (found != net.end() && found->second.dtype() == DType::i32 && tensor.dtype() == DType::f32)
      tensor = as_integers(tensor);
  }
  return weights;
}

/// Why an entry of the network does not take what a file has under its name; empty where it does.
std::string misfit(const State& file, const std::string& name, const Tensor& wanted) {
  const auto found = file.find(name);
  if (found == file.end()) return "not in the file";
  const Tensor& tensor = found->second;
  if (tensor.shape() != wanted.shape())
    return cat("of another shape there, ", tensor.shape(), " where the network has ", wanted.shape());
  if (tensor.dtype() != wanted.dtype())
    return cat("of another type there, ", name_of(tensor.dtype()), " where the network has ", name_of(wanted.dtype()));
  return "";
}

/// How many numbers of a network, or of a part of it, come from a file.
struct Taken {
  i64 numbers = 0, all = 0;
  void add(i64 count, bool taken) {
    all += count;
    numbers += taken ? count : 0;
  }
  double share() const { return all > 0 ? double(numbers) / double(all) : 0; }
  std::string percent() const { return cat(std::floor(1000 * share()) / 10, " %"); }
};

std::string too_little(const std::string& path, const Taken& whole, const std::map<std::string, Taken>& parts) {
  std::string named;
  for (const auto& [part, taken] : parts)
    if (taken.numbers > 0) named += cat(named.empty() ? "" : ", ", part, " ", taken.percent());
  return cat("--init-partial ", path, ": ONLY ", whole.percent(), " of the network's numbers come from this file (",
             named, "), the others stay random");
}

}  // namespace

void init_weights(Module& net, const std::string& path) {
  const State own = net.state();
  State weights = weights_of(path, own);
  if (weights.empty()) fail(ErrorKind::bad_data, "--init ", path, ": no weights in it");
  std::set<std::string> parts;
  for (const auto& [name, tensor] : weights) parts.insert(part_of(name));
  for (const auto& [name, tensor] : own)
    if (!parts.contains(part_of(name))) weights.emplace(name, tensor);
  try {
    net.load(weights);
  } catch (const Error& error) {
    fail(ErrorKind::bad_data, "--init ", path, ": ", error.what(), " (--init-partial takes what fits)");
  }
}

std::vector<std::string> init_weights_partially(Module& net, const std::string& path) {
  State merged = net.state();
  const State file = weights_of(path, merged);
  std::vector<std::string> notes;
  Taken whole;
  std::map<std::string, Taken> parts;
  for (auto& [name, tensor] : merged) {
    const std::string why = misfit(file, name, tensor);
    if (why.empty())
      tensor = file.at(name);
    else
      notes.push_back(cat(path, ": '", name, "' stays random: ", why));
    whole.add(tensor.numel(), why.empty());
    parts[part_of(name)].add(tensor.numel(), why.empty());
  }
  if (notes.size() == merged.size())
    fail(ErrorKind::bad_data, "--init-partial ", path, ": nothing in it fits the network");
  for (const auto& [name, tensor] : file)
    if (!merged.contains(name)) notes.push_back(cat(path, ": '", name, "' is left out: the network has no such name"));
  if (whole.share() < kLittle) notes.push_back(too_little(path, whole, parts));
  net.load(merged);
  return notes;
}

}  // namespace md
