// Whatever the bytes, a config file gives options that are in range, and a dump that gives the same options, or is
// refused in one line. Seeds: shipped configurations, and what TOML allows and forbids.
#include <CLI/CLI.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/fuzz/fuzz.h"
#include "tools/train/train_command.h"

namespace md::test {
namespace {

struct Parsed {
  CLI::App app{"", "file"};
  TrainOptions options;

  explicit Parsed(const std::string& toml) {
    add_train_options(app, options);
    std::istringstream text(toml);
    app.parse_from_stream(text);
    options.data.root = options.list = options.out = "here";
    resolve(app, options);
  }
};

/// CLI11 has no escapes: names with these cannot be written down.
bool can_be_written(const nlohmann::json& value) {
  if (value.is_structured()) return std::ranges::all_of(value, can_be_written);
  if (!value.is_string()) return true;
  const auto text = value.get<std::string>();
  return text.find_first_of("#\"'`[],;=\n\r\t{}()%") == text.npos && text == CLI::detail::trim_copy(text);
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  return {
      "dataset = \"kitti\"\nlist = \"l.txt\"\nheight = 352\nwidth = 704\nkb-crop = true\nrotation = 1\n"
      "brightness = [0.9, 1.1]\nnet = \"bts\"\nmax-depth = 80\nfocal-scaling = true\nfreeze = \"first-block\"\n",
      "metric-depth = true\nreduction = \"mean\"\nranges = [\"0.5-1\", \"1-1.5\"]\nmargins = [3, 6]\n",
      "batch = 8\nepochs = 20\noptimizer = \"adam\"\nlr = 1e-4\nend-lr = 1e-5\nweight-decay = 0\nseed = 7\n",
      "# comment\n[train]\nbatch = 2\n",
      "batch = 2\nbatch = 4\n",
      "ranges = [\"0.5-inf\",\n \"1-2\"]\nmargins=[1,2]\nbatch=1e400\n",
      "unknown = 1\nflip\nnet = 'ltt'\nlr = nan\nmargins = []\n",
  };
}

void fuzz_one(const std::string& bytes) {
  try {
    const Parsed first(bytes);
    const TrainOptions& o = first.options;
    require(o.batch >= 1 && o.epochs >= 1 && o.augment.height >= 32 && o.augment.width >= 32,
            "a count below its least");
    require(std::isfinite(o.lr) && o.lr > 0 && std::isfinite(o.adam.eps) && std::isfinite(o.metric.weight), "a number");
    if (!can_be_written(config_json(o))) return;
    const std::string written = config_toml(o);
    require(config_toml(Parsed(written).options) == written, "another run from the dump:\n" + written);
  } catch (const CLI::ParseError&) {  // which the tools turn into one line (tools/cli/cli.cpp)
  } catch (const Error& error) {
    require(error.kind() == ErrorKind::usage, error.what());
  }
}

}  // namespace md::test
