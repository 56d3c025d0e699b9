// Whatever the bytes, SafeTensors gives tensors that lie inside them, or refuses. Seeds: every dtype, every kind of
// entry, and headers that are nearly right.
#include <cstring>

#include "engine/safetensors.h"
#include "tests/fuzz/fuzz.h"

namespace md::test {
namespace {

std::string file_of(const std::string& header, const std::string& data = "") {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + data;
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  std::vector<std::string> seeds = {
      file_of("{}"),
      file_of(R"({"__metadata__":{"format":"pt","step":"7"}}   )"),
      file_of(R"({"__metadata__":{"sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},)"
              R"("abc":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})",
              "abc"),
      file_of(R"({"none":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]}})"),
      file_of(R"({"a.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
              R"("a.n":{"dtype":"I64","shape":[],"data_offsets":[8,16]}})",
              "01234567\1\0\0\0\0\0\0\0"),
      file_of(R"({"\u0078\n":{"dtype":"U8","shape":[-1,1e3],"data_offsets":[4,0,{}]},"x":null,"x":[true]})"),
  };
  const std::vector<std::pair<std::string, std::size_t>> dtypes = {
      {"F32", 4}, {"F64", 8}, {"F16", 2}, {"BF16", 2}, {"I64", 8}, {"I32", 4}, {"U16", 2}, {"U8", 1}, {"BOOL", 1}};
  for (const auto& [dtype, bytes] : dtypes)
    seeds.push_back(file_of(
        "{\"x\":{\"dtype\":\"" + dtype + "\",\"shape\":[2],\"data_offsets\":[0," + std::to_string(2 * bytes) + "]}}",
        std::string(2 * bytes, '\x7f')));
  return seeds;
}

void fuzz_one(const std::string& bytes) {
  const SafeTensors file = SafeTensors::parse({bytes.begin(), bytes.end()}, "file");
  std::size_t used = 0;
  for (const auto& [name, entry] : file.entries()) {
    used += entry.bytes;
    require(file.numbers(name).size() == std::size_t(entry.shape.numel()), "numbers of " + name);
  }
  require(used < bytes.size(), "more bytes than the file has");
  for (const auto& [name, tensor] : file.state()) require(tensor.shape() == file.entry(name).shape, "shape of " + name);
}

}  // namespace md::test
