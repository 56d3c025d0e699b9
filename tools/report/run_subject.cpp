// The config of a run says what it was evaluated on, and how.
#include "tools/report/run_subject.h"

#include <filesystem>

#include "engine/text.h"
#include "tools/cli/clock.h"
#include "tools/cli/file_contents.h"
#include "tools/cli/option_table.h"
#include "tools/cli/progress.h"
#include "tools/run/run_folder.h"
#include "tools/train/check_data.h"
#include "tools/train/train_command.h"

namespace md {
namespace {

namespace fs = std::filesystem;

/// What an evaluation of a run refers to.
struct Kept {
  LoadedNet loaded;
  TrainOptions options;
  std::optional<Dataset> data;
  EvaluateOptions how;
};

/// A run's own lists may be of a folder that has moved.
template <class Work>
auto naming_data(const std::string& run, const RunSubjectSpec& spec, Work work) {
  try {
    return work();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::missing || !spec.data.empty()) throw;
    fail(ErrorKind::missing, run, ": ", error.what(),
         " (--data says where the frames are now; --curves-only wants none)");
  }
}

Dataset evaluation_data(const TrainOptions& options) {
  DatasetSpec spec = dataset_spec(options.data, options.eval_list);
  spec.dense = spec.velodyne_raw = false;  // to train on; results are on what was measured
  return Dataset(spec);
}

EvaluatedSubject evaluated(Kept& kept, const std::string& name, const RunSubjectSpec& spec) {
  kept.how.protocol = eval_protocol(kept.options);
  kept.how.threads = spec.loader_threads;
  kept.loaded.net->to(choose_device(spec.device));
  EvaluatedSubject out{
      .results = {.method = name, .protocol = kept.how.protocol},
      .breakdown = Breakdown(usual_cap_m(kept.how.protocol)),
      .source = {*kept.data, kept.how, net_predictor(*kept.loaded.net, kept.how.protocol), &kept.loaded},
      .data_folder = kept.options.data.root,
      .list = kept.options.eval_list};
  EvaluateOptions watched = kept.how;
  ProgressLine progress;
  const double begin_s = now_s();
  watched.on_progress = [&](i64 done, i64 total) {
    progress.show(
        cat("report: ", name, ": evaluating ", done, "/", total, "  ", rate_and_eta(done, total, now_s() - begin_s)));
  };
  watched.on_frame = [&](const EvaluatedFrame& frame) { out.breakdown.add(frame); };
  out.results.evaluation = evaluate(out.source.predictor, *kept.data, watched);
  out.results.intervals =
      bootstrap(scored_images(out.results.evaluation), kept.how.protocol.averaging, out.results.bootstrap);
  return out;
}

/// A look at the training frames; what keeps them from being looked at is no reason against a report.
std::string data_check(const TrainOptions& options) {
  try {
    const Dataset data(dataset_spec(options.data, options.list));
    return brief_check(data, options.augment, most_bad_frames(options, i64(data.with_depth().size())));
  } catch (const Error& error) {
    return cat("could not be looked at: ", error.what());
  }
}

std::vector<std::string> commands(const std::string& run, const std::string& checkpoint, const TrainOptions& options) {
  std::vector<std::string> all{cat("mdtrain --config ", config_file(run), " --out NEW_RUN")};
  if (!options.eval_list.empty())
    all.push_back(cat("mdeval ", checkpoint, " --data ", options.data.root, " --list ", options.eval_list,
                      " --protocol ", options.protocol, options.compat.empty() ? "" : " --compat " + options.compat,
                      " --json measures.json"));
  return all;
}

}  // namespace

std::string network_of_run(const std::string& run) {
  const std::string best = best_network(run);
  std::error_code ignored;
  if (fs::exists(best, ignored)) return best;
  const std::vector<std::string> all = checkpoints(run);
  if (all.empty())
    fail(ErrorKind::missing, run,
         ": no best.safetensors and no last.safetensors in it: not a run, or one without a checkpoint yet");
  return all.front();
}

TrainOptions evaluation_options(const nlohmann::json& config, const std::string& data, const std::string& list) {
  TrainOptions options;
  train_table(options).read(config);
  options.net_options.seed = std::nullopt;
  if (!data.empty()) {
    options.data.root = data;
    options.data.depth_root.clear();
  }
  if (!list.empty()) options.eval_list = list;
  return options;
}

void describe_checkpoint(const std::string& path, const LoadedNet& loaded, ReportSubject& subject) {
  subject.checkpoint = cat(path, ", after ", counted(loaded.state.step, "step"));
  subject.config = loaded.state.config;
  subject.net = subject.config.value("net", "");
  subject.computed_on = loaded.state.computed_on;
  subject.git = loaded.written_by;
}

ReportSubject run_subject(const std::string& run, const RunSubjectSpec& spec) {
  const std::string checkpoint = network_of_run(run);
  const auto kept = std::make_shared<Kept>();
  kept->loaded = load_folded_net(checkpoint);
  ReportSubject subject{.name = fs::path(run).lexically_normal().filename().string()};
  if (subject.name.empty()) subject.name = fs::path(run).lexically_normal().parent_path().filename().string();
  describe_checkpoint(checkpoint, kept->loaded, subject);
  subject.config_toml = contents_of(config_file(run));
  subject.history = read_history(run);
  kept->options = evaluation_options(subject.config, spec.data, spec.list);
  subject.repeat = commands(run, checkpoint, kept->options);
  if (spec.curves_only) return subject;
  subject.data_check = data_check(kept->options);
  if (kept->options.eval_list.empty()) return subject;
  naming_data(run, spec, [&] {
    kept->data.emplace(evaluation_data(kept->options));
    subject.evaluated.emplace(evaluated(*kept, subject.name, spec));
  });
  subject.keeps = kept;
  return subject;
}

}  // namespace md
