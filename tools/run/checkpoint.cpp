// What of a run goes where in a safetensors file, and how a network is built from its config again.
#include "tools/run/checkpoint.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "git_version.h"
#include "layers/modules.h"
#include "tools/cli/output.h"

namespace md {
namespace {

using nlohmann::json;

constexpr std::uintmax_t kHeaderRoom = 1 << 20;

json to_json(const RunState& s) {
  return {{"seed", s.seed},
          {"step", s.step},
          {"epoch", s.epoch},
          {"frames", s.frames},
          {"steps_per_epoch", s.steps_per_epoch},
          {"schedule_steps", s.schedule_steps},
          {"evaluated", s.evaluated},
          {"skipped", s.skipped},
          {"replaced", s.replaced},
          {"replaced_in_epoch", s.replaced_in_epoch},
          {"lr_factor", s.lr_factor},
          {"frame_size", {s.frame_height, s.frame_width}},
          {"terms", s.terms},
          {"computed_on", s.computed_on},
          {"best", s.best}};
}

RunState run_state(const SafeTensors& file) {
  const json config = json::parse(checkpoint_metadata(file, "config")),
             run = json::parse(checkpoint_metadata(file, "run"));
  const auto count = [&run](const char* key, bool always_there = true) {
    const i64 value = always_there ? run.at(key).get<i64>() : run.value(key, i64(0));
    if (value < 0) fail(ErrorKind::bad_data, "__metadata__: run: ", key, " is ", value);
    return value;
  };
  const double lr_factor = run.at("lr_factor");
  if (!(lr_factor > 0 && lr_factor <= 1)) fail(ErrorKind::bad_data, "__metadata__: run: lr_factor is ", lr_factor);
  const auto frame = run.value("frame_size", std::array{0, 0});  // not in checkpoints from before 2026-11-29
  if (std::min(frame[0], frame[1]) < 0) fail(ErrorKind::bad_data, "__metadata__: run: frame_size is negative");
  return {.config = config,
          .seed = run.at("seed"),
          .step = count("step"),
          .epoch = count("epoch"),
          .frames = count("frames"),
          .steps_per_epoch = count("steps_per_epoch"),
          .schedule_steps = count("schedule_steps"),
          .evaluated = count("evaluated"),
          .skipped = count("skipped"),
          .replaced = count("replaced", false),  // not in checkpoints from before 2026-11-29
          .replaced_in_epoch = count("replaced_in_epoch", false),
          .lr_factor = lr_factor,
          .frame_height = frame[0],
          .frame_width = frame[1],
          .terms = run.value("terms", decltype(RunState::terms)()),  // likewise
          .computed_on = run.at("computed_on"),
          .best = run.at("best"),
          .plans = file.metadata().contains("plans") ? file.metadata().at("plans") : ""};
}

/// `work`, whose errors then begin with the file.
template <class Work>
auto naming(const std::string& path, Work work) {
  try {
    return work();
  } catch (const Error& error) {
    fail(ErrorKind::bad_data, path, ": ", error.what());
  } catch (const json::exception& error) {
    fail(ErrorKind::bad_data, path, ": __metadata__: ", error.what());
  }
}

void save(const std::string& path, const State& state, const RunState& run, const std::string& plans = "") {
  std::uintmax_t bytes = kHeaderRoom + 2 * plans.size();
  for (const auto& [name, tensor] : state) bytes += tensor.bytes();
  require_space(std::filesystem::path(path).parent_path(), bytes);
  std::map<std::string, std::string> metadata{{"version", json(MD_VERSION).dump()},
                                              {"git", json(MD_GIT).dump()},
                                              {"config", run.config.dump()},
                                              {"run", to_json(run).dump()}};
  if (!plans.empty()) metadata["plans"] = plans;
  write_safetensors(path, state, metadata);
}

}  // namespace

void save_checkpoint(const std::string& path, const Module& net, const Adam& optimizer, const RunState& run) {
  State state = state_of(net.entries());
  for (const auto& [name, tensor] : state_of(optimizer.entries())) state[kOptimizerPrefix + name] = tensor;
  save(path, state, run, run.plans);
}

void save_network(const std::string& path, const Module& net, const RunState& run) {
  save(path, state_of(net.entries()), run);
}

Checkpoint::Checkpoint(const std::string& path)
    : path_(path), file_(SafeTensors::read(path)), state_(naming(path, [&] { return run_state(file_); })) {}

void Checkpoint::restore(Module& net) const {
  naming(path_, [&] { net.load(file_.state("", kOptimizerPrefix)); });
}

void Checkpoint::restore(Adam& optimizer) const {
  naming(path_, [&] { optimizer.load(file_.state(kOptimizerPrefix)); });
}

std::unique_ptr<DepthNet> Checkpoint::net() const {
  return naming(path_, [&] { return trained_net(file_); });
}

std::string Checkpoint::written_by() const {
  const auto& metadata = file_.metadata();
  const auto said = [&](const char* key) {
    const auto found = metadata.find(key);
    const json text = found == metadata.end() ? json() : json::parse(found->second, nullptr, false);
    return text.is_string() ? text.get<std::string>() : std::string();
  };
  return said("version").empty() ? "" : cat("mdtrain ", said("version"), ", commit ", said("git"));
}

LoadedNet load_net(const std::string& path) {
  const Checkpoint checkpoint(path);
  return {.net = checkpoint.net(), .state = checkpoint.state(), .written_by = checkpoint.written_by()};
}

LoadedNet load_folded_net(const std::string& path) {
  LoadedNet loaded = load_net(path);
  fold_batch_norms(*loaded.net);
  return loaded;
}

}  // namespace md
