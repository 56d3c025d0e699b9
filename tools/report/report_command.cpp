// Subjects in, one file out.
#include "tools/report/report_command.h"

#include <filesystem>
#include <iostream>
#include <set>

#include "engine/durable_file.h"
#include "tools/cli/cli.h"
#include "tools/cli/option_table.h"
#include "tools/cli/output.h"
#include "tools/report/report.h"

namespace md {
namespace {

namespace fs = std::filesystem;

/// Two runs of one name are told apart by their folders.
void name_apart(std::vector<ReportSubject>& subjects, const ReportCommand& c) {
  if (!c.names.empty() && c.names.size() != c.runs.size())
    fail(ErrorKind::usage, "--names: ", c.names.size(), " of them for ", c.runs.size(), " runs");
  std::multiset<std::string> names;
  for (const ReportSubject& subject : subjects) names.insert(subject.name);
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (!c.names.empty())
      subjects[i].name = c.names[i];
    else if (names.count(subjects[i].name) > 1)
      subjects[i].name = c.runs[i];
  }
}

void write_report(const std::string& path, const std::vector<ReportSubject>& subjects, const ReportSpec& spec) {
  write_file_durably(path, report_html(subjects, spec));
}

ReportSubject subject_of(const EvaluateCommand& c, const Results& results, const EvaluationSource& source,
                         const Breakdown& breakdown) {
  ReportSubject subject{.name = results.method};
  if (source.loaded) describe_checkpoint(c.checkpoint, *source.loaded, subject);
  subject.evaluated.emplace(EvaluatedSubject{results, breakdown, source, c.data.root, c.list});
  return subject;
}

}  // namespace

void add_report_options(CLI::App& app, ReportCommand& c) {
  show_defaults(app);
  app.add_option("RUN", c.runs, "folders of mdtrain's runs; differences are to the first")->required();
  app.add_option("--out", c.out, "the report, an HTML file");
  app.add_option("--names", c.names, "what to call the runs, one a run: a,b,c; default: as their folders")
      ->delimiter(',');
  app.add_option("--data", c.run.data, "folder of the frames, where it is another than when the runs were made");
  app.add_option("--list", c.run.list, "list to evaluate on instead of the runs' --eval-list");
  app.add_flag("--curves-only", c.run.curves_only, "evaluate nothing: curves and configuration");
  app.add_option("--frames", c.report.frames, "frames to show: the worst, middle and best by AbsRel; 0: none")
      ->check(CLI::Range(0, 40));
  app.add_option("--anchor", c.anchor,
                 "place of the anchor whose feature distances are shown: row,column, 0 to 1 of the picture")
      ->delimiter(',')
      ->expected(2)
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--title", c.report.title, "title of the page");
  app.add_option("--seed", c.report.seed, "number that fixes the bootstrap and the drawn pairs of pixels");
  OptionTable how;
  how.add("loader-threads", c.run.loader_threads, "threads that decode images", CLI::Range(1, 256));
  add_device_options(how, c.run.device);
  how.define(app);
}

Exit report_command(const ReportCommand& c) {
  require_writable("--out", c.out);
  std::vector<ReportSubject> subjects;
  for (const std::string& run : c.runs) subjects.push_back(run_subject(run, c.run));
  name_apart(subjects, c);
  ReportSpec spec = c.report;
  spec.anchor_row = c.anchor[0];
  spec.anchor_column = c.anchor[1];
  write_report(c.out, subjects, spec);
  std::cout << "report " << c.out << ", " << fs::file_size(c.out) / 1000 << " kB\n";
  return Exit::ok;
}

Exit evaluate_with_report(const EvaluateCommand& c, const std::string& report) {
  if (report.empty()) return evaluate_command(c);
  require_writable("--report", report);
  std::optional<Breakdown> breakdown;
  const auto take = [&](const EvaluatedFrame& frame, const Protocol& protocol) {
    if (!breakdown) breakdown.emplace(usual_cap_m(protocol));
    breakdown->add(frame);
  };
  const auto write = [&](const Results& results, const EvaluationSource& source) {
    const ReportSubject subject = subject_of(c, results, source, *breakdown);
    write_report(report, {subject}, {.title = cat("Depth of ", results.method), .seed = c.seed});
    std::cout << "report " << report << "\n";
  };
  return evaluate_command(c, {take, write});
}

std::string write_run_report(const std::string& run, const DeviceOptions& device) {
  RunSubjectSpec how;
  how.device = device;
  const ReportSubject subject = run_subject(run, how);
  std::string path = (fs::path(run) / "report.html").string();
  write_report(path, {subject}, {.title = "Run " + subject.name});
  return path;
}

}  // namespace md
