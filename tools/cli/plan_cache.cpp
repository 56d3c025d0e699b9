#include "tools/cli/plan_cache.h"

#include <cstdlib>
#include <filesystem>

namespace md {
namespace {

std::filesystem::path from_environment(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

std::string plan_cache_folder() {
  if (std::getenv("MD_PLAN_CACHE")) return from_environment("MD_PLAN_CACHE").string();
  std::filesystem::path cache = from_environment("XDG_CACHE_HOME");
  if (!cache.is_absolute()) cache = from_environment("HOME") / ".cache";  // XDG: a relative one is none
  return cache.is_absolute() ? (cache / "metricdepth").string() : "";
}

}  // namespace md
