// posix_spawn, a pipe for stdout, and wait4 for the resources used.
#include "tools/cli/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "engine/check.h"

namespace md {
namespace {

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> block;
  for (ssize_t n; (n = read(fd, block.data(), block.size())) != 0;) {
    if (n > 0) text.append(block.data(), std::size_t(n));
    if (n < 0 && errno != EINTR) break;
  }
  return text;
}

}  // namespace

Finished run_process(const std::vector<std::string>& command) {
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) fail(ErrorKind::contract, "pipe: ", std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);

  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t child = 0;
  const int error = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);

  Finished done;
  if (error == 0) done.output = read_all(pipe_ends[0]);
  close(pipe_ends[0]);
  if (error != 0) fail(ErrorKind::missing, command[0], ": cannot be started: ", std::strerror(error));
  int status = 0;
  rusage usage{};
  while (wait4(child, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  done.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  done.peak_mb = double(usage.ru_maxrss) * 1024 / 1e6;
  return done;
}

}  // namespace md
