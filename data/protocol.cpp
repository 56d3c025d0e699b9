// The named protocols and their one-line form, in which they are compared.
#include "data/protocol.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <iomanip>
#include <iterator>
#include <sstream>
#include <utility>

#include "data/datasets.h"
#include "engine/check.h"
#include "engine/text.h"

namespace md {
namespace {

const std::string kPlain = "plain";

/// Nothing where the data set has no such protocol.
const NamedProtocol* find_protocol(const DatasetTraits& traits, const std::string& name) {
  const auto found = std::ranges::find(traits.protocols, name, &NamedProtocol::name);
  return found == traits.protocols.end() ? nullptr : &*found;
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

/// A parameter as it stands in a line: KEY=VALUE.
struct Field {
  std::string key;
  std::function<std::string(const Protocol&)> write;
  std::function<bool(Protocol&, const std::string&)> read;  // false: the text is no value of it
  bool optional = false;                                    // left out where it has its usual value
};

Field dataset_field() {
  return {"dataset", [](const Protocol& p) { return p.dataset; },
          [](Protocol& p, const std::string& value) {
            p.dataset = value;
            const std::vector<std::string> known = dataset_names();
            return std::ranges::find(known, value) != known.end();
          }};
}

Field number(const std::string& key, float Protocol::*member) {
  return {key, [=](const Protocol& p) { return shortest(p.*member); },
          [=](Protocol& p, const std::string& value) {
            const char* const end = value.data() + value.size();
            const auto [stop, error] = std::from_chars(value.data(), end, p.*member);
            return error == std::errc{} && stop == end;
          }};
}

Field optional(Field field) {
  field.optional = true;
  return field;
}

/// One of a few values that have names.
template <class Value>
Field choice(const std::string& key, Value Protocol::*member, std::vector<std::pair<std::string, Value>> names) {
  return {key,
          [=](const Protocol& p) {
            const auto found = std::ranges::find(names, p.*member, &std::pair<std::string, Value>::second);
            return found == names.end() ? "?" : found->first;
          },
          [=](Protocol& p, const std::string& value) {
            const auto found = std::ranges::find(names, value, &std::pair<std::string, Value>::first);
            if (found == names.end()) return false;
            p.*member = found->second;
            return true;
          }};
}

Field yes_no(const std::string& key, bool Protocol::*member) {
  return choice<bool>(key, member, {{"no", false}, {"yes", true}});
}

/// In the order of the line. A new parameter goes to the end and is optional: lines are compared, hashed and kept.
const std::vector<Field>& fields() {
  static const std::vector<Field> all = {
      dataset_field(),
      number("min_m", &Protocol::min_m),
      number("cap_m", &Protocol::cap_m),
      choice<ScoreCrop>("crop", &Protocol::crop,
                        {{"none", ScoreCrop::none},
                         {"eigen_nyu", ScoreCrop::eigen_nyu},
                         {"eigen_kitti", ScoreCrop::eigen_kitti},
                         {"garg", ScoreCrop::garg}}),
      yes_no("kb_crop", &Protocol::kb_crop),
      yes_no("gt_kb_crop", &Protocol::gt_kb_crop),
      number("depth_scale", &Protocol::depth_scale),
      yes_no("velodyne_raw", &Protocol::velodyne_raw),
      yes_no("flip_average", &Protocol::flip_average),
      yes_no("median_scaling", &Protocol::median_scaling),
      choice<Averaging>("averaging", &Protocol::averaging,
                        {{"per_image", Averaging::per_image}, {"pooled", Averaging::pooled}}),
      choice<bool>("non_finite", &Protocol::repair, {{"refused", false}, {"repaired", true}}),
      choice<Evaluator>("evaluator", &Protocol::evaluator, {{"online", Evaluator::online}, {"pngs", Evaluator::pngs}}),
      choice<Arithmetic>("arithmetic", &Protocol::arithmetic, {{"f32", Arithmetic::f32}, {"f64", Arithmetic::f64}}),
      optional(number("invalid_value", &Protocol::invalid_value)),
      optional(number("valid_below_m", &Protocol::valid_below_m)),
      optional(choice<ZeroDepth>("zero_depth", &Protocol::zero_depth,
                                 {{"clamped", ZeroDepth::clamped}, {"filled", ZeroDepth::filled}})),
      optional(choice<Resampling>(
          "resampling", &Protocol::resampling,
          {{"refused", Resampling::refused}, {"bilinear", Resampling::bilinear}, {"nearest", Resampling::nearest}})),
  };
  return all;
}

/// Sets what one word of a line says; returns its key.
std::string read_word(Protocol& protocol, const std::string& word) {
  const auto equals = std::min(word.find('='), word.size());
  const std::string key = word.substr(0, equals), value = word.substr(std::min(equals + 1, word.size()));
  const auto field = std::ranges::find(fields(), key, &Field::key);
  if (field == fields().end()) fail(ErrorKind::bad_data, "protocol line: unknown key '", key, "'");
  if (!field->read(protocol, value)) fail(ErrorKind::bad_data, "protocol line: ", key, " cannot be '", value, "'");
  return key;
}

}  // namespace

Protocol named_protocol(const std::string& name, const std::string& dataset) {
  const DatasetTraits& traits = dataset_traits(dataset);
  const NamedProtocol* const found = find_protocol(traits, name);
  if (!found && protocol_dataset(name)) fail(ErrorKind::usage, "protocol '", name, "' is not for ", dataset);
  const NamedProtocol named = found ? *found : NamedProtocol{.name = name};
  Protocol protocol;
  protocol.name = name;
  protocol.dataset = dataset;
  protocol.cap_m = named.cap_m > 0 ? named.cap_m : traits.cap_m;
  protocol.crop = named.crop;
  protocol.kb_crop = named.kb_crop;
  protocol.zero_depth = named.zero_depth;
  protocol.depth_scale = traits.units_per_m;
  return protocol;
}

std::vector<std::string> protocol_names() {
  std::vector<std::string> names = {kPlain};
  for (const std::string& dataset : dataset_names()) {
    for (const NamedProtocol& protocol : dataset_traits(dataset).protocols) names.push_back(protocol.name);
  }
  return names;
}

std::optional<std::string> protocol_dataset(const std::string& name) {
  if (name == kPlain) return std::nullopt;
  for (const std::string& dataset : dataset_names()) {
    if (find_protocol(dataset_traits(dataset), name)) return dataset;
  }
  fail(ErrorKind::usage, "no protocol '", name, "' (", listed(protocol_names()), ")");
}

std::vector<const MetricField*> table_columns(const Protocol& protocol) {
  const DatasetTraits& traits = dataset_traits(protocol.dataset);
  const NamedProtocol* const named = find_protocol(traits, protocol.name);
  std::vector<const MetricField*> columns;
  for (const std::string& key : named && !named->table_columns.empty() ? named->table_columns : traits.table_columns)
    columns.push_back(&metric_field(key));
  return columns;
}

void apply_compat(Protocol& protocol, const std::string& peer) {
  if (peer != "bts" && peer != "bts-online" && peer != "newcrfs") {
    fail(ErrorKind::usage, "no peer '", peer, "' (bts, bts-online, newcrfs)");
  }
  protocol.repair = true;
  protocol.evaluator = peer == "bts" ? Evaluator::pngs : Evaluator::online;
  protocol.gt_kb_crop = peer != "bts" && protocol.kb_crop;
  protocol.flip_average |= peer == "newcrfs";
}

std::string describe(const Protocol& protocol) {
  std::string line = protocol.name;
  const Protocol usual;
  for (const Field& field : fields()) {
    const std::string value = field.write(protocol);
    if (!field.optional || value != field.write(usual)) line += cat(" ", field.key, "=", value);
  }
  return line;
}

Protocol parse_protocol(const std::string& line) {
  const std::vector<std::string> words = words_of(line);
  if (words.empty() || words.front().find('=') != std::string::npos)
    fail(ErrorKind::bad_data, "protocol line: it does not begin with a name");
  Protocol protocol;
  protocol.name = words.front();
  std::vector<std::string> keys;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string key = read_word(protocol, words[i]);
    if (std::ranges::find(keys, key) != keys.end())
      fail(ErrorKind::bad_data, "protocol line: ", key, " is there twice");
    keys.push_back(key);
  }
  for (const Field& field : fields()) {
    if (!field.optional && std::ranges::find(keys, field.key) == keys.end())
      fail(ErrorKind::bad_data, "protocol line: no ", field.key, " in it");
  }
  return protocol;
}

std::string protocol_hash(const std::string& line) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : line) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  std::ostringstream text;
  text << std::hex << std::setw(16) << std::setfill('0') << hash;
  return text.str();
}

std::string protocol_difference(const std::string& line, const std::string& other) {
  const std::vector<std::string> a = words_of(line), b = words_of(other);
  std::string differences;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const std::string left = i < a.size() ? a[i] : "nothing", right = i < b.size() ? b[i] : "nothing";
    if (left != right) differences += cat(differences.empty() ? "" : ", ", left, " and ", right);
  }
  return differences;
}

}  // namespace md
