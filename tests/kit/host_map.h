// A map [N,H,W,C] of doubles on the host: what the definitions in the layer tests are written on.
#pragma once
#include <vector>

#include "tests/kit/array.h"
#include "tests/kit/testing.h"

namespace md::test {

using HostMap = Array;

/// What the op says about bad arguments; fails the test if it says nothing.
template <class F>
std::string error_of(const F& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return {};
}

#define EXPECT_ERROR(call, text) EXPECT_NE(::md::test::error_of([&] { (void)(call); }).find(text), std::string::npos)

}  // namespace md::test
