// What every tool does around its work: parse the command line (CLI11), turn errors into one line on stderr and an exit
// code (engine/check.h), and show progress. stdout carries results, stderr carries progress and errors.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "engine/check.h"

namespace md {

/// The whole of a main(): parses, runs `body`, returns the exit code. The app's name stands before every error line.
/// Parse errors are Exit::usage and name the nearest option; --help prints to stdout. A reader of stdout that goes away
/// (`| head`) is no error; any other failure to write stdout is Exit::cannot_write.
int run_main(CLI::App& app, int argc, char** argv, const std::function<Exit()>& body);

/// One line on stderr that is redrawn in place. Shows nothing unless stderr is a terminal; erased on destruction.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  bool visible() const { return visible_; }
  void show(const std::string& text);  // at most about ten times a second
  void clear();                        // call before printing anything else on the terminal

 private:
  bool visible_;
  bool drawn_ = false;
  double last_s_ = 0;
};

/// Validators of numbers; CLI11's own let NaN pass, which is neither below nor above a bound.
CLI::Validator finite();
CLI::Validator positive();
CLI::Validator not_negative();

}  // namespace md
