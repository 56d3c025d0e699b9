// Checkpoints: one safetensors file with the network under PyTorch's names, the optimiser under `optimizer.`, and JSON
// texts in __metadata__: `version`, `config` (the resolved options), `step` (updates done), `epoch`, `seed`, `best`
// (the metrics of the best evaluation so far, or null). All randomness is keyed by (seed, step): there is no more
// state.
#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/optim.h"
#include "nets/depth_net.h"

namespace md {

struct RunState {
  nlohmann::json config;
  i64 step = 0, epoch = 0;
  std::uint64_t seed = 0;
  nlohmann::json best;
};

/// Crash-safe. Throws Exit::cannot_write.
void save_checkpoint(const std::string& path, const Module& net, const Adam& optimizer, const RunState&);

struct LoadedNet {
  std::unique_ptr<DepthNet> net;  // in evaluation mode
  RunState state;
};
/// The network of a checkpoint, built from its config. Throws Exit::missing_input, or Exit::bad_data naming the file.
LoadedNet load_net(const std::string& path);

}  // namespace md
