// Files are looked at in any order, and named in that of the list.
#include "tools/train/start_checks.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "data/png_header.h"
#include "data/score.h"
#include "tools/cli/progress.h"

namespace md {
namespace {

/// The errors of `look` at each of these frames, in their order.
template <class Look>
std::vector<Error> errors_of(const std::string& doing, const std::vector<i64>& frames, const Look& look) {
  std::vector<std::optional<Error>> found(frames.size());
  ProgressLine progress;
  i64 done = 0;
#pragma omp parallel for schedule(dynamic)
  for (std::size_t i = 0; i < frames.size(); ++i) {
    try {
      look(frames[i]);
    } catch (const Error& error) {
      found[i] = error;
    } catch (const std::exception& error) {  // must not leave the loop
      found[i] = Error(ErrorKind::contract, error.what());
    }
#pragma omp critical
    progress.show(cat(doing, " ", ++done, "/", frames.size()));
  }
  std::vector<Error> errors;
  for (const std::optional<Error>& error : found) {
    if (error) errors.push_back(*error);
  }
  return errors;
}

/// Throws where the protocol's crops cannot be cut from a frame of this size.
void require_fit(const Protocol& protocol, const std::string& image, int height, int width) {
  const AugmentSpec crops{.border = NyuBorder::keep, .kb_crop = protocol.kb_crop};
  const EvalCrop seen = fixed_crop(crops, height, width, image);
  const bool within = protocol.gt_kb_crop;
  score_box(protocol.crop, within ? seen.height : height, within ? seen.width : width, image);
}

}  // namespace

std::string look_for_frames(const Dataset& data, const std::vector<i64>& frames, i64 most, const std::string& hint) {
  const std::vector<Error> missing = errors_of("looking for frames", frames, [&](i64 index) {
    data.image_file(index);
    if (!data.entries()[std::size_t(index)].depth.empty()) data.depth_file(index);
  });
  if (missing.empty()) return "";
  const auto count = i64(missing.size());
  const std::string line =
      cat(data.spec().list, ": ", count, " of ", frames.size(),
          count == 1 ? " frames is missing: " : " frames are missing, the first: ", missing.front().what());
  if (count > most) fail(missing.front().kind(), line, hint);
  return line;
}

void check_evaluation(const Dataset& data, const Protocol& protocol) {
  std::vector<i64> all(std::size_t(data.size()));
  std::iota(all.begin(), all.end(), 0);
  look_for_frames(data, all, 0);
  const std::vector<Error> unfit = errors_of("looking at sizes", all, [&](i64 index) {
    const ListEntry& entry = data.entries()[std::size_t(index)];
    const auto header = entry.depth.empty() ? std::nullopt : png_header(data.depth_file(index));
    if (header && std::max(header->height, header->width) <= max_image_side)
      require_fit(protocol, entry.image, header->height, header->width);
  });
  if (!unfit.empty())
    fail(unfit.front().kind(), data.spec().list, ": ", unfit.size(), " of ", all.size(),
         " frames do not fit --protocol ", protocol.name, ", the first: ", unfit.front().what());
  for (const i64 index : {all.front(), all.back()}) {
    const Sample frame = data.load(index);
    if (frame.has_depth()) require_fit(protocol, frame.image_name, frame.image.height, frame.image.width);
  }
}

}  // namespace md
