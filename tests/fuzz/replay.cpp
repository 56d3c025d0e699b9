// NAME_replay: the target's seeds, their cuts and their single-bit errors, without a fuzzer. NAME_replay DIR: writes
// the seeds into a folder, for a fuzzer to begin from.
#include <filesystem>
#include <fstream>

#include "tests/fuzz/fuzz.h"

namespace {

constexpr std::size_t most_inputs = 20'000;  // of a seed's cuts and errors evenly spread ones, if there are more in all

void replay(const std::vector<std::string>& seeds) {
  std::size_t inputs = 0;
  for (const std::string& seed : seeds) inputs += 9 * seed.size();
  const std::size_t step = inputs / most_inputs + 1;
  for (const std::string& seed : seeds) {
    md::test::fuzz_and_check(seed);
    for (std::size_t cut = 0; cut < seed.size(); cut += step) md::test::fuzz_and_check(seed.substr(0, cut));
    for (std::size_t bit = 0; bit < 8 * seed.size(); bit += step) {
      std::string flipped = seed;
      flipped[bit / 8] = char(flipped[bit / 8] ^ (1 << bit % 8));
      md::test::fuzz_and_check(flipped);
    }
  }
}

bool write(const std::vector<std::string>& seeds, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    std::ofstream file(folder / std::to_string(i), std::ios::binary);
    file << seeds[i];
    if (!file.flush()) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> seeds = md::test::fuzz_seeds();
  if (argc > 1) return write(seeds, argv[1]) ? 0 : 1;
  replay(seeds);
}
