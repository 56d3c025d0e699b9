// Runs one of the binaries as a user would, without a shell, and gives back what it said.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/kit/testing.h"

extern char** environ;

namespace md::test {

struct ToolRun {
  int code = -1;  // exit status; 128 + signal where one ended it
  std::string out, err;
};

/// Waits for the child, and kills it after `limit_s` seconds: nothing that a test runs may hang.
inline int exit_code_of(pid_t child, int limit_s) {
  int status = 0;
  for (int left_ms = limit_s * 1000; waitpid(child, &status, WNOHANG) == 0; left_ms -= 2) {
    if (left_ms == 0) kill(child, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct ToolPlace {
  std::string folder = {};  // where it runs, instead of the test's own
  std::string input = {};   // file that is stdin, instead of the test's own
  std::string output = {};  // where stdout goes instead of into ToolRun::out, e.g. /dev/full
  bool terminal = false;    // stderr is a terminal, 200 columns wide
  int limit_s = 300;
};

/// A pseudo-terminal for a child's stderr.
class Terminal {
 public:
  Terminal() : ours_(posix_openpt(O_RDWR | O_NOCTTY)) {
    const winsize size{50, 200, 0, 0};
    if (grantpt(ours_) == 0 && unlockpt(ours_) == 0) theirs_ = open(ptsname(ours_), O_RDWR | O_NOCTTY);
    ioctl(theirs_, TIOCSWINSZ, &size);
  }
  int theirs() const { return theirs_; }  // negative where the system has no pseudo-terminals
  /// What was shown on it; the child has ended, and showed less than a terminal's buffer holds (4 KiB).
  std::string read_and_close() {
    std::string text;
    ::close(theirs_);
    for (char c; ::read(ours_, &c, 1) == 1;) text += c;
    ::close(ours_);
    return text;
  }

 private:
  int ours_, theirs_ = -1;
};

inline ToolRun run_tool(const std::string& name, std::vector<std::string> args, const ToolPlace& place = {}) {
  const auto contents = [](std::FILE* file) {
    std::string text;
    std::rewind(file);
    for (int c; (c = std::fgetc(file)) != EOF;) text += char(c);
    std::fclose(file);
    return text;
  };
  std::FILE* const out = std::tmpfile();
  std::FILE* const err = std::tmpfile();
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, fileno(out), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, fileno(err), STDERR_FILENO);
  if (!place.folder.empty()) posix_spawn_file_actions_addchdir_np(&files, place.folder.c_str());
  if (!place.input.empty()) {
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, place.input.c_str(), O_RDONLY, 0);
  }
  if (!place.output.empty()) {
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, place.output.c_str(), O_WRONLY, 0);
  }
  std::optional<Terminal> terminal;
  if (place.terminal) posix_spawn_file_actions_adddup2(&files, terminal.emplace().theirs(), STDERR_FILENO);

  args.insert(args.begin(), program(name));
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  setenv("OMP_NUM_THREADS", "1", 0);  // on tiny frames, threads of tests side by side only wait for each other
  pid_t pid = 0;
  ToolRun run;
  if (posix_spawn(&pid, argv[0], &files, nullptr, argv.data(), environ) == 0) {
    run.code = exit_code_of(pid, place.limit_s);
  }
  posix_spawn_file_actions_destroy(&files);
  run.out = contents(out);
  run.err = contents(err);
  if (terminal) run.err = terminal->read_and_close();
  return run;
}

/// Exit `code`, and on stderr one line that has all the parts.
inline ::testing::AssertionResult one_line(const ToolRun& run, int code, const std::vector<std::string>& parts) {
  const auto failure = [&](const std::string& why) {
    return ::testing::AssertionFailure() << why << "; exit " << run.code << ", stderr: " << run.err;
  };
  if (run.code != code) return failure("wanted exit " + std::to_string(code));
  if (run.err.find('\n') != run.err.size() - 1) return failure("wanted one line");
  for (const std::string& part : parts) {
    if (run.err.find(part) == std::string::npos) return failure("wanted '" + part + "'");
  }
  return ::testing::AssertionSuccess();
}

/// EXPECT_TRUE(refused(run, 65, {"part of the line", ...})): one line "NAME: error: ..." on stderr and nothing else.
inline ::testing::AssertionResult refused(const ToolRun& run, int code, std::vector<std::string> parts) {
  parts.emplace_back(": error: ");
  if (!run.out.empty()) return ::testing::AssertionFailure() << "wanted nothing on stdout, got " << run.out;
  return one_line(run, code, parts);
}

}  // namespace md::test
