// mdeval: the measures of a checkpoint, or of any program's predictions, on a list of frames under a named protocol
// (tools/eval/evaluate_command.h), and its other commands, a file each.
#include <CLI/CLI.hpp>
#include <string>

#include "tools/cli/cli.h"
#include "tools/cli/ranks.h"
#include "tools/eval/compare.h"
#include "tools/eval/evaluate_command.h"
#include "tools/eval/predict.h"
#include "tools/figure/figure_command.h"
#include "tools/onnx/export_onnx.h"
#include "tools/report/report_command.h"

namespace {

constexpr double kWaitLimitS = 600;  // of a rank for the others, which evaluate as many frames

/// A command as a program of its own, with its own options.
template <class Command>
int run(int argc, char** argv, const std::string& name, const std::string& what, void (*add)(CLI::App&, Command&),
        md::Exit (*work)(const Command&)) {
  CLI::App app{what, name};
  Command command;
  add(app, command);
  return md::run_main(app, argc, argv, [&] {
    md::require_one_process();
    return work(command);
  });
}

int evaluate(int argc, char** argv) {
  CLI::App app{"Measures a checkpoint, or any program's predictions, on a list of frames under a named protocol.",
               "mdeval"};
  md::EvaluateCommand command;
  std::string report;
  md::add_evaluate_options(app, command);
  app.add_option("--report", report, "file for a report of the evaluation, as HTML");
  md::set_evaluate_help(app);
  return md::run_main(app, argc, argv, [&] {
    if (!report.empty()) md::require_one_process();
    return md::on_ranks(app.get_name(), kWaitLimitS, [&](md::Communicator& ranks) {
      return report.empty() ? md::evaluate_command(command, {}, ranks) : md::evaluate_with_report(command, report);
    });
  });
}

}  // namespace

int main(int argc, char** argv) {
  md::silence_other_ranks();
  const std::string first = argc > 1 ? argv[1] : "";
  if (first == "predict") {
    return run(argc - 1, argv + 1, "mdeval predict", "Writes the depth that a checkpoint predicts for images.",
               md::add_predict_options, md::predict);
  }
  if (first == "compare") {
    return run(argc - 1, argv + 1, "mdeval compare",
               "Says whether one result of mdeval is better than another, and on which images.",
               md::add_compare_options, md::compare);
  }
  if (first == "export") {
    return run(argc - 1, argv + 1, "mdeval export", "Writes the network of a checkpoint as a file for other programs.",
               md::add_export_options, md::export_onnx);
  }
  if (first == "report") {
    return run(
        argc - 1, argv + 1, "mdeval report",
        "Writes a report of training runs, side by side, as one HTML file: curves, measures, frames, errors, features.",
        md::add_report_options, md::report_command);
  }
  if (first == "figure") {
    return run(argc - 1, argv + 1, "mdeval figure", "Draws one of the paper's figures, of any frames and networks.",
               md::add_figure_options, md::figure_command);
  }
  return evaluate(argc, argv);
}
