// The folder of a training run: config.toml (what gives the same run again), metrics.jsonl (one JSON object a line: a
// step, a skipped step or an evaluation), the same as event files for TensorBoard, last.safetensors and
// best.safetensors, and with --keep step-*.safetensors. One process at a time: `lock` holds its number and host, and a
// lock of the kernel's (flock) that dies with it.
#pragma once
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "tools/cli/output.h"

namespace md {

/// Throws ErrorKind::cannot_write, naming the process that has it, where another one holds the lock.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();  // removes the file
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  std::filesystem::path file_;
  int fd_ = -1;
};

class RunFolder {
 public:
  enum class Begin { anew, resumed };
  /// Locks it. Anew: makes the folder; throws ErrorKind::cannot_write where it is there and not empty. Resumed: sweeps
  /// what a killed process left half-written.
  RunFolder(const std::string& path, Begin);
  /// Without one logged line there was no run: nothing is left of one that began anew.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  /// Comes before the first line of the logs.
  void write_config(const std::string& toml);
  /// Appends a line, with the time, to metrics.jsonl and to the newest event file, at once. Throws
  /// ErrorKind::cannot_write.
  void log(nlohmann::ordered_json line);
  /// The lines so far survive a power cut.
  void sync_logs() const;
  /// Forgets the lines of later steps than `step`, evaluations after later ones than `evaluated`, and a line that was
  /// cut off: the run goes on from there. TensorBoard gets another event file with the next line, which takes the same
  /// back; those that it may have open stay as they are.
  void rewind(i64 step, i64 evaluated);
  /// Keeps last.safetensors also under its step's name, until `keep` later ones have come.
  void keep_last(i64 step, int keep) const;
  /// The files of the newest checkpoint, and of the one with the best evaluation.
  std::string last() const;
  std::string best() const;

 private:
  std::string file(const std::string& name) const { return (folder_.path() / name).string(); }
  void open_metrics();
  void open_events();

  OutputFolder folder_;
  FolderLock lock_;
  std::ofstream metrics_, events_;        // events_ is opened with the first line
  std::string events_file_, new_events_;  // its path; what it begins with, where that is more than the usual
  bool ran_;
};

/// The config.toml of a run.
std::string config_file(const std::string& run);

/// Where metrics.jsonl and best.safetensors of a run are.
std::string metrics_file(const std::string& run);
std::string best_network(const std::string& run);

/// When each part of a run began that went on from a checkpoint, seconds since 1970: after --resume, and after the run
/// went back by itself. From the event files.
std::vector<double> continuations_s(const std::string& run);

/// last.safetensors and the step-*.safetensors of a run, newest first.
std::vector<std::string> checkpoints(const std::string& run);

}  // namespace md
