// A training run, or a checkpoint with the options of `mdeval`, as the subject of a report.
#pragma once
#include <string>

#include "tools/cli/device_option.h"
#include "tools/report/report_subject.h"
#include "tools/train/train_options.h"

namespace md {

/// How a run is looked at.
struct RunSubjectSpec {
  std::string data;          // where the frames are now; empty: where the run's config says
  std::string list;          // to evaluate on; empty: the run's --eval-list, without one the curves alone are shown
  bool curves_only = false;  // evaluate nothing
  int loader_threads = 2;
  DeviceOptions device;
};

/// Evaluates the best network of the run, or its last one where it has evaluated none, under the run's protocol. Throws
/// ErrorKind::missing where the folder is no run or its frames are not there, naming --data.
ReportSubject run_subject(const std::string& run, const RunSubjectSpec&);

/// The best network of a run, or its last one where it has evaluated none. Throws ErrorKind::missing where there is
/// neither.
std::string network_of_run(const std::string& run);

/// What a run's config says of its evaluation, with the frames at `data` and their list, where these are not empty.
TrainOptions evaluation_options(const nlohmann::json& config, const std::string& data, const std::string& list);

/// What a checkpoint says of itself, without an evaluation.
void describe_checkpoint(const std::string& path, const LoadedNet&, ReportSubject&);

}  // namespace md
