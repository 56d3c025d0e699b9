// What of a checkpoint's metadata makes a network: its name and options in `config`.
#include "nets/trained_net.h"

#include <nlohmann/json.hpp>

#include "layers/modules.h"
#include "nets/registry.h"

namespace md {

const std::string& checkpoint_metadata(const SafeTensors& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) fail(ErrorKind::bad_data, "no '", key, "' in __metadata__: not a checkpoint");
  return found->second;
}

/// Options that the config does not name, as those of older programs, keep their defaults.
static NetOptions options_of(const nlohmann::json& config) {
  NetOptions options{.seed = std::nullopt};
  for (const NetOption& option : net_options()) {
    if (option.of_every_net || config.contains(option.name))
      std::visit([&](auto member) { config.at(option.name).get_to(options.*member); }, option.member);
  }
  return options;
}

std::unique_ptr<DepthNet> trained_net(const SafeTensors& file) {
  try {
    const auto config = nlohmann::json::parse(checkpoint_metadata(file, "config"));
    auto net = make_net(config.at("net"), options_of(config));
    net->load(file.weights(kOptimizerPrefix));
    net->eval();
    return net;
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::bad_data, "__metadata__: config: ", error.what());
  }
}

std::unique_ptr<DepthNet> load_trained_net(const std::string& path) {
  const auto file = SafeTensors::read(path);
  try {
    auto net = trained_net(file);
    fold_batch_norms(*net);
    return net;
  } catch (const Error& error) {
    fail(ErrorKind::bad_data, path, ": ", error.what());
  }
}

}  // namespace md
