// Goldens: files with what PyTorch computed, and the machinery to hold the engine against them. A file is a safetensors
// file whose metadata key "meta" is JSON; the weights of whole networks are not stored but filled by a formula of
// their names. Everything on file is NCHW / OIHW, and so is everything that `Report` compares.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/module.h"
#include "engine/safetensors.h"
#include "losses/metric_depth.h"

namespace md::golden {

using Json = nlohmann::json;
using Path = std::filesystem::path;

/// FNV-1a 64 of `name`: the seed of the formula.
std::uint64_t hash(const std::string& name);
double unit(std::uint64_t hash, std::uint64_t index);                                                 // u in [0,1)
inline double centred(std::uint64_t hash, std::uint64_t index) { return 2 * unit(hash, index) - 1; }  // t in [-1,1)

/// The formula's value for a state_dict entry, in PyTorch's shape.
Tensor formula_entry(const std::string& salt, const std::string& name, const Shape&, double weight_gain);
/// A buffer that follows from the architecture; the formula leaves it alone.
bool is_structural(const std::string& name);
/// Fills every other entry of a module.
void load_formula(Module&, const std::string& salt, double weight_gain);

/// Maps [N,C,H,W] <-> [N,H,W,C]; other ranks stay.
Tensor from_nchw(const Tensor&);
Tensor to_nchw(const Tensor&);
std::vector<double> flat_nchw(const Tensor& ours);

/// What a case found wrong.
class Report {
 public:
  template <class... Parts>
  void wrong(const Parts&... parts) {
    text_ += "  " + cat(parts...) + "\n";
  }
  /// |got - want| <= tolerance * |want| in Euclidean norm.
  void compare(const std::string& what, const std::vector<double>& got, const std::vector<double>& want,
               double tolerance);
  void compare(const std::string& what, double got, double want, double tolerance);
  /// Against a digest: shape, norm, projection; `first` (leading elements) only where `elements` is set, with ten times
  /// the tolerance, for a handful of elements scatters more than the whole.
  void compare(const std::string& what, const std::vector<double>& got, const Json& digest, const std::string& salt,
               const std::string& label, double tolerance, bool elements);
  void add(const Report& other) { text_ += other.text_; }
  /// Worth saying beside "pass".
  void note(const std::string& note) { note_ = " " + note; }
  const std::string& text() const { return text_; }  // empty: nothing is wrong
  const std::string& note() const { return note_; }

 private:
  std::string text_, note_;
};

struct Case {
  Path path;         // of the safetensors file (or of the JSON file where there is none)
  std::string name;  // "layers/conv1x1"
  std::string kind;  // layer, network, manifest, optim, data; broken; or other: no golden, such as weights or an index
  std::string op;    // key into the handlers of its kind; of a broken file, the reason
  Json meta;
  SafeTensors file;

  std::vector<double> numbers(const std::string& entry) const { return file.numbers(entry); }
  /// The float64 run's tensor if there is one, else the float32 run's.
  std::vector<double> want(const std::string& entry) const;
  Json json() const;  // the JSON file of the same stem
};

/// Puts into the report what is wrong with the engine's numbers. What it throws is wrong, too: a case that the engine
/// cannot compute fails.
using Handler = std::function<void(const Case&, Report&)>;
using Handlers = std::map<std::string, Handler>;  // by Case::op
Handlers layer_handlers();
Handlers network_handlers();
Handlers manifest_handlers();
Handlers optim_handlers();
Handlers data_handlers();

// golden_newcrfs.cpp, for the tables of golden_layers.cpp and golden_networks.cpp.
Handlers newcrfs_layers();
/// The inner maps of a NeWCRFs of any size, by the official code's names of modules; tokens as [B,L,C].
std::map<std::string, Tensor> newcrfs_features(const State&, const Tensor& image);

/// within, across, ranges, margins, r_p and reduction, as the MetricDepth goldens have them.
struct MetricDepthSetting {
  std::vector<MetricDepthPairs::Shift> shifts;
  MetricDepthOptions options;
};
MetricDepthSetting metric_depth_setting(const Json& params);

/// Every file of tensors or JSON under `folder`, sorted by name. One that cannot be read becomes a case of kind
/// "broken".
std::vector<Case> find_cases(const Path& folder);

/// tests/goldens, or env MD_GOLDENS.
Path goldens_dir();

/// Those of goldens_dir(), and, unless MD_GOLDENS says another, the manifests of tools/convert.
std::vector<Case> all_cases();

/// Where layers, networks and optimisers compute: env MD_DEVICE, "cpu" (the default) or "cuda".
Device device();

}  // namespace md::golden
