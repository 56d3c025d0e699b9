// Runs one of the binaries as a user would, without a shell, and gives back what it said.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/kit/process.h"

namespace md::test {

struct ToolRun {
  int code = -1;  // exit status; 128 + signal where one ended it
  std::string out, err;
};

struct ToolPlace {
  std::string folder = {};  // where it runs, instead of the test's own
  std::string input = {};   // file that is stdin, instead of the test's own
  std::string output = {};  // where stdout goes instead of into ToolRun::out, e.g. /dev/full
  bool terminal = false;    // stderr is a terminal, 200 columns wide
  bool screen = false;      // so is stdout, the same one: all that is shown is ToolRun::out
  int limit_s = 300;
};

/// A pseudo-terminal for what a child shows.
class Terminal {
 public:
  Terminal() : ours_(posix_openpt(O_RDWR | O_NOCTTY)) {
    const winsize size{50, 200, 0, 0};
    if (grantpt(ours_) == 0 && unlockpt(ours_) == 0) theirs_ = open(ptsname(ours_), O_RDWR | O_NOCTTY);
    ioctl(theirs_, TIOCSWINSZ, &size);
    reader_ = std::thread([this] {
      for (char c; ::read(ours_, &c, 1) == 1;) text_ += c;
    });
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    if (reader_.joinable()) read_and_close();
  }
  int theirs() const { return theirs_; }  // negative where the system has no pseudo-terminals
  /// What was shown on it; the child has ended.
  std::string read_and_close() {
    ::close(theirs_);
    reader_.join();
    ::close(ours_);
    return text_;
  }

 private:
  int ours_, theirs_ = -1;
  std::string text_;
  std::thread reader_;  // a terminal's buffer is 4 KiB: a child that shows more waits
};

inline std::string contents_of(std::FILE* file) {
  std::string text;
  std::rewind(file);
  for (int c; (c = std::fgetc(file)) != EOF;) text += char(c);
  std::fclose(file);
  return text;
}

inline ToolRun run_program(const std::string& program_path, std::vector<std::string> args,
                           const ToolPlace& place = {}) {
  std::FILE* const out = std::tmpfile();
  std::FILE* const err = std::tmpfile();
  std::optional<Terminal> terminal;
  ToolProcess how{place.folder, place.input, fileno(out), fileno(err)};
  if (!place.output.empty()) how.out = open(place.output.c_str(), O_WRONLY | O_CLOEXEC);
  if (place.terminal || place.screen) how.err = terminal.emplace().theirs();
  if (place.screen) how.out = how.err;
  ToolRun run;
  run.code = exit_code_of(start_program(program_path, std::move(args), how), place.limit_s);
  if (!place.output.empty()) ::close(how.out);
  run.out = contents_of(out);
  run.err = contents_of(err);
  if (terminal) (place.screen ? run.out : run.err) = terminal->read_and_close();
  return run;
}

inline ToolRun run_tool(const std::string& name, std::vector<std::string> args, const ToolPlace& place = {}) {
  return run_program(program(name), std::move(args), place);
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
