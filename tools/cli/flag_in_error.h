// The name of an option in the errors of rooms that know no command line.
#pragma once
#include <string>
#include <utility>

#include "engine/check.h"

namespace md {

/// Calls `body` and returns what it does; an Error of this kind gets "FLAG: " in front.
template <class Body>
auto with_flag(const std::string& flag, ErrorKind kind, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const Error& error) {
    if (error.kind() != kind) throw;
    fail(kind, flag, ": ", error.what());
  }
}

}  // namespace md
