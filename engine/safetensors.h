// safetensors files: 8 bytes little-endian header length, JSON header, data. The reader makes every check of the
// format (length, overlap, holes, dtype and shape against the byte range, duplicate names); the writer is crash-safe
// (engine/durable_file.h). It puts the SHA-256 of the data into __metadata__ as `sha256`; a
// file that has one is refused where its data differ.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/module.h"

namespace md {

/// A file that was read and found right.
class SafeTensors {
 public:
  /// A tensor of the file.
  struct Entry {
    std::string dtype;  // "F32", "F64", "F16", "BF16", "I64", "I32", "U16", "U8", "BOOL"
    Shape shape;
    std::size_t offset, bytes;  // in the data; both counted in bytes
  };
  /// Throws ErrorKind::missing or ErrorKind::bad_data; the message begins with the path.
  static SafeTensors read(const std::string& path);
  /// The same from memory; `name` stands for the file in messages.
  static SafeTensors parse(std::string bytes, const std::string& name);

  const std::map<std::string, Entry>& entries() const { return entries_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  bool has(const std::string& name) const { return entries_.contains(name); }  // an entry
  const Entry& entry(const std::string& name) const;                           // throws with file and name
  /// Elements widened to double, whatever the dtype.
  std::vector<double> numbers(const std::string& name) const;
  /// F32/F64/F16 -> f32, BF16 -> bf16, I64/I32/U16 -> i32 (range-checked), U8/BOOL -> u8, on the CPU.
  Tensor tensor(const std::string& name) const;
  /// All entries whose name begins with `prefix`, without it; but for those that begin with `except`, if given.
  State state(const std::string& prefix = "", const std::string& except = "") const;
  /// What a network loads: all entries but for those that begin with `except`, bf16 as f32.
  State weights(const std::string& except) const;

 private:
  static SafeTensors with_header(std::string_view bytes, std::size_t data, std::uintmax_t size,
                                 const std::string& name);
  static SafeTensors with_data(SafeTensors, std::string bytes);

  std::string name_, bytes_;
  std::size_t data_ = 0;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

/// f32 -> F32, bf16 -> BF16, i32 -> I64 (PyTorch's integer buffers), u8 -> U8. Throws ErrorKind::cannot_write.
void write_safetensors(const std::string& path, const State&, const std::map<std::string, std::string>& metadata = {});

}  // namespace md
