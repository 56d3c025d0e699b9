// safetensors: what is written comes back, and every way of breaking the format is refused by name.
#include "engine/safetensors.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "engine/bf16.h"
#include "engine/durable_file.h"
#include "tests/kit/test_folder.h"

namespace md {
namespace {

namespace fs = std::filesystem;

/// A file image: length, header, `data` zero bytes.
std::string image(const std::string& header, std::size_t data = 0) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + std::string(data, '\0');
}

/// One F32 tensor named x whose header entry is `fields`.
std::string one(const std::string& fields, std::size_t data = 0) { return image("{\"x\":{" + fields + "}}", data); }

using SafeTensorsTest = test::TestFolder;

State example() {
  State state;
  state["b.weight"] = Tensor::from_host(std::vector<float>{1.5F, -2.F, 0.F, 3e-39F, 1e30F, -0.F}, Shape{2, 3});
  state["a.steps"] = Tensor::empty({}, {}, DType::i32);
  *state["a.steps"].data<std::int32_t>() = -7;
  state["mask"] = Tensor::empty({3}, {}, DType::u8);
  std::memcpy(state["mask"].raw(), "\x00\x01\xff", 3);
  state["half"] = Tensor::empty({1}, {}, DType::bf16);
  *state["half"].data<bf16>() = 1.5F;
  state["none"] = Tensor::empty({0, 4});
  return state;
}

TEST_F(SafeTensorsTest, RoundTripKeepsEveryBit) {
  write_safetensors(path("s"), example(), {{"config", "{\"a\": \"\\u00e9\"}"}});
  const SafeTensors file = SafeTensors::read(path("s"));
  EXPECT_EQ(file.metadata().at("config"), "{\"a\": \"\\u00e9\"}");
  EXPECT_EQ(file.entry("a.steps").dtype, "I64");
  const State expected = example(), found = file.state();
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_EQ(found.at(name).shape(), tensor.shape()) << name;
    ASSERT_EQ(found.at(name).dtype(), tensor.dtype()) << name;
    if (tensor.bytes() == 0) continue;
    EXPECT_EQ(std::memcmp(found.at(name).raw(), tensor.raw(), tensor.bytes()), 0) << name;
  }
  EXPECT_EQ(file.numbers("half"), std::vector<double>{1.5});
  EXPECT_EQ(file.numbers("mask"), (std::vector<double>{0, 1, 255}));
  EXPECT_EQ(file.state("b.").count("weight"), 1U);
  EXPECT_EQ(file.state("b.").size(), 1U);
}

TEST_F(SafeTensorsTest, EqualStatesGiveEqualFiles) {
  write_safetensors(path("s1"), example(), {{"k", "v"}, {"j", "w"}});
  write_safetensors(path("s2"), example(), {{"j", "w"}, {"k", "v"}});
  EXPECT_EQ(bytes_of(path("s1")), bytes_of(path("s2")));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2) << "a temporary file was left behind";
}

TEST_F(SafeTensorsTest, CarriesTheSha256OfItsDataAndRefusesOthers) {
  State abc;
  abc["abc"] = Tensor::empty({3}, {}, DType::u8);
  std::memcpy(abc["abc"].raw(), "abc", 3);
  write_safetensors(path("s"), abc, {{"sha256", "another file's"}});
  EXPECT_EQ(SafeTensors::read(path("s")).metadata().at("sha256"),  // FIPS 180-4's own example
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  std::string bytes = bytes_of(path("s"));
  bytes.back() = char(bytes.back() ^ 1);
  const test::Caught error = test::caught([&] { SafeTensors::parse(bytes, "flipped"); });
  EXPECT_EQ(error.kind, ErrorKind::bad_data);
  EXPECT_TRUE(error.what.starts_with("flipped: damaged: the data do not have the SHA-256")) << error.what;
}

TEST_F(SafeTensorsTest, ReadsHalves) {
  // Zero, one, the least and the largest subnormal, the least and the largest normal number, a third, infinity.
  const std::vector<std::uint16_t> bits = {0x8000, 0x3c00, 0x0001, 0x83ff, 0x0400, 0xfbff, 0x3555, 0x7c00};
  const std::vector<double> want = {-0.0,    1,      0x1p-24,        -1023 * 0x1p-24,
                                    0x1p-14, -65504, 1365 * 0x1p-12, std::numeric_limits<double>::infinity()};
  std::string bytes = image(R"({"h":{"dtype":"F16","shape":[8],"data_offsets":[0,16]},)"
                            R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[16,20]},)"
                            R"("n":{"dtype":"F16","shape":[],"data_offsets":[20,22]}}  )",
                            22);
  char* data = bytes.data() + bytes.size() - 22;
  std::memcpy(data, bits.data(), 16);
  std::memcpy(data + 16, "\xc0\x3f\x00\xc0\x01\xfe", 6);
  const SafeTensors file = SafeTensors::parse(bytes, "mem");
  EXPECT_EQ(file.numbers("h"), want);
  EXPECT_TRUE(std::signbit(file.numbers("h")[0]));
  EXPECT_TRUE(std::isnan(file.numbers("n")[0]));
  EXPECT_EQ(file.tensor("h").to_host(), std::vector<float>(want.begin(), want.end()));
  EXPECT_EQ(file.tensor("b").dtype(), DType::bf16);
  EXPECT_EQ(file.weights("n").at("b").to_host(), (std::vector<float>{1.5F, -2.F}));
  EXPECT_EQ(file.weights("n").size(), 2U);
}

TEST_F(SafeTensorsTest, ReadsOtherDtypesAndUnalignedData) {
  // "u" pushes the doubles off their natural alignment.
  std::string bytes = image(
      R"({"u":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"d":{"dtype":"F64","shape":[2],"data_offsets":[1,17]},)"
      R"("w":{"dtype":"U16","shape":[1],"data_offsets":[17,19]},"big":{"dtype":"I64","shape":[1],"data_offsets":[19,27]}}  )",
      27);
  const double values[2] = {0.25, -8};
  const std::int64_t big = std::int64_t{1} << 40;
  char* data = bytes.data() + bytes.size() - 27;
  std::memcpy(data + 1, values, 16);
  std::memcpy(data + 17, "\xff\xff", 2);
  std::memcpy(data + 19, &big, 8);
  const SafeTensors file = SafeTensors::parse(bytes, "mem");
  EXPECT_EQ(file.tensor("d").to_host(), (std::vector<float>{0.25F, -8.F}));
  EXPECT_EQ(*file.tensor("w").data<std::int32_t>(), 65535);
  EXPECT_EQ(file.numbers("big"), std::vector<double>{double(big)});
  const test::Caught error = test::caught([&] { file.tensor("big"); });
  EXPECT_EQ(error.kind, ErrorKind::bad_data);
  EXPECT_NE(error.what.find("'big'"), error.what.npos) << error.what;
  EXPECT_EQ(test::caught([&] { file.tensor("absent"); }).kind, ErrorKind::bad_data);
}

TEST_F(SafeTensorsTest, RefusesHostileFiles) {
  struct Hostile {
    std::string bytes, says;
  };
  const std::string x4 = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])";
  const std::string good = one(x4, 4);
  ASSERT_EQ(test::caught([&] { SafeTensors::parse(good, "f"); }).kind, std::nullopt);
  const std::vector<Hostile> files = {
      {"", "too short"},
      {std::string("\x02\0\0\0", 4), "too short"},
      {good.substr(0, good.size() - 1), "cover"},
      {good + "!", "cover"},
      {image("{}", 1), "cover"},
      {good.substr(0, 20), "header of"},
      {std::string(8, '\xff') + "{}", "header of"},
      {std::string("\0\0\0\0\0\0\0\x80{}", 10), "header of"},                                     // 2^63
      {std::string("\x01\xe1\xf5\x05\0\0\0\0", 8) + std::string(100'000'001, ' '), "header of"},  // 100 MB + 1
      {image(""), "begin with"},
      {image(" {}"), "begin with"},
      {image("[]"), "begin with"},
      {image("{\"x\":"), "header"},
      {image("{} x"), "header"},
      {image(std::string("{}\0", 3)), "NUL"},
      {image("{\"\xff\":1}"), "header"},
      {image("{\"x\":1}"), "needs dtype"},
      {image("{\"x\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}"), "nested too deeply"},
      {image("{\"x\":" + std::string(1 << 22, '{')), "header"},
      {image("{\"x\":\"" + std::string(100'000, 'a')), "header"},
      {image("{\"a\\nb\":{" + x4 + "}}", 4), "control characters"},
      {image("{\"" + std::string(100'000, 'a') + "\":{" + x4 + "}}", 4), "too long"},
      {one(R"("dtype":"F32","shape":[1])", 4), "needs dtype"},
      {one(x4 + R"(,"more":1)", 4), "nothing else"},
      {image("{\"x\":{" + x4 + "},\"x\":{" + x4 + "}}", 4), "duplicate"},
      {image("{\"x\":{" + x4 + "},\"\\u0078\":{" + x4 + "}}", 4), "duplicate"},
      {one(R"("dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4])", 4), "duplicate"},
      {one(R"("dtype":"F31","shape":[1],"data_offsets":[0,4])", 4), "dtype"},
      {one(R"("dtype":7,"shape":[1],"data_offsets":[0,4])", 4), "dtype"},
      {one(R"("dtype":"F32","shape":1,"data_offsets":[0,4])", 4), "shape"},
      {one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])", 4), "shape"},
      {one(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])", 4), "shape"},
      {one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])", 4), "want 8 bytes"},
      {one(R"("dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0])"), "overflow"},
      {one(R"("dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4])", 4), "shape"},
      {one(R"("dtype":"F32","shape":[1e300],"data_offsets":[0,4])", 4), "shape"},
      {one(R"("dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,4])", 4), "overflow"},
      {one(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])", 4), "dimensions"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])", 4), "range"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[0])", 4), "range"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])", 8), "hole"},
      {one(R"("dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807])"), "cover"},
      {image(std::string("\x02\0{}", 4)), "begin with"},
      {image("{\"x\":{" + x4 + "},\"y\":{" + x4 + "}}", 4), "overlap"},
      {image(R"({"__metadata__":[]})"), "__metadata__"},
      {image(R"({"__metadata__":{"a":1}})"), "'a'"},
  };
  for (const Hostile& file : files) {
    const test::Caught error = test::caught([&] { SafeTensors::parse(file.bytes, "some/file"); });
    EXPECT_EQ(error.kind, ErrorKind::bad_data) << file.says;
    EXPECT_EQ(error.what.rfind("some/file: ", 0), 0U) << error.what;
    EXPECT_NE(error.what.find(file.says), error.what.npos) << "'" << error.what << "' lacks '" << file.says << "'";
    EXPECT_TRUE(std::ranges::none_of(error.what, [](unsigned char c) { return c < 0x20; })) << error.what;
    EXPECT_LT(error.what.size(), 500U);
  }
}

/// A hundred thousand empty tensors: time and memory follow the header's size.
TEST_F(SafeTensorsTest, ReadsManyTensorsInBoundedTime) {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i)
    header += cat(i ? "," : "", '"', i, R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})");
  const std::clock_t start = std::clock();
  EXPECT_EQ(SafeTensors::parse(image(header + "}"), "many").entries().size(), 100'000U);
  EXPECT_LT(double(std::clock() - start) / CLOCKS_PER_SEC, 60);  // 1 s, 10 under ThreadSanitizer; quadratic: minutes
}

TEST_F(SafeTensorsTest, KeepsNotANumber) {
  const SafeTensors file =
      SafeTensors::parse(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])", 0) + "\1\2\xc0\xff", "f");
  EXPECT_EQ(std::memcmp(file.tensor("x").raw(), "\1\2\xc0\xff", 4), 0) << "the payload of a NaN changed";
}

TEST_F(SafeTensorsTest, NamesUnreadableFiles) {
  EXPECT_EQ(test::caught([&] { SafeTensors::read(path("absent")); }).kind, ErrorKind::missing);
  EXPECT_EQ(test::caught([&] { SafeTensors::read(folder_.string()); }).kind, ErrorKind::bad_data);
}

TEST_F(SafeTensorsTest, FailedWriteLeavesNothingAndKeepsTheOldFile) {
  const test::Caught absent = test::caught([&] { write_file_durably(path("no/such/folder"), "x"); });
  EXPECT_EQ(absent.kind, ErrorKind::cannot_write);
  EXPECT_NE(absent.what.find("no/such/folder"), absent.what.npos) << absent.what;
  fs::create_directories(folder_ / "occupied");
  EXPECT_EQ(test::caught([&] { write_file_durably(path("occupied"), "x"); }).kind, ErrorKind::cannot_write);
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(test::caught([&] { write_file_durably(path("pipe"), "x"); }).kind, ErrorKind::cannot_write);
  EXPECT_TRUE(fs::is_fifo(path("pipe"))) << "replaced by a file, as /dev/null would be";
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2) << "a temporary file was left behind";
  write_file_durably(path("f"), "old");
  write_file_durably(path("f"), "new");
  EXPECT_EQ(bytes_of(path("f")), "new");
}

}  // namespace
}  // namespace md
