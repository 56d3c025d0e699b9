// Google's protobuf wire format, the writing half: a message is its fields one after the other, each a key (number and
// wire type) and a value. The schemas that this project writes (TensorBoard's events, ONNX) need no more than this.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace md {

/// A message of protocol buffers, field by field, in the wire format (protobuf.dev/programming-guides/encoding).
/// Each function adds a field and returns the message.
class ProtoMessage {
 public:
  ProtoMessage& integer(std::uint32_t field, std::int64_t value);         // int32, int64, enum
  ProtoMessage& real(std::uint32_t field, float value);                   // float
  ProtoMessage& real(std::uint32_t field, double value);                  // double
  ProtoMessage& bytes(std::uint32_t field, std::string_view value);       // string, bytes
  ProtoMessage& message(std::uint32_t field, const ProtoMessage& value);  // inside this one
  /// The fields of another message of the same type after its own.
  ProtoMessage& append(const ProtoMessage& more);
  const std::string& encoded() const& { return encoded_; }
  std::string encoded() && { return std::move(encoded_); }

 private:
  std::string encoded_;
};

}  // namespace md
