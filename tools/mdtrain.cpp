// mdtrain [train] | check-data | doctor: the training program. `mdtrain --help` is the manual.
#include <CLI/CLI.hpp>
#include <iostream>

#include "tools/cli/cli.h"
#include "tools/cli/ranks.h"
#include "tools/report/report_command.h"
#include "tools/train/check_data.h"
#include "tools/train/doctor.h"
#include "tools/train/train_command.h"
#include "tools/train/trainer.h"

namespace {

/// A report that cannot be written is no reason against the run, which is whole without it.
std::string report_of(const md::TrainOptions& options) {
  try {
    return md::write_run_report(options.out, options.device);
  } catch (const md::Error& error) {
    std::cerr << "mdtrain: no report: " << error.what() << std::endl;
    return "";
  }
}

md::Exit train_and_report(const md::TrainOptions& options, md::Communicator& ranks) {
  const md::Exit end = md::train(
      options, [&] { report_of(options); }, ranks);
  if (end != md::Exit::ok || !options.report || ranks.rank() != 0) return end;
  if (const std::string report = report_of(options); !report.empty()) std::cout << "report " << report << std::endl;
  return end;
}

}  // namespace

int main(int argc, char** argv) {
  md::silence_other_ranks();
  CLI::App app{"Trains a monocular depth network, with or without MetricDepth; defaults: the paper's, for LT on NYU.",
               "mdtrain"};
  app.set_version_flag("--version", MD_VERSION);
  md::TrainOptions options;
  md::add_train_options(app, options);
  app.require_subcommand(0, 1);
  app.add_subcommand("train", "train a network (what mdtrain does without a subcommand)")->fallthrough();
  md::CheckDataCommand check_data;
  CLI::App* const check =
      app.add_subcommand("check-data", "decode every frame of lists (with --data, --dataset), say what is wrong")
          ->fallthrough();
  check->add_option("LIST", check_data.lists, "list files; no picture may be in two of them")->required();
  check->add_option("--bad", check_data.bad, "where the bad frames are written to, if there are any")
      ->capture_default_str();
  const CLI::App* doctor =
      app.add_subcommand("doctor", "print versions, device and decoders; with options, what a first run will need")
          ->fallthrough();
  md::set_train_help(app);
  return md::run_main(app, argc, argv, [&] {
    if (doctor->parsed()) {
      md::apply_defaults(app, options);
      return md::doctor(md::any_given(app) ? &options : nullptr);
    }
    const auto on_ranks = [&](const std::function<md::Exit(md::Communicator&)>& work) {
      return md::on_ranks(app.get_name(), options.wait_limit_s, work);
    };
    if (check->parsed())
      return on_ranks([&](md::Communicator& ranks) { return md::check_data(options.data, check_data, ranks); });
    md::resolve(app, options);
    return on_ranks([&](md::Communicator& ranks) { return train_and_report(options, ranks); });
  });
}
