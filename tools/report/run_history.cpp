// A continuation is known by its time (of its event file); its step is that of the next line of metrics.jsonl.
#include "tools/report/run_history.h"

#include <fstream>
#include <limits>
#include <sstream>

#include "engine/check.h"
#include "tools/cli/file_contents.h"
#include "tools/run/run_folder.h"

namespace md {
namespace {

using nlohmann::json;

/// What stands in a line of a step beside its losses.
bool is_loss(const std::string& key, const json& value) {
  for (const char* other : {"step", "epoch", "lr", "step_s", "wait_s", "time"}) {
    if (key == other) return false;
  }
  return value.is_number();
}

RunHistory::Step step_of(const json& line) {
  RunHistory::Step step{.step = line.at("step"),
                        .lr = line.at("lr"),
                        .seconds = line.value("step_s", 0.0),
                        .waited_s = line.value("wait_s", 0.0)};
  for (const auto& [key, value] : line.items()) {
    if (is_loss(key, value)) step.losses[key] = value;
  }
  if (line.contains("thresholds")) step.thresholds = read_thresholds(line["thresholds"]);
  return step;
}

std::string why_skipped(const json& line) {
  if (line.contains("not_finite")) return cat(line["not_finite"].get<std::string>(), " is not finite: step skipped");
  return "no ground truth in the batch: step skipped";
}

class HistoryReader {
 public:
  explicit HistoryReader(const std::string& run) : continued_s_(continuations_s(run)) {}

  void take(const json& line) {
    const i64 step = line.at("step");
    note_continuations(line.value("time", std::numeric_limits<double>::infinity()), step,
                       line.contains("went_back_from"));
    if (line.contains("eval")) {
      history_.evaluations.push_back({step, line["eval"]});
    } else if (line.contains("lr")) {
      history_.steps.push_back(step_of(line));
    }
    if (line.contains("skipped")) history_.skipped.push_back({step, why_skipped(line)});
    if (line.contains("replaced")) history_.replaced_frames += i64(line["replaced"].size());
    if (line.contains("went_back_from"))
      history_.continued.push_back({step, cat("went back from step ", line["went_back_from"].get<i64>())});
  }

  RunHistory take_all() { return std::move(history_); }

 private:
  void note_continuations(double time_s, i64 step, bool went_back) {
    for (; next_ < continued_s_.size() && continued_s_[next_] <= time_s; ++next_) {
      if (!went_back) history_.continued.push_back({step - 1, "resumed"});
    }
  }

  std::vector<double> continued_s_;
  std::size_t next_ = 0;
  RunHistory history_;
};

}  // namespace

std::vector<std::string> RunHistory::loss_names() const {
  std::vector<std::string> names;
  for (const Step& step : steps) {
    if (step.losses.size() <= names.size()) continue;
    names = {"loss"};
    for (const auto& [name, value] : step.losses) {
      if (name != "loss") names.push_back(name);
    }
  }
  return names;
}

RunHistory read_history(const std::string& run) {
  const std::string path = metrics_file(run);
  std::istringstream lines(contents_of(path));
  HistoryReader reader(run);
  i64 number = 0;
  for (std::string text; std::getline(lines, text);) {
    ++number;
    const json line = json::parse(text, nullptr, false);
    if (line.is_discarded() && lines.peek() == std::istringstream::traits_type::eof()) break;
    const auto refuse = [&](const std::exception& error) {
      fail(ErrorKind::bad_data, path, ":", number, ": not a line of mdtrain's: ", error.what());
    };
    try {
      reader.take(line);
    } catch (const json::exception& error) {
      refuse(error);
    } catch (const Error& error) {
      refuse(error);
    }
  }
  return reader.take_all();
}

}  // namespace md
