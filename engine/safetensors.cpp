// The safetensors format (github.com/huggingface/safetensors, README "Format"): every rule there has its check here.
#include "engine/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "engine/durable_file.h"
#include "engine/half.h"
#include "engine/sha256.h"

namespace md {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

using nlohmann::json;
namespace fs = std::filesystem;

constexpr std::size_t kMaxHeader = 100'000'000;  // the format's own limit

const std::map<std::string, std::size_t> kDtypeBytes = {{"F32", 4}, {"F64", 8}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                                                        {"I32", 4}, {"U16", 2}, {"U8", 1},  {"BOOL", 1}};

/// Text from a file, fit for a message of one line.
std::string shown(std::string_view text) {
  constexpr std::size_t most = 200;
  std::string line(text.substr(0, most));
  std::ranges::replace_if(
      line, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return text.size() > most ? line + "..." : line;
}

/// What the format forbids and json::parse lets pass: it keeps the last of two equal keys and nests as deep as memory
/// allows. (Its own callback could check both, but scans all earlier keys at the end of every object.)
class HeaderRules : public nlohmann::json_sax<json> {
 public:
  explicit HeaderRules(const std::string& name) : name_(name) {}

  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& key) override {
    if (!keys_.back().insert(key).second)
      fail(ErrorKind::bad_data, name_, ": duplicate name '", shown(key), "' in the safetensors header");
    return true;
  }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) override {
    fail(ErrorKind::bad_data, name_, ": safetensors header: ", shown(error.what()));
  }

 private:
  bool open() {
    constexpr std::size_t deepest = 3;  // header, entry, list
    if (keys_.size() == deepest) fail(ErrorKind::bad_data, name_, ": the safetensors header is nested too deeply");
    keys_.emplace_back();
    return true;
  }
  bool close() {
    keys_.pop_back();
    return true;
  }

  const std::string& name_;
  std::vector<std::set<std::string>> keys_;  // of the objects and lists that are open
};

json parse_header(std::string_view text, const std::string& name) {
  if (text.empty() || text[0] != '{')
    fail(ErrorKind::bad_data, name, ": the safetensors header does not begin with '{'");
  if (text.find('\0') != text.npos)  // where json::parse would stop
    fail(ErrorKind::bad_data, name, ": NUL byte in the safetensors header");
  HeaderRules rules(name);
  json::sax_parse(text, &rules);
  return json::parse(text);
}

/// A JSON array of non-negative integers that fit i64.
std::vector<i64> parse_integers(const json& list, const std::string& what) {
  if (!list.is_array()) fail(ErrorKind::bad_data, what, " is not a list");
  std::vector<i64> numbers;
  for (const json& item : list) {
    constexpr auto most = std::uint64_t(std::numeric_limits<i64>::max());
    if (!item.is_number_unsigned() || item.get<std::uint64_t>() > most)
      fail(ErrorKind::bad_data, what, " has ", shown(item.dump()), " where a size is expected");
    numbers.push_back(i64(item.get<std::uint64_t>()));
  }
  return numbers;
}

std::size_t checked_bytes(const std::vector<i64>& dims, std::size_t element, const std::string& what) {
  std::size_t bytes = element;
  for (const i64 d : dims) {
    if (__builtin_mul_overflow(bytes, std::size_t(d), &bytes)) fail(ErrorKind::bad_data, what, ": size overflows");
  }
  return bytes;
}

SafeTensors::Entry parse_entry(const json& info, const std::string& what) {
  if (!info.is_object() || info.size() != 3 || !info.contains("dtype") || !info.contains("shape") ||
      !info.contains("data_offsets"))
    fail(ErrorKind::bad_data, what, " needs dtype, shape and data_offsets, and nothing else");
  const json& dtype = info["dtype"];
  const auto known = dtype.is_string() ? kDtypeBytes.find(dtype.get<std::string>()) : kDtypeBytes.end();
  if (known == kDtypeBytes.end()) fail(ErrorKind::bad_data, what, ": unknown dtype ", shown(dtype.dump()));
  const std::vector<i64> dims = parse_integers(info["shape"], what + ": shape");
  if (dims.size() > 8)
    fail(ErrorKind::bad_data, what, ": shape has ", dims.size(), " dimensions, at most 8 are supported");
  const std::vector<i64> range = parse_integers(info["data_offsets"], what + ": data_offsets");
  if (range.size() != 2 || range[0] > range[1]) fail(ErrorKind::bad_data, what, ": data_offsets is not a range");
  const std::size_t bytes = checked_bytes(dims, known->second, what);
  if (bytes != std::size_t(range[1] - range[0]))
    fail(ErrorKind::bad_data, what, ": shape and dtype want ", bytes, " bytes, data_offsets give ",
         range[1] - range[0]);
  return {known->first, Shape(dims), std::size_t(range[0]), bytes};
}

/// The tensors' ranges, sorted, must tile the data exactly.
void check_coverage(const std::map<std::string, SafeTensors::Entry>& entries, std::size_t size,
                    const std::string& name) {
  std::vector<const std::pair<const std::string, SafeTensors::Entry>*> order;
  for (const auto& entry : entries) order.push_back(&entry);
  std::ranges::stable_sort(order, {}, [](auto* e) { return std::pair(e->second.offset, e->second.bytes); });
  std::size_t end = 0;
  for (const auto* entry : order) {
    const auto& [tensor, where] = *entry;
    if (where.offset != end)
      fail(ErrorKind::bad_data, name, ": '", tensor,
           where.offset < end ? "' overlaps the" : "' leaves a hole after the", " tensor before it (begins at ",
           where.offset, ", expected ", end, ")");
    end = where.offset + where.bytes;
  }
  if (end != size) fail(ErrorKind::bad_data, name, ": the tensors cover ", end, " bytes of data, the file has ", size);
}

std::map<std::string, std::string> parse_metadata(const json& object, const std::string& name) {
  if (!object.is_object()) fail(ErrorKind::bad_data, name, ": __metadata__ is not an object");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) fail(ErrorKind::bad_data, name, ": __metadata__ '", shown(key), "' is not a string");
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

template <class T>
std::vector<double> widen(const char* data, i64 count) {
  std::vector<double> numbers(static_cast<std::size_t>(count));
  for (double& number : numbers) {
    T value;
    std::memcpy(&value, data, sizeof value);  // entries need not be aligned
    data += sizeof value;
    number = double(value);
  }
  return numbers;
}

struct BFloat16 {
  std::uint16_t bits;
  explicit operator double() const { return double(std::bit_cast<float>(std::uint32_t(bits) << 16)); }
};

struct Half {
  std::uint16_t bits;
  explicit operator double() const { return value_of_half(bits); }
};

/// What a tensor is called on disk, and the bytes of one element there.
struct Stored {
  const char* dtype;
  std::size_t element;
};
Stored stored_as(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return {"F32", 4};
    case DType::bf16:
      return {"BF16", 2};
    case DType::i32:
      return {"I64", 8};
    case DType::u8:
      return {"U8", 1};
  }
  fail(ErrorKind::contract, "stored_as: no such dtype");
}

/// sink(data, bytes): what the file holds of a tensor.
template <class Sink>
void put_tensor(const Tensor& tensor, Sink sink) {
  if (tensor.dtype() != DType::i32) return sink(tensor.raw(), tensor.bytes());
  const std::int32_t* first = tensor.data<std::int32_t>();
  const std::vector<i64> widened(first, first + tensor.numel());
  sink(widened.data(), widened.size() * sizeof(i64));
}

void check_digest(const std::map<std::string, std::string>& metadata, std::string_view data, const std::string& name) {
  const auto claimed = metadata.find("sha256");
  if (claimed == metadata.end()) return;
  Sha256 digest;
  digest.update(data.data(), data.size());
  if (digest.finish() != claimed->second)
    fail(ErrorKind::bad_data, name, ": damaged: the data do not have the SHA-256 that the file gives");
}

constexpr std::size_t kHeaderLength = sizeof(std::uint64_t);

/// Where the data begin in a file of `size` bytes, of which `bytes` are at least the first eight if it has them.
std::size_t data_offset(std::string_view bytes, std::uintmax_t size, const std::string& name) {
  std::uint64_t header = 0;
  if (bytes.size() < kHeaderLength) fail(ErrorKind::bad_data, name, ": too short for a safetensors file");
  std::memcpy(&header, bytes.data(), kHeaderLength);
  if (header > kMaxHeader || header > size - kHeaderLength)
    fail(ErrorKind::bad_data, name, ": safetensors header of ", header, " bytes in a file of ", size);
  return kHeaderLength + header;
}

}  // namespace

SafeTensors SafeTensors::read(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) fail(ErrorKind::missing, path, ": no such file");
  if (!fs::is_regular_file(status)) fail(ErrorKind::bad_data, path, ": not a regular file");
  std::ifstream from(path, std::ios::binary);
  if (!from) fail(ErrorKind::missing, path, ": cannot open: ", std::strerror(errno));
  const std::uintmax_t size = fs::file_size(path, error);
  std::string bytes;
  const auto read_to = [&](std::size_t end) {
    const std::size_t begin = bytes.size();
    bytes.resize(end);
    if (error || !from.read(bytes.data() + begin, std::streamsize(end - begin)))
      fail(ErrorKind::bad_data, path, ": cannot read");
  };
  // The header first: what it says must fit the size before memory of that size is asked for.
  read_to(std::min<std::uintmax_t>(size, kHeaderLength));
  const std::size_t data = data_offset(bytes, size, path);
  read_to(data);
  SafeTensors file = with_header(bytes, data, size, path);
  read_to(size);
  return with_data(std::move(file), std::move(bytes));
}

SafeTensors SafeTensors::parse(std::string bytes, const std::string& name) {
  SafeTensors file = with_header(bytes, data_offset(bytes, bytes.size(), name), bytes.size(), name);
  return with_data(std::move(file), std::move(bytes));
}

SafeTensors SafeTensors::with_header(std::string_view bytes, std::size_t data, std::uintmax_t size,
                                     const std::string& name) {
  SafeTensors file;
  file.name_ = name;
  file.data_ = data;
  const json root = parse_header(bytes.substr(kHeaderLength, data - kHeaderLength), name);
  for (const auto& [key, value] : root.items()) {
    if (key == "__metadata__") {
      file.metadata_ = parse_metadata(value, name);
    } else {
      if (shown(key) != key)
        fail(ErrorKind::bad_data, name, ": tensor name '", shown(key), "' is too long or has control characters");
      file.entries_.emplace(key, parse_entry(value, cat(name, ": '", key, "'")));
    }
  }
  check_coverage(file.entries_, size - data, name);
  return file;
}

SafeTensors SafeTensors::with_data(SafeTensors file, std::string bytes) {
  file.bytes_ = std::move(bytes);
  check_digest(file.metadata_, std::string_view(file.bytes_).substr(file.data_), file.name_);
  return file;
}

const SafeTensors::Entry& SafeTensors::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) fail(ErrorKind::bad_data, name_, ": no tensor '", name, "'");
  return found->second;
}

std::vector<double> SafeTensors::numbers(const std::string& name) const {
  const Entry& e = entry(name);
  const char* data = bytes_.data() + data_ + e.offset;
  const i64 count = e.shape.numel();
  if (e.dtype == "F32") return widen<float>(data, count);
  if (e.dtype == "F64") return widen<double>(data, count);
  if (e.dtype == "F16") return widen<Half>(data, count);
  if (e.dtype == "BF16") return widen<BFloat16>(data, count);
  if (e.dtype == "I64") return widen<std::int64_t>(data, count);
  if (e.dtype == "I32") return widen<std::int32_t>(data, count);
  if (e.dtype == "U16") return widen<std::uint16_t>(data, count);
  return widen<std::uint8_t>(data, count);  // U8, BOOL: parse_entry knows no other
}

Tensor SafeTensors::tensor(const std::string& name) const {
  static const std::map<std::string, DType> kinds = {{"F32", DType::f32},   {"F64", DType::f32}, {"F16", DType::f32},
                                                     {"BF16", DType::bf16}, {"I64", DType::i32}, {"I32", DType::i32},
                                                     {"U16", DType::i32},   {"U8", DType::u8},   {"BOOL", DType::u8}};
  const Entry& e = entry(name);
  Tensor result = Tensor::empty(e.shape, {}, kinds.at(e.dtype));
  if (result.bytes() == e.bytes) {
    if (e.bytes > 0) std::memcpy(result.raw(), bytes_.data() + data_ + e.offset, e.bytes);
    return result;
  }
  const std::vector<double> values = numbers(name);
  if (result.dtype() == DType::f32) {
    std::ranges::transform(values, result.data(), [](double v) { return float(v); });
    return result;
  }
  std::ranges::transform(values, result.data<std::int32_t>(), [&](double v) {
    if (v < std::numeric_limits<std::int32_t>::min() || v > std::numeric_limits<std::int32_t>::max())
      fail(ErrorKind::bad_data, name_, ": '", name, "' has ", v, ", which does not fit 32 bits");
    return std::int32_t(v);
  });
  return result;
}

State SafeTensors::state(const std::string& prefix, const std::string& except) const {
  State state;
  for (auto it = entries_.lower_bound(prefix); it != entries_.end() && it->first.starts_with(prefix); ++it) {
    if (except.empty() || !it->first.starts_with(except)) state[it->first.substr(prefix.size())] = tensor(it->first);
  }
  return state;
}

State SafeTensors::weights(const std::string& except) const {
  State all = state("", except);
  for (auto& [name, tensor] : all) {
    if (tensor.dtype() != DType::bf16) continue;
    const std::vector<double> values = numbers(name);
    tensor = Tensor::from_host(std::vector<float>(values.begin(), values.end()), tensor.shape());
  }
  return all;
}

void write_safetensors(const std::string& path, const State& state,
                       const std::map<std::string, std::string>& metadata) {
  // Wide elements first, then by name: every tensor is aligned, and equal states give equal files.
  std::vector<std::pair<std::string, Tensor>> order(state.begin(), state.end());
  std::ranges::stable_sort(order, std::greater{}, [](const auto& e) { return stored_as(e.second.dtype()).element; });
  json header = json::object();
  header["__metadata__"] = metadata;
  Sha256 digest;
  std::size_t end = 0;
  for (const auto& [name, tensor] : order) {
    const Stored stored = stored_as(tensor.dtype());
    std::vector<i64> dims;
    for (int axis = 0; axis < tensor.shape().rank(); ++axis) dims.push_back(tensor.dim(axis));
    const std::size_t begin = end;
    end += std::size_t(tensor.numel()) * stored.element;
    header[name] = {{"dtype", stored.dtype}, {"shape", dims}, {"data_offsets", {begin, end}}};
    put_tensor(tensor, [&](const void* data, std::size_t bytes) { digest.update(data, bytes); });
  }
  header["__metadata__"]["sha256"] = digest.finish();
  std::string text = header.dump(-1, ' ', false, json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');  // the data begins aligned
  const std::uint64_t length = text.size();
  DurableFile file(path);
  file.write(&length, sizeof length);
  file.write(text.data(), text.size());
  for (const auto& [name, tensor] : order)
    put_tensor(tensor, [&](const void* data, std::size_t bytes) { file.write(data, bytes); });
  file.commit();
}

}  // namespace md
