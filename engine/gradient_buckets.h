// Sums the gradients of a network over all ranks while a backward still makes others: in buckets, each of which is on
// its way as soon as its gradients are complete. The last layers' come first. Bits do not depend on the size of a
// bucket (engine/comm.h).
#pragma once
#include <functional>
#include <vector>

#include "engine/comm.h"

namespace md {

/// The buckets of a network, filled anew in every step.
class GradientBuckets {
 public:
  /// `parameters` in the order in which a forward uses them; a bucket holds `bytes`, or one parameter that is larger.
  GradientBuckets(const std::vector<Tensor>& parameters, i64 bytes, Communicator& ranks);

  /// Runs the last backward of a step, which must be of the same ops on every rank. Then the gradients are the sums
  /// over all ranks; parameters without a gradient stay without.
  void sum_during(const std::function<void()>& backward);

 private:
  struct Bucket {
    std::vector<std::size_t> parameters;
    Tensor numbers;             // all of its gradients, one behind the other
    std::vector<Tensor> parts;  // of each parameter in there
    std::size_t to_come = 0;    // gradients
  };
  void send(Bucket&);

  const std::vector<Tensor> parameters_;
  Communicator& ranks_;
  std::vector<Bucket> buckets_;
  std::vector<std::size_t> bucket_of_;  // of each parameter
};

}  // namespace md
