// `mdeval report RUN...`, the report at the end of a training run, and `mdeval --report`.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "tools/cli/exit_code.h"
#include "tools/eval/evaluate_command.h"
#include "tools/report/run_subject.h"
#include "tools/report/sections.h"

namespace md {

/// What `mdeval report` is asked for.
struct ReportCommand {
  std::vector<std::string> runs, names;  // folders; what to call them, or nothing: as their folders
  std::string out = "report.html";
  RunSubjectSpec run;
  ReportSpec report;
  std::vector<float> anchor = {0.5F, 0.5F};
};

/// Defines the options of `mdeval report`.
void add_report_options(CLI::App&, ReportCommand&);

/// Nothing is written unless every run could be evaluated.
Exit report_command(const ReportCommand&);

/// Evaluates, and writes a report of it to `report`, if that is not empty.
Exit evaluate_with_report(const EvaluateCommand&, const std::string& report);

/// The report of a run that has come this far, as report.html in its folder; returns its path. `device`: as the run's.
std::string write_run_report(const std::string& run, const DeviceOptions& device);

}  // namespace md
