// Which values fit together.
#include "tools/train/train_options.h"

#include <algorithm>
#include <utility>

#include "data/datasets.h"
#include "nets/registry.h"
#include "tools/cli/flag_in_error.h"

namespace md {
namespace {

/// Options that would be written into the config and change nothing.
void refuse_what_has_no_effect(const TrainOptions& o) {
  const NetRecord& record = net_record(o.net);
  if (const std::string foreign = foreign_option(record, o.net_options); !foreign.empty())
    fail(ErrorKind::usage, "--", foreign, " is for ", nets_with(foreign), ", not for --net ", o.net);
  require_freeze_rule(record, o.freeze);
  if (o.augment.border != NyuBorder::keep && !dataset_traits(o.data.dataset).white_border)
    fail(ErrorKind::usage, "--border ", o.augment.border == NyuBorder::crop ? "crop" : "zero-depth",
         " is for NYU's frames, not for --dataset ", o.data.dataset);
}

void require_files(const TrainOptions& o) {
  if (!o.init.empty() && !o.init_partial.empty())
    fail(ErrorKind::usage, "--init and --init-partial exclude each other");
  const std::pair<const char*, const std::string&> required[] = {
      {"--data", o.data.root}, {"--list", o.list}, {"--out", o.out}};
  for (const auto& [flag, value] : required) {
    if (value.empty()) fail(ErrorKind::usage, flag, " is required");
  }
}

}  // namespace

void resolve(TrainOptions& o) {
  refuse_what_has_no_effect(o);
  require_files(o);
  if (o.max_steps > kMostSteps / o.accumulate)
    fail(ErrorKind::usage, "--max-steps: ", o.max_steps, " times --accumulate ", o.accumulate, " is more than ",
         kMostSteps);
  if (o.augment.brightness[0] > o.augment.brightness[1])
    fail(ErrorKind::usage, "--brightness: ", o.augment.brightness[0], " to ", o.augment.brightness[1],
         " is no range of factors");
  o.net_options.seed = o.seed;
  o.metric.ranges = parse_ranges(o.ranges, o.margins);
}

i64 most_bad_frames(const TrainOptions& o, i64 frames) {
  if (o.max_bad_frames <= 0) return 0;
  const auto part = i64(o.max_bad_frames * double(frames));
  return std::min(std::max(part, i64(1)), std::max(frames - i64(o.batch) * o.accumulate, i64(0)));
}

Protocol eval_protocol(const TrainOptions& o) {
  const auto named = [&] { return named_protocol(o.protocol, o.data.dataset); };
  Protocol protocol = with_flag("--protocol", ErrorKind::usage, named);
  if (o.data.depth_scale > 0) protocol.depth_scale = o.data.depth_scale;
  protocol.invalid_value = float(o.data.invalid_value);
  protocol.valid_below_m = o.data.valid_below_m;
  if (dataset_traits(o.data.dataset).cap_of_network) protocol.cap_m = o.net_options.max_depth_m;
  if (!o.compat.empty()) with_flag("--compat", ErrorKind::usage, [&] { apply_compat(protocol, o.compat); });
  protocol.flip_average |= o.flip_average;
  return protocol;
}

}  // namespace md
