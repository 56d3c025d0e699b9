// `mdeval compare A B`: whether B is better than A, image by image, and how sure that is.
#pragma once
#include <string>

#include "tools/cli/exit_code.h"

namespace CLI {
class App;
}

namespace md {

/// What `mdeval compare` is asked for.
struct CompareCommand {
  std::string a, b;            // files of --json or --csv
  std::string by = "abs_rel";  // decides which images got better
  int top = 5;                 // of them are named
  std::string json;
  std::uint64_t seed = 0;
};

/// Defines the options of `mdeval compare`.
void add_compare_options(CLI::App&, CompareCommand&);

/// Throws ErrorKind::bad_data, naming the difference, where the two have other protocols or images.
Exit compare(const CompareCommand&);

}  // namespace md
