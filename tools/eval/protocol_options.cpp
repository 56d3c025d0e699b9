// First the name, then a peer's habits, then what is asked for one by one.
#include "tools/eval/protocol_options.h"

#include <CLI/CLI.hpp>

#include "data/datasets.h"
#include "engine/text.h"
#include "tools/cli/cli.h"
#include "tools/cli/flag_in_error.h"

namespace md {

void add_protocol_options(CLI::App& app, ProtocolOptions& o) {
  app.add_option("--protocol", o.name, "how predictions are scored: " + either(protocol_names()))->required();
  app.add_option(
      "--compat", o.compat,
      "score with the habits of a peer's evaluator: bts (16-bit PNGs), bts-online (its training) or newcrfs");
  app.add_option("--cap", o.cap_m, "largest depth that is scored, metres, instead of the protocol's")
      ->check(positive());
  app.add_option("--averaging", o.averaging,
                 "means are taken per_image, as papers do, or pooled: every pixel weighs alike")
      ->check(CLI::IsMember({"per_image", "pooled"}));
  app.add_flag("--flip-average", o.flip_average, "average with the prediction of the mirrored frame, as NeWCRFs does");
  app.add_flag("--median-scaling", o.median_scaling, "scale each prediction to the median of its ground truth");
  app.add_option("--kb-crop", o.kb_crop, "predict KITTI's 352x1216 benchmark crop: yes or no")
      ->check(CLI::IsMember({"yes", "no"}));
  app.add_option("--evaluator", o.evaluator,
                 "evaluator to follow: online, or pngs: through a 16-bit file, as BTS's eval_with_pngs")
      ->check(CLI::IsMember({"online", "pngs"}));
  app.add_option("--arithmetic", o.arithmetic, "arithmetic of a pixel's error: f32, as the peers, or f64")
      ->check(CLI::IsMember({"f32", "f64"}));
}

Protocol protocol_of(const ProtocolOptions& o, const std::string& dataset) {
  Protocol protocol = with_flag("--protocol", ErrorKind::usage, [&] { return named_protocol(o.name, dataset); });
  if (o.cap_m > 0) protocol.cap_m = o.cap_m;
  if (protocol.cap_m <= protocol.min_m)
    fail(ErrorKind::usage, "--cap: ", o.cap_m, " m is not above ", protocol.min_m, " m");
  if (!o.kb_crop.empty()) protocol.kb_crop = o.kb_crop == "yes";
  if (!o.compat.empty()) with_flag("--compat", ErrorKind::usage, [&] { apply_compat(protocol, o.compat); });
  protocol.flip_average |= o.flip_average;
  protocol.median_scaling = o.median_scaling;
  if (o.averaging == "pooled") protocol.averaging = Averaging::pooled;
  if (!o.evaluator.empty()) protocol.evaluator = o.evaluator == "pngs" ? Evaluator::pngs : Evaluator::online;
  if (o.arithmetic == "f64") protocol.arithmetic = Arithmetic::f64;
  return protocol;
}

}  // namespace md
