// Folders are walked once; then names are made, longer ones for those that are not alone with theirs.
#include "tools/eval/picture_list.h"

#include <algorithm>
#include <istream>
#include <iterator>
#include <optional>
#include <set>

#include "data/picture.h"
#include "data/png_header.h"
#include "engine/text.h"

namespace md {
namespace {

namespace fs = std::filesystem;

/// What an argument names, and how much of its path belongs to its name: as many components from the end.
struct Found {
  fs::path file;
  std::size_t own_parts = 1;
};

bool is_grey16_png(const fs::path& file) {
  const std::optional<PngHeader> header = png_header(file.string());
  return header && header->bit_depth == 16 && header->colour_type == 0;
}

/// The path without links and dots; as it is where it cannot be looked at.
fs::path without_links(const fs::path& path) {
  std::error_code unknown;
  const fs::path whole = fs::weakly_canonical(path, unknown);
  return unknown ? path : whole;
}

/// All files of a folder that may be pictures; the others are counted.
class FolderWalk {
 public:
  FolderWalk(const PictureListOptions& options, PictureList& list)
      : options_(options), out_(without_links(options.out)), list_(list) {}

  std::vector<Found> pictures_in(const fs::path& folder) {
    const int before = counted();
    const std::size_t errors = list_.errors.size();
    walk(folder, 1);
    if (found_.empty() && list_.errors.size() == errors) fail_empty(folder, counted() - before);
    const auto first_depth =
        std::ranges::stable_partition(found_, [](const Found& f) { return !is_grey16_png(f.file); });
    if (first_depth.begin() != found_.begin()) {
      for (const Found& each : first_depth) list_.depth_maps.push_back(each.file);
      found_.erase(first_depth.begin(), first_depth.end());
    }
    return std::move(found_);
  }

 private:
  void walk(const fs::path& folder, std::size_t depth) {
    if (!walked_.insert(without_links(folder)).second) return;  // links may lead in circles
    std::vector<fs::path> entries;
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
      entries.push_back(at->path());
    if (error) list_.errors.emplace_back(ErrorKind::missing, cat(folder.string(), ": ", error.message()));
    std::ranges::sort(entries);
    for (const fs::path& entry : entries) look_at(entry, depth);
  }

  void look_at(const fs::path& entry, std::size_t depth) {
    std::error_code ignored;
    if (entry.filename().string().starts_with(".")) return;
    if (fs::is_directory(entry, ignored)) {
      ++folders_;
      if (options_.recursive && without_links(entry) != out_) walk(entry, depth + 1);
    } else if (const PictureFormat* const format = picture_format_of_name(entry.string())) {
      if (format->is_read) {
        found_.push_back({entry, depth});
      } else {
        list_.unread[format->name].push_back(entry.string());
      }
    } else {
      const std::string suffix = lower(entry.extension().string());
      ++list_.others[suffix.empty() ? "without suffix" : suffix];
    }
  }

  int counted() const {
    int sum = 0;
    for (const auto& [suffix, count] : list_.others) sum += count;
    for (const auto& [format, files] : list_.unread) sum += int(files.size());
    return sum;
  }

  [[noreturn]] void fail_empty(const fs::path& folder, int others) const {
    std::string why = cat(others, " other files, ", folders_, " folders");
    if (folders_ > 0 && !options_.recursive) why += " (--recursive looks into them)";
    for (const PictureFormat& format : picture_formats()) {
      const auto files = list_.unread.find(format.name);
      if (files != list_.unread.end())
        why += cat("; ", format.name, " is not read: ", format.conversion, " converts it");
    }
    fail(ErrorKind::bad_data, folder.string(), ": no picture in it that this build reads, ", why);
  }

  const PictureListOptions& options_;
  const fs::path out_;
  PictureList& list_;
  std::set<fs::path> walked_;
  std::vector<Found> found_;
  int folders_ = 0;
};

/// The names that a picture may get, from the first on; the last is its whole path.
class Naming {
 public:
  explicit Naming(const Found& found) : own_parts_(found.own_parts) {
    std::error_code ignored;
    const fs::path whole = fs::absolute(found.file, ignored).lexically_normal();
    for (const fs::path& part : whole.relative_path()) parts_.push_back(part.string());
    parts_.back() = whole.stem().string();
    const std::string suffix = whole.extension().string();
    if (!suffix.empty()) with_suffix_ = parts_.back() + "_" + suffix.substr(1);
    own_parts_ = std::min(own_parts_, parts_.size());
  }

  std::string name() const {
    const std::size_t choices = parts_.size() - own_parts_ + 1;  // of how many folders it has
    const std::size_t parts = own_parts_ + level_ % choices;
    std::string text;
    for (std::size_t i = parts_.size() - parts; i + 1 < parts_.size(); ++i) text += parts_[i] + "/";
    return text + (level_ < choices || with_suffix_.empty() ? parts_.back() : with_suffix_);
  }
  /// False where there is no other name.
  bool next() {
    const std::size_t last = 2 * (parts_.size() - own_parts_ + 1) - 1;
    if (level_ == last) return false;
    ++level_;
    return true;
  }

 private:
  std::size_t own_parts_, level_ = 0;
  std::vector<std::string> parts_;  // of the path, the last without suffix
  std::string with_suffix_;
};

/// Pictures of which another one would write the same file.
std::vector<std::size_t> not_alone(const std::vector<Naming>& namings, const std::vector<std::string>& endings) {
  std::map<std::string, std::size_t> owner;
  std::set<std::size_t> shared;
  for (std::size_t i = 0; i < namings.size(); ++i) {
    for (const std::string& ending : endings) {
      const auto [at, is_new] = owner.emplace(namings[i].name() + ending, i);
      if (!is_new) shared.insert({at->second, i});
    }
  }
  return {shared.begin(), shared.end()};
}

std::vector<Naming> name_apart(const std::vector<Found>& found, const std::vector<std::string>& endings) {
  std::vector<Naming> namings(found.begin(), found.end());
  for (bool changed = true; changed;) {
    changed = false;
    for (const std::size_t i : not_alone(namings, endings)) changed |= namings[i].next();
  }
  return namings;
}

/// Each file once, however it was named.
void drop_repeated(std::vector<Found>& found) {
  std::set<fs::path> seen;
  std::erase_if(found, [&](const Found& each) { return !seen.insert(without_links(each.file)).second; });
}

}  // namespace

PictureList list_pictures(const std::vector<std::string>& arguments, const PictureListOptions& options) {
  PictureList list;
  std::vector<Found> found;
  for (const std::string& argument : arguments) {
    std::error_code ignored;
    if (!fs::is_directory(argument, ignored)) {
      found.push_back({argument});
      continue;
    }
    try {
      std::ranges::copy(FolderWalk(options, list).pictures_in(argument), std::back_inserter(found));
    } catch (const Error& error) {
      list.errors.push_back(error);
    }
  }
  drop_repeated(found);
  const std::vector<Naming> namings = name_apart(found, options.endings);
  for (std::size_t i = 0; i < found.size(); ++i) list.pictures.push_back({found[i].file, namings[i].name()});
  return list;
}

std::vector<std::string> read_names(std::istream& in) {
  std::string all{std::istreambuf_iterator<char>(in), {}};
  if (all.starts_with("\xFF\xFE") || all.starts_with("\xFE\xFF"))
    fail(ErrorKind::bad_data, "stdin: names in UTF-16; wanted is UTF-8");
  if (all.starts_with("\xEF\xBB\xBF")) all.erase(0, 3);
  const bool by_nul = all.find('\0') != all.npos;
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = std::min(all.find(by_nul ? '\0' : '\n', begin), all.size());
    std::string name = all.substr(begin, end - begin);
    if (!by_nul && name.ends_with('\r')) name.pop_back();
    if (!name.empty()) names.push_back(std::move(name));
    begin = end + 1;
  }
  return names;
}

}  // namespace md
