// What a piece of code throws, as a value.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include "engine/check.h"

namespace md::test {

struct Caught {
  std::optional<ErrorKind> kind = {};  // nothing: no md::Error was thrown
  std::string what = {};
};
inline Caught caught(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  }
  return {};
}

/// EXPECT_TRUE(fails(run, ErrorKind::bad_data, "part of the message")): one line that has the part.
inline ::testing::AssertionResult fails(const std::function<void()>& run, ErrorKind kind, const std::string& part) {
  const Caught got = caught(run);
  if (!got.kind) return ::testing::AssertionFailure() << "nothing was thrown; wanted \"" << part << "\"";
  if (*got.kind == kind && got.what.find(part) != std::string::npos && got.what.find('\n') == std::string::npos) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "kind " << int(*got.kind) << ", \"" << got.what << "\"; wanted kind "
                                       << int(kind) << " and \"" << part << "\"";
}

}  // namespace md::test
