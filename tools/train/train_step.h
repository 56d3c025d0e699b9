// One step of training: forward, scale-invariant loss, MetricDepth, backward, update. A function of the batch, the step
// number and the weights alone. A non-finite loss or gradient leaves weights, running statistics and optimiser as they
// were, and so does a batch without ground truth that counts. With --accumulate N the batch is computed in N parts, of
// which one at a time is in memory; its loss is the mean of theirs: statistics (batch norm's, the scale-invariant
// loss's) are those of a part, and MetricDepth compares images of one part only. A part without ground truth that
// counts is not computed, and the mean is that of the others. A sample without is part of batch norm's statistics like
// any other, as in the peers' code, and of no loss.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "data/loader.h"
#include "engine/finite_check.h"
#include "engine/gradient_buckets.h"
#include "engine/optim.h"
#include "nets/depth_net.h"
#include "tools/train/loss_terms.h"
#include "tools/train/step_graph.h"

namespace md {

/// What a step did.
struct StepLosses {
  struct Part {
    std::string name;  // of a LossTerm
    double value;
  };
  double total = 0;
  std::vector<Part> parts;  // of the total
  double lr = 0;
  std::set<std::string> notes;    // what the user should hear, once
  std::string not_finite;         // "loss" or "gradient of PARAMETER": nothing was updated; empty: all is well
  std::string not_finite_on;      // of several ranks, those whose own depth was not finite: "rank 1 on node7"
  bool nothing_measured = false;  // the batch had no ground truth that counts: there is no loss, nothing was updated

  /// True where nothing was updated.
  bool skipped() const { return nothing_measured || !not_finite.empty(); }
  /// The value of a term, 0 where there is none of that name.
  double part(const std::string& name) const;
};

/// Freezes what the options say; then the parameters that learn, the encoder's and the others', each group with its
/// weight decay.
std::vector<Adam::Group> freeze_and_group(const TrainOptions&, const Module& net);

class TrainStep {
 public:
  /// Freezes what the options say. `net` and `ranks` must outlive it; `total_steps` is where the learning rate ends.
  TrainStep(const TrainOptions&, DepthNet& net, i64 total_steps, Communicator& ranks = alone());
  /// With these terms in place of those that the options ask for.
  TrainStep(const TrainOptions&, DepthNet& net, i64 total_steps, std::vector<LossTerm> terms,
            Communicator& ranks = alone());

  /// Forward and backward of a batch of options.batch times options.accumulate samples; the update to come has
  /// `lr_factor` times the schedule's learning rate. A GPU gets the work and is not waited for, so there is time to
  /// fetch the next batch. Of several ranks each has its rows of the samples, and `measured` of all of them.
  void begin(const Batch&, i64 step, double lr_factor = 1);
  /// Asks for the update, which the device makes unless something is not finite, then waits for the losses.
  StepLosses finish();
  /// In place of finish(), where something else failed: the network is as it was before begin().
  void abandon();
  /// Between two steps: gives up the memory of the graph, for work that may need it. A later step makes another.
  void drop_graph();
  /// What the terms carry from step to step, by name; for set_term_states, which throws ErrorKind::bad_data where it is
  /// another term's.
  using TermStates = std::map<std::string, std::vector<double>>;
  TermStates term_states() const;
  void set_term_states(const TermStates&);
  /// What the terms have to say in metrics.jsonl besides their values, as they stand now: an object.
  nlohmann::ordered_json term_log() const;
  Adam& optimizer() { return optimizer_; }

 private:
  void save_statistics();
  void compute(const Batch&, std::set<std::string>& notes);
  void update();
  StepWork work();
  StepGraph* graph_for(const Batch&);
  Tensor loss_of_part(const Batch& part, const StepNumber& number, std::set<std::string>& notes);
  void note_depth(const Tensor& depth_m);
  std::string ranks_not_finite();
  void put_state_back();
  void add_to_summary(std::size_t place, const Tensor& loss);
  void summarise_gradients();
  std::string not_finite(const std::vector<float>& summary) const;  // as in StepLosses

  TrainOptions options_;
  DepthNet& net_;
  Communicator& ranks_;
  i64 total_steps_;
  Adam optimizer_;
  std::vector<Module::Entry> parameters_;
  std::vector<LossTerm> terms_;
  std::optional<GradientBuckets> buckets_;  // of several ranks
  Tensor own_depth_;                        // of several ranks: the sum of what this one predicts
  Tensor summary_;                  // on the device: each term, the total, then the sum of each parameter's gradient
  FiniteCheck finite_;              // of these but the terms
  Tensor step_;                     // the number of the step under way, on the device
  StepLosses losses_;               // of the step under way
  bool under_way_ = false;          // begun, and not finished
  i64 parts_ = 0;                   // of its batch: those with ground truth
  std::vector<Tensor> statistics_;  // the net's buffers ...
  std::vector<Tensor> before_;      // ... and room for their values before the step
  TermStates terms_before_;
  i64 number_ = 0;                    // of the step under way
  int captures_left_;                 // that may fail before there will be no graph; 0: there is none
  int steps_before_graph_ = 0;        // that were launched for the graph to come
  std::unique_ptr<StepGraph> graph_;  // of the newest shape of batches, captured or to be captured
  StepGraph* in_use_ = nullptr;       // by the step under way: it, or none
};

}  // namespace md
