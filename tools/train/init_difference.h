// `--init` from the weights of another run.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace md {

/// "max-depth 80.0 -> 10.0, dataset "kitti" -> "nyu"": options on which the meaning of a network's depth, or what it
/// expects of a picture, depends, and which differ between the run that a safetensors file comes from and `config`. ""
/// where none does, or the file does not say what it was trained with. Throws as SafeTensors::read.
std::string init_difference(const std::string& file, const nlohmann::json& config);

}  // namespace md
