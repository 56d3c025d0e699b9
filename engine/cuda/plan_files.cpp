#include "engine/cuda/plan_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/durable_file.h"
#include "engine/sha256.h"

namespace md::cuda {
namespace {

namespace fs = std::filesystem;

constexpr const char *kPrefix = "plan-", *kSuffix = ".json";

struct PlanFile {
  fs::path path;
  fs::file_time_type used;
  std::uintmax_t bytes;
};

/// Those of a folder, the one used longest ago first; without what another process takes away meanwhile.
std::vector<PlanFile> plan_files_of(const std::string& folder) {
  std::vector<PlanFile> files;
  std::error_code gone;
  for (fs::directory_iterator at(folder, gone), end; !gone && at != end; at.increment(gone)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    std::error_code one_gone;
    const PlanFile file{at->path(), at->last_write_time(one_gone), at->file_size(one_gone)};
    if (!one_gone) files.push_back(file);
  }
  std::ranges::sort(files, {}, [](const PlanFile& file) { return std::pair(file.used, file.path); });
  return files;
}

}  // namespace

PlanFiles::PlanFiles(std::string folder, PlanOwner owner, Say say, PlanFolderLimits limits)
    : folder_(std::move(folder)),
      owner_(std::move(owner)),
      say_(std::move(say)),
      limits_(limits),
      writes_(!folder_.empty()) {}

std::string PlanFiles::path(const std::string& problem) const {
  const std::string whose = cat(owner_, "\n", problem);
  Sha256 name;
  name.update(whose.data(), whose.size());
  return (fs::path(folder_) / (kPrefix + name.finish() + kSuffix)).string();
}

std::optional<SavedPlan> PlanFiles::find(const std::string& problem) const {
  if (folder_.empty()) return std::nullopt;
  std::ifstream file(path(problem), std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  SavedPlan saved;
  const std::string wrong = read_text(text.str(), owner_, problem, saved);
  if (wrong.empty()) {
    std::error_code not_ours_to_write;
    fs::last_write_time(path(problem), fs::file_time_type::clock::now(), not_ours_to_write);
    return saved;
  }
  if (say_) say_(cat(path(problem), ": a plan that is ", wrong, ": it is chosen anew"));
  return std::nullopt;
}

void PlanFiles::keep(const std::string& problem, const SavedPlan& saved) {
  if (!writes_) return;
  try {
    std::error_code told_by_the_file;
    fs::create_directories(folder_, told_by_the_file);
    write_file_durably(path(problem), to_text(owner_, problem, saved));
    make_room();
  } catch (const Error& error) {
    writes_ = false;
    if (say_) say_(cat(error.what(), "; plans of convolutions are not kept for later runs"));
  }
}

/// An eighth more goes than has to, so that the next plans find room.
void PlanFiles::make_room() const {
  const std::vector<PlanFile> files = plan_files_of(folder_);
  std::uintmax_t bytes = 0;
  for (const PlanFile& file : files) bytes += file.bytes;
  std::size_t left = files.size();
  if (left <= limits_.files && bytes <= limits_.bytes) return;
  for (const PlanFile& file : files) {
    if (left <= limits_.files - limits_.files / 8 && bytes <= limits_.bytes - limits_.bytes / 8) return;
    std::error_code gone_or_not_ours;
    fs::remove(file.path, gone_or_not_ours);
    --left;
    bytes -= file.bytes;
  }
}

}  // namespace md::cuda
