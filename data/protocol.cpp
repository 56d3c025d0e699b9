// The named protocols and their one-line form, in which they are compared.
#include "data/protocol.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iomanip>
#include <iterator>
#include <sstream>
#include <vector>

#include "engine/check.h"

namespace md {
namespace {

struct Named {
  const char* name;
  std::optional<DatasetKind> dataset;
  ScoreCrop crop = ScoreCrop::none;
  bool kb_crop = false;
  float cap_m = 0.F;  // 0: the data set's usual one
};

// 256 m is beyond what a 16-bit file of 1/256 m holds.
const std::array<Named, 5> kNamed{{{"plain", std::nullopt},
                                   {"nyu_eigen", DatasetKind::nyu, ScoreCrop::eigen_nyu},
                                   {"kitti_eigen_garg", DatasetKind::kitti, ScoreCrop::garg, true},
                                   {"kitti_eigen_eigen", DatasetKind::kitti, ScoreCrop::eigen_kitti, true},
                                   {"kitti_official", DatasetKind::kitti, ScoreCrop::none, false, 256.F}}};

const Named& find_named(const std::string& name) {
  const auto* const found = std::ranges::find(kNamed, name, [](const Named& n) { return std::string(n.name); });
  if (found != kNamed.end()) return *found;
  std::string names;
  for (const Named& known : kNamed) names += cat(names.empty() ? "" : ", ", known.name);
  fail(ErrorKind::usage, "--protocol: no protocol '", name, "' (", names, ")");
}

const char* name_of(DatasetKind kind) {
  if (kind == DatasetKind::plain) return "plain";
  return kind == DatasetKind::nyu ? "nyu" : "kitti";
}

const char* name_of(ScoreCrop crop) {
  switch (crop) {
    case ScoreCrop::none:
      return "none";
    case ScoreCrop::eigen_nyu:
      return "eigen_nyu";
    case ScoreCrop::eigen_kitti:
      return "eigen_kitti";
    case ScoreCrop::garg:
      return "garg";
  }
  return "?";
}

const char* yes_no(bool on) { return on ? "yes" : "no"; }

/// The shortest text that reads back as the same float, in any locale.
std::string exact(float value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

}  // namespace

Protocol named_protocol(const std::string& name, DatasetKind kind) {
  const Named& named = find_named(name);
  if (named.dataset && *named.dataset != kind) {
    fail(ErrorKind::usage, "--protocol: ", name, " is not for ", name_of(kind));
  }
  Protocol protocol;
  protocol.name = name;
  protocol.dataset = kind;
  protocol.cap_m = named.cap_m > 0 ? named.cap_m : kind == DatasetKind::kitti ? 80.F : 10.F;
  protocol.crop = named.crop;
  protocol.kb_crop = named.kb_crop;
  protocol.depth_scale = depth_units_per_m(kind);
  return protocol;
}

std::optional<DatasetKind> protocol_dataset(const std::string& name) { return find_named(name).dataset; }

void apply_compat(Protocol& protocol, const std::string& peer) {
  if (peer != "bts" && peer != "bts-online" && peer != "newcrfs") {
    fail(ErrorKind::usage, "--compat: no peer '", peer, "' (bts, bts-online, newcrfs)");
  }
  protocol.repair = true;
  protocol.evaluator = peer == "bts" ? Evaluator::pngs : Evaluator::online;
  protocol.gt_kb_crop = peer != "bts" && protocol.kb_crop;
  protocol.flip_average |= peer == "newcrfs";
}

std::string describe(const Protocol& p) {
  return cat(p.name, " dataset=", name_of(p.dataset), " min_m=", exact(p.min_m), " cap_m=", exact(p.cap_m),
             " crop=", name_of(p.crop), " kb_crop=", yes_no(p.kb_crop), " gt_kb_crop=", yes_no(p.gt_kb_crop),
             " depth_scale=", exact(p.depth_scale), " velodyne_raw=", yes_no(p.velodyne_raw),
             " flip_average=", yes_no(p.flip_average), " median_scaling=", yes_no(p.median_scaling),
             " averaging=", p.averaging == Averaging::pooled ? "pooled" : "per_image",
             " non_finite=", p.repair ? "repaired" : "refused",
             " evaluator=", p.evaluator == Evaluator::pngs ? "pngs" : "online",
             " arithmetic=", p.arithmetic == Arithmetic::f32 ? "f32" : "f64");
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
