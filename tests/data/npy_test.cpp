// .npy files as NumPy writes them, and what is refused.
#include "data/npy.h"

#include <cstring>

#include "tests/data/data_files.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

using test::fails;

/// A file of version `major`: its header, and data of that many bytes.
std::string npy(const std::string& dictionary, const std::string& data, char major = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += major;
  bytes += '\0';
  const std::size_t size = dictionary.size();
  bytes += {char(size & 0xFF), char(size >> 8)};
  if (major > 1) bytes.append(2, '\0');
  return bytes + dictionary + data;
}

template <class Value>
std::string raw(const std::vector<Value>& values) {
  std::string bytes(values.size() * sizeof(Value), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

class NpyTest : public test::DataFolder {
 protected:
  Tensor read(const std::string& bytes) const { return read_npy(write("map.npy", bytes)); }
  ::testing::AssertionResult refused(const std::string& bytes, const std::string& part) const {
    return fails([&] { read(bytes); }, ErrorKind::bad_data, part);
  }
  const std::vector<float> six_ = {1, 2, 3, 4, 5, 6.5};
  const std::string data_ = raw(six_);
};

TEST_F(NpyTest, ReadsWhatItWrites) {
  const Tensor map = test::random_tensor({5, 7}, 1);
  const std::string bytes = to_npy(map);
  EXPECT_EQ((bytes.size() - map.bytes()) % 64, 0U);
  const Tensor back = read(bytes);
  EXPECT_EQ(back.shape(), map.shape());
  EXPECT_EQ(back.to_host(), map.to_host());
}

TEST_F(NpyTest, ReadsWhatNumPyWrites) {
  const std::string float32 = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }         \n";
  const std::string float64 = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }\n";
  for (const char major : {char(1), char(2), char(3)})
    EXPECT_EQ(read(npy(float32, data_, major)).to_host(), six_) << int(major);
  EXPECT_EQ(read(npy(float64, raw(std::vector<double>(six_.begin(), six_.end())))).to_host(), six_);
  for (const char* shape : {"(1, 2, 3)", "(2, 3, 1)", "(1, 1, 2, 3)", "(1, 2, 3, 1)"}) {
    const Tensor map = read(npy(cat("{'descr': '<f4', 'fortran_order': False, 'shape': ", shape, ", }\n"), data_));
    EXPECT_EQ(map.shape(), Shape({2, 3})) << shape;
    EXPECT_EQ(map.to_host(), six_) << shape;
  }
}

TEST_F(NpyTest, RefusesEverythingElse) {
  const auto header = [](const std::string& type, const std::string& order, const std::string& shape) {
    return "{'descr': '" + type + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
  };
  const std::string good = header("<f4", "False", "(2, 3)");
  EXPECT_TRUE(fails([&] { read_npy(path("none.npy")); }, ErrorKind::missing, "none.npy: no such file"));
  EXPECT_TRUE(fails([&] { read_npy(path("")); }, ErrorKind::bad_data, "not a file"));
  EXPECT_TRUE(refused("", "map.npy: not a .npy file"));
  EXPECT_TRUE(refused("PK\x03\x04 an .npz archive", "not a .npy file"));
  EXPECT_TRUE(refused(npy(good, data_).substr(0, 30), "header is damaged"));
  EXPECT_TRUE(refused(npy(good, data_, 4), "header is damaged"));
  EXPECT_TRUE(refused(npy(std::string(60000, ' '), data_), "header is damaged"));
  EXPECT_TRUE(refused(npy("{}\n", data_), "no 'descr'"));
  EXPECT_TRUE(refused(npy("{'descr': '<f4'", data_), "values of type"));
  EXPECT_TRUE(refused(npy(header("|u1", "False", "(2, 3)"), data_), "values of type '|u1', wanted '<f4' or '<f8'"));
  EXPECT_TRUE(refused(npy(header(">f4", "False", "(2, 3)"), data_), "'>f4'"));
  EXPECT_TRUE(refused(npy(header("<f4", "True", "(2, 3)"), data_), "in Fortran's order"));
  EXPECT_TRUE(refused(npy(good, data_.substr(1)), "not the 24 bytes of data"));
  EXPECT_TRUE(refused(npy(good, data_ + "x"), "not the 24 bytes of data"));
  for (const char* shape :
       {"()", "(6,)", "(2, 3, 2)", "(0, 3)", "(-2, -3)", "(16385, 1)", "(8192, 8192)", "(99999999999999999999, 3)"}) {
    EXPECT_TRUE(refused(npy(header("<f4", "False", shape), data_), "is no map")) << shape;
  }
}

}  // namespace
}  // namespace md
