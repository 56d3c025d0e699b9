// .npy files as NumPy writes them, and what is refused.
#include "data/npy.h"

#include <cmath>

#include "data/depth_map.h"
#include "tests/data/data_files.h"
#include "tests/data/map_files.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

using test::fails;
using test::npy_header;
using test::npy_of;
using test::npy_with;
using test::raw;
using test::swapped;
using Floats = std::vector<float>;

class NpyTest : public test::DataFolder {
 protected:
  FloatMap read(const std::string& bytes) const { return read_depth_map(write("map.npy", bytes)); }
  ::testing::AssertionResult refused(const std::string& bytes, const std::string& part) const {
    return fails([&] { read(bytes); }, ErrorKind::bad_data, part);
  }
  const Floats six_ = {1, 2, 3, 4, 5, 6.5};
  const std::string data_ = raw(six_);
};

TEST_F(NpyTest, ReadsWhatItWrites) {
  const Tensor map = test::random_tensor({5, 7}, 1);
  const std::string bytes = to_npy(map);
  EXPECT_EQ((bytes.size() - map.bytes()) % 64, 0U);
  const FloatMap back = read(bytes);
  EXPECT_EQ(back.height, 5);
  EXPECT_EQ(back.width, 7);
  EXPECT_EQ(back.pixels, map.to_host());
}

TEST_F(NpyTest, ReadsWhatNumPyWrites) {
  const std::string float32 = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }         \n";
  const std::string float64 = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }\n";
  for (const char major : {char(1), char(2), char(3)})
    EXPECT_EQ(read(npy_with(float32, data_, major)).pixels, six_) << int(major);
  EXPECT_EQ(read(npy_with(float64, raw(std::vector<double>(six_.begin(), six_.end())))).pixels, six_);
  for (const char* shape : {"(1, 2, 3)", "(2, 3, 1)", "(1, 1, 2, 3)", "(1, 2, 3, 1)", "(2L, 3L)"}) {
    const FloatMap map = read(npy_of("<f4", shape, data_));
    EXPECT_EQ(map.height, 2) << shape;
    EXPECT_EQ(map.width, 3) << shape;
    EXPECT_EQ(map.pixels, six_) << shape;
  }
}

template <class Value>
std::string whole(const Floats& values) {
  return raw(std::vector<Value>(values.begin(), values.end()));
}

TEST_F(NpyTest, ReadsEveryKindOfNumberInBothByteOrders) {
  const Floats values = {0, 1, 2, 100, 126, 127};
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {"i1", whole<std::int8_t>(values)},   {"u1", whole<std::uint8_t>(values)},  {"b1", whole<std::uint8_t>(values)},
      {"i2", whole<std::int16_t>(values)},  {"u2", whole<std::uint16_t>(values)}, {"i4", whole<std::int32_t>(values)},
      {"u4", whole<std::uint32_t>(values)}, {"i8", whole<std::int64_t>(values)},  {"u8", whole<std::uint64_t>(values)},
      {"f4", whole<float>(values)},         {"f8", whole<double>(values)}};
  for (const auto& [type, data] : kinds) {
    const std::size_t size = data.size() / values.size();
    for (const std::string order : {"<", ">"}) {
      const FloatMap map =
          read(npy_of((size == 1 ? "|" : order) + type, "(3, 2)", order == "<" ? data : swapped(data, size)));
      EXPECT_EQ(map.pixels, values) << order << type;
      EXPECT_EQ(map.integers, type[0] != 'f') << type;
    }
  }
  EXPECT_EQ(read(npy_of("<i2", "(1, 2)", whole<std::int16_t>({-7, 32767}))).pixels, (Floats{-7, 32767}));
  EXPECT_EQ(read(npy_of("<u2", "(1, 2)", raw(std::vector<std::uint16_t>{65535, 32768}))).pixels,
            (Floats{65535, 32768}));
}

TEST_F(NpyTest, ReadsHalfFloats) {
  // 1, -2, the largest, the least normal, the least of all, infinity, NaN, 0: IEEE 754's table.
  const std::vector<std::uint16_t> bits = {0x3C00, 0xC000, 0x7BFF, 0x0400, 0x0001, 0x7C00, 0x7E00, 0x8000};
  for (const bool big : {false, true}) {
    const std::string data = big ? swapped(raw(bits), 2) : raw(bits);
    const Floats got = read(npy_of(big ? ">f2" : "<f2", "(2, 4)", data)).pixels;
    EXPECT_EQ(Floats(got.begin(), got.begin() + 5), (Floats{1, -2, 65504, 0x1p-14F, 0x1p-24F}));
    EXPECT_TRUE(std::isinf(got[5]));
    EXPECT_TRUE(std::isnan(got[6]));
    EXPECT_EQ(got[7], 0.F);
  }
}

TEST_F(NpyTest, ReadsColumnAfterColumn) {
  const Floats columns = {1, 4, 2, 5, 3, 6};  // of 1 2 3 over 4 5 6
  for (const char* shape : {"(2, 3)", "(1, 2, 3)", "(2, 3, 1)"})
    EXPECT_EQ(read(npy_with(npy_header("<f4", shape, "True"), raw(columns))).pixels, (Floats{1, 2, 3, 4, 5, 6}))
        << shape;
}

TEST_F(NpyTest, KeepsWhatIsNotFinite) {
  const FloatMap map = read(npy_of("<f8", "(1, 3)", raw(std::vector<double>{NAN, -INFINITY, 1e300})));
  EXPECT_TRUE(std::isnan(map.pixels[0]));
  EXPECT_EQ(map.pixels[1], -INFINITY);
  EXPECT_EQ(map.pixels[2], INFINITY) << "beyond what a float can hold";
}

/// More values than are converted at once.
TEST_F(NpyTest, ReadsLargeMaps) {
  std::vector<std::uint32_t> values(300 * 700);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::uint32_t(i);
  const FloatMap map = read(npy_of("<u4", "(300, 700)", raw(values)));
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(map.pixels[i], float(i));
}

TEST_F(NpyTest, RefusesEverythingElse) {
  const std::string good = npy_header("<f4", "(2, 3)");
  EXPECT_TRUE(fails([&] { read_depth_map(path("none.npy")); }, ErrorKind::missing, "none.npy: no such file"));
  EXPECT_TRUE(fails([&] { read_depth_map(path("")); }, ErrorKind::bad_data, "not a file"));
  EXPECT_TRUE(refused("", "map.npy: not a .npy file"));
  EXPECT_TRUE(refused("\x93NUMPX and so on", "not a .npy file"));
  EXPECT_TRUE(refused(npy_with(good, data_).substr(0, 7), "not a .npy file"));
  EXPECT_TRUE(refused(npy_with(good, data_).substr(0, 30), "header is damaged"));
  EXPECT_TRUE(refused(npy_with(good, data_, 4), "header is damaged"));
  EXPECT_TRUE(refused(npy_with(std::string(60000, ' '), data_), "header is damaged"));
  EXPECT_TRUE(refused(npy_with("{}\n", data_), "no 'descr'"));
  EXPECT_TRUE(refused(npy_with("{'descr': '<f4'", data_), "values of type"));
  for (const char* type : {"<c8", "<f9", "<U6", "|O", "|f4", "<u1", "=f4", "<f16", "[('z', '<f4')]"})
    EXPECT_TRUE(refused(npy_of(type, "(2, 3)", data_), "values of type '")) << type;
  EXPECT_TRUE(refused(npy_with(npy_header("<f4", "(2, 3)", "Maybe"), data_), "header is damaged"));
  EXPECT_TRUE(refused(npy_with(good, data_.substr(1)), "not the 24 bytes of data"));
  EXPECT_TRUE(refused(npy_with(good, data_ + "x"), "not the 24 bytes of data"));
  for (const char* shape :
       {"()", "(6,)", "(2, 3, 2)", "(0, 3)", "(-2, -3)", "(16385, 1)", "(8192, 8192)", "(99999999999999999999, 3)"}) {
    EXPECT_TRUE(refused(npy_of("<f4", shape, data_), "is no map")) << shape;
  }
}

}  // namespace
}  // namespace md
