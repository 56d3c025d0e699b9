// `--init FILE` and `--init-partial FILE`: what a network begins with instead of random numbers.
#pragma once
#include <string>
#include <vector>

#include "engine/module.h"

namespace md {

/// Loads a safetensors file with a whole network or with whole parts of it (all that begins with `encoder.`, say); a
/// checkpoint's optimiser is passed over. Throws ErrorKind::bad_data, listing every name that is missing from a part,
/// unknown or of another shape, and changes nothing then.
void init_weights(Module& net, const std::string& path);

/// Loads what fits by name, shape and type; a line for each name of the network that stays random and each of the file
/// that is left out, and a last one with the share where less than half of the network comes from the file. Throws
/// ErrorKind::bad_data where nothing fits.
std::vector<std::string> init_weights_partially(Module& net, const std::string& path);

}  // namespace md
