// The config in the metadata of a checkpoint against that of the run to come.
#include "tools/train/init_difference.h"

#include <nlohmann/json.hpp>

#include "engine/safetensors.h"
#include "tools/train/train_command.h"

namespace md {

std::string init_difference(const std::string& file, const nlohmann::json& config) {
  const std::vector<std::string> matter = {"max-depth", "focal-scaling", "dataset", "depth-scale", "augment",
                                           "border",    "kb-crop",       "height",  "width"};
  const SafeTensors weights = SafeTensors::read(file);
  const auto kept = weights.metadata().find("config");
  if (kept == weights.metadata().end()) return "";
  const auto trained_with = nlohmann::json::parse(kept->second, nullptr, false);
  if (!trained_with.is_object()) return "";  // another program's
  nlohmann::json before, now;
  for (const std::string& key : matter) {
    if (!trained_with.contains(key) || !config.contains(key)) continue;
    before[key] = trained_with[key];
    now[key] = config[key];
  }
  try {
    return before.is_null() ? "" : config_changes(before, now);
  } catch (const Error&) {  // values of another kind: another program's
    return "";
  }
}

}  // namespace md
