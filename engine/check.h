// Errors. Every public entry checks its arguments and throws md::Error with the op, the values and the place;
// tools turn the error into one line on stderr and an exit code. Backends trust their callers.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace md {

/// Exit codes of the tools (sysexits numbers where one fits).
enum class Exit : int {
  ok = 0,
  usage = 2,           // unknown flag, bad value
  bad_data = 65,       // a file that is there but wrong
  missing_input = 66,  // a file that is not there
  no_device = 69,      // no usable GPU, or a processor that lacks what was asked of it
  numeric = 70,        // non-finite values, or an internal contract broken
  cannot_write = 73,   // output refused
  stopped = 75,        // signal, with a checkpoint
};

class Error : public std::runtime_error {
 public:
  Error(Exit code, const std::string& what) : std::runtime_error(what), code_(code) {}
  Exit code() const { return code_; }

 private:
  Exit code_;
};

/// Everything streamed into one string: cat("conv2d: input ", shape, " has ", c, " channels").
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <class... Parts>
[[noreturn]] void fail(Exit code, const Parts&... parts) {
  throw Error(code, cat(parts...));
}

}  // namespace md

/// Throws md::Error (Exit::numeric, with file:line) unless `condition` holds. For contracts between parts of the
/// program.
#define MD_CHECK(condition, ...)                                                                   \
  do {                                                                                             \
    if (!(condition)) [[unlikely]]                                                                 \
      ::md::fail(::md::Exit::numeric, ::md::cat(__VA_ARGS__), " (", __FILE__, ":", __LINE__, ")"); \
  } while (false)
