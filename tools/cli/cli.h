// What every tool does around its work: parse the command line (CLI11), turn errors into one line on stderr and an exit
// code (tools/cli/exit_code.h). stdout carries results, stderr carries progress (tools/cli/progress.h) and errors.
#pragma once
#include <functional>
#include <string>

#include "engine/check.h"
#include "tools/cli/exit_code.h"

namespace CLI {
class App;
class Validator;
}  // namespace CLI

namespace md {

/// The whole of a main(): parses, runs `body`, returns the exit code. The app's name stands before every error line.
/// Parse errors are ErrorKind::usage and name the nearest option; --help prints to stdout. A reader of stdout that
/// goes away (`| head`) is no error; any other failure to write stdout is ErrorKind::cannot_write.
int run_main(CLI::App& app, int argc, char** argv, const std::function<Exit()>& body);

/// What was thrown, as the error that a user is told of: memory that is short and files that cannot be looked at are
/// named as such, other exceptions as internal. REQUIRES: an std::exception is being handled.
Error caught_error();

/// "PROGRAM: error: WHAT" on stderr, in one piece: a launcher of ranks writes lines of its own at the same time.
void print_error(const std::string& program, const std::string& what);

/// Text as one line: control characters, as names of files may have them, become blanks.
std::string one_line(std::string text);

/// Shows the defaults of the options to come in --help.
void show_defaults(CLI::App& app);

/// A validator of numbers ("x is not a finite number above 0"); CLI11's own let NaN pass, which is neither below nor
/// above a bound. The number is checked as a float: what a double holds may still be infinite or 0 in the network.
CLI::Validator number_that(const std::string& must_be, const std::function<bool(double)>& allowed);
CLI::Validator finite();
CLI::Validator positive();
CLI::Validator not_negative();

}  // namespace md
