// `mdbench --only scale`: training steps of the three networks on 1, 2 and 4 ranks of this machine, how much of the
// sums of gradients they hide, whether the model of it (scale_model.h) says the same, and what that says of more
// devices.
#pragma once
#include <nlohmann/json.hpp>

#include "tools/bench/bench_options.h"

namespace md {

/// Starts the ranks by mpirun, prints both tables and returns their numbers. Throws ErrorKind::missing without MPI.
nlohmann::ordered_json run_and_print_scale(const BenchOptions&);

/// What a rank does, which `--child scale_NETWORK` starts: steps with the same samples a rank however many there are.
nlohmann::ordered_json scale_child(const std::string& net, const BenchOptions&);

/// Whether --child names one of these.
bool is_scale_child(const std::string& child);

}  // namespace md
