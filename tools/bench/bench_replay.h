// How each op of a step is run again, alone: the table that says what its call was, and what it has to compute.
#pragma once
#include <string>
#include <vector>

#include "tools/bench/bench_trace.h"

namespace md {

/// What an op's first tensor does not show, in words: "3x3 s2 to 64 relu"; "" where there is nothing.
std::string details_of(const StepOp&);

/// Whether the table has it.
bool can_replay(const StepOp&);

/// Runs it on inputs of its shapes; takes one that it consumes. The op is in the table.
Tensor replay(const StepOp&, std::vector<Tensor>& inputs);

/// Of the forward pass, and of each gradient of a factor; 0: bound by memory.
double flops_of(const StepOp&);

}  // namespace md
