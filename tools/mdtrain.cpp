// mdtrain [train] | check-data | doctor: the training program. `mdtrain --help` is the manual.
#include <CLI/CLI.hpp>

#include "tools/cli/cli.h"
#include "tools/train/check_data.h"
#include "tools/train/doctor.h"
#include "tools/train/train_command.h"
#include "tools/train/trainer.h"

int main(int argc, char** argv) {
  CLI::App app{
      "Trains a monocular depth network, with or without MetricDepth. Defaults are the paper's values for LT on NYU; "
      "tools/configs has the whole recipes.",
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
  const CLI::App* doctor = app.add_subcommand("doctor", "print versions, device and decoders");
  return md::run_main(app, argc, argv, [&] {
    if (doctor->parsed()) return md::doctor();
    if (check->parsed()) return md::check_data(options.data, check_data);
    md::resolve(app, options);
    return md::train(options);
  });
}
