// A program as one of several ranks that a launcher has started (mpirun, srun): rank 0 alone says and writes things,
// and an error of one rank ends all of them, with its exit code and one line that names it.
#pragma once
#include <functional>

#include "engine/comm.h"
#include "tools/cli/device_option.h"
#include "tools/cli/exit_code.h"

namespace md {

/// Joins the others, who are waited for `wait_limit_s` seconds at most, and does the work. Without a launcher, or where
/// it has started one process, that is all. Else an error of the work does not come back from here.
Exit on_ranks(const std::string& program, double wait_limit_s, const std::function<Exit(Communicator&)>& work);

/// The options with the GPU of this rank among those of its machine, where they leave it open.
DeviceOptions device_of_rank(DeviceOptions, const Communicator&);

/// What ranks other than the first write to std::cout and std::cerr goes nowhere from now on.
void silence_other_ranks();

/// For commands that one process runs: throws ErrorKind::usage where a launcher has started more of them.
void require_one_process();

}  // namespace md
