// Depth maps as other programs write them, byte by byte, for tests of what reads them.
#pragma once
#include <zlib.h>

#include <cstring>
#include <string>
#include <vector>

#include "engine/check.h"
#ifdef MD_WITH_OPENEXR
#include <OpenEXR/ImfChannelList.h>
#include <OpenEXR/ImfFrameBuffer.h>
#include <OpenEXR/ImfHeader.h>
#include <OpenEXR/ImfIO.h>
#include <OpenEXR/ImfOutputFile.h>
#include <OpenEXR/ImfTiledOutputFile.h>
#endif

namespace md::test {

/// Numbers as they lie in memory.
template <class Value>
std::string raw(const std::vector<Value>& values) {
  std::string bytes(values.size() * sizeof(Value), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// Every `size` bytes in the other order.
inline std::string swapped(std::string bytes, std::size_t size) {
  for (std::size_t at = 0; at < bytes.size(); at += size)
    std::reverse(bytes.begin() + std::ptrdiff_t(at), bytes.begin() + std::ptrdiff_t(at + size));
  return bytes;
}

/// A .npy file of version `major` with this dictionary.
inline std::string npy_with(const std::string& dictionary, const std::string& data, char major = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += major;
  bytes += '\0';
  const std::size_t size = dictionary.size();
  bytes += {char(size & 0xFF), char(size >> 8)};
  if (major > 1) bytes.append(2, '\0');
  return bytes + dictionary + data;
}

inline std::string npy_header(const std::string& type, const std::string& shape, const std::string& fortran = "False") {
  return "{'descr': '" + type + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n";
}

inline std::string npy_of(const std::string& type, const std::string& shape, const std::string& data) {
  return npy_with(npy_header(type, shape), data);
}

/// A file of an archive: as numpy.savez writes it, or as numpy.savez_compressed.
struct ZipMember {
  std::string name, bytes;
  bool deflated = false;
};

inline std::string little(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += char(value >> 8 * i & 0xFF);
  return text;
}

inline std::string deflate_raw(const std::string& bytes) {
  z_stream codec{};
  deflateInit2(&codec, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&codec, bytes.size()), '\0');
  codec.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  codec.avail_in = unsigned(bytes.size());
  codec.next_out = reinterpret_cast<Bytef*>(packed.data());
  codec.avail_out = unsigned(packed.size());
  deflate(&codec, Z_FINISH);
  packed.resize(codec.total_out);
  deflateEnd(&codec);
  return packed;
}

/// `zip64`: sizes and places stand in extra fields of 8 bytes, as some writers have it always.
inline std::string zip_of(const std::vector<ZipMember>& members, bool zip64 = false) {
  std::string file, directory;
  for (const ZipMember& member : members) {
    const std::string packed = member.deflated ? deflate_raw(member.bytes) : member.bytes;
    const auto crc = crc32(0, reinterpret_cast<const Bytef*>(member.bytes.data()), unsigned(member.bytes.size()));
    const std::string sizes =
        zip64 ? little(0xFFFFFFFFFFFFFFFF, 8) : little(packed.size(), 4) + little(member.bytes.size(), 4);
    const std::string common = little(0, 2) + little(member.deflated ? 8 : 0, 2) + little(0, 4) + little(crc, 4) +
                               sizes + little(member.name.size(), 2);
    const std::string large = little(member.bytes.size(), 8) + little(packed.size(), 8);
    const std::string extra = zip64 ? little(1, 2) + little(24, 2) + large + little(file.size(), 8) : "";
    directory += "PK\x01\x02" + little(20, 2) + little(20, 2) + common + little(extra.size(), 2) +
                 std::string(10, '\0') + (zip64 ? little(0xFFFFFFFF, 4) : little(file.size(), 4)) + member.name + extra;
    // NumPy's own local headers have an extra field, even where the directory has none.
    const std::string local_extra = little(1, 2) + little(16, 2) + large;
    file += "PK\x03\x04" + little(20, 2) + common + little(local_extra.size(), 2) + member.name + local_extra + packed;
  }
  return file + directory + "PK\x05\x06" + little(0, 4) + little(members.size(), 2) + little(members.size(), 2) +
         little(directory.size(), 4) + little(file.size(), 4) + little(0, 2);
}

#ifdef MD_WITH_OPENEXR
/// Writes into memory.
class ExrSink : public Imf::OStream {
 public:
  ExrSink() : Imf::OStream("memory") {}
  void write(const char from[], int count) override {
    bytes.resize(std::max(bytes.size(), at_ + std::size_t(count)));
    std::memcpy(bytes.data() + at_, from, std::size_t(count));
    at_ += std::size_t(count);
  }
  std::uint64_t tellp() override { return at_; }
  void seekp(std::uint64_t at) override { at_ = at; }
  std::string bytes;

 private:
  std::size_t at_ = 0;
};

struct ExrChannel {
  std::string name;
  std::vector<float> values;  // of the data window
  Imf::PixelType type = Imf::FLOAT;
};

/// How an EXR is made.
struct ExrSpec {
  Imath::Box2i data, display;
  Imf::Compression compression = Imf::ZIP_COMPRESSION;
  bool tiled = false;
};

inline Imath::Box2i exr_window(int left, int top, int width, int height) {
  return {{left, top}, {left + width - 1, top + height - 1}};
}

inline std::string exr_of(const ExrSpec& spec, const std::vector<ExrChannel>& channels) {
  Imf::Header header(spec.display, spec.data);
  header.compression() = spec.compression;
  Imf::FrameBuffer buffer;
  std::vector<std::vector<half>> halves(channels.size());
  std::vector<std::vector<unsigned>> integers(channels.size());
  for (std::size_t i = 0; i < channels.size(); ++i) {
    const ExrChannel& channel = channels[i];
    header.channels().insert(channel.name, Imf::Channel(channel.type));
    for (const float value : channel.values) halves[i].emplace_back(value), integers[i].push_back(unsigned(value));
    const void* const at = channel.type == Imf::FLOAT  ? static_cast<const void*>(channel.values.data())
                           : channel.type == Imf::HALF ? static_cast<const void*>(halves[i].data())
                                                       : static_cast<const void*>(integers[i].data());
    buffer.insert(channel.name, Imf::Slice::Make(channel.type, at, spec.data));
  }
  ExrSink sink;
  if (spec.tiled) {
    header.setTileDescription(Imf::TileDescription(4, 4, Imf::ONE_LEVEL));
    Imf::TiledOutputFile file(sink, header);
    file.setFrameBuffer(buffer);
    file.writeTiles(0, file.numXTiles() - 1, 0, file.numYTiles() - 1);
  } else {
    Imf::OutputFile file(sink, header);
    file.setFrameBuffer(buffer);
    file.writePixels(spec.data.max.y - spec.data.min.y + 1);
  }
  return sink.bytes;
}
#endif

}  // namespace md::test
