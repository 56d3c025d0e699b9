// Processes that a test starts: the programs of tools/, without a shell, and how a child ended.
#pragma once
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "engine/check.h"
#include "tests/kit/testing.h"
#include "tests/kit/wait.h"

extern char** environ;

namespace md::test {

/// Waits for the child, and kills it after `limit_s` seconds: nothing that a test runs may hang. Its exit status;
/// 128 + signal where one ended it.
inline int exit_code_of(pid_t child, double limit_s) {
  int status = 0;
  if (!wait_until([&] { return waitpid(child, &status, WNOHANG) != 0; }, limit_s)) {
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct ToolProcess {
  std::string folder = {};  // where it runs, instead of the test's own
  std::string in = {};      // file that is stdin, instead of the test's own
  int out = -1, err = -1;   // descriptors; negative: what is written there is thrown away
};

/// Starts a program by its path. Throws where it cannot be started.
inline pid_t start_program(const std::string& path, std::vector<std::string> args, const ToolProcess& how = {}) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  const auto connect = [&](int given, int stream) {
    if (given >= 0) {
      posix_spawn_file_actions_adddup2(&files, given, stream);
    } else {
      posix_spawn_file_actions_addopen(&files, stream, "/dev/null", O_WRONLY, 0);
    }
  };
  connect(how.out, STDOUT_FILENO);
  connect(how.err, STDERR_FILENO);
  if (!how.folder.empty()) posix_spawn_file_actions_addchdir_np(&files, how.folder.c_str());
  if (!how.in.empty()) posix_spawn_file_actions_addopen(&files, STDIN_FILENO, how.in.c_str(), O_RDONLY, 0);

  args.insert(args.begin(), path);
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  setenv("OMP_NUM_THREADS", "1", 0);  // on tiny frames, threads of tests side by side only wait for each other
  pid_t child = 0;
  const int error = posix_spawn(&child, argv[0], &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) fail(ErrorKind::missing, args[0], ": cannot be started");
  return child;
}

/// Starts a program of tools/. Throws where it cannot be started.
inline pid_t start_tool(const std::string& name, std::vector<std::string> args, const ToolProcess& how = {}) {
  return start_program(program(name), std::move(args), how);
}

}  // namespace md::test
