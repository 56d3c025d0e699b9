// A skipped step puts back what the forward pass changes: the running statistics, and what loss terms carry along.
// Which step is skipped the device decides, before the host knows. What changes from step to step (its number, which
// draws are made from, and the rates of the update) is in the device's memory, so that a GPU can repeat a step as a
// graph. Launched kernel by kernel are the first two steps, batches of another shape, a step of which a part has no
// ground truth, more than 16 parts (--accumulate), and all steps with a term that carries something along (adaptive
// thresholds).
#include "tools/train/train_step.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/backend.h"
#include "layers/modules.h"
#include "nets/registry.h"
#include "tools/train/rank_share.h"

namespace md {

namespace {

/// The i-th of n equal parts of a batch: the samples of one after the other.
Batch part_of(const Batch& batch, i64 i, i64 n) {
  const auto part = [&](const Tensor& t) { return t ? t.rows(i * t.dim(0) / n, (i + 1) * t.dim(0) / n) : t; };
  return {.image = part(batch.image), .depth_m = part(batch.depth_m), .focal_px = part(batch.focal_px), .names = {}};
}

/// Whether that part of a batch has a pixel of ground truth that counts.
bool is_measured(const Batch& batch, i64 i, i64 n) {
  const auto samples = i64(batch.measured.size());
  const auto begin = batch.measured.begin() + i * samples / n, end = batch.measured.begin() + (i + 1) * samples / n;
  return samples == 0 || std::any_of(begin, end, [](i64 pixels) { return pixels > 0; });
}

/// Its numbers, 0 ... n-1, that have.
std::vector<i64> measured_parts(const Batch& batch, i64 n) {
  std::vector<i64> measured;
  for (i64 i = 0; i < n; ++i) {
    if (is_measured(batch, i, n)) measured.push_back(i);
  }
  return measured;
}

std::vector<Tensor> tensors_of(const std::vector<Module::Entry>& entries) {
  std::vector<Tensor> tensors;
  for (const Module::Entry& entry : entries) tensors.push_back(entry.tensor);
  return tensors;
}

// Steps before a graph: the first makes plans and fills caches, and the second finds the memory that a step has when
// the one before has left its gradients.
constexpr int kStepsBeforeGraph = 2;
constexpr int kMostCaptures = 3;       // that fail: a step that needs new memory may be the last one
constexpr int kMostPartsOfGraph = 16;  // a graph has the launches of all parts

/// A term that carries something from step to step does so on the host, which no graph asks.
bool can_have_graph(const TrainOptions& options, Device device, const std::vector<LossTerm>& terms,
                    const Communicator& ranks) {
  const bool carries = std::ranges::any_of(terms, [](const LossTerm& term) { return bool(term.state); });
  return options.cuda_graph && device.kind == Device::cuda && !carries && options.accumulate <= kMostPartsOfGraph &&
         ranks.size() == 1;
}

/// What gets a gradient.
std::vector<Tensor> learning(const std::vector<Module::Entry>& parameters) {
  std::vector<Tensor> tensors = tensors_of(parameters);
  std::erase_if(tensors, [](const Tensor& t) { return !t.requires_grad(); });
  return tensors;
}

void require_ranks(const TrainOptions& options, const std::vector<LossTerm>& terms, const Communicator& ranks) {
  samples_of_rank(options.batch, ranks);  // throws where they do not divide
  for (const LossTerm& term : terms) {
    if (term.state) fail(ErrorKind::usage, "--thresholds adaptive is for one rank");
  }
}

}  // namespace

double StepLosses::part(const std::string& name) const {
  for (const Part& part : parts) {
    if (part.name == name) return part.value;
  }
  return 0;
}

std::vector<Adam::Group> freeze_and_group(const TrainOptions& options, const Module& net) {
  const NetRecord& record = net_record(options.net);
  freeze_encoder(net, record, options.freeze);
  const float others_decay = options.decay_on == DecayOn::all ? options.weight_decay : 0.F;
  Adam::Group encoder{{}, options.weight_decay}, others{{}, others_decay};
  for (const Module::Entry& p : net.parameters()) {
    if (p.tensor.requires_grad()) (p.name.starts_with(record.encoder) ? encoder : others).params.push_back(p);
  }
  return {encoder, others};
}

TrainStep::TrainStep(const TrainOptions& options, DepthNet& net, i64 total_steps, Communicator& ranks)
    : TrainStep(options, net, total_steps, loss_terms(options), ranks) {}

TrainStep::TrainStep(const TrainOptions& options, DepthNet& net, i64 total_steps, std::vector<LossTerm> terms,
                     Communicator& ranks)
    : options_(options),
      net_(net),
      ranks_(ranks),
      total_steps_(total_steps),
      optimizer_(freeze_and_group(options, net), options.adam),
      parameters_(net.parameters()),
      terms_(std::move(terms)),
      summary_(Tensor::zeros({i64(terms_.size() + 1 + parameters_.size())}, parameters_.front().tensor.device())),
      finite_(summary_.rows(i64(terms_.size()), summary_.dim(0))),
      step_(StepNumber::make_memory(summary_.device())),
      statistics_(tensors_of(net.buffers())),
      captures_left_(can_have_graph(options, summary_.device(), terms_, ranks) ? kMostCaptures : 0) {
  for (const Tensor& statistic : statistics_) before_.push_back(statistic.clone());
  if (ranks_.size() == 1) return;
  require_ranks(options_, terms_, ranks_);
  buckets_.emplace(learning(parameters_), i64(options_.bucket_mb * 1e6), ranks_);
  own_depth_ = Tensor::zeros({1}, summary_.device());
  if (options_.sync_batch_norm) synchronise_batch_norms(net_, &ranks_);
}

void TrainStep::add_to_summary(std::size_t place, const Tensor& loss) {
  const auto at = i64(place);
  backend(summary_.device()).add_into(summary_.rows(at, at + 1), loss.detach().reshape({1}));
}

// A NaN or an infinity survives every sum, so a number a parameter tells; all of them come to the host in one copy.
void TrainStep::summarise_gradients() {
  std::vector<Tensor> gradients;
  for (const Module::Entry& parameter : parameters_) gradients.push_back(parameter.tensor.grad());
  backend(summary_.device()).sum_each(gradients, summary_.rows(i64(terms_.size() + 1), summary_.dim(0)));
}

std::string TrainStep::not_finite(const std::vector<float>& summary) const {
  if (!std::isfinite(summary[terms_.size()])) return "loss";
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!std::isfinite(summary[terms_.size() + 1 + i])) return "gradient of " + parameters_[i].name;
  }
  return "";
}

void TrainStep::begin(const Batch& batch, i64 step, double lr_factor) {
  terms_before_ = term_states();
  losses_ = {};
  losses_.lr = lr_factor * polynomial_lr(options_.lr, options_.end_lr, step, total_steps_);
  parts_ = i64(measured_parts(batch, options_.accumulate).size());
  if (parts_ == 0) return;
  net_.train();
  if (options_.freeze_statistics) freeze_statistics(net_);
  number_ = step;
  StepNumber::write(step_, step);
  optimizer_.set_rates(losses_.lr);
  in_use_ = graph_for(batch);
  if (in_use_) {
    in_use_->begin(batch, losses_.notes);
  } else {
    save_statistics();
    under_way_ = true;
    compute(batch, losses_.notes);
  }
  under_way_ = true;
}

/// The graph for batches like this, made where it is time to; null where the launches are asked for one by one.
StepGraph* TrainStep::graph_for(const Batch& batch) {
  const bool possible = captures_left_ > 0 && parts_ == options_.accumulate;
  if (graph_ && !(possible && graph_->fits(batch))) drop_graph();
  if (!possible) return nullptr;
  if (!graph_) graph_ = std::make_unique<StepGraph>(batch);
  if (graph_->captured()) return graph_.get();
  if (steps_before_graph_++ < kStepsBeforeGraph) return nullptr;
  try {
    graph_->capture(work());
    return graph_.get();
  } catch (const Error& error) {
    if (--captures_left_ == 0)
      losses_.notes.insert(cat("no CUDA graph, each kernel is launched by itself: ", error.what()));
    return nullptr;
  }
}

void TrainStep::drop_graph() {
  graph_ = nullptr;
  steps_before_graph_ = 0;
}

StepWork TrainStep::work() {
  const auto begin = [this](const Batch& batch, std::set<std::string>& notes) {
    save_statistics();
    compute(batch, notes);
  };
  return {
      .begin = begin, .finish = [this] { update(); }, .parameters = tensors_of(parameters_), .statistics = statistics_};
}

void TrainStep::save_statistics() { backend(summary_.device()).copy_each(before_, statistics_); }

void TrainStep::compute(const Batch& batch, std::set<std::string>& notes) {
  optimizer_.zero_grad();
  backend(summary_.device()).fill(summary_, 0.F);
  if (own_depth_) backend(own_depth_.device()).fill(own_depth_, 0.F);
  const std::vector<i64> measured = measured_parts(batch, options_.accumulate);
  for (const i64 i : measured) {
    const Tensor loss =
        loss_of_part(part_of(batch, i, options_.accumulate), StepNumber(step_, number_, options_.accumulate, i), notes);
    const auto backward = [&] { loss.backward(Tensor::full({}, 1.F / float(parts_), summary_.device())); };
    if (buckets_ && i == measured.back()) {
      buckets_->sum_during(backward);
    } else {
      backward();
    }
  }
  summarise_gradients();
  finite_.look();
}

void TrainStep::update() {
  optimizer_.update(finite_.verdict());
  finite_.copy_each_unless_finite(statistics_, before_);
}

/// Its loss, which goes into the summary. What it draws is a function of its number.
Tensor TrainStep::loss_of_part(const Batch& part, const StepNumber& number, std::set<std::string>& notes) {
  const ForwardContext context{
      .seed = options_.seed, .step = number, .first_sample = ranks_.rank() * part.image.dim(0)};
  const DepthMaps maps = net_.forward(part.image, part.focal_px, context);
  if (own_depth_) note_depth(maps.depth_m);
  const LossInput input{maps, part, number, notes, ranks_};
  Tensor total;
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    const Tensor loss = terms_[i].loss(input);
    total = total ? add(total, loss) : loss;
    add_to_summary(i, loss);
  }
  add_to_summary(terms_.size(), total);
  return total;
}

/// A NaN survives every sum, and once ranks have exchanged theirs nobody knows whose it was.
void TrainStep::note_depth(const Tensor& depth_m) {
  const Tensor sum = Tensor::empty({1}, depth_m.device());
  backend(sum.device()).reduce_sum(depth_m.detach(), {}, 1, depth_m.numel(), 1, sum);
  backend(sum.device()).add_into(own_depth_, sum);
}

std::string TrainStep::ranks_not_finite() {
  std::string names;
  for (const std::string& name : ranks_.gather(std::isfinite(own_depth_.item()) ? "" : name_of(ranks_)))
    names += (names.empty() || name.empty() ? "" : ", ") + name;
  return names;
}

StepLosses TrainStep::finish() {
  under_way_ = false;
  losses_.nothing_measured = parts_ == 0;
  if (losses_.nothing_measured) return losses_;
  if (in_use_) {
    in_use_->finish();
  } else {
    update();
  }
  const std::vector<float> summary = summary_.to_host();
  losses_.total = double(summary[terms_.size()]) / double(parts_);
  for (std::size_t i = 0; i < terms_.size(); ++i)
    losses_.parts.push_back({terms_[i].name, double(summary[i]) / double(parts_)});
  losses_.not_finite = not_finite(summary);
  if (!losses_.not_finite.empty() && own_depth_) losses_.not_finite_on = ranks_not_finite();
  if (losses_.skipped()) {
    set_term_states(terms_before_);
  } else {
    optimizer_.count_update();
  }
  return losses_;
}

void TrainStep::abandon() {
  if (std::exchange(under_way_, false)) put_state_back();
}

void TrainStep::put_state_back() {
  for (std::size_t i = 0; i < statistics_.size(); ++i) statistics_[i].copy_from(before_[i]);
  set_term_states(terms_before_);
}

TrainStep::TermStates TrainStep::term_states() const {
  TermStates states;
  for (const LossTerm& term : terms_) {
    if (term.state) states[term.name] = term.state();
  }
  return states;
}

nlohmann::ordered_json TrainStep::term_log() const {
  nlohmann::ordered_json all = nlohmann::ordered_json::object();
  for (const LossTerm& term : terms_) {
    if (term.log) all.update(term.log());
  }
  return all;
}

void TrainStep::set_term_states(const TermStates& states) {
  for (const LossTerm& term : terms_) {
    if (const auto state = states.find(term.name); term.set_state && state != states.end())
      term.set_state(state->second);
  }
}

}  // namespace md
