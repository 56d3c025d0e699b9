// `--config FILE`: options as TOML.
#pragma once
#include <memory>

namespace CLI {
class Config;
}

namespace md {

/// For App::config_formatter(). TOML as CLI11 reads it, but strict about what it would misread: a key that is given
/// twice, a '#' inside quotes, or more than 64 KiB is CLI::ConfigError, naming the line.
std::shared_ptr<CLI::Config> strict_toml();

}  // namespace md
