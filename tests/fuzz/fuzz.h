// A fuzz target is one file, NAME_fuzz.cpp, that reads bytes as the program does and checks what the reader promises.
// tests/fuzz/libfuzzer.cpp makes a libFuzzer of it, tests/fuzz/replay.cpp a test that needs no fuzzer.
// Longer than the tests do, from the seeds: build/cpu/bin/NAME_fuzz -max_total_time=600 build/cpu/fuzz/NAME
#pragma once
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "engine/check.h"

namespace md::test {

/// What fuzzing begins from: a small file of every kind that the reader tells apart, right and nearly right. What a
/// fuzzer finds becomes one.
std::vector<std::string> fuzz_seeds();

/// Reads `bytes` under the name "file". May throw md::Error as the reader does; ends the program by require() where a
/// promise is broken.
void fuzz_one(const std::string& bytes);

inline void require(bool holds, const std::string& what) {
  if (holds) return;
  std::cerr << "promise broken: " << what << '\n';
  std::abort();
}

/// One printable, short line that begins with the file's name, and the exit code for bad data.
inline void require_refusal(const Error& error) {
  const std::string what = error.what();
  require(error.kind() == ErrorKind::bad_data, "exit code of: " + what);
  require(what.starts_with("file:") && what.size() < 1000, "not a message about the file: " + what);
  require(std::ranges::none_of(what, [](unsigned char c) { return c < 0x20 || c == 0x7F; }), "not one line: " + what);
}

inline void fuzz_and_check(const std::string& bytes) {
  try {
    fuzz_one(bytes);
  } catch (const Error& error) {
    require_refusal(error);
  }
}

}  // namespace md::test
