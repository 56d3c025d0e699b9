// The loop around TrainStep: when to log, evaluate, save and stop.
#include "tools/train/trainer.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <optional>
#include <set>
#include <utility>

#include "nets/registry.h"
#include "tools/cli/clock.h"
#include "tools/cli/flag_in_error.h"
#include "tools/cli/progress.h"
#include "tools/cli/ranks.h"
#include "tools/cli/stop_signal.h"
#include "tools/cli/terminal.h"
#include "tools/eval/evaluate.h"
#include "tools/eval/results.h"
#include "tools/run/checkpoint.h"
#include "tools/run/init_weights.h"
#include "tools/run/run_folder.h"
#include "tools/train/check_data.h"
#include "tools/train/epoch_lines.h"
#include "tools/train/init_difference.h"
#include "tools/train/rank_share.h"
#include "tools/train/start_checks.h"
#include "tools/train/train_command.h"
#include "tools/train/train_step.h"

namespace md {
namespace {

using json = nlohmann::ordered_json;  // files list keys as they are written here

constexpr int kMostSkipsInARow = 10;
constexpr double kSlowerAfterGoingBack = 0.5;  // of the learning rate

/// JSON has no NaN.
json number(double value) { return std::isfinite(value) ? json(value) : json(cat(value)); }

/// Thrown out of an evaluation that a signal interrupts; the next run makes it again.
struct Interrupted {};

/// The newest checkpoint of the run that can be read; nothing where it was stopped before its first.
std::optional<Checkpoint> newest_checkpoint(const std::string& run) {
  std::optional<Error> unreadable;
  for (const std::string& path : checkpoints(run)) {
    try {
      Checkpoint found(path);
      if (unreadable) std::cerr << "mdtrain: " << unreadable->what() << "; going on from " << path << std::endl;
      return found;
    } catch (const Error& error) {
      if (!unreadable) unreadable = error;
    }
  }
  if (unreadable) throw Error(*unreadable);
  return std::nullopt;
}

class Trainer {
 public:
  Trainer(const TrainOptions& options, const std::function<void()>& on_report, Communicator& ranks)
      : options_(options),
        on_report_(on_report),
        config_(config_toml(options)),
        device_(choose_device(device_of_rank(options.device, ranks))),
        gpu_ranks_(ranks_of_device(device_, ranks, options.wait_limit_s)),
        ranks_(gpu_ranks_ ? *gpu_ranks_ : ranks),
        data_(dataset_spec(options.data, options.list)),
        protocol_(eval_protocol(options)),
        most_bad_(most_bad_frames(options, i64(data_.with_depth().size()))),
        loader_(loader_from(0)),
        state_(first_state(options, config_json(options), i64(data_.with_depth().size()), loader_->steps_per_epoch())),
        end_(options.max_steps > 0 ? options.max_steps : state_.schedule_steps),
        net_(make_net_on(device_, options)),
        step_(options, *net_, state_.schedule_steps, ranks_),
        inputs_(backend(device_).input_queue(device_)) {
    note_frame_size();
    state_.computed_on = backend(device_).name();
    if (device_.kind == Device::cpu) state_.computed_on += cat(", ", omp_get_max_threads(), " threads");
    if (ranks_.size() > 1) state_.computed_on += cat(", ", ranks_.size(), " ranks");
    if (!options.eval_list.empty()) {
      DatasetSpec spec = dataset_spec(options.data, options.eval_list);
      spec.dense = spec.velodyne_raw = false;  // to train on; results are on what was measured
      eval_data_.emplace(spec);
      check_evaluation(*eval_data_, protocol_);
    }
    const std::string missing = look_for_frames(data_, data_.with_depth(), most_bad_, more_than_allowed());
    const std::string looked_at = brief_check(data_, options.augment, most_bad_);
    const std::string origin = cat("# mdtrain ", MD_VERSION, ", ", backend(device_).name(), ", JPEG by ",
                                   jpeg_decoder_name(), "\n# protocol ", describe(protocol_), "\n");
    if (options.resume.empty()) {
      init();
      if (leads()) run_.emplace(options.out, RunFolder::Begin::anew);
    } else {
      if (leads()) run_.emplace(options.out, RunFolder::Begin::resumed);
      ranks_.barrier();  // rank 0 has the folder, and has swept it
      resume();
    }
    require_same_beginning(*net_, state_.step, ranks_);
    if (run_) run_->write_config(origin + config_);
    if (run_ && !options.resume.empty()) run_->rewind(state_.step, state_.evaluated);
    if (device_.kind == Device::cuda) warn(cat("computing on ", backend(device_).name()));
    if (!missing.empty()) warn(missing + "; others take their places");
    warn(looked_at);
    warn_about_data();
  }

  /// Whatever ends the run, the steps done are saved.
  Exit run() {
    const StopSignal noted;
    begin_s_ = now_s();
    try {
      if (state_.step > 0) after_step();  // a stopped run may still owe an evaluation
      while (state_.step < end_ && stop_signal() == 0) {
        one_step();
        after_step();
      }
    } catch (...) {
      save_before_the_end();
      throw;
    }
    progress_.clear();
    if (stop_signal() != 0) return stopped();
    report();
    return Exit::ok;
  }

 private:
  bool leads() const { return ranks_.rank() == 0; }

  /// Of several ranks the one that all know of since the step began.
  int stop_signal() const { return ranks_.size() == 1 ? StopSignal::caught() : agreed_signal_; }

  void log(const json& line) {
    if (run_) run_->log(line);
  }

  void init() {
    if (!options_.init.empty()) init_weights(*net_, options_.init);
    if (!options_.init_partial.empty()) {
      for (const std::string& note : init_weights_partially(*net_, options_.init_partial)) warn(note);
    }
    for (const auto& [flag, file] : {std::pair("--init ", options_.init), {"--init-partial ", options_.init_partial}}) {
      const std::string other = file.empty() ? "" : init_difference(file, state_.config);
      if (!other.empty()) warn(cat(flag, file, ": its network was trained with other options: ", other));
    }
  }

  void resume() {
    const std::optional<Checkpoint> from = newest_checkpoint(options_.resume);
    if (!from) {
      warn(cat("--resume ", options_.resume, ": no checkpoint in it yet: the run begins anew"));
      return init();
    }
    const RunState& before = from->state();
    const std::string changes = changes_since(before);
    if (!changes.empty() && !options_.allow_changes)
      fail(ErrorKind::usage, "--resume ", options_.resume, ": the run has another config: ", changes,
           " (--allow-changes accepts it)");
    if (before.computed_on != state_.computed_on)
      warn(cat("the run was computed on ", before.computed_on, ", from here on ", state_.computed_on,
               ": the same up to rounding, not bit for bit"));
    take_plans(*from);
    const double lr_before = learning_rate(before);
    go_on_from(*from);
    if (!changes.empty()) warn(cat("--allow-changes: ", changes));
    if (const double lr = learning_rate(state_); lr != lr_before)
      warn(cat("the learning rate of step ", state_.step + 1, " is ", lr, ", before the changes ", lr_before));
  }

  /// So that a resumed run is bit for bit the one that was not stopped, though plans that are timed again may differ.
  void take_plans(const Checkpoint& from) {
    const std::string& plans = from.state().plans;
    if (plans.empty() || device_.kind != Device::cuda) return;
    try {
      const std::string others = backend(device_).take_plans(plans);
      if (!others.empty()) warn(cat("--resume ", options_.resume, ": ", others));
    } catch (const Error& error) {
      fail(error.kind(), "--resume ", options_.resume, ": ", error.what());
    }
  }

  /// Of the next step.
  double learning_rate(const RunState& run) const {
    const double lr = run.config.value("lr", options_.lr), end_lr = run.config.value("end-lr", options_.end_lr);
    return run.lr_factor * polynomial_lr(lr, end_lr, run.step, run.schedule_steps);
  }

  std::unique_ptr<TrainLoader> loader_from(i64 step) const {
    const TrainLoaderSpec spec{.batch = options_.batch * options_.accumulate,
                               .threads = options_.loader_threads,
                               .seed = options_.seed,
                               .first_step = step,
                               .most_bad = most_bad_,
                               .counts_above_m = options_.silog.min_depth_m,
                               .places = places_of_rank(options_.batch, options_.accumulate, ranks_)};
    const auto make = [&] { return std::make_unique<TrainLoader>(data_, options_.augment, spec); };
    return with_flag("--loader-threads", ErrorKind::contract,
                     [&] { return with_flag("--batch", ErrorKind::usage, make); });
  }

  /// For mdeval predict, which brings pictures to the size that the network knows.
  void note_frame_size() {
    try {
      const RgbImage image = data_.load(data_.with_depth().front()).image;
      state_.frame_height = image.height;
      state_.frame_width = image.width;
    } catch (const Error&) {  // its turn comes in training, which says what to do about it
    }
  }

  static std::unique_ptr<DepthNet> make_net_on(Device device, const TrainOptions& options) {
    auto net = make_net(options.net, options.net_options);
    net->to(device);
    return net;
  }

  static RunState first_state(const TrainOptions& options, json config, i64 frames, i64 steps_per_epoch) {
    if (options.max_steps / steps_per_epoch > kMostEpochs)
      fail(ErrorKind::usage, "--max-steps: ", options.max_steps, " are more than ", kMostEpochs, " epochs of ",
           steps_per_epoch);
    return {.config = std::move(config),
            .seed = options.seed,
            .frames = frames,
            .steps_per_epoch = steps_per_epoch,
            .schedule_steps = std::max(options.epochs * steps_per_epoch, options.max_steps)};
  }

  std::string more_than_allowed() const {
    return cat(" (more than the ", most_bad_, " that --max-bad-frames ", options_.max_bad_frames, " allows)");
  }

  /// What makes the steps to come others than the run would have made anyway; "" where nothing does.
  std::string changes_since(const RunState& before) const {
    const auto with_lengths = [](const RunState& run) {
      nlohmann::json all = run.config;
      all["(frames)"] = run.frames;
      all["(steps an epoch)"] = run.steps_per_epoch;
      all["(steps of the schedule)"] = run.schedule_steps;
      return all;
    };
    return config_changes(with_lengths(before), with_lengths(state_));
  }

  void go_on_from(const Checkpoint& checkpoint) {
    RunState state = checkpoint.state();
    state.config = state_.config;
    state.frames = state_.frames;
    state.computed_on = state_.computed_on;
    state.frame_height = state_.frame_height;
    state.frame_width = state_.frame_width;
    state.steps_per_epoch = state_.steps_per_epoch;
    state.schedule_steps = state_.schedule_steps;
    state_ = std::move(state);
    checkpoint.restore(*net_);
    checkpoint.restore(step_.optimizer());
    step_.set_term_states(state_.terms);
    loader_.reset();  // its threads end before others begin
    loader_ = loader_from(state_.step);
    coming_.reset();
    saved_step_ = state_.step;
  }

  /// The next batch, on the device: copied there beside the step that it still computes.
  Batch next_batch() {
    Batch batch = loader_->next();
    const std::vector<Tensor> here = inputs_->push(std::array{batch.image, batch.depth_m, batch.focal_px});
    batch.image = here[0];
    batch.depth_m = here[1];
    batch.focal_px = here[2];
    return batch;
  }

  /// Saves and evaluates where it is time to; in this order, so that an evaluation that fails costs no steps. A save
  /// that falls into a row of skipped steps waits for its end, or for the run's.
  void after_step() {
    const i64 step = state_.step, per_epoch = state_.steps_per_epoch;
    const i64 every_epochs = options_.eval_every, save_every = options_.checkpoint_every;
    const bool epoch_ends = step % per_epoch == 0, last = step == end_;
    const bool evaluation_is_due = last || (epoch_ends && every_epochs > 0 && step / per_epoch % every_epochs == 0);
    saving_is_due_ |= last || step % (save_every > 0 ? save_every : per_epoch) == 0;
    if (stop_signal() != 0) return;
    const bool save = saving_is_due_ && (skipped_in_a_row_ == 0 || last);
    if (save) save_last();
    const bool evaluated = evaluation_is_due && state_.evaluated < step && evaluate_now();
    if (evaluated && save) save_last();
    if ((epoch_ends || last) && !means_.empty()) end_epoch(evaluated);
    const i64 report_every = options_.report_every;
    if (leads() && on_report_ && report_every > 0 && epoch_ends && !last && step > 0 &&
        step / per_epoch % report_every == 0) {
      progress_.clear();
      step_.drop_graph();
      on_report_();
    }
  }

  /// On a terminal what the epoch came to stays, above the line of the next one's steps.
  void end_epoch(bool evaluated) {
    const EpochMeans means = std::exchange(means_, {});
    if (!on_terminal_) return;
    const i64 per_epoch = state_.steps_per_epoch;
    const double left_s = (now_s() - begin_s_) / double(ran_) * double(end_ - state_.step);
    progress_.clear();
    std::cerr << epoch_line((state_.step + per_epoch - 1) / per_epoch, (end_ + per_epoch - 1) / per_epoch, means,
                            evaluated ? &last_->mean : nullptr, left_s)
              << std::endl;
  }

  void warn(const std::string& what) {
    progress_.clear();
    std::cerr << "mdtrain: " << what << std::endl;
  }

  void warn_about_data() {
    const i64 without = data_.size() - i64(data_.with_depth().size());
    if (without > 0) warn(cat(without, " of ", data_.size(), " frames have no ground truth and are left out"));
  }

  void one_step() {
    const double waited = loader_->waited_s(), begin = now_s();
    Batch batch = coming_ ? *std::exchange(coming_, std::nullopt) : next_batch();
    if (ranks_.size() > 1) agreed_signal_ = share(batch, options_.accumulate, StopSignal::caught(), ranks_);
    step_.begin(batch, state_.step, state_.lr_factor);
    fetch_ahead();
    const StepLosses losses = step_.finish();
    count(batch, losses);
    means_.add(losses);
    const double seconds = now_s() - begin, wait = loader_->waited_s() - waited;
    train_s_ += seconds;
    wait_s_ += wait;
    json line = step_line(batch, losses);
    line.update({{"lr", losses.lr}, {"step_s", seconds}, {"wait_s", wait}});
    log(line);
    for (const std::string& note : losses.notes) {
      if (said_.insert(note).second) warn(note);
    }
    note_bad(batch);
    note_unmeasured(batch, losses);
    if (!losses.not_finite.empty()) note_not_finite(batch, losses);
    show_progress(batch.epoch, losses);
  }

  /// While the step is computed. A batch that cannot be made fails again when its turn comes, after this step.
  void fetch_ahead() {
    if (state_.step + 1 >= end_) return;
    try {
      coming_ = next_batch();
    } catch (const std::exception&) {
      coming_.reset();
    }
  }

  /// Where the run stands after a step.
  void count(const Batch& batch, const StepLosses& losses) {
    const bool diverges = !losses.not_finite.empty();
    if (diverges && skipped_in_a_row_ == 0) before_row_ = state_;
    if (diverges) ++skipped_in_a_row_;
    if (!losses.skipped()) skipped_in_a_row_ = 0;
    unmeasured_in_a_row_ = losses.nothing_measured ? unmeasured_in_a_row_ + 1 : 0;
    ++ran_;
    ++state_.step;
    state_.terms = step_.term_states();
    state_.epoch = state_.step / state_.steps_per_epoch;
    state_.skipped += losses.skipped();
    const auto replaced = i64(batch.bad.size());
    state_.replaced += replaced;
    state_.replaced_in_epoch = replaced + (batch.step == 0 ? 0 : state_.replaced_in_epoch);
  }

  json step_line(const Batch& batch, const StepLosses& losses) const {
    json line = {{"step", state_.step}, {"epoch", batch.epoch}};
    if (!losses.nothing_measured) {
      line["loss"] = number(losses.total);
      for (const auto& [name, value] : losses.parts) line[name] = number(value);
    }
    line.update(step_.term_log());
    if (losses.skipped()) line["skipped"] = batch.names;
    if (!losses.not_finite.empty()) line["not_finite"] = losses.not_finite;
    if (const std::vector<std::string> names = unmeasured(batch); !names.empty()) line["not_measured"] = names;
    for (const BadFrame& bad : batch.bad)
      line["replaced"].push_back({{"frame", bad.name}, {"by", bad.replacement}, {"why", bad.why}});
    return line;
  }

  static std::vector<std::string> unmeasured(const Batch& batch) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < batch.measured.size(); ++i) {
      if (batch.measured[i] == 0) names.push_back(batch.names[i]);
    }
    return names;
  }

  static std::string files_of(const std::vector<std::string>& names) {
    std::string files = "; files:";
    for (const std::string& name : names) files += " " + name;
    return files;
  }

  /// Names each frame once.
  void note_bad(const Batch& batch) {
    for (const BadFrame& bad : batch.bad) {
      if (named_.insert(bad.name).second)
        warn(cat("step ", state_.step, ": ", bad.why, "; ", bad.replacement, " takes the place of ", bad.name));
    }
    if (!batch.bad.empty() && state_.replaced_in_epoch > most_bad_)
      fail(batch.bad.back().kind, data_.spec().list, ": ", state_.replaced_in_epoch, " of ", state_.frames,
           " frames could not be used in epoch ", batch.epoch + 1, more_than_allowed(),
           ", the last: ", batch.bad.back().why);
  }

  void note_unmeasured(const Batch& batch, const StepLosses& losses) {
    if (losses.nothing_measured)
      warn(cat("step ", state_.step, ": no ground truth above --valid-above in the batch, step skipped",
               files_of(batch.names)));
    if (unmeasured_in_a_row_ >= state_.steps_per_epoch)
      fail(ErrorKind::bad_data, data_.spec().list, ": no ground truth above --valid-above ", options_.silog.min_depth_m,
           " m in as many steps in a row as an epoch has");
  }

  void note_not_finite(const Batch& batch, const StepLosses& losses) {
    const std::string files = files_of(batch.names);
    const std::string where = losses.not_finite_on.empty() ? "" : " on " + losses.not_finite_on;
    warn(cat("step ", state_.step, ": ", losses.not_finite, " is not finite", where, " (loss ", losses.total,
             "), step skipped", files));
    if (skipped_in_a_row_ < kMostSkipsInARow) return;
    if (state_.lr_factor < 1 || checkpoints(options_.out).empty())
      fail(ErrorKind::not_finite, "step ", state_.step, ": ", losses.not_finite, " is not finite", where, ", the ",
           kMostSkipsInARow, "th such step in a row", files);
    go_back();
  }

  /// To the last checkpoint, which no skipped step precedes, and on from there with smaller updates; once in a run.
  void go_back() {
    const i64 reached = state_.step, skipped = state_.skipped;
    go_on_from(Checkpoint(checkpoints(options_.out).front()));
    ranks_.barrier();  // all have read it
    state_.skipped = skipped;
    state_.lr_factor = kSlowerAfterGoingBack;
    skipped_in_a_row_ = 0;
    if (run_) run_->rewind(state_.step, state_.evaluated);
    log({{"step", state_.step}, {"went_back_from", reached}, {"lr_factor", state_.lr_factor}});
    save_last();
    warn(cat(kMostSkipsInARow, " skipped steps in a row: back to step ", state_.step, ", with ", state_.lr_factor,
             " of the learning rate"));
  }

  void show_progress(i64 epoch, const StepLosses& losses) {
    if (!progress_.visible()) return;
    const i64 images_a_step = options_.batch * options_.accumulate;
    std::ostringstream line;
    line << "epoch " << epoch + 1 << "  step " << state_.step << "/" << end_ << "  "
         << rate_and_eta(ran_ * images_a_step, (ran_ + end_ - state_.step) * images_a_step, train_s_) << std::fixed
         << std::setprecision(0) << "  data wait " << 100 * wait_s_ / train_s_ << " %  loss " << std::setprecision(3)
         << losses.total;
    const char* sign = " = ";
    for (const auto& [name, value] : losses.parts) line << std::exchange(sign, " + ") << name << " " << value;
    progress_.show(line.str());
  }

  /// False where there is nothing to evaluate on, or a signal interrupts.
  bool evaluate_now() {
    if (!eval_data_) return false;
    step_.drop_graph();  // its memory may be what the evaluation needs
    take_statistics_of_first(*net_, ranks_);
    const double begin = now_s();
    EvaluateOptions how;
    how.protocol = protocol_;
    how.threads = options_.loader_threads;
    how.ranks = &ranks_;
    how.on_progress = [&](i64 done, i64 all) {
      if (ranks_.size() == 1 && StopSignal::caught() != 0) throw Interrupted();  // ranks stop together, in steps
      progress_.show(cat("step ", state_.step, ": evaluated ", done, "/", all));
    };
    try {
      last_ = evaluate(*net_, *eval_data_, how);
    } catch (const Interrupted&) {
      return false;
    }
    const json record = to_json(*last_, protocol_);
    log({{"step", state_.step}, {"epoch", state_.epoch}, {"eval", record}, {"eval_s", now_s() - begin}});
    state_.evaluated = state_.step;
    if (state_.best.is_null() || last_->mean.abs_rel < state_.best["abs_rel"].get<double>()) {
      state_.best = record;
      state_.best["step"] = state_.step;
      if (run_) save_network(run_->best(), *net_, state_);
    }
    return true;
  }

  /// On no rank it goes on before the checkpoint is durable.
  void save_last() {
    if (run_) run_->sync_logs();
    write_last();
    ranks_.barrier();
  }

  void write_last() {
    saving_is_due_ = false;
    state_.plans = backend(device_).chosen_plans();
    if (run_) save_checkpoint(run_->last(), *net_, step_.optimizer(), state_);
    saved_step_ = state_.step;
    if (run_) run_->keep_last(state_.step, options_.keep);
  }

  /// Saves the steps done, those before a row of skipped ones: the next run makes these again. What was the last
  /// checkpoint then stays beside it, since the weights before such a row may be what led to it. The logs come second:
  /// they may be what ends the run.
  void save_what_is_done() {
    if (skipped_in_a_row_ > 0) state_ = before_row_;
    if (state_.step <= saved_step_) return;
    if (run_ && skipped_in_a_row_ > 0 && saved_step_ >= 0) run_->keep_last(saved_step_, std::max(options_.keep, 2));
    write_last();
    if (run_) run_->sync_logs();
  }

  /// Where something failed. A save that fails too must not hide why.
  void save_before_the_end() {
    progress_.clear();
    if (ran_ == 0) return;
    const i64 before = saved_step_;
    try {
      step_.abandon();
      save_what_is_done();
    } catch (const std::exception&) {
    }
    if (run_ && saved_step_ > before) warn(cat("saved ", run_->last(), " after step ", saved_step_));
  }

  Exit stopped() {
    const i64 reached = state_.step;
    save_what_is_done();
    const bool behind = saved_step_ < reached;
    if (!run_) return Exit::stopped;
    warn(cat("stopped by signal ", stop_signal(), " after step ", reached,
             behind ? ", a skipped one; saved " : "; saved ", run_->last(),
             behind ? cat(" of step ", saved_step_) : ""));
    return Exit::stopped;
  }

  void report() {
    if (last_) std::cout << metric_table(last_->mean, protocol_) << "protocol " << describe(protocol_) << "\n";
    std::cout << state_.step << " steps, ";
    if (ran_ > 0) {
      const double at_most_gb = double(backend(device_).pool_stats().bytes_peak) / 1e9;
      std::cout << std::fixed << std::setprecision(3) << train_s_ / double(ran_) << " s per step, "
                << std::setprecision(2) << at_most_gb << " GB of tensors at most, ";
    }
    std::cout << state_.skipped << " skipped; ";
    if (state_.replaced > 0) std::cout << "bad frames replaced: " << state_.replaced << "; ";
    std::cout << "run in " << options_.out << std::endl;
    if (!on_terminal_ || state_.best.is_null()) return;
    std::cout << "best after step " << state_.best["step"] << ": AbsRel " << std::setprecision(3)
              << state_.best["abs_rel"].get<double>() << ", d1 " << state_.best["d1"].get<double>() << "; network "
              << run_->best() << std::endl;
  }

  const TrainOptions& options_;
  std::function<void()> on_report_;
  std::string config_;  // as TOML; what cannot be written so is refused before anything is done
  Device device_;
  std::unique_ptr<Communicator> gpu_ranks_;  // null: ranks_ are those of the host
  Communicator& ranks_;
  Dataset data_;
  std::optional<Dataset> eval_data_;
  Protocol protocol_;
  i64 most_bad_;
  std::unique_ptr<TrainLoader> loader_;
  RunState state_;
  i64 end_, ran_ = 0;  // the step to stop after; the steps of this process
  std::unique_ptr<DepthNet> net_;
  TrainStep step_;
  std::unique_ptr<InputQueue> inputs_;
  std::optional<Batch> coming_;   // fetched while the step before is computed
  std::optional<RunFolder> run_;  // of rank 0
  int agreed_signal_ = 0;
  ProgressLine progress_;
  std::optional<Evaluation> last_;
  std::set<std::string> named_;  // bad frames
  std::set<std::string> said_;   // notes of steps
  int skipped_in_a_row_ = 0;     // steps whose loss or gradient was not finite
  RunState before_row_;          // where the run stood before them
  i64 unmeasured_in_a_row_ = 0;  // steps without ground truth
  i64 saved_step_ = -1;          // of the last checkpoint; -1: there is none
  bool saving_is_due_ = false;
  double train_s_ = 0, wait_s_ = 0, begin_s_ = 0;
  const bool on_terminal_ = on_terminal();  // a person reads along
  EpochMeans means_;                        // of the epoch under way
};

}  // namespace

Exit train(const TrainOptions& options, const std::function<void()>& on_report, Communicator& ranks) {
  return Trainer(options, on_report, ranks).run();
}

}  // namespace md
