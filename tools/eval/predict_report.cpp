// Sums, as sentences.
#include "tools/eval/predict_report.h"

#include <algorithm>
#include <iostream>

#include "data/picture.h"
#include "engine/text.h"
#include "tools/cli/cli.h"

namespace md {
namespace {

constexpr std::size_t kMostNamed = 3;

/// "a, b, c and 4 more".
std::string first_of(const std::vector<std::string>& names) {
  const std::size_t named = std::min(names.size(), kMostNamed);
  const std::string text = listed({names.begin(), names.begin() + std::ptrdiff_t(named)});
  return names.size() > named ? cat(text, " and ", names.size() - named, " more") : text;
}

}  // namespace

void PredictReport::warn(const std::string& what) {
  progress_.clear();
  std::cerr << "mdeval predict: " << one_line(what) << std::endl;
}

void PredictReport::failed(ErrorKind kind, const std::string& what) {
  warn(what);
  ++failed_;
  not_finite_ += kind == ErrorKind::not_finite;
}

void PredictReport::done(const std::string& name, const PictureDepth& depth, i64 clipped_pixels) {
  ++done_;
  ++sizes_[{depth.depth_m.dim(0), depth.depth_m.dim(1)}];
  if (clipped_pixels == 0) return;
  clipped_pixels_ += clipped_pixels;
  clipped_.push_back(name);
}

void PredictReport::left_out(const PictureList& list) {
  for (const PictureFormat& format : picture_formats()) {
    const auto files = list.unread.find(format.name);
    if (files == list.unread.end()) continue;
    left_out_.push_back(cat(counted(i64(files->second.size()), cat(format.name, " file")),
                            " that this build does not read (", first_of(files->second), "): ", format.conversion,
                            " converts one"));
  }
  if (!list.depth_maps.empty())
    left_out_.push_back(cat(counted(i64(list.depth_maps.size()), "16-bit grey PNG"), " beside pictures: depth"));
  std::vector<std::string> kinds;
  int sum = 0;
  for (const auto& [suffix, count] : list.others) {
    kinds.push_back(cat(count, " ", suffix));
    sum += count;
  }
  if (sum > 0) left_out_.push_back(cat(counted(sum, "file"), " of no picture format: ", listed(kinds)));
}

void PredictReport::say_clipped(std::ostream& out, const DepthFileOptions& files) const {
  if (clipped_.empty()) return;
  out << "cut at " << shortest(float(kMostStored / files.depth_scale))
      << " m, the most that the PNG holds: " << counted(clipped_pixels_, "pixel") << " of " << first_of(clipped_)
      << (files.kitti_benchmark ? "" : " (a smaller --depth-scale holds more, --npy all)") << "\n";
}

Exit PredictReport::finish(std::ostream& out, const std::string& noun, const std::string& place, const InputSize& input,
                           const DepthFileOptions& files) {
  progress_.clear();
  out << counted(done_, noun) << " in " << place << "\n";
  if (done_ > 0 && place != "stdout") {
    out << "depth PNG: " << shortest(files.depth_scale) << " units per metre, up to "
        << shortest(float(kMostStored / files.depth_scale)) << " m, "
        << (files.kitti_benchmark ? "no 0" : "0 where there is no depth")
        << "; depth is along z (x right, y down, z forward)\n";
    if (files.ply && files.cloud.y_up) out << "points: x right, y up, z backward, metres\n";
  }
  if (done_ > 0) {
    out << "network input: " << describe(input);
    const auto& [height, width] = sizes_.begin()->first;
    if (sizes_.size() == 1) out << ": " << height << "x" << width;
    out << "\n";
  }
  say_clipped(out, files);
  if (skipped_ > 0) out << "left out: " << counted(skipped_, noun) << ", complete already (--skip-existing)\n";
  for (const std::string& what : left_out_) out << "left out: " << one_line(what) << "\n";
  out << std::flush;
  if (failed_ == 0) return Exit::ok;
  warn(cat("error: ", failed_, " of ", failed_ + done_ + skipped_, " ", noun, "s failed, named above"));
  return not_finite_ == failed_ ? Exit::numeric : Exit::bad_data;
}

}  // namespace md
