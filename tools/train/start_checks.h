// What an epoch or the first evaluation of a run would find, found before the run begins: without decoding every frame.
#pragma once
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/protocol.h"

namespace md {

/// Looks for the files of these frames, on all processors; they are then known to `data`. Returns "LIST: 3 of 200
/// frames are missing, the first: WHY", "" where all are there. Throws the same, as ErrorKind::missing or of the first
/// one's kind, where more than `most` are missing; it then ends with `hint`.
std::string look_for_frames(const Dataset& data, const std::vector<i64>& frames, i64 most,
                            const std::string& hint = "");

/// Throws ErrorKind::missing or ErrorKind::bad_data, naming the list, where an evaluation would end so: it looks for
/// every file, asks the header of every ground truth that is a PNG for its size, which must be one that the protocol's
/// crops can be cut from, and decodes the first frame and the last.
void check_evaluation(const Dataset&, const Protocol&);

}  // namespace md
