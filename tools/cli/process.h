// Runs a program as a child process and measures it.
#pragma once
#include <string>
#include <vector>

namespace md {

/// What is known of a process that has ended.
struct Finished {
  int exit_code = 0;   // 128 + signal if one ended it
  std::string output;  // its stdout; stderr is shared with the parent
  double peak_mb = 0;  // largest resident set (ru_maxrss), in 10^6 bytes
};

/// Finds `command[0]` on the PATH and waits for its end. Throws ErrorKind::missing if it cannot be started.
Finished run_process(const std::vector<std::string>& command);

}  // namespace md
