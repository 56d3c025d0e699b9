// TrainOptions on the command line, in config files and in checkpoints.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "tools/train/train_options.h"

namespace CLI {
class App;
}

namespace md {

class OptionTable;

/// Every option that a run's config keeps, bound to `options`.
OptionTable train_table(TrainOptions& options);

/// Defines them, and those that no config keeps: --config, --out, --resume and --allow-changes. A flag wins over the
/// config file. Unknown keys, keys given twice and values out of range are ErrorKind::usage and name the key.
void add_train_options(CLI::App&, TrainOptions&);

/// The page of --help (tools/cli/short_help.h): comes after all options and subcommands are defined.
void set_train_help(CLI::App&);

/// After parsing: gives the options that --augment stands for their values, unless they are given themselves, then
/// resolve()s them. Throws ErrorKind::usage where options exclude each other.
void resolve(CLI::App&, TrainOptions&);
/// The first half of that: what a recipe and a data set stand for.
void apply_defaults(const CLI::App&, TrainOptions&);
/// Whether an option of a run was given, on the command line or in a file.
bool any_given(const CLI::App&);

/// What a checkpoint keeps of the options, and what a run's config.toml holds.
nlohmann::json config_json(const TrainOptions&);
std::string config_toml(const TrainOptions&);

/// "lr 0.0001 -> 0.001, batch 4 -> 8": how a run's config differs from the one it began with, apart from options that
/// change none of its numbers; "" where it does not.
std::string config_changes(const nlohmann::json& before, const nlohmann::json& now);

}  // namespace md
