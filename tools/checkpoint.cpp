// What of a run goes where in a safetensors file, and how a network is built from its config again.
#include "tools/checkpoint.h"

#include "engine/state.h"

namespace md {
namespace {

using nlohmann::json;

constexpr const char* kOptimizer = "optimizer.";

json metadata_entry(const SafeTensors& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) fail(Exit::bad_data, "no '", key, "' in __metadata__: not a checkpoint");
  return json::parse(found->second);
}

RunState run_state(const SafeTensors& file) {
  return {.config = metadata_entry(file, "config"),
          .step = metadata_entry(file, "step"),
          .epoch = metadata_entry(file, "epoch"),
          .seed = metadata_entry(file, "seed"),
          .best = metadata_entry(file, "best")};
}

}  // namespace

void save_checkpoint(const std::string& path, const Module& net, const Adam& optimizer, const RunState& run) {
  State state = net.state();
  for (auto& [name, tensor] : optimizer.state()) state[kOptimizer + name] = tensor;
  write_safetensors(path, state,
                    {{"version", json(MD_VERSION).dump()},
                     {"config", run.config.dump()},
                     {"step", json(run.step).dump()},
                     {"epoch", json(run.epoch).dump()},
                     {"seed", json(run.seed).dump()},
                     {"best", run.best.dump()}});
}

LoadedNet load_net(const std::string& path) {
  const SafeTensors file = SafeTensors::read(path);
  try {
    LoadedNet loaded{.net = nullptr, .state = run_state(file)};
    const json& config = loaded.state.config;
    loaded.net = make_net(config.at("net"), {.max_depth_m = config.at("max-depth"), .seed = loaded.state.seed});
    State state = file.state();
    std::erase_if(state, [](const auto& entry) { return entry.first.starts_with(kOptimizer); });
    loaded.net->load(state);
    loaded.net->eval();
    return loaded;
  } catch (const Error& error) {
    fail(Exit::bad_data, path, ": ", error.what());
  } catch (const json::exception& error) {
    fail(Exit::bad_data, path, ": __metadata__: ", error.what());
  }
}

}  // namespace md
