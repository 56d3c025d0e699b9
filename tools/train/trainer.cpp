// The loop around TrainStep: when to log, evaluate, save and stop.
#include "tools/train/trainer.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <iomanip>
#include <iostream>
#include <optional>
#include <utility>

#include "nets/registry.h"
#include "tools/cli/clock.h"
#include "tools/cli/flag_in_error.h"
#include "tools/cli/progress.h"
#include "tools/eval/evaluate.h"
#include "tools/eval/results.h"
#include "tools/run/checkpoint.h"
#include "tools/run/init_weights.h"
#include "tools/run/run_folder.h"
#include "tools/train/check_data.h"
#include "tools/train/train_command.h"
#include "tools/train/train_step.h"

namespace md {
namespace {

using json = nlohmann::ordered_json;  // files list keys as they are written here

constexpr int kMostSkipsInARow = 10;
constexpr double kSlowerAfterGoingBack = 0.5;  // of the learning rate

volatile std::sig_atomic_t stop_signal = 0;

constexpr std::array kStopSignals = {SIGINT, SIGTERM};

/// While it lives, the first SIGINT or SIGTERM only sets stop_signal; the second, of either kind, ends the program.
class StopOnSignal {
 public:
  StopOnSignal() {
    stop_signal = 0;
    for (const int signal : kStopSignals) {
      std::signal(signal, [](int caught) {
        stop_signal = caught;
        for (const int next : kStopSignals) std::signal(next, SIG_DFL);
      });
    }
  }
  ~StopOnSignal() {
    for (const int signal : kStopSignals) std::signal(signal, SIG_DFL);
  }
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
};

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
  explicit Trainer(const TrainOptions& options)
      : options_(options),
        config_(config_toml(options)),
        device_(choose_device(options.device)),
        data_(dataset_spec(options.data, options.list)),
        protocol_(eval_protocol(options)),
        loader_(loader_from(0)),
        state_(first_state(options, config_json(options), i64(data_.with_depth().size()), loader_->steps_per_epoch())),
        end_(options.max_steps > 0 ? options.max_steps : state_.schedule_steps),
        net_(make_net_on(device_, options)),
        step_(options, *net_, state_.schedule_steps),
        inputs_(backend(device_).input_queue(device_)) {
    state_.computed_on = backend(device_).name();
    if (device_.kind == Device::cpu) state_.computed_on += cat(", ", omp_get_max_threads(), " threads");
    if (!options.eval_list.empty()) {
      DatasetSpec spec = dataset_spec(options.data, options.eval_list);
      spec.dense = spec.velodyne_raw = false;  // to train on; results are on what was measured
      eval_data_.emplace(spec);
    }
    const std::string looked_at = brief_check(data_);
    const std::string origin = cat("# mdtrain ", MD_VERSION, ", ", backend(device_).name(), ", JPEG by ",
                                   jpeg_decoder_name(), "\n# protocol ", describe(protocol_), "\n");
    if (options.resume.empty()) {
      init();
      run_.emplace(options.out, RunFolder::Begin::anew);
    } else {
      run_.emplace(options.out, RunFolder::Begin::resumed);
      resume();
    }
    run_->write_config(origin + config_);
    if (!options.resume.empty()) run_->rewind(state_.step, state_.evaluated);
    if (device_.kind == Device::cuda) warn(cat("computing on ", backend(device_).name()));
    warn(looked_at);
    warn_about_data();
  }

  Exit run() {
    const StopOnSignal signals;
    if (state_.step > 0) after_step();  // a stopped run may still owe an evaluation
    while (state_.step < end_ && stop_signal == 0) {
      one_step();
      after_step();
    }
    progress_.clear();
    if (stop_signal != 0) return stop();
    report();
    return Exit::ok;
  }

 private:
  void init() {
    if (!options_.init.empty()) init_weights(*net_, options_.init);
    if (options_.init_partial.empty()) return;
    for (const std::string& note : init_weights_partially(*net_, options_.init_partial)) warn(note);
  }

  void resume() {
    const std::optional<Checkpoint> from = newest_checkpoint(options_.resume);
    if (!from) return init();
    require_same_run(from->state());
    const std::string before = from->state().computed_on;
    if (before != state_.computed_on)
      warn(cat("the run was computed on ", before, ", from here on ", state_.computed_on,
               ": the same up to rounding, not bit for bit"));
    go_on_from(*from);
  }

  std::unique_ptr<TrainLoader> loader_from(i64 step) const {
    const TrainLoaderSpec spec{.batch = options_.batch * options_.accumulate,
                               .threads = options_.loader_threads,
                               .seed = options_.seed,
                               .first_step = step};
    const auto make = [&] { return std::make_unique<TrainLoader>(data_, options_.augment, spec); };
    return with_flag("--loader-threads", ErrorKind::contract, make);
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

  /// Throws ErrorKind::usage unless the steps to come are those that the run would have made anyway.
  void require_same_run(const RunState& before) const {
    const auto with_lengths = [](const RunState& run) {
      nlohmann::json all = run.config;
      all["(frames)"] = run.frames;
      all["(steps an epoch)"] = run.steps_per_epoch;
      all["(steps of the schedule)"] = run.schedule_steps;
      return all;
    };
    const std::string changes = config_changes(with_lengths(before), with_lengths(state_));
    if (!changes.empty() && !options_.allow_changes)
      fail(ErrorKind::usage, "--resume ", options_.resume, ": the run has another config: ", changes,
           " (--allow-changes accepts it)");
  }

  void go_on_from(const Checkpoint& checkpoint) {
    RunState state = checkpoint.state();
    state.config = state_.config;
    state.frames = state_.frames;
    state.computed_on = state_.computed_on;
    state.steps_per_epoch = state_.steps_per_epoch;
    state.schedule_steps = state_.schedule_steps;
    state_ = std::move(state);
    checkpoint.restore(*net_);
    checkpoint.restore(step_.optimizer());
    loader_.reset();  // its threads end before others begin
    loader_ = loader_from(state_.step);
    coming_.reset();
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
    if (stop_signal != 0) return;
    const bool save = saving_is_due_ && (skipped_in_a_row_ == 0 || last);
    if (save) save_last();
    if (evaluation_is_due && state_.evaluated < step && evaluate_now() && save) save_last();
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
    const Batch batch = coming_ ? *std::exchange(coming_, std::nullopt) : next_batch();
    const i64 epoch = batch.epoch;
    step_.begin(batch, state_.step, state_.lr_factor);
    if (state_.step + 1 < end_) coming_ = next_batch();
    const StepLosses losses = step_.finish();
    ++state_.step;
    ++ran_;
    state_.epoch = state_.step / state_.steps_per_epoch;
    const double seconds = now_s() - begin, wait = loader_->waited_s() - waited;
    train_s_ += seconds;
    wait_s_ += wait;
    json line = {{"step", state_.step}, {"epoch", epoch}, {"loss", number(losses.total)}};
    for (const auto& [name, value] : losses.parts) line[name] = number(value);
    line.update({{"lr", losses.lr}, {"step_s", seconds}, {"wait_s", wait}});
    if (losses.skipped()) {
      line["skipped"] = batch.names;
      line["not_finite"] = losses.not_finite;
    }
    run_->log(line);
    if (losses.skipped()) {
      note_skip(batch, losses);
    } else {
      skipped_in_a_row_ = 0;
    }
    if (ran_ == 1) {
      for (const std::string& note : losses.notes) warn(note);
    }
    show_progress(epoch, losses);
  }

  void note_skip(const Batch& batch, const StepLosses& losses) {
    ++state_.skipped;
    ++skipped_in_a_row_;
    std::string files;
    for (const std::string& name : batch.names) files += " " + name;
    warn(cat("step ", state_.step, ": ", losses.not_finite, " is not finite (loss ", losses.total,
             "), step skipped; files:", files));
    if (skipped_in_a_row_ < kMostSkipsInARow) return;
    if (state_.lr_factor < 1 || checkpoints(options_.out).empty())
      fail(ErrorKind::not_finite, "step ", state_.step, ": ", losses.not_finite, " is not finite, the ",
           kMostSkipsInARow, "th such step in a row; files:", files);
    go_back();
  }

  /// To the last checkpoint, which no skipped step precedes, and on from there with smaller updates; once in a run.
  void go_back() {
    const i64 reached = state_.step, skipped = state_.skipped;
    go_on_from(Checkpoint(run_->last()));
    state_.skipped = skipped;
    state_.lr_factor = kSlowerAfterGoingBack;
    skipped_in_a_row_ = 0;
    run_->rewind(state_.step, state_.evaluated);
    run_->log({{"step", state_.step}, {"went_back_from", reached}, {"lr_factor", state_.lr_factor}});
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
    const double begin = now_s();
    EvaluateOptions how;
    how.protocol = protocol_;
    how.threads = options_.loader_threads;
    how.on_progress = [&](i64 done, i64 all) {
      if (stop_signal != 0) throw Interrupted();
      progress_.show(cat("step ", state_.step, ": evaluated ", done, "/", all));
    };
    try {
      last_ = evaluate(*net_, *eval_data_, how);
    } catch (const Interrupted&) {
      return false;
    }
    const json record = to_json(*last_, protocol_);
    run_->log({{"step", state_.step}, {"epoch", state_.epoch}, {"eval", record}, {"eval_s", now_s() - begin}});
    state_.evaluated = state_.step;
    if (state_.best.is_null() || last_->mean.abs_rel < state_.best["abs_rel"].get<double>()) {
      state_.best = record;
      state_.best["step"] = state_.step;
      save_network(run_->best(), *net_, state_);
    }
    return true;
  }

  void save_last() {
    saving_is_due_ = false;
    run_->sync_logs();
    save_checkpoint(run_->last(), *net_, step_.optimizer(), state_);
    run_->keep_last(state_.step, options_.keep);
  }

  /// In a row of skipped steps nothing is saved: the next run makes them again from the checkpoint before, as this one
  /// would go back to it.
  Exit stop() {
    const std::string file = run_->last(), after = cat(" after step ", state_.step);
    if (skipped_in_a_row_ == 0) save_last();
    warn(cat("stopped by signal ", int(stop_signal), after,
             skipped_in_a_row_ == 0 ? "; saved " + file : ", a skipped one; the last checkpoint stays"));
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
    std::cout << state_.skipped << " skipped; run in " << options_.out << std::endl;
  }

  const TrainOptions& options_;
  std::string config_;  // as TOML; what cannot be written so is refused before anything is done
  Device device_;
  Dataset data_;
  std::optional<Dataset> eval_data_;
  Protocol protocol_;
  std::unique_ptr<TrainLoader> loader_;
  RunState state_;
  i64 end_, ran_ = 0;  // the step to stop after; the steps of this process
  std::unique_ptr<DepthNet> net_;
  TrainStep step_;
  std::unique_ptr<InputQueue> inputs_;
  std::optional<Batch> coming_;  // fetched while the step before is computed
  std::optional<RunFolder> run_;
  ProgressLine progress_;
  std::optional<Evaluation> last_;
  int skipped_in_a_row_ = 0;
  bool saving_is_due_ = false;
  double train_s_ = 0, wait_s_ = 0;
};

}  // namespace

Exit train(const TrainOptions& options) { return Trainer(options).run(); }

}  // namespace md
