// An evaluation in files: JSON and CSV.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "tools/evaluate.h"

namespace md {

/// abs_rel sq_rel rmse rmse_log log10 silog d1 d2 d3 images missing protocol, and protocol_line with every parameter.
nlohmann::ordered_json to_json(const Evaluation&, const Protocol&);

/// One row an image, in list order; the measures are empty where nothing was scored.
std::string to_csv(const Evaluation&);

}  // namespace md
