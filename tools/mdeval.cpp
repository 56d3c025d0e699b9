// mdeval: the measures of a checkpoint, or of any program's predictions, on a list of frames under a named protocol
// (tools/eval/evaluate_command.h), and its other commands, a file each.
#include <CLI/CLI.hpp>
#include <string>

#include "tools/cli/cli.h"
#include "tools/eval/compare.h"
#include "tools/eval/evaluate_command.h"
#include "tools/eval/predict.h"
#include "tools/onnx/export_onnx.h"

namespace {

/// A command as a program of its own, with its own options.
template <class Command>
int run(int argc, char** argv, const std::string& name, const std::string& what, void (*add)(CLI::App&, Command&),
        md::Exit (*work)(const Command&)) {
  CLI::App app{what, name};
  Command command;
  add(app, command);
  return md::run_main(app, argc, argv, [&] { return work(command); });
}

}  // namespace

int main(int argc, char** argv) {
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
  return run(
      argc, argv, "mdeval",
      "Measures a checkpoint, or any program's predictions, on a list of frames under a named protocol. Its other "
      "commands: mdeval predict (depth for images), compare (two results), export (ONNX); each has --help.",
      md::add_evaluate_options, md::evaluate_command);
}
