// What a rank has of a run that several compute (SCALING.md): its samples, and what it must agree on with the others.
#pragma once
#include <vector>

#include "data/loader.h"
#include "engine/comm.h"
#include "nets/depth_net.h"

namespace md {

/// How many samples of a batch it has. Throws ErrorKind::usage where the batch does not divide into the ranks.
int samples_of_rank(int batch, const Communicator&);

/// Its places in a step's samples: of each batch of `batch`, of which a step has `accumulate`, the rank-th part. Empty,
/// which is all, for one rank. Throws as samples_of_rank.
std::vector<int> places_of_rank(int batch, int accumulate, const Communicator&);

/// Makes names, pixels measured and bad frames of a rank's samples (places_of_rank) those of the whole step, and tells
/// the others of a signal; returns the first one that a rank has caught, or 0.
int share(Batch&, int accumulate, int signal, Communicator&);

/// The running statistics of rank 0, which are those that it saves, on all ranks: before an evaluation that they
/// divide.
void take_statistics_of_first(const Module& net, Communicator&);

/// Throws ErrorKind::bad_data where this rank begins at another step than rank 0, or with other weights.
void require_same_beginning(const Module& net, i64 step, Communicator&);

}  // namespace md
