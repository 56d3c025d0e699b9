// Frames are looked at in any order, and judged in that of the lists.
#include "tools/train/check_data.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "data/datasets.h"
#include "data/depth_histogram.h"
#include "data/file_status.h"
#include "engine/durable_file.h"
#include "engine/printed.h"
#include "tools/cli/clock.h"
#include "tools/cli/output.h"
#include "tools/cli/progress.h"

namespace md {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostLines = 20;  // on stderr
constexpr i64 kBriefFrames = 8;

/// What is known of a frame of a list.
struct Frame {
  std::string image_file, image_place, depth_place;  // empty: not found, or no ground truth
  std::string bad;                                   // "FILE: why"; empty: good
  std::string turned;                                // turned_remark()
  int width = 0, height = 0;
  std::string resized;        // "960x720 to 256x192"; empty: not
  double measured = -1;       // part of the pixels; -1: no ground truth
  std::uint64_t picture = 0;  // hash of its pixels
};

struct CheckedList {
  std::string name;
  std::vector<int> lines;
  std::vector<Frame> frames;
  DepthHistogram depth;
  std::vector<std::string> remarks = {};
  i64 repeated_pictures = 0;  // under other names in the same list: no fault, cameras do that
};

/// FNV-1a over words: tells pictures apart, not attackers.
std::uint64_t hash_of(const std::vector<std::uint8_t>& bytes) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, std::min<std::size_t>(8, bytes.size() - i));
    hash = (hash ^ word) * 0x100000001B3;
    hash ^= hash >> 32;
  }
  return hash;
}

/// The folders of a file below its root, in the words of the data set: "val/DRIVE/proj_depth/groundtruth/image_02".
std::string place_of(const std::string& file, const std::string& root, const std::string& listed,
                     const DatasetTraits& traits) {
  const std::string below = fs::path(file).lexically_relative(fs::canonical(root)).string();
  if (traits.place_name) return traits.place_name(below);
  return below.ends_with("/" + listed) ? below.substr(0, below.size() - listed.size()) : "as listed";
}

/// Fills `frame` as far as the files go.
void look_at(const Dataset& data, i64 index, Frame& frame, DepthHistogram& depth) {
  const DatasetSpec& spec = data.spec();
  const DatasetTraits& traits = dataset_traits(spec.dataset);
  const ListEntry& entry = data.entries()[std::size_t(index)];
  frame.image_file = data.image_file(index);
  frame.image_place = place_of(frame.image_file, spec.root, entry.image, traits);
  const Sample sample = entry.depth.empty() ? data.load(index) : data.load_training(index);
  frame.width = sample.image.width;
  frame.height = sample.image.height;
  frame.resized = sample.resized;
  frame.picture = hash_of(sample.image.pixels);
  frame.turned = turned_remark(sample);
  if (!sample.has_depth()) return;
  const std::string depth_file = data.depth_file(index);
  frame.depth_place = place_of(depth_file, spec.depth_root, entry.depth, traits);
  depth.add(sample, spec);
  frame.measured = double(depth.measured()) / double(depth.pixels());
  if (const std::string why = implausible(depth, spec); !why.empty()) frame.bad = depth_file + ": " + why;
}

/// All that a rank has found in its frames, for the others.
std::vector<std::uint8_t> found_by(const Communicator& ranks, const CheckedList& list) {
  nlohmann::json frames = nlohmann::json::array();
  for (std::size_t i = std::size_t(ranks.rank()); i < list.frames.size(); i += std::size_t(ranks.size())) {
    const Frame& f = list.frames[i];
    frames.push_back({f.image_file, f.image_place, f.depth_place, f.bad, f.turned, f.width, f.height, f.resized,
                      f.measured, f.picture});
  }
  return nlohmann::json::to_cbor({{"frames", frames}, {"depth", list.depth.numbers()}});
}

/// Each rank gets what the others have found.
void gather_frames(CheckedList& list, Communicator& ranks) {
  const std::vector<std::uint8_t> mine = found_by(ranks, list);
  const std::vector<std::string> all = ranks.gather({mine.begin(), mine.end()});
  list.depth = {};
  for (std::size_t r = 0; r < all.size(); ++r) {
    const nlohmann::json found = nlohmann::json::from_cbor(all[r]);
    std::size_t i = r;
    for (const nlohmann::json& f : found["frames"]) {
      list.frames[i] = {f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9]};
      i += all.size();
    }
    list.depth.add(DepthHistogram::from_numbers(found["depth"]));
  }
}

CheckedList check_frames(const Dataset& data, Communicator& ranks) {
  CheckedList list{
      .name = data.spec().list, .lines = {}, .frames = std::vector<Frame>(std::size_t(data.size())), .depth = {}};
  ProgressLine progress;
  const double begin_s = now_s();
  i64 done = 0, bad = 0;
  const i64 first = ranks.rank(), every = ranks.size(), all = data.size();
#pragma omp parallel for schedule(dynamic)
  for (i64 i = first; i < all; i += every) {
    Frame& frame = list.frames[std::size_t(i)];
    DepthHistogram depth;
    try {
      look_at(data, i, frame, depth);
    } catch (const std::exception& error) {  // must not leave the loop
      frame.bad = error.what();
    }
#pragma omp critical
    {
      list.depth.add(depth);
      bad += !frame.bad.empty();
      done = std::min(done + every, all);
      progress.show(cat("checking ", done, "/", data.size(), "  ", bad, " bad  ",
                        rate_and_eta(done, data.size(), now_s() - begin_s)));
    }
  }
  if (ranks.size() > 1) gather_frames(list, ranks);
  for (const ListEntry& entry : data.entries()) list.lines.push_back(entry.line);
  list.remarks = data.remarks();
  return list;
}

/// Marks what comes a second time: a file anywhere, a picture in another list.
class Duplicates {
 public:
  void mark(CheckedList& list) {
    for (std::size_t i = 0; i < list.frames.size(); ++i) {
      Frame& frame = list.frames[i];
      const Place here{&list, cat(list.name, ":", list.lines[i])};
      if (const Place* before = first(files_, without_links(frame.image_file), here); before && frame.bad.empty())
        frame.bad = cat(frame.image_file, ": is already in ", before->line);
      if (frame.picture == 0 || !frame.bad.empty()) continue;
      const Place* before = first(pictures_, frame.picture, here);
      if (!before) continue;
      if (before->list == &list) {
        ++list.repeated_pictures;
      } else {
        frame.bad = cat(frame.image_file, ": is the picture of ", before->line);
      }
    }
  }

 private:
  struct Place {
    const CheckedList* list;
    std::string line;
  };
  static std::string without_links(const std::string& file) {
    std::error_code ignored;
    return file.empty() ? "" : fs::weakly_canonical(file, ignored).string();
  }
  template <class Key>
  static const Place* first(std::unordered_map<Key, Place>& known, const Key& key, const Place& here) {
    const auto [it, is_new] = known.try_emplace(key, here);
    return is_new || key == Key{} ? nullptr : &it->second;
  }
  std::unordered_map<std::string, Place> files_;
  std::unordered_map<std::uint64_t, Place> pictures_;
};

/// "1242x375 (435), 1226x370 (12)", the commonest first.
std::string counted(const std::map<std::string, i64>& counts) {
  std::vector<std::pair<i64, std::string>> order;
  for (const auto& [what, count] : counts) {
    if (!what.empty()) order.emplace_back(-count, what);
  }
  std::sort(order.begin(), order.end());
  std::string text;
  for (const auto& [count, what] : order) {
    text += (text.empty() ? "" : ", ") + what;
    if (order.size() > 1) text += cat(" (", -count, ")");
  }
  return text.empty() ? "none" : text;
}

void print_depth(const DepthHistogram& depth, double least, double most) {
  if (depth.measured() == 0) return;
  const double units = double(depth.units_per_m());
  std::cout << printed("  measured  %.1f %% of the pixels, of a frame %.1f to %.1f %%\n",
                       100 * double(depth.measured()) / double(depth.pixels()), 100 * least, 100 * most)
            << printed("  range     %.3f to %.3f m, median %.3f m\n", depth.lowest() / units, depth.highest() / units,
                       depth.median() / units);
}

/// Returns how many frames are bad.
i64 print(const CheckedList& list, bool name_it) {
  std::map<std::string, i64> sizes, resized, image_places, depth_places;
  i64 bad = 0, without_depth = 0, turned = 0;
  std::string first_turned;
  double least = 1, most = 0;
  for (const Frame& frame : list.frames) {
    bad += !frame.bad.empty();
    without_depth += frame.bad.empty() && frame.measured < 0;
    ++image_places[frame.image_place];
    ++depth_places[frame.depth_place];
    if (!frame.turned.empty() && turned++ == 0) first_turned = frame.turned;
    if (frame.width > 0) ++sizes[cat(frame.width, "x", frame.height)];
    if (!frame.resized.empty()) ++resized[frame.resized];
    if (frame.measured < 0) continue;
    least = std::min(least, frame.measured);
    most = std::max(most, frame.measured);
  }
  const auto frames = i64(list.frames.size());
  if (name_it) std::cout << list.name << "\n";
  std::cout << frames << " frames: " << frames - bad << " good (" << without_depth << " of them without ground truth), "
            << bad << " bad\n"
            << "  sizes     " << counted(sizes) << "\n"
            << "  images    " << counted(image_places) << "\n"
            << "  depth     " << counted(depth_places) << "\n";
  if (!resized.empty()) std::cout << "  resized   " << counted(resized) << "\n";
  print_depth(list.depth, least, most);
  if (turned > 0) std::cout << "  turned    " << turned << " pictures, the first " << first_turned << "\n";
  if (list.repeated_pictures > 0)
    std::cout << "  repeated  " << list.repeated_pictures << " pictures, under other names\n";
  for (const std::string& remark : list.remarks) std::cout << "  " << remark << "\n";
  return bad;
}

/// For a column: no tabs, one line.
std::string cell(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, '?');
  return text;
}

/// Every bad frame as a row, and the first of them as lines on stderr.
std::string report_bad(const std::vector<CheckedList>& lists, const std::string& table) {
  std::string rows = "file\tline\treason\n";
  std::size_t lines = 0;
  for (const CheckedList& list : lists) {
    for (std::size_t i = 0; i < list.frames.size(); ++i) {
      const std::string& bad = list.frames[i].bad;
      if (bad.empty()) continue;
      const std::string place = cat(list.name, ":", list.lines[i]);
      const auto colon = std::min(bad.find(": "), bad.size());
      rows += cell(bad.substr(0, colon)) + "\t" + cell(place) + "\t" +
              cell(bad.substr(std::min(colon + 2, bad.size()))) + "\n";
      if (lines++ < kMostLines) std::cerr << place << ": " << bad << "\n";
    }
  }
  if (lines > kMostLines) std::cerr << "and " << lines - kMostLines << " more: see " << table << "\n";
  return rows;
}

}  // namespace

Exit check_data(const DataOptions& options, const CheckDataCommand& command, Communicator& ranks) {
  if (options.root.empty()) fail(ErrorKind::usage, "--data is required");
  require_writable("--bad", command.bad);
  std::vector<CheckedList> lists;
  for (const std::string& list : command.lists)
    lists.push_back(check_frames(Dataset(dataset_spec(options, list)), ranks));
  Duplicates duplicates;
  for (CheckedList& list : lists) duplicates.mark(list);
  i64 bad = 0;
  for (const CheckedList& list : lists) bad += print(list, lists.size() > 1);
  std::cout << std::flush;
  // A table of an earlier check must not outlive what it says.
  const bool has_table = bad > 0 || fs::exists(status_of(command.bad));
  if (has_table && ranks.rank() == 0) write_file_durably(command.bad, report_bad(lists, command.bad));
  return bad == 0 ? Exit::ok : Exit::bad_data;
}

std::string brief_check(const Dataset& data, const AugmentSpec& augmentation, i64 most_bad) {
  const auto all = i64(data.with_depth().size()), looked_at = std::min(all, kBriefFrames);
  DepthHistogram depth;
  std::map<std::string, i64> sizes;
  std::string doubt, turned;
  std::vector<Error> bad;
  for (i64 i = 0; i < looked_at; ++i) {
    const i64 index = data.with_depth()[std::size_t(i * all / looked_at)];
    Sample sample;
    try {
      sample = data.load_training(index);
      require_room(sample, augmentation);
    } catch (const Error& error) {
      bad.push_back(error);
      continue;
    }
    DepthHistogram one;
    one.add(sample, data.spec());
    const std::string why = implausible(one, data.spec());
    if (!why.empty() && doubt.empty())
      doubt = cat("; ", data.depth_file(index), ": ", why, " (mdtrain check-data says more)");
    if (const std::string remark = turned_remark(sample); !remark.empty() && turned.empty()) turned = "; " + remark;
    ++sizes[sample.resized.empty() ? cat(sample.image.width, "x", sample.image.height) : sample.resized];
    depth.add(one);
  }
  for (const std::string& remark : data.remarks()) doubt += "; " + remark;
  if (i64(bad.size()) > most_bad || i64(bad.size()) == looked_at) throw Error(bad.front());
  if (!bad.empty())
    doubt += cat("; ", bad.size(), " cannot be used (mdtrain check-data names all): ", bad.front().what());
  const double units = depth.units_per_m() > 0 ? double(depth.units_per_m()) : 1;
  const std::string numbers = printed(", %.1f %% measured, %.3f to %.3f m, median %.3f m",
                                      100 * double(depth.measured()) / double(std::max<i64>(depth.pixels(), 1)),
                                      depth.lowest() / units, depth.highest() / units, depth.median() / units);
  return cat(looked_at, " of ", all, " frames looked at: ", counted(sizes), numbers, doubt, turned);
}

}  // namespace md
