// Chosen plans on disk, a file for each problem, so that processes that write at once lose nothing. The folder has a
// bound: files that were used longest ago go first.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "engine/cuda/saved_plan.h"

namespace md::cuda {

/// How much of plans a folder holds, whoever owns them. A network has some hundreds; one that was compiled has 100 KB.
struct PlanFolderLimits {
  std::size_t files = 8192;
  std::uintmax_t bytes = std::uintmax_t{512} << 20;
};

/// The plans of one owner in a folder that other owners' plans share.
class PlanFiles {
 public:
  using Say = std::function<void(const std::string&)>;
  /// `say` hears of each file that is of no use, and once of a folder that cannot be written. An empty folder: no
  /// files.
  PlanFiles(std::string folder, PlanOwner, Say say, PlanFolderLimits = {});
  std::optional<SavedPlan> find(const std::string& problem) const;
  void keep(const std::string& problem, const SavedPlan&);
  const std::string& folder() const { return folder_; }

 private:
  std::string path(const std::string& problem) const;
  void make_room() const;

  std::string folder_;
  PlanOwner owner_;
  Say say_;
  PlanFolderLimits limits_;
  bool writes_;
};

}  // namespace md::cuda
