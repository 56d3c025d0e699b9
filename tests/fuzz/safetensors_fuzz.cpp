// libFuzzer target: whatever the bytes, SafeTensors gives tensors that lie inside them, or throws Exit::bad_data with
// one printable line that begins with the file's name. Longer than the test does: safetensors_fuzz -max_total_time=600
// DIR
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "engine/state.h"

namespace {

void require(bool holds, const std::string& what) {
  if (holds) return;
  std::cerr << "safetensors_fuzz: " << what << '\n';
  std::abort();
}

void expect_refusal(const md::Error& error) {
  const std::string what = error.what();
  require(error.code() == md::Exit::bad_data, "exit code of: " + what);
  require(what.starts_with("file: ") && what.size() < 1000, "not a message about the file: " + what);
  require(std::ranges::none_of(what, [](unsigned char c) { return c < 0x20 || c == 0x7f; }), "not one line: " + what);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const md::SafeTensors file = md::SafeTensors::parse({data, data + size}, "file");
    std::size_t bytes = 0;
    for (const auto& [name, entry] : file.entries()) {
      bytes += entry.bytes;
      require(file.numbers(name).size() == std::size_t(entry.shape.numel()), "numbers of " + name);
    }
    require(bytes < size, "more bytes than the file has");
    for (const auto& [name, tensor] : file.state())
      require(tensor.shape() == file.entry(name).shape, "shape of " + name);
  } catch (const md::Error& error) {
    expect_refusal(error);
  }
  return 0;
}
