// Where the plans of convolutions that were chosen on this machine's GPUs are kept (engine/plan_choice.h).
#pragma once
#include <string>

namespace md {

/// MD_PLAN_CACHE of the environment, else `metricdepth` in the user's cache folder: XDG_CACHE_HOME, else ~/.cache.
/// Empty, which is nowhere: MD_PLAN_CACHE is empty, or there is no such folder.
std::string plan_cache_folder();

}  // namespace md
