// A training step that a GPU repeats as two graphs, without a launch for every kernel: one up to the gradients, and the
// update, which the trainer asks for when it has fetched the next batch. Which steps can be such: train_step.cpp.
#pragma once
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "data/loader.h"
#include "engine/backend.h"
#include "engine/module.h"

namespace md {

/// What a step is made of, and what it writes to.
struct StepWork {
  /// Forward and backward of a batch; adds to the notes what the user should hear.
  std::function<void(const Batch&, std::set<std::string>& notes)> begin;
  std::function<void()> finish;  // the update
  std::vector<Tensor> parameters, statistics;
};

/// The work of one step, for all batches of one shape. Everything that changes from step to step is in memory of the
/// device, at an address that stays.
class StepGraph {
 public:
  /// Makes room for the input of such batches, and no more.
  explicit StepGraph(const Batch& like);
  /// Whether it is for batches like this.
  bool fits(const Batch&) const;

  /// Writes the work down. Throws what Backend::capture throws; then nothing has happened, but that the parameters'
  /// gradients are gone. REQUIRES: the same work was done since this was made, so that there is memory for it.
  void capture(StepWork);
  bool captured() const { return finish_ != nullptr; }
  /// Asks for the step up to the gradients, which the parameters then have; or for the update.
  void begin(const Batch&, std::set<std::string>& notes);
  void finish();

 private:
  StepWork work_;
  Batch batch_;  // where the work looks for the input
  std::set<std::string> notes_;
  std::unique_ptr<WorkGraph> begin_, finish_;
  std::vector<Tensor> gradients_;  // of each parameter
};

}  // namespace md
