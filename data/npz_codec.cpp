// The part of the zip format that numpy.savez and numpy.savez_compressed write; zlib inflates. Format: PKWARE's
// APPNOTE.TXT 4.3 to 4.5.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "data/codecs.h"
#include "data/depth_map_codecs.h"
#include "engine/check.h"
#include "engine/text.h"

namespace md {
namespace {

constexpr std::size_t kEndBytes = 22, kEntryBytes = 46, kLocalBytes = 30;
constexpr std::size_t kLongestComment = 65535;
constexpr std::uint32_t kMostDirectoryBytes = 1U << 24;
constexpr std::uint32_t kElsewhere = 0xFFFFFFFF;  // the number stands in the entry's extra field
constexpr std::uint64_t kMostInflation = 1032;    // deflate's

[[noreturn]] void damaged(const std::string& name) { fail(ErrorKind::bad_data, name, ": damaged .npz archive"); }

std::uint64_t little64(const unsigned char* at) { return std::uint64_t(little32(at + 4)) << 32 | little32(at); }

/// One file of an archive.
struct Member {
  std::string name;  // "depth.npy"
  unsigned flags = 0, method = 0;
  std::uint32_t crc = 0;
  std::uint64_t packed_bytes = 0, bytes = 0, header_at = 0;
};

/// Of a member of an archive: what its bytes inflate to, with the checksum held against them at the end.
class MemberStream : public ByteStream {
 public:
  MemberStream(const ByteSource& archive, std::uint64_t data_at, const Member& member, std::string name)
      : packed_(archive, data_at, member.packed_bytes), member_(member), name_(std::move(name)) {
    if (deflated() && inflateInit2(&codec_, -MAX_WBITS) != Z_OK) fail(ErrorKind::contract, name_, ": zlib: no memory");
  }
  ~MemberStream() override {
    if (deflated()) inflateEnd(&codec_);
  }
  MemberStream(const MemberStream&) = delete;
  MemberStream& operator=(const MemberStream&) = delete;

  std::size_t read(std::span<unsigned char> to) override {
    const std::size_t wanted = std::min<std::uint64_t>(to.size(), member_.bytes - done_);
    if (wanted == 0) return 0;
    const std::size_t got = deflated() ? inflate_into(to.first(wanted)) : packed_.read(to.first(wanted));
    if (got != wanted) damaged(name_);
    crc_ = std::uint32_t(crc32_z(crc_, to.data(), got));
    done_ += got;
    if (done_ == member_.bytes && crc_ != member_.crc) damaged(name_);
    return got;
  }
  std::uint64_t size() const override { return member_.bytes; }

 private:
  bool deflated() const { return member_.method == 8; }

  std::size_t inflate_into(std::span<unsigned char> to) {
    codec_.next_out = to.data();
    codec_.avail_out = unsigned(to.size());
    while (codec_.avail_out > 0) {
      if (codec_.avail_in == 0) {
        codec_.next_in = buffer_.data();
        codec_.avail_in = unsigned(packed_.read(buffer_));
      }
      const int state = inflate(&codec_, Z_NO_FLUSH);
      if (state != Z_OK) break;  // at the end of the data, too; without more input, Z_BUF_ERROR
    }
    return to.size() - codec_.avail_out;
  }

  PartOfSource packed_;
  Member member_;
  std::string name_;
  z_stream codec_{};
  std::array<unsigned char, 1U << 14> buffer_{};
  std::uint64_t done_ = 0;
  std::uint32_t crc_ = 0;
};

/// The bytes of the directory, which stands at the end of an archive.
std::vector<unsigned char> read_directory(const ByteSource& archive, const std::string& name) {
  std::vector<unsigned char> tail(std::min<std::uint64_t>(archive.size(), kEndBytes + kLongestComment));
  if (tail.size() < kEndBytes || !archive.read_all(archive.size() - tail.size(), tail)) damaged(name);
  std::size_t at = tail.size() - kEndBytes;
  while (at > 0 && little32(tail.data() + at) != 0x06054b50) --at;
  const unsigned char* const end = tail.data() + at;
  if (little32(end) != 0x06054b50) damaged(name);
  const std::uint32_t bytes = little32(end + 12), offset = little32(end + 16);
  if (bytes == kElsewhere || offset == kElsewhere)
    fail(ErrorKind::bad_data, name, ": an archive of more than 4 GiB is not read");
  if (bytes > kMostDirectoryBytes || std::uint64_t(offset) + bytes > archive.size()) damaged(name);
  std::vector<unsigned char> directory(bytes);
  if (!archive.read_all(offset, directory)) damaged(name);
  return directory;
}

/// Sizes of 8 bytes, where the entry has no room for them.
void read_extra(Bytes extra, Member& member, const std::string& name) {
  while (extra.size() >= 4) {
    const unsigned kind = little16(extra.data()), bytes = little16(extra.data() + 2);
    if (bytes + 4 > extra.size()) return;
    Bytes values = extra.subspan(4, bytes);
    extra = extra.subspan(4 + bytes);
    if (kind != 1) continue;
    for (std::uint64_t* const number : {&member.bytes, &member.packed_bytes, &member.header_at}) {
      if (*number != kElsewhere) continue;
      if (values.size() < 8) damaged(name);
      *number = little64(values.data());
      values = values.subspan(8);
    }
  }
}

std::vector<Member> members_of(const ByteSource& archive, const std::string& name) {
  const std::vector<unsigned char> directory = read_directory(archive, name);
  std::vector<Member> members;
  for (Bytes left(directory); left.size() >= kEntryBytes && little32(left.data()) == 0x02014b50;) {
    const unsigned char* const at = left.data();
    const std::size_t text = little16(at + 28), extra = little16(at + 30), comment = little16(at + 32);
    if (left.size() < kEntryBytes + text + extra + comment) damaged(name);
    Member member{.name = {reinterpret_cast<const char*>(at + kEntryBytes), text},
                  .flags = little16(at + 8),
                  .method = little16(at + 10),
                  .crc = little32(at + 16),
                  .packed_bytes = little32(at + 20),
                  .bytes = little32(at + 24),
                  .header_at = little32(at + 42)};
    read_extra(left.subspan(kEntryBytes + text, extra), member, name);
    if (member.name.ends_with(".npy")) members.push_back(std::move(member));
    left = left.subspan(kEntryBytes + text + extra + comment);
  }
  return members;
}

/// The one that is the map.
const Member& choose(const std::vector<Member>& members, const std::string& name) {
  if (members.empty()) fail(ErrorKind::bad_data, name, ": a zip archive without .npy arrays");
  if (members.size() == 1) return members.front();
  std::vector<std::string> names;
  std::vector<const Member*> of_depth;
  for (const Member& member : members) {
    if (names.size() < 12)
      names.push_back(printable(member.name.substr(0, std::min<std::size_t>(40, member.name.size() - 4))));
    if (member.name == "depth.npy" || member.name == "pred.npy" || member.name == "arr_0.npy")
      of_depth.push_back(&member);
  }
  if (of_depth.size() == 1) return *of_depth.front();
  fail(ErrorKind::bad_data, name, ": ", members.size(), " arrays (", listed(names),
       members.size() > names.size() ? ", ..." : "", "), wanted is one alone, or one named depth, pred or arr_0");
}

/// Where its data begin.
std::uint64_t data_of(const ByteSource& archive, const Member& member, const std::string& name) {
  if (member.flags & 1) fail(ErrorKind::bad_data, name, ": encrypted");
  if (member.method != 0 && member.method != 8)
    fail(ErrorKind::bad_data, name, ": packed by method ", member.method,
         "; numpy.savez stores, "
         "numpy.savez_compressed deflates");
  std::array<unsigned char, kLocalBytes> local{};
  if (!archive.read_all(member.header_at, local) || little32(local.data()) != 0x04034b50) damaged(name);
  const std::uint64_t begin =
      member.header_at + kLocalBytes + little16(local.data() + 26) + little16(local.data() + 28);
  const bool inside = begin <= archive.size() && member.packed_bytes <= archive.size() - begin;
  const bool possible =
      member.method == 0 ? member.bytes == member.packed_bytes : member.bytes / kMostInflation <= member.packed_bytes;
  if (!inside || !possible) damaged(name);
  return begin;
}

}  // namespace

FloatMap decode_npz(const ByteSource& archive, const std::string& name) {
  const std::vector<Member> members = members_of(archive, name);
  const Member& member = choose(members, name);
  const std::string place = cat(name, ": ", printable(member.name.substr(0, 100)));
  MemberStream stream(archive, data_of(archive, member, place), member, place);
  return decode_npy(stream, place);
}

}  // namespace md
