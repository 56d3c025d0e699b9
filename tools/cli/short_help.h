// --help as a page that fits a screen: the options that most runs are made with, in a few words each. --help-all has
// every option with all that there is to say of it.
#pragma once
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace md {

/// A part of the page.
struct HelpGroup {
  std::string title;
  struct Line {
    std::string option, words;  // "--lr RATE", "learning rate of the first step"; the option's default is added
  };
  std::vector<Line> lines;
};

/// From now on --help shows these below `usage`, and --help-all everything. Comes after the options are defined. Throws
/// ErrorKind::contract for an option that the program does not have.
void set_short_help(CLI::App&, const std::vector<std::string>& usage, const std::vector<HelpGroup>&);

}  // namespace md
