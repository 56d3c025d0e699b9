// The formula of the weights, the comparison of digests, and the discovery of cases.
#include "tests/golden/golden.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "tests/kit/testing.h"

namespace md::golden {
namespace {

bool ends_with(const std::string& text, const std::string& tail) { return text.ends_with(tail); }

/// Values are offset + factor * t.
struct FormulaRule {
  double offset, factor;
};

FormulaRule formula_rule(const std::string& name, int rank, double bound) {
  if (ends_with(name, "running_mean")) return {0, 0.1};
  if (ends_with(name, "running_var")) return {1, 0.2};
  if (ends_with(name, "relative_position_bias_table")) return {0, 0.5};
  if (ends_with(name, "bias")) return {0, 0.05};
  return rank == 1 ? FormulaRule{1, 0.1} : FormulaRule{0, bound};
}

double norm(const std::vector<double>& x) {
  double squares = 0;
  for (const double v : x) squares += v * v;
  return std::sqrt(squares);
}

Json read_json(const Path& path) {
  std::ifstream in(path);
  if (!in) fail(ErrorKind::missing, path.string(), ": cannot be opened");
  return Json::parse(in);
}

/// "BasicCRFLayer(depth 2)" -> "BasicCRFLayer": what stands in brackets repeats the parameters.
std::string without_brackets(std::string op) {
  op.resize(std::min(op.find('('), op.size()));
  while (!op.empty() && op.back() == ' ') op.pop_back();
  return op;
}

/// Sorts a file by what its metadata says, not by its folder: files may lie directly in MD_GOLDENS.
void classify(Case& c) {
  const auto has = [&](const char* key) { return c.meta.contains(key); };
  if (has("op")) {
    c.kind = "layer", c.op = without_brackets(c.meta["op"]);
  } else if (has("network")) {
    c.kind = "network", c.op = c.meta["network"];
  } else if (has("groups")) {
    c.kind = "optim", c.op = c.meta["optimizer"];
  } else if (has("draws")) {
    c.kind = "data", c.op = "augmentation";
  } else if (has("scale")) {
    c.kind = "data", c.op = "metrics";
  } else {
    fail(ErrorKind::bad_data, c.path.string(), ": metadata names no op, network, optimizer, draws or scale");
  }
}

Case read_case(const Path& path, const std::string& name) {
  Case c{path, name, "broken", "", {}, {}};
  if (path.extension() == ".safetensors") {
    c.file = SafeTensors::read(path.string());
    const auto meta = c.file.metadata().find("meta");
    if (meta == c.file.metadata().end()) {
      c.kind = "other";
      return c;
    }
    c.meta = Json::parse(meta->second);
    classify(c);
    return c;
  }
  c.meta = read_json(path);
  c.kind = "other";
  if (c.meta.contains("tables")) c.kind = "optim", c.op = "lr_polynomial";
  if (path.parent_path().filename() == "manifests") c.kind = "manifest", c.op = path.stem().string();
  return c;
}

/// JSON files that belong to a safetensors file are read with it; INDEX.json lists the others.
bool is_case(const Path& path) {
  if (path.extension() == ".safetensors") return true;
  Path sibling = path;
  sibling.replace_extension(".safetensors");
  return path.extension() == ".json" && path.filename() != "INDEX.json" && !std::filesystem::exists(sibling);
}

}  // namespace

std::uint64_t hash(const std::string& name) {
  std::uint64_t h = 0xcbf29ce484222325U;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return h;
}

double unit(std::uint64_t h, std::uint64_t index) {
  std::uint64_t z = h + (index + 1) * 0x9E3779B97F4A7C15U;  // splitmix64
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  z ^= z >> 31;
  return double(z >> 40) * 0x1p-24;
}

Tensor formula_entry(const std::string& salt, const std::string& name, const Shape& shape, double weight_gain) {
  std::vector<float> values(std::size_t(shape.numel()));
  if (ends_with(name, "num_batches_tracked")) return Tensor::zeros(shape, {}, DType::i32);
  const std::uint64_t h = hash(salt + name);
  const double fan_in = shape.rank() > 1 ? double(shape.numel() / shape[0]) : 1;
  const FormulaRule rule = formula_rule(name, shape.rank(), weight_gain * std::sqrt(3.0 / fan_in));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = float(rule.offset + rule.factor * centred(h, i));
  return Tensor::from_host(values, shape);
}

bool is_structural(const std::string& name) { return ends_with(name, "relative_position_index"); }

void load_formula(Module& module, const std::string& salt, double weight_gain) {
  State state = module.state();
  for (auto& [name, tensor] : state) {
    if (!is_structural(name)) tensor = formula_entry(salt, name, tensor.shape(), weight_gain);
  }
  module.load(state);
}

// A map's permutation is the one of a convolution's weight.
Tensor from_nchw(const Tensor& x) { return from_torch(x, x.shape().rank() == 4 ? Layout::conv : Layout::same); }
Tensor to_nchw(const Tensor& x) { return to_torch(x, x.shape().rank() == 4 ? Layout::conv : Layout::same); }
std::vector<double> flat_nchw(const Tensor& ours) { return test::to_double(to_nchw(ours)); }

void Report::compare(const std::string& what, const std::vector<double>& got, const std::vector<double>& want,
                     double tolerance) {
  if (got.size() != want.size()) return wrong(what, ": ", got.size(), " elements, expected ", want.size());
  const double error = test::relative_l2(got, want);
  if (!(error <= tolerance)) wrong(what, ": relative L2 error ", error, " > ", tolerance);
}

void Report::compare(const std::string& what, double got, double want, double tolerance) {
  if (!(std::fabs(got - want) <= tolerance * std::fabs(want))) {
    wrong(what, ": ", got, ", expected ", want, " within ", tolerance, " (relative)");
  }
}

void Report::compare(const std::string& what, const std::vector<double>& got, const Json& digest,
                     const std::string& salt, const std::string& label, double tolerance, bool elements) {
  i64 count = 1;
  for (const i64 side : digest.at("shape").get<std::vector<i64>>()) count *= side;
  if (i64(got.size()) != count) return wrong(what, ": ", got.size(), " elements, expected ", count);
  const double l2 = digest.at("l2");
  compare(what + " l2", norm(got), l2, tolerance);

  // An error vector e knows nothing of the hash t, so mean(e * t) has the standard deviation |e| * 0.58 / n; seven of
  // them. A permutation moves the projection by about |value| * 0.8 / n, far more.
  const std::uint64_t h = hash(salt + "proj." + label);
  double projection = 0;
  for (std::size_t i = 0; i < got.size(); ++i) projection += got[i] * centred(h, i);
  projection /= double(count);
  const double want = digest.at("proj"), slack = 4 * tolerance * l2 / double(count);
  if (!(std::fabs(projection - want) <= slack)) {
    wrong(what, ": projection ", projection, ", expected ", want, " within ", slack);
  }
  if (!elements) return;
  const auto first = digest.at("first").get<std::vector<double>>();
  compare(what + " first elements", {got.begin(), got.begin() + i64(std::min(first.size(), got.size()))}, first,
          10 * tolerance);
}

std::vector<double> Case::want(const std::string& entry) const {
  return numbers(file.has(entry + ".f64") ? entry + ".f64" : entry);
}

Json Case::json() const {
  Path beside = path;
  return read_json(beside.replace_extension(".json"));
}

std::vector<Case> find_cases(const Path& folder) {
  std::vector<Path> paths;
  if (!std::filesystem::is_directory(folder)) fail(ErrorKind::missing, folder.string(), ": no such folder");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (is_case(entry.path())) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Case> cases;
  for (const Path& path : paths) {
    const std::string name = std::filesystem::relative(path, folder).replace_extension().string();
    try {
      cases.push_back(read_case(path, name));
    } catch (const std::exception& error) {
      cases.push_back({path, name, "broken", error.what(), {}, {}});
    }
  }
  return cases;
}

Path goldens_dir() {
  const char* given = std::getenv("MD_GOLDENS");
  return given != nullptr ? Path(given) : Path(test::source_dir()) / "tests" / "goldens";
}

std::vector<Case> all_cases() {
  std::vector<Case> cases = find_cases(goldens_dir());
  if (std::getenv("MD_GOLDENS") != nullptr) return cases;
  for (Case& manifest : find_cases(Path(test::source_dir()) / "tools" / "convert" / "manifests")) {
    manifest.name = "manifests/" + manifest.name;
    cases.push_back(std::move(manifest));
  }
  return cases;
}

Device device() {
  const char* given = std::getenv("MD_DEVICE");
  return {given != nullptr && std::string(given) == "cuda" ? Device::cuda : Device::cpu};
}

}  // namespace md::golden
