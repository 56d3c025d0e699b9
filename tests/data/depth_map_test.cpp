// Depth maps of every format, told by their first bytes; .npy alone: npy_test.
#include "data/depth_map.h"

#include <cmath>

#include "data/codecs.h"
#include "data/exr_header.h"
#include "tests/data/data_files.h"
#include "tests/data/map_files.h"

namespace md {
namespace {

using test::fails;
using test::npy_of;
using test::raw;
using test::zip_of;
using test::ZipMember;
using Floats = std::vector<float>;

const Floats kSix = {1, 2, 3, 4, 5, 6.5};  // of two rows
const Floats kOther = {9, 9, 9, 9, 9, 9};

std::string array(const Floats& values = kSix) { return npy_of("<f4", "(2, 3)", raw(values)); }

class DepthMapTest : public test::DataFolder {
 protected:
  /// The name says nothing.
  FloatMap read(const std::string& bytes) const { return read_depth_map(write("map.bin", bytes)); }
  ::testing::AssertionResult refused(const std::string& bytes, const std::string& part) const {
    return fails([&] { read(bytes); }, ErrorKind::bad_data, "map.bin: " + part);
  }
  ::testing::AssertionResult holds(const std::string& bytes, const Floats& want = kSix, int height = 2) const {
    const FloatMap map = read(bytes);
    if (map.height != height || map.height * map.width != int(want.size()) || map.pixels != want)
      return ::testing::AssertionFailure()
             << map.height << "x" << map.width << " " << ::testing::PrintToString(map.pixels);
    return ::testing::AssertionSuccess();
  }
};

TEST_F(DepthMapTest, PngsAreIntegers) {
  const FloatMap map = read(encode_png(DepthImage{2, 2, {0, 1, 1000, 65535}}, "a"));
  EXPECT_EQ(map.pixels, (Floats{0, 1, 1000, 65535}));
  EXPECT_TRUE(map.integers);
  EXPECT_TRUE(refused(test::foreign_png(PNG_FORMAT_GRAY, 2, 2), "this PNG is 8-bit grey"));
}

TEST_F(DepthMapTest, OtherFilesAreRefused) {
  EXPECT_TRUE(fails([&] { read_depth_map(path("none.exr")); }, ErrorKind::missing, "none.exr: no such file"));
  for (const char* bytes : {"", "P", "P5\n1 1\n255\n.", "\xFF\xD8\xFF\xE0", "II*", "1 2 3\n"})
    EXPECT_TRUE(refused(bytes, "not a .npy file, nor .npz, .exr, .pfm or 16-bit PNG")) << bytes;
}

TEST_F(DepthMapTest, NpzWithOneArrayIsThatArray) {
  for (const bool deflated : {false, true}) {
    EXPECT_TRUE(holds(zip_of({{"anything.npy", array(), deflated}})));
    EXPECT_TRUE(holds(zip_of({{"x.npy", array(), deflated}}, true))) << "sizes of 8 bytes";
    EXPECT_TRUE(holds(zip_of({{"readme.txt", "hello"}, {"x.npy", array(), deflated}})));
    EXPECT_TRUE(holds(zip_of({{"x.npy", array(), deflated}})));
  }
  std::string commented = zip_of({{"x.npy", array()}});
  commented.replace(commented.size() - 2, 2,
                    "\x05"
                    "\0hello",
                    7);
  EXPECT_TRUE(holds(commented));
  EXPECT_TRUE(read(zip_of({{"x.npy", npy_of("<u2", "(1, 2)", raw(std::vector<std::uint16_t>{1, 2})), true}})).integers);
}

TEST_F(DepthMapTest, NpzWithSeveralArraysHasOneNamedAsDepth) {
  for (const char* name : {"depth.npy", "pred.npy", "arr_0.npy"}) {
    EXPECT_TRUE(holds(zip_of({{"a.npy", array(kOther)}, {name, array(), true}, {"z.npy", array(kOther)}}))) << name;
  }
  EXPECT_TRUE(
      refused(zip_of({{"gt.npy", array()}, {"mask.npy", array()}}), "2 arrays (gt, mask), wanted is one alone"));
  EXPECT_TRUE(
      refused(zip_of({{"depth.npy", array()}, {"pred.npy", array()}}), "2 arrays (depth, pred), wanted is one"));
  EXPECT_TRUE(refused(zip_of({{"a.txt", "x"}}), "a zip archive without .npy arrays"));
  std::vector<ZipMember> many;
  for (int i = 0; i < 40; ++i) many.push_back({cat("layer", i, ".npy"), array()});
  EXPECT_TRUE(refused(zip_of(many), "40 arrays (layer0, layer1,"));
}

TEST_F(DepthMapTest, DamagedNpzIsRefused) {
  for (const bool deflated : {false, true}) {
    const std::string good = zip_of({{"x.npy", array(), deflated}});
    std::string flipped = good;
    flipped[good.find("PK\x01\x02") - 3] ^= 4;  // in the data
    EXPECT_TRUE(refused(flipped, "x.npy: damaged .npz archive"));
    EXPECT_TRUE(refused(good.substr(0, good.size() - 30), "damaged .npz archive"));
    EXPECT_TRUE(refused(good.substr(0, 20), "damaged .npz archive"));
    std::string other = good;
    other[good.find("PK\x01\x02") + 10] = 93;  // Zstandard
    EXPECT_TRUE(refused(other, "x.npy: packed by method 93"));
    other = good;
    other[good.find("PK\x01\x02") + 8] = 1;
    EXPECT_TRUE(refused(other, "x.npy: encrypted"));
  }
  EXPECT_TRUE(refused(zip_of({{"x.npy", npy_of("<f4", "(8192, 4096)", ""), true}}), "x.npy: not the 134217728 bytes"));
  std::string bomb = zip_of({{"x.npy", npy_of("<f4", "(8192, 4096)", "1234"), true}});
  const std::size_t size_at = bomb.find("PK\x01\x02") + 24;
  const std::uint64_t claimed = npy_of("<f4", "(8192, 4096)", "").size() + (1U << 27);
  bomb.replace(size_at, 4, test::little(claimed, 4));
  EXPECT_TRUE(refused(bomb, "x.npy: damaged .npz archive"));
  EXPECT_TRUE(refused(zip_of({{"x.npy", "hello"}}), "x.npy: not a .npy file"));
}

/// Rows from the bottom up.
TEST_F(DepthMapTest, PfmOfBothByteOrders) {
  const std::string data = raw(Floats{4, 5, 6.5, 1, 2, 3});
  EXPECT_TRUE(holds("Pf\n3 2\n-1.0\n" + data));
  EXPECT_TRUE(holds("Pf\n3 2\n1\n" + test::swapped(data, 4)));
  EXPECT_TRUE(holds("Pf 3 2 -0.00392157\t" + data)) << "the size of the scale is for showing";
  EXPECT_TRUE(holds("Pf\r\n3 2\r\n-1\r\n" + data));
  EXPECT_TRUE(holds("Pf\n3 2\n+1.000000\n" + test::swapped(data, 4)));
  EXPECT_FALSE(read("Pf\n3 2\n-1.0\n" + data).integers);
  EXPECT_TRUE(std::isinf(read("Pf\n1 1\n-1\n" + raw(Floats{INFINITY})).pixels[0])) << "Middlebury's unknown";
}

TEST_F(DepthMapTest, DamagedPfmIsRefused) {
  const std::string data = raw(kSix);
  EXPECT_TRUE(refused("PF\n1 2\n-1\n" + data, "a PFM in colour"));
  for (const char* header : {"Pf", "Pf\n3 x\n-1\n", "Pf\n3 2\n", "Pf\n-3 2\n-1\n", "Pf\n3 2\n-1x\n", "Pf\n3.5 2\n-1\n"})
    EXPECT_TRUE(refused(header, "the PFM header is damaged")) << header;
  for (const char* scale : {"0", "nan", "inf"})
    EXPECT_TRUE(refused(cat("Pf\n3 2\n", scale, "\n", data), "the scale of the PFM is")) << scale;
  EXPECT_TRUE(refused("Pf\n3 2\n-1\n" + data + "x", "not the 24 bytes of data of a PFM of 3x2"));
  EXPECT_TRUE(refused("Pf\n3 2\n-1\n" + data.substr(1), "not the 24 bytes of data"));
  EXPECT_TRUE(refused("Pf\n0 2\n-1\n", "a map of 0x2 pixels"));
  EXPECT_TRUE(refused("Pf\n16385 2\n-1\n", "16385x2 pixels are more than 16384 a side"));
  EXPECT_TRUE(refused("Pf\n8192 8192\n-1\n", "8192x8192 pixels are more than"));
  EXPECT_TRUE(refused("Pf\n4294967297 1\n-1\n", "the PFM header is damaged"));
}

#ifdef MD_WITH_OPENEXR
using test::exr_of;
using test::exr_window;
using test::ExrChannel;
using test::ExrSpec;

const Imath::Box2i kWindow = exr_window(0, 0, 3, 2);
const ExrSpec kPlain{kWindow, kWindow};

TEST_F(DepthMapTest, ExrOfOneChannel) {
  for (const char* channel : {"Y", "Z", "R", "depth", "V", "View.Depth.Z"})
    EXPECT_TRUE(holds(exr_of(kPlain, {{channel, kSix}}))) << channel;
  EXPECT_TRUE(holds(exr_of(kPlain, {{"Z", kSix, Imf::HALF}})));
  EXPECT_TRUE(holds(exr_of(kPlain, {{"Z", kSix}, {"A", kOther}})));
  const FloatMap integers = read(exr_of(kPlain, {{"Z", kSix, Imf::UINT}}));
  EXPECT_EQ(integers.pixels, (Floats{1, 2, 3, 4, 5, 6}));
  EXPECT_TRUE(integers.integers);
}

TEST_F(DepthMapTest, ExrOfEveryCompression) {
  for (const auto compression : {Imf::NO_COMPRESSION, Imf::RLE_COMPRESSION, Imf::ZIPS_COMPRESSION, Imf::ZIP_COMPRESSION,
                                 Imf::PIZ_COMPRESSION, Imf::B44_COMPRESSION}) {
    EXPECT_TRUE(holds(exr_of({kWindow, kWindow, compression}, {{"Y", kSix}}))) << compression;
    EXPECT_TRUE(holds(exr_of({kWindow, kWindow, compression, true}, {{"Y", kSix}}))) << compression << ", tiled";
  }
}

TEST_F(DepthMapTest, ExrOfSeveralChannelsHasOneOfDepth) {
  EXPECT_TRUE(holds(exr_of(kPlain, {{"R", kOther}, {"G", kOther}, {"B", kOther}, {"A", kOther}, {"Z", kSix}})));
  EXPECT_TRUE(holds(exr_of(kPlain, {{"L.Normal.X", kOther}, {"L.Normal.Y", kOther}, {"L.Depth.Z", kSix}})));
  EXPECT_TRUE(holds(exr_of(kPlain, {{"R", kSix}, {"G", kSix}, {"B", kSix}})));
  EXPECT_TRUE(holds(exr_of(kPlain, {{"Y", kSix}, {"confidence", kOther}})));
  EXPECT_TRUE(refused(exr_of(kPlain, {{"R", kSix}, {"G", kSix}, {"B", kOther}}), "an EXR in colour"));
  EXPECT_TRUE(
      refused(exr_of(kPlain, {{"Y", kSix}, {"RY", kOther}, {"BY", kOther}}), "the EXR has channels BY, RY, Y, w"));
  EXPECT_TRUE(
      refused(exr_of(kPlain, {{"a.Z", kSix}, {"b.Z", kOther}}), "the EXR has channels a.Z, b.Z, wanted is one"));
  EXPECT_TRUE(refused(exr_of(kPlain, {{"U", kSix}, {"V", kOther}}), "the EXR has channels U, V, wanted is one"));
}

TEST_F(DepthMapTest, ExrHasTheSizeOfItsPicture) {
  // The data are 3x2 from (10, 20) on; the picture begins a row above and a column further, and is 4x3.
  const FloatMap map = read(exr_of({exr_window(10, 20, 3, 2), exr_window(11, 19, 4, 3)}, {{"Z", kSix}}));
  EXPECT_EQ(map.height, 3);
  EXPECT_EQ(map.width, 4);
  const Floats want = {NAN, NAN, NAN, NAN, 2, 3, NAN, NAN, 5, 6.5, NAN, NAN};
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(std::isnan(map.pixels[i]), std::isnan(want[i])) << i;
    if (!std::isnan(want[i])) {
      EXPECT_EQ(map.pixels[i], want[i]) << i;
    }
  }
  EXPECT_TRUE(holds(exr_of({exr_window(-5, -7, 3, 2), exr_window(-5, -7, 3, 2)}, {{"Z", kSix}})));
  EXPECT_TRUE(refused(exr_of({exr_window(10, 20, 3, 2), exr_window(0, 0, 9, 9)}, {{"Z", kSix}}), "the EXR's data lie"));
}

TEST_F(DepthMapTest, DamagedExrIsRefused) {
  const std::string good = exr_of(kPlain, {{"Y", kSix}});
  for (const std::size_t size : {std::size_t(4), std::size_t(60), good.size() / 2, good.size() - 3})
    EXPECT_TRUE(refused(good.substr(0, size), "damaged EXR")) << size;
  std::string deep = good, parts = good, claims = good;
  deep[5] = char(deep[5] | 8);
  EXPECT_TRUE(refused(deep, "a deep EXR"));
  parts[5] = char(parts[5] | 16);
  EXPECT_TRUE(refused(parts, "an EXR of several parts"));
  const std::string size_of_list = std::string("chlist") + '\0';
  claims[claims.find(size_of_list) + size_of_list.size() + 3] = 0x7F;
  EXPECT_TRUE(refused(claims, "damaged EXR"));
  // The library would read on behind a list that ends before its size does, and take memory for what it finds there.
  std::string early = exr_of(kPlain, {{"Y", kSix}, {"Z", kSix}});
  early[early.find(std::string("Z\0\2", 3))] = '\0';
  const auto walk = [](const std::string& bytes) {
    check_exr_header(ByteSource(Bytes(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size())), "a.exr");
  };
  EXPECT_TRUE(fails([&] { walk(early); }, ErrorKind::bad_data, "a.exr: damaged EXR"));
  EXPECT_NO_THROW(walk(good));
  std::string wide = good;
  const std::string size_of_window = std::string("dataWindow\0box2i\0", 17);
  wide[wide.find(size_of_window) + size_of_window.size() + 4 + 10] = 1;  // 65538 pixels
  EXPECT_TRUE(refused(wide, ""));
}
#else
TEST_F(DepthMapTest, ExrIsNamedWhereItIsNotRead) {
  EXPECT_TRUE(refused("\x76\x2f\x31\x01", "OpenEXR is not read by this build; "));
}
#endif

}  // namespace
}  // namespace md
