#include "engine/cuda/plan_files.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/durable_file.h"
#include "engine/sha256.h"

namespace md::cuda {

PlanFiles::PlanFiles(std::string folder, PlanOwner owner, Say say)
    : folder_(std::move(folder)), owner_(std::move(owner)), say_(std::move(say)), writes_(!folder_.empty()) {}

std::string PlanFiles::path(const std::string& problem) const {
  const std::string whose = cat(owner_, "\n", problem);
  Sha256 name;
  name.update(whose.data(), whose.size());
  return (std::filesystem::path(folder_) / ("plan-" + name.finish() + ".json")).string();
}

std::optional<SavedPlan> PlanFiles::find(const std::string& problem) const {
  if (folder_.empty()) return std::nullopt;
  std::ifstream file(path(problem), std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  SavedPlan saved;
  const std::string wrong = read_text(text.str(), owner_, problem, saved);
  if (wrong.empty()) return saved;
  if (say_) say_(cat(path(problem), ": a plan that is ", wrong, ": it is chosen anew"));
  return std::nullopt;
}

void PlanFiles::keep(const std::string& problem, const SavedPlan& saved) {
  if (!writes_) return;
  try {
    std::error_code told_by_the_file;
    std::filesystem::create_directories(folder_, told_by_the_file);
    write_file_durably(path(problem), to_text(owner_, problem, saved));
  } catch (const Error& error) {
    writes_ = false;
    if (say_) say_(cat(error.what(), "; plans of convolutions are not kept for later runs"));
  }
}

}  // namespace md::cuda
