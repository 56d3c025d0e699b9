#include "tools/cli/protobuf.h"

#include "tools/cli/raw_bytes.h"

namespace md {
namespace {

enum class Wire : std::uint32_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// Seven bits a byte, the lowest first; the high bit says that more follow.
void put_varint(std::string& message, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) message += char(value | 0x80);
  message += char(value);
}

void put_key(std::string& message, std::uint32_t field, Wire wire) {
  put_varint(message, field << 3 | std::uint32_t(wire));
}

}  // namespace

ProtoMessage& ProtoMessage::integer(std::uint32_t field, std::int64_t value) {
  put_key(encoded_, field, Wire::varint);
  put_varint(encoded_, std::uint64_t(value));
  return *this;
}

ProtoMessage& ProtoMessage::real(std::uint32_t field, float value) {
  put_key(encoded_, field, Wire::fixed32);
  append_raw(encoded_, value);
  return *this;
}

ProtoMessage& ProtoMessage::real(std::uint32_t field, double value) {
  put_key(encoded_, field, Wire::fixed64);
  append_raw(encoded_, value);
  return *this;
}

ProtoMessage& ProtoMessage::bytes(std::uint32_t field, std::string_view value) {
  put_key(encoded_, field, Wire::bytes);
  put_varint(encoded_, value.size());
  encoded_ += value;
  return *this;
}

ProtoMessage& ProtoMessage::message(std::uint32_t field, const ProtoMessage& value) {
  return bytes(field, value.encoded_);
}

ProtoMessage& ProtoMessage::append(const ProtoMessage& more) {
  encoded_ += more.encoded_;
  return *this;
}

}  // namespace md
