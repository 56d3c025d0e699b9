// Errors. Every public entry checks its arguments and throws md::Error with a kind, the op, the values and the place.
// Backends trust their callers.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace md {

/// What went wrong, for whoever catches it (the tools make an exit code of it, tools/cli/exit_code.h).
enum class ErrorKind {
  usage,         // a value that the caller chose is not allowed
  bad_data,      // a file or tensor that is there but wrong
  missing,       // a file that is not there
  no_device,     // no usable GPU, or a processor that lacks what was asked of it
  not_finite,    // NaN or infinity where numbers must be finite
  contract,      // a promise between parts of the program was broken, or the system refused memory or threads
  cannot_write,  // output refused
};

/// What every part of the program throws: one line for the user, and its kind.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

/// Everything streamed into one string: cat("conv2d: input ", shape, " has ", c, " channels").
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Throws md::Error with everything streamed into one line.
template <class... Parts>
[[noreturn]] void fail(ErrorKind kind, const Parts&... parts) {
  throw Error(kind, cat(parts...));
}

}  // namespace md

/// Throws md::Error (ErrorKind::contract, with file:line) unless `condition` holds. For contracts between parts of the
/// program.
#define MD_CHECK(condition, ...)                                                                         \
  do {                                                                                                   \
    if (!(condition)) [[unlikely]]                                                                       \
      ::md::fail(::md::ErrorKind::contract, ::md::cat(__VA_ARGS__), " (", __FILE__, ":", __LINE__, ")"); \
  } while (false)
