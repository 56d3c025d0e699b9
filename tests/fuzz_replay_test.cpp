// The fuzz targets without a fuzzer: their seeds, and every cut and every flipped bit of them. What a fuzzer finds
// becomes a seed.
#include <gtest/gtest.h>

#include "tests/fuzz/safetensors_seeds.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);  // aborts where a promise is broken

namespace md {
namespace {

void replay(const std::string& bytes) {
  ASSERT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()), 0);
}

TEST(FuzzReplayTest, Safetensors) {
  for (const std::string& seed : test::safetensors_seeds()) {
    replay(seed);
    for (std::size_t cut = 0; cut < seed.size(); ++cut) replay(seed.substr(0, cut));
    for (std::size_t bit = 0; bit < 8 * seed.size(); ++bit) {
      std::string flipped = seed;
      flipped[bit / 8] = char(flipped[bit / 8] ^ (1 << bit % 8));
      replay(flipped);
    }
  }
}

}  // namespace
}  // namespace md
