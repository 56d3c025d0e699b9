// The loop around TrainStep: when to log, evaluate, save and stop.
#include "tools/trainer.h"

#include <cmath>
#include <csignal>
#include <iomanip>
#include <iostream>
#include <optional>

#include "tools/checkpoint.h"
#include "tools/cli.h"
#include "tools/clock.h"
#include "tools/evaluate.h"
#include "tools/results.h"
#include "tools/run_folder.h"
#include "tools/train_step.h"

namespace md {
namespace {

using json = nlohmann::ordered_json;  // files list keys as they are written here

constexpr int kMostSkipsInARow = 10;

volatile std::sig_atomic_t stop_signal = 0;

/// While it lives, the first SIGINT or SIGTERM only sets stop_signal; the second ends the program.
class StopOnSignal {
 public:
  StopOnSignal() {
    stop_signal = 0;
    for (const int signal : {SIGINT, SIGTERM}) {
      std::signal(signal, [](int caught) {
        stop_signal = caught;
        std::signal(caught, SIG_DFL);
      });
    }
  }
  ~StopOnSignal() {
    for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, SIG_DFL);
  }
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
};

/// JSON has no NaN.
json number(double value) { return std::isfinite(value) ? json(value) : json(cat(value)); }

class Trainer {
 public:
  Trainer(const TrainOptions& options, const std::vector<ResolvedOption>& config)
      : options_(options),
        config_(to_json(config)),
        device_(choose_device(options.device)),
        data_(dataset_spec(options, options.list)),
        protocol_(eval_protocol(options)),
        loader_(data_, options.augment, loader_spec(options)),
        per_epoch_(loader_.steps_per_epoch()),
        total_(total_steps(options, per_epoch_)),
        net_(make_net(options.net, options.net_options)),
        step_(options, *net_, total_) {
    if (!options.eval_list.empty()) {
      DatasetSpec spec = dataset_spec(options, options.eval_list);
      spec.dense = false;  // only training lists name filled-in depth
      eval_data_.emplace(spec);
    }
    const std::string origin = cat("# mdtrain ", MD_VERSION, ", ", backend(device_).name(), ", JPEG by ",
                                   jpeg_decoder_name(), "\n# protocol ", describe(protocol_), "\n");
    run_.emplace(options.out, origin + to_toml(config));
    warn_about_data();
  }

  Exit run() {
    const StopOnSignal signals;
    while (done_ < total_) {
      one_step();
      const bool epoch_ends = done_ % per_epoch_ == 0, last = done_ == total_;
      if (stop_signal != 0) return stop();
      if (last || (epoch_ends && options_.eval_every > 0 && epochs_done() % options_.eval_every == 0)) evaluate_now();
      const i64 every = options_.checkpoint_every > 0 ? options_.checkpoint_every : per_epoch_;
      if (last || done_ % every == 0) save("last.safetensors");
    }
    progress_.clear();
    report();
    return Exit::ok;
  }

 private:
  static TrainLoaderSpec loader_spec(const TrainOptions& options) {
    return {.batch = options.batch, .threads = options.loader_threads, .seed = options.seed};
  }
  static i64 total_steps(const TrainOptions& options, i64 per_epoch) {
    if (options.max_steps / per_epoch > kMostEpochs)
      fail(Exit::usage, "--max-steps: ", options.max_steps, " are more than ", kMostEpochs, " epochs of ", per_epoch);
    return options.max_steps > 0 ? options.max_steps : options.epochs * per_epoch;
  }
  i64 epochs_done() const { return done_ / per_epoch_; }

  void warn(const std::string& what) {
    progress_.clear();
    std::cerr << "mdtrain: " << what << std::endl;
  }

  void warn_about_data() {
    const i64 without = data_.size() - i64(data_.with_depth().size());
    if (without > 0) warn(cat(without, " of ", data_.size(), " frames have no ground truth and are left out"));
  }

  void one_step() {
    const double waited = loader_.waited_s(), begin = now_s();
    const Batch& batch = loader_.next();
    const StepLosses losses = step_.run(batch, done_);
    ++done_;
    const double seconds = now_s() - begin, wait = loader_.waited_s() - waited;
    train_s_ += seconds;
    wait_s_ += wait;
    json line = {{"step", done_},
                 {"epoch", batch.epoch},
                 {"loss", number(losses.total)},
                 {"silog", number(losses.silog)},
                 {"lr", losses.lr},
                 {"step_s", seconds},
                 {"wait_s", wait}};
    if (options_.metric_depth) line["metric_depth"] = number(losses.metric_depth);
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
    if (losses.across_left_out && done_ == 1) warn("MetricDepth: a batch of one image has no samples across images");
    show_progress(batch, losses);
  }

  void note_skip(const Batch& batch, const StepLosses& losses) {
    ++skipped_;
    ++skipped_in_a_row_;
    std::string files;
    for (const std::string& name : batch.names) files += " " + name;
    warn(cat("step ", done_, ": ", losses.not_finite, " is not finite (loss ", losses.total,
             "), step skipped; files:", files));
    if (skipped_in_a_row_ == kMostSkipsInARow)
      fail(Exit::numeric, "step ", done_, ": ", losses.not_finite, " is not finite, the ", kMostSkipsInARow,
           "th such step in a row; files:", files);
  }

  void show_progress(const Batch& batch, const StepLosses& losses) {
    if (!progress_.visible()) return;
    const double step_s = train_s_ / double(done_), left_s = step_s * double(total_ - done_);
    std::ostringstream line;
    line << std::fixed << std::setprecision(1) << "epoch " << batch.epoch + 1 << "  step " << done_ << "/" << total_
         << "  " << options_.batch / step_s << " img/s  ETA " << int(left_s) / 60 << ":" << std::setfill('0')
         << std::setw(2) << int(left_s) % 60 << std::setprecision(0) << "  data wait " << 100 * wait_s_ / train_s_
         << " %  loss " << std::setprecision(3) << losses.total;
    if (options_.metric_depth) line << " = silog " << losses.silog << " + metric " << losses.metric_depth;
    progress_.show(line.str());
  }

  void evaluate_now() {
    if (!eval_data_) return;
    const double begin = now_s();
    EvaluateOptions how;
    how.protocol = protocol_;
    how.threads = options_.loader_threads;
    how.on_progress = [&](i64 done, i64 all) { progress_.show(cat("step ", done_, ": evaluated ", done, "/", all)); };
    last_ = evaluate(*net_, *eval_data_, how);
    const json record = to_json(*last_, protocol_);
    run_->log({{"step", done_}, {"epoch", epochs_done()}, {"eval", record}, {"eval_s", now_s() - begin}});
    if (best_.is_null() || last_->mean.abs_rel < best_["abs_rel"].get<double>()) {
      best_ = record;
      best_["step"] = done_;
      save("best.safetensors");
    }
  }

  void save(const char* name) {
    save_checkpoint(run_->file(name), *net_, step_.optimizer(),
                    {.config = config_, .step = done_, .epoch = epochs_done(), .seed = options_.seed, .best = best_});
  }

  Exit stop() {
    save("last.safetensors");
    warn(
        cat("stopped by signal ", int(stop_signal), " after step ", done_, "; saved ", run_->file("last.safetensors")));
    return Exit::stopped;
  }

  void report() {
    if (last_) std::cout << metric_table(last_->mean, data_.spec().kind) << "protocol " << describe(protocol_) << "\n";
    std::cout << done_ << " steps, " << std::fixed << std::setprecision(3) << train_s_ / double(done_)
              << " s per step, " << skipped_ << " skipped; run in " << options_.out << std::endl;
  }

  const TrainOptions& options_;
  nlohmann::json config_;
  Device device_;
  Dataset data_;
  std::optional<Dataset> eval_data_;
  Protocol protocol_;
  TrainLoader loader_;
  i64 per_epoch_, total_, done_ = 0;
  std::unique_ptr<DepthNet> net_;
  TrainStep step_;
  std::optional<RunFolder> run_;
  ProgressLine progress_;
  std::optional<Evaluation> last_;
  json best_;
  int skipped_ = 0, skipped_in_a_row_ = 0;
  double train_s_ = 0, wait_s_ = 0;
};

}  // namespace

Exit train(const TrainOptions& options, const std::vector<ResolvedOption>& config) {
  return Trainer(options, config).run();
}

}  // namespace md
