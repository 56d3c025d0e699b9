// The options that name a protocol and change its parameters; whatever they make of it is printed and hashed.
#pragma once
#include <string>

#include "data/protocol.h"

namespace CLI {
class App;
}

namespace md {

/// Empty or 0: as the protocol has it.
struct ProtocolOptions {
  std::string name, compat, averaging, evaluator, arithmetic, kb_crop;
  float cap_m = 0;
  bool flip_average = false, median_scaling = false;
};

/// Defines --protocol and the options that change a protocol.
void add_protocol_options(CLI::App&, ProtocolOptions&);

/// Throws ErrorKind::usage naming the option.
Protocol protocol_of(const ProtocolOptions&, const std::string& dataset);

}  // namespace md
