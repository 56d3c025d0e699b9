// What is wrong with lists of frames, found before a run of days finds it. Every frame is decoded, on all processors.
#pragma once
#include <string>
#include <vector>

#include "data/augment.h"
#include "engine/comm.h"
#include "tools/cli/data_options.h"
#include "tools/cli/exit_code.h"

namespace md {

/// What `mdtrain check-data` is asked for.
struct CheckDataCommand {
  std::vector<std::string> lists;  // of one data root; a picture that is in two of them is bad
  std::string bad = "bad.tsv";
};

/// stdout: for each list the counts, sizes, the folder conventions that were found, and statistics of the depth.
/// stderr: a line for each of the first bad frames: unreadable, implausible (data/depth_histogram.h), or listed twice.
/// If there are any, all go into the file `bad` (file, list:line, reason), and it returns Exit::bad_data.
/// Several ranks divide the frames, and rank 0 says and writes what one would have.
Exit check_data(const DataOptions&, const CheckDataCommand&, Communicator& ranks = alone());

/// The same of a few frames with ground truth, in a line for the beginning of a training run. Throws as
/// Dataset::load_training and augment() where none of them can be used, or more than `most_bad` cannot.
std::string brief_check(const Dataset&, const AugmentSpec&, i64 most_bad);

}  // namespace md
