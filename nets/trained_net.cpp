// What of a checkpoint's metadata makes a network: its name and options in `config`.
#include "nets/trained_net.h"

#include <nlohmann/json.hpp>

namespace md {

const std::string& checkpoint_metadata(const SafeTensors& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) fail(Exit::bad_data, "no '", key, "' in __metadata__: not a checkpoint");
  return found->second;
}

std::unique_ptr<DepthNet> trained_net(const SafeTensors& file) {
  try {
    const auto config = nlohmann::json::parse(checkpoint_metadata(file, "config"));
    auto net = make_net(config.at("net"), {.max_depth_m = config.at("max-depth"),
                                           .random_weights = false,
                                           .focal_scaling = config.value("focal-scaling", false)});
    net->load(file.state("", kOptimizerPrefix));
    net->eval();
    return net;
  } catch (const nlohmann::json::exception& error) {
    fail(Exit::bad_data, "__metadata__: config: ", error.what());
  }
}

std::unique_ptr<DepthNet> load_trained_net(const std::string& path) {
  const auto file = SafeTensors::read(path);
  try {
    return trained_net(file);
  } catch (const Error& error) {
    fail(Exit::bad_data, path, ": ", error.what());
  }
}

}  // namespace md
