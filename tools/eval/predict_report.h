// What a run of `mdeval predict` says: each failure as it is met, and at the end what was done and what the files hold.
#pragma once
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "tools/cli/exit_code.h"
#include "tools/cli/progress.h"
#include "tools/eval/depth_files.h"
#include "tools/eval/input_size.h"
#include "tools/eval/picture_list.h"

namespace md {

/// Counts what becomes of pictures.
class PredictReport {
 public:
  /// stderr, now: a line of its own.
  void warn(const std::string& what);
  /// The same for a picture of which nothing comes, which is counted.
  void failed(ErrorKind, const std::string& what);
  void done(const std::string& name, const PictureDepth&, i64 clipped_pixels);
  void skipped_one() { ++skipped_; }
  ProgressLine& progress() { return progress_; }

  /// Last lines, `noun` being "image" or "frame": how many in which place, what their numbers mean, at what size they
  /// went in, what was cut, left out and failed. The exit code: bad_data where anything failed; numeric where nothing
  /// but the network's numbers did.
  Exit finish(std::ostream&, const std::string& noun, const std::string& place, const InputSize&,
              const DepthFileOptions&);
  /// What of folders takes no part.
  void left_out(const PictureList&);

 private:
  void say_clipped(std::ostream&, const DepthFileOptions&) const;

  ProgressLine progress_;
  int done_ = 0, failed_ = 0, not_finite_ = 0, skipped_ = 0;
  i64 clipped_pixels_ = 0;
  std::vector<std::string> clipped_;          // names
  std::vector<std::string> left_out_;         // lines
  std::map<std::pair<i64, i64>, int> sizes_;  // height, width at which pictures went in
};

}  // namespace md
