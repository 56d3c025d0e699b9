// Runs one of the binaries as a user would, without a shell, and gives back what it said.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

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

/// `output`: where stdout goes instead of into `out`, e.g. /dev/full.
inline ToolRun run_tool(const std::string& name, std::vector<std::string> args, const std::string& output = "",
                        int limit_s = 300) {
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
  if (!output.empty()) posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, output.c_str(), O_WRONLY, 0);

  args.insert(args.begin(), std::string(MD_BIN_DIR "/") + name);
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  setenv("OMP_NUM_THREADS", "1",
         0);  // for tiny frames, threads of tests that run side by side only wait for each other
  pid_t pid = 0;
  ToolRun run;
  if (posix_spawn(&pid, argv[0], &files, nullptr, argv.data(), environ) == 0) {
    run.code = exit_code_of(pid, limit_s);
  }
  posix_spawn_file_actions_destroy(&files);
  run.out = contents(out);
  run.err = contents(err);
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
