// Checkpoints: one safetensors file with the network under PyTorch's names, the optimiser under `optimizer.`, and JSON
// texts in __metadata__: `version`, `git`, `config` (the resolved options), `run` (RunState) and, of a GPU, `plans`.
// All randomness is keyed by (seed, step), and so is the loader's place: there is no more state. The best network of a
// run is kept without the optimiser.
#pragma once
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/optim.h"
#include "engine/safetensors.h"
#include "nets/trained_net.h"

namespace md {

/// Where a run stands; with the weights and the optimiser all that is needed to go on.
struct RunState {
  nlohmann::json config;
  std::uint64_t seed = 0;
  i64 step = 0, epoch = 0;                                  // done
  i64 frames = 0, steps_per_epoch = 0, schedule_steps = 0;  // as many as the data and the learning rate's decay have
  i64 evaluated = 0;                                        // the last step after which an evaluation ran
  i64 skipped = 0;                                          // steps without a finite loss
  i64 replaced = 0, replaced_in_epoch = 0;                  // bad frames (data/loader.h), each time one's turn came
  double lr_factor = 1;                                     // below 1 once the run went back
  int frame_height = 0, frame_width = 0;                    // of the first training frame, uncropped; 0: not known
  std::map<std::string, std::vector<double>> terms = {};    // what loss terms carry from step to step, by name
  std::string computed_on = {};                             // the backend and its threads: the last bits depend on them
  nlohmann::json best = nullptr;                            // metrics of the best evaluation so far, or null
  std::string plans = {};                                   // Backend::chosen_plans; not in a network's file
};

/// Crash-safe. Throws ErrorKind::cannot_write, also where the file system has no room for it.
void save_checkpoint(const std::string& path, const Module& net, const Adam& optimizer, const RunState&);

/// The same without the optimiser: the file has PyTorch's names and no others. Nothing resumes from it.
void save_network(const std::string& path, const Module& net, const RunState&);

/// A checkpoint to go on from.
class Checkpoint {
 public:
  /// Throws ErrorKind::missing, or ErrorKind::bad_data naming the file.
  explicit Checkpoint(const std::string& path);
  const RunState& state() const { return state_; }
  /// Strict, both. Throws ErrorKind::bad_data naming the file.
  void restore(Module& net) const;
  void restore(Adam& optimizer) const;
  std::unique_ptr<DepthNet> net() const;  // in evaluation mode
  std::string written_by() const;         // "mdtrain 0.1.0, commit 0123456789ab"; "" where the file does not say

 private:
  std::string path_;
  SafeTensors file_;
  RunState state_;
};

/// A network, and the run that trained it.
struct LoadedNet {
  std::unique_ptr<DepthNet> net;  // in evaluation mode
  RunState state;
  std::string written_by;  // as Checkpoint has it
};
/// The network of a checkpoint, built from its config. Throws ErrorKind::missing, or ErrorKind::bad_data naming the
/// file.
LoadedNet load_net(const std::string& path);
/// The same to predict with: its batch norms are folded (layers/modules.h).
LoadedNet load_folded_net(const std::string& path);

}  // namespace md
