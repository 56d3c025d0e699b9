// Errors as one line, the option that was meant, numbers that are numbers, and a line that redraws itself.
#include "tools/cli/cli.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <new>
#include <vector>

#include "tools/cli/clock.h"

namespace md {
namespace {

/// Levenshtein distance: insertions, deletions and substitutions that turn a into b.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

void collect_long_names(const CLI::App& app, std::vector<std::string>& names) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  }
  for (const CLI::App* sub : app.get_subcommands()) collect_long_names(*sub, names);
}

/// " (did you mean --data?)", or nothing where no option of the app is near.
std::string suggestion(const CLI::App& app, const std::string& word, const std::string& dashes) {
  std::vector<std::string> names;
  collect_long_names(app, names);
  std::string nearest;
  std::size_t best = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& name : names) {
    const std::size_t distance = edit_distance(word, name);
    if (distance < best) {
      best = distance;
      nearest = name;
    }
  }
  return nearest.empty() ? "" : " (did you mean " + dashes + nearest + "?)";
}

/// "--config lt.toml: ", or nothing where none is given.
std::string config_place(const CLI::App& app) {
  const CLI::Option* const config = app.get_config_ptr();
  return config && config->count() > 0 ? cat("--config ", config->results().back(), ": ") : "";
}

/// CLI11 complains about a missing option before it mentions an unknown one, which more often is the cause.
[[noreturn]] void fail_to_parse(const CLI::App& app, const CLI::ParseError& error) {
  // First what a config file holds, since some versions of CLI11 count it among the words of the command line.
  const std::string what = error.what(), in_config = config_place(app), unknown_key = "INI was not able to parse ";
  if (what.starts_with(unknown_key)) {
    const std::string key = what.substr(unknown_key.size());
    fail(Exit::usage, in_config, "unknown key '", key, "'", suggestion(app, key, ""));
  }
  if (error.get_name() == "ConfigError") fail(Exit::usage, in_config, what);
  const std::vector<std::string> unknown = app.remaining(true);
  const auto flag =
      std::find_if(unknown.begin(), unknown.end(), [](const auto& word) { return word.starts_with("-"); });
  if (flag != unknown.end()) {
    const std::string word = flag->substr(std::min(flag->find_first_not_of('-'), flag->size()));
    fail(Exit::usage, "unknown option ", *flag, suggestion(app, word.substr(0, word.find('=')), "--"));
  }
  if (!unknown.empty()) fail(Exit::usage, "unexpected argument '", unknown.front(), "'");
  fail(error.get_name() == "FileError" ? Exit::missing_input : Exit::usage, what);
}

Exit parse_and_run(CLI::App& app, int argc, char** argv, const std::function<Exit()>& body) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    app.exit(help_or_version, std::cout, std::cerr);
    return Exit::ok;
  } catch (const CLI::ParseError& error) {
    fail_to_parse(app, error);
  }
  return body();
}

int report(const CLI::App& app, Exit code, const std::string& what) {
  std::string line = what;
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return std::iscntrl(c); }, ' ');
  std::cout.flush();
  std::cerr << app.get_name() << ": error: " << line << std::endl;
  return int(code);
}

/// As a float: what a double holds may still be infinite or 0 in the network.
CLI::Validator number_that(const std::string& name, const std::string& otherwise, bool (*holds)(float)) {
  const auto check = [=](std::string& text) {
    double value = 0;
    const bool good = CLI::detail::lexical_cast(text, value) && std::isfinite(float(value)) && holds(float(value));
    return good ? std::string() : text + " " + otherwise;
  };
  return {check, name, name};
}

bool reader_gone(int pipe) {
  pollfd state{pipe, POLLOUT, 0};
  return poll(&state, 1, 0) == 1 && (state.revents & POLLERR);
}

}  // namespace

int run_main(CLI::App& app, int argc, char** argv, const std::function<Exit()>& body) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe must not kill a run that still has files to write
  try {
    const Exit code = parse_and_run(app, argc, argv, body);
    if (!std::cout.flush() && !reader_gone(STDOUT_FILENO)) fail(Exit::cannot_write, "stdout: cannot write");
    return int(code);
  } catch (const Error& error) {
    return report(app, error.code(), error.what());
  } catch (const std::filesystem::filesystem_error& error) {  // a file that cannot even be looked at
    return report(app, Exit::missing_input, cat(error.path1().string(), ": ", error.code().message()));
  } catch (const std::bad_alloc&) {
    return report(app, Exit::numeric, "out of memory (a smaller --batch needs less)");
  } catch (const std::exception& error) {
    return report(app, Exit::numeric, cat("internal: ", error.what()));
  }
}

CLI::Validator finite() {
  return number_that("FINITE", "is no finite number", [](float) { return true; });
}
CLI::Validator positive() {
  return number_that("POSITIVE", "is not a finite number above 0", [](float x) { return x > 0; });
}
CLI::Validator not_negative() {
  return number_that("NOT NEGATIVE", "is not a finite number from 0", [](float x) { return x >= 0; });
}

ProgressLine::ProgressLine() : visible_(isatty(STDERR_FILENO)) {}

void ProgressLine::show(const std::string& text) {
  if (!visible_ || now_s() - last_s_ < 0.1) return;
  last_s_ = now_s();
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  std::cerr << "\r\033[K" << text.substr(0, known ? size.ws_col - 1U : 79U) << std::flush;
  drawn_ = true;
}

void ProgressLine::clear() {
  if (drawn_) std::cerr << "\r\033[K" << std::flush;
  drawn_ = false;
}

}  // namespace md
