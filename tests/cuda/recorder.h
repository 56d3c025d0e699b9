// Whole training steps of real sizes over libraries that compute nothing: what nvcc compiled runs as it would beside a
// GPU, and every launch, convolution, product and copy is written down. recorder.cpp stands in for the CUDA runtime and
// cuBLAS, and for cuDNN's context; plans are cuDNN's own, for the properties of an H100, or none. Device memory is a
// range of addresses without memory behind them.
#pragma once
#include <string>
#include <vector>

#include "engine/cuda/conv_plan.h"
#include "tests/cuda/kernel_code.h"

namespace md::record {

/// One kernel of the engine's own.
struct Launch {
  const KernelCode* code;
  i64 blocks, threads;  // of a block
  i64 shared_bytes;     // dynamic
  /// Of every tensor that an argument points at: what is behind the pointer; where there are calls, at most a
  /// word for each call.
  std::vector<i64> bytes;
  i64 calls;  // of launch() or pointwise(), else 0
};

/// One convolution, or one of its gradients.
struct Convolution {
  cuda::ConvProblem problem;
  i64 engine = -1, workspace_bytes = 0;  // of cuDNN's plan, if one was made
};

/// c [m,n] = a [m,k] b [k,n].
struct MatrixProduct {
  i64 m, n, k;
  Precision precision;          // of the factors
  i64 factor_bytes, sum_bytes;  // of an element of a or b, and of c
};

struct Recording {
  std::vector<Launch> launches;
  std::vector<Convolution> convolutions;
  std::vector<MatrixProduct> products;
  i64 copies = 0, memsets = 0;
  double begin_ms = 0, finish_ms = 0;  // of the host
  double plan_s = 0;                   // to choose all plans of the step
  i64 plans = 0;
  i64 peak_bytes = 0;
  i64 graphs = 0;  // that were launched
  /// What a later step asks for, which is repeated as graphs of all this.
  struct Repeated {
    i64 launches = 0, graphs = 0, copies = 0;
    double host_ms = 0;
  } repeated;
};

/// What is to be recorded.
struct StepOptions {
  std::string net = "lt";
  i64 batch = 8, height = 416, width = 544;
  Precision precision = Precision::f32;
  bool metric_depth = false;
  bool plans = false;            // cuDNN plans each convolution: seconds to minutes
  bool timed_plans = false;      // all that it would time on a GPU, and takes the first of them
  std::string plan_folder = {};  // where plans are kept; empty: nowhere
};

/// The second step, after which nothing new is asked for; and what is left of it to ask for where it is repeated.
Recording record_step(const StepOptions&);

}  // namespace md::record
