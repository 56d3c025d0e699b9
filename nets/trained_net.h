// A network as a checkpoint holds it: built from the options in the file's metadata, with the weights of the file.
// This is how a program that links the libraries gets a network to predict with (tests/tools/package/predict.cpp).
#pragma once
#include <memory>
#include <string>

#include "engine/safetensors.h"
#include "nets/depth_net.h"

namespace md {

/// What the names of the optimiser's tensors in a checkpoint begin with; all others are the network's.
inline constexpr const char* kOptimizerPrefix = "optimizer.";

/// The network of a checkpoint (or of what convert_weights.py makes of a whole network), on the CPU, in evaluation
/// mode: `forward` gives its depth in metres. Its batch norms are folded (layers/modules.h). Throws ErrorKind::missing
/// or ErrorKind::bad_data, both naming the file.
std::unique_ptr<DepthNet> load_trained_net(const std::string& path);

/// The same from a file that has been read, with nothing folded. Errors do not name it.
std::unique_ptr<DepthNet> trained_net(const SafeTensors& file);

/// A JSON text of the file's metadata, as written there. Throws ErrorKind::bad_data where there is none.
const std::string& checkpoint_metadata(const SafeTensors& file, const std::string& key);

}  // namespace md
