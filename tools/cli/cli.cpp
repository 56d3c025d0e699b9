// Errors as one line, the option that was meant, and numbers that are numbers.
#include "tools/cli/cli.h"

#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <new>
#include <vector>

#include "engine/check.h"
#include "tools/cli/nearest.h"

namespace md {
namespace {

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
  const std::string meant = nearest(word, names);
  return meant.empty() ? "" : " (did you mean " + dashes + meant + "?)";
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
    fail(ErrorKind::usage, in_config, "unknown key '", key, "'", suggestion(app, key, ""));
  }
  if (error.get_name() == "ConfigError") fail(ErrorKind::usage, in_config, what);
  const std::vector<std::string> unknown = app.remaining(true);
  const auto flag =
      std::find_if(unknown.begin(), unknown.end(), [](const auto& word) { return word.starts_with("-"); });
  if (flag != unknown.end()) {
    const std::string word = flag->substr(std::min(flag->find_first_not_of('-'), flag->size()));
    fail(ErrorKind::usage, "unknown option ", *flag, suggestion(app, word.substr(0, word.find('=')), "--"));
  }
  if (!unknown.empty()) fail(ErrorKind::usage, "unexpected argument '", unknown.front(), "'");
  fail(error.get_name() == "FileError" ? ErrorKind::missing : ErrorKind::usage, what);
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

bool reader_gone(int pipe) {
  pollfd state{pipe, POLLOUT, 0};
  return poll(&state, 1, 0) == 1 && (state.revents & POLLERR);
}

}  // namespace

int run_main(CLI::App& app, int argc, char** argv, const std::function<Exit()>& body) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe must not kill a run that still has files to write
  try {
    const Exit code = parse_and_run(app, argc, argv, body);
    if (!std::cout.flush() && !reader_gone(STDOUT_FILENO)) fail(ErrorKind::cannot_write, "stdout: cannot write");
    return int(code);
  } catch (const std::exception&) {
    const Error error = caught_error();
    print_error(app.get_name(), error.what());
    return int(exit_code(error.kind()));
  }
}

Error caught_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::filesystem::filesystem_error& error) {  // a file that cannot even be looked at
    return {ErrorKind::missing, cat(error.path1().string(), ": ", error.code().message())};
  } catch (const std::bad_alloc&) {
    return {ErrorKind::contract, "out of memory (a smaller --batch needs less)"};
  } catch (const std::exception& error) {
    return {ErrorKind::contract, cat("internal: ", error.what())};
  }
}

void print_error(const std::string& program, const std::string& what) {
  std::cout.flush();
  std::cerr << cat(program, ": error: ", one_line(what), "\n") << std::flush;
}

std::string one_line(std::string text) {
  std::ranges::replace_if(
      text, [](unsigned char c) { return std::iscntrl(c); }, ' ');
  return text;
}

void show_defaults(CLI::App& app) { app.option_defaults()->always_capture_default(); }

CLI::Validator number_that(const std::string& must_be, const std::function<bool(double)>& allowed) {
  const auto check = [=](std::string& text) {
    double value = 0;
    const bool good =
        CLI::detail::lexical_cast(text, value) && std::isfinite(float(value)) && allowed(double(float(value)));
    return good ? std::string() : text + " is not a finite number " + must_be;
  };
  return {check, must_be};
}

CLI::Validator finite() {
  return number_that("", [](double) { return true; });
}
CLI::Validator positive() {
  return number_that("above 0", [](double x) { return x > 0; });
}
CLI::Validator not_negative() {
  return number_that("from 0", [](double x) { return x >= 0; });
}

}  // namespace md
