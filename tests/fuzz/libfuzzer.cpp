// The entry that libFuzzer calls.
#include <cstdint>

#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  md::test::fuzz_and_check({reinterpret_cast<const char*>(data), size});
  return 0;
}
