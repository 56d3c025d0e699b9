// The terms that a training step adds up to its loss. Another one is an entry of the list in loss_terms.cpp.
#pragma once
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "data/loader.h"
#include "engine/comm.h"
#include "nets/depth_net.h"
#include "tools/train/train_options.h"

namespace md {

/// What a term may look at.
struct LossInput {
  const DepthMaps& maps;         // of the network
  const Batch& batch;            // what it saw, and the ground truth
  const StepNumber& draw;        // number of the batch in the run: with the seed, the key of whatever is drawn
  std::set<std::string>& notes;  // what the user should hear, once
  /// Who has the other parts of the batch, each as many images. A term is the loss of the whole batch, the same on
  /// every rank, and its gradient that of this rank's maps.
  Communicator& ranks = alone();
};

/// One summand of the loss.
struct LossTerm {
  std::string name;                              // the key in metrics.jsonl
  std::function<Tensor(const LossInput&)> loss;  // scalar [], its weight included; differentiable in maps
  /// What it carries from one step to the next, for checkpoints and for steps that are skipped; empty: nothing.
  std::function<std::vector<double>()> state = {};
  std::function<void(const std::vector<double>&)> set_state = {};
  /// What a line of metrics.jsonl has of it beside its value: an object whose keys become the line's; empty: nothing.
  std::function<nlohmann::ordered_json()> log = {};
};

/// Those that the options ask for, in the order in which they are added.
std::vector<LossTerm> loss_terms(const TrainOptions&);

}  // namespace md
