// Whatever the bytes, the reader of depth maps gives a map of the size that it says, or refuses. Seeds: every format,
// kind of number and layout, right and nearly right.
#include "data/codecs.h"
#include "data/depth_map_codecs.h"
#include "tests/data/map_files.h"
#include "tests/data/test_images.h"
#include "tests/fuzz/fuzz.h"

namespace md::test {
namespace {

const std::vector<float> kSix = {1, 2, 3, 4, 5, 6.5};

void add_arrays(std::vector<std::string>& seeds) {
  const std::string array = npy_of("<f4", "(2, 3)", raw(kSix));
  for (const char* type : {"<f2", ">f4", "<f8", "|u1", "<i2", ">u4", "<i8", "|b1"})
    seeds.push_back(npy_of(type, "(1, 2, 3)", std::string(6 * std::size_t(type[2] - '0'), '\x41')));
  seeds.push_back(npy_with(npy_header("<f4", "(2L, 3L)", "True"), raw(kSix), 2));
  seeds.push_back(npy_of("[('z', '<f4')]", "(2,)", "12345678"));
  for (const bool deflated : {false, true}) {
    seeds.push_back(zip_of({{"x.npy", array, deflated}}));
    seeds.push_back(zip_of({{"a.npy", array, deflated}, {"depth.npy", array, deflated}, {"b.txt", "b"}}, deflated));
  }
}

void add_pictures(std::vector<std::string>& seeds) {
  for (const char* header : {"Pf\n3 2\n-1.0\n", "Pf\r\n3 2\r\n1\r\n", "Pf 3 2 +0.5 ", "PF\n1 2\n-1\n"})
    seeds.push_back(header + raw(kSix));
  seeds.push_back(encode_png(test_depth(3, 5), "seed"));
#ifdef MD_WITH_OPENEXR
  const Imath::Box2i window = exr_window(0, 0, 3, 2);
  for (const auto compression : {Imf::NO_COMPRESSION, Imf::RLE_COMPRESSION, Imf::ZIP_COMPRESSION, Imf::PIZ_COMPRESSION,
                                 Imf::PXR24_COMPRESSION, Imf::B44A_COMPRESSION, Imf::DWAB_COMPRESSION}) {
    seeds.push_back(exr_of({window, window, compression}, {{"Y", kSix}}));
    seeds.push_back(exr_of({window, exr_window(1, 1, 4, 4), compression, true}, {{"V.Z", kSix, Imf::HALF}}));
  }
  seeds.push_back(exr_of({window, window}, {{"R", kSix}, {"G", kSix}, {"B", kSix, Imf::UINT}}));
#endif
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  std::vector<std::string> seeds;
  add_arrays(seeds);
  add_pictures(seeds);
  return seeds;
}

void fuzz_one(const std::string& bytes) {
  const ByteSource source(Bytes(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
  const FloatMap map = decode_depth_map(source, "file");
  require(map.height > 0 && map.width > 0 && std::int64_t{map.height} * map.width <= max_image_pixels, "size");
  require(map.pixels.size() == std::size_t(map.height) * std::size_t(map.width), "pixels");
}

}  // namespace md::test
