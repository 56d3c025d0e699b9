// write_seeds DIR: the files that safetensors_fuzz begins from.
#include <filesystem>
#include <fstream>

#include "tests/fuzz/safetensors_seeds.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  int number = 0;
  for (const std::string& seed : md::test::safetensors_seeds()) {
    std::ofstream file(folder / std::to_string(number++), std::ios::binary);
    file << seed;
    if (!file.flush()) return 1;
  }
}
