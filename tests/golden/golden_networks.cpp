// Network goldens: whole networks filled by the formula. Evaluation features, gradients in evaluation mode (well
// conditioned), one training step with its gradients and statistics, the losses and parameters over a few updates.
// Tolerances are those that the files' documentation suggests for float32.
#include <algorithm>
#include <cmath>

#include "engine/autograd.h"
#include "engine/optim.h"
#include "layers/ops.h"
#include "losses/silog.h"
#include "nets/bts.h"
#include "nets/lt.h"
#include "nets/mobilenetv3.h"
#include "nets/registry.h"
#include "nets/resnet.h"
#include "tests/golden/golden.h"
#include "tests/kit/testing.h"

namespace md::golden {
namespace {

constexpr double kForward = 1e-5;  // features, depth, statistics, loss in evaluation mode
constexpr double kTrainDepth = 1e-4;
constexpr double kGradientWorst = 5e-3;
constexpr double kGradientMedian = 1e-4;  // in evaluation mode; of LT, ours is 4e-5 off and PyTorch's float32 too

/// Of training mode. In ResNet and BTS many batch norms and ReLUs one after the other amplify rounding: theirs are four
/// to forty times what PyTorch's own float32 misses its float64 by (in brackets). In LT the median norm is 7e-7 off
/// where no sign at a kink differs, and 1.4e-3 with one such sign; updates are 8e-4 off at worst (PyTorch's float32:
/// 5e-4).
struct TrainTolerances {
  double loss = 1e-4;                // before the first update
  double later_loss = 1e-3;          // after updates: Adam's first step is near lr * sign(g), whatever |g|
  double gradient = kGradientWorst;  // norms and projections
  double median = 1e-5;              // of the norms' errors
  double elements = kGradientWorst;  // of gradients on file as a whole
  double update = 1e-2;              // of params_after - params
};
constexpr TrainTolerances kLtTolerances = {.update = 2e-3};
constexpr TrainTolerances kResNetTolerances = {
    .loss = 1e-3, .gradient = 2e-2, .median = 5e-3, .elements = 5e-2};  // [2e-4, 5e-3, 7e-4, 2e-2]
constexpr TrainTolerances kBtsTolerances = {.later_loss = 2e-2,
                                            .gradient = 2e-2,
                                            .median = 2e-3,
                                            .elements = 5e-2,
                                            .update = 1e-1};  // [5e-4, 5e-3, 2e-4, 2e-2, 2e-2]

/// What a network must offer to be held against its golden. The weights are the runner's business.
struct Subject {
  Module& module;
  /// Evaluation mode: maps under the golden's names.
  std::function<std::map<std::string, Tensor>(const Tensor& image)> features;
  /// The training loss of the golden; puts the predicted depth (if any) into `depth_m`.
  std::function<Tensor(const Tensor& image, Tensor& depth_m)> loss;
  TrainTolerances tolerances = {};
};

void check_features(const Case& golden, const Json& run, const Subject& net, Report& report) {
  const NoGrad off;
  net.module.eval();
  const Tensor image = from_nchw(golden.file.tensor("input.image")).rows(0, golden.meta.at("eval_batch")).to(device());
  std::map<std::string, Tensor> maps = net.features(image);
  const auto check = [&](const std::string& name, const Json& digest, const std::string& label,
                         const std::string& full) {
    if (!maps.contains(name)) return report.wrong(name, " is on file, but not among the maps compared");
    // The official code's maps of one channel may lack that axis, which does not change their order.
    const std::vector<double> got = flat_nchw(maps[name]);
    report.compare("eval " + name, got, digest, golden.meta.at("salt"), label, kForward, true);
    if (golden.file.has(full)) report.compare(full, got, golden.numbers(full), kForward);
  };
  for (const auto& [name, digest] : run.at("features").items()) {
    check(name, digest, name, "eval.feat." + name + ".f64");
  }
  const Json outputs = run.value("outputs", Json::object());
  for (const auto& [name, digest] : outputs.items()) {
    check(name, digest, "out." + name, "eval.out." + name + ".f64");
  }
}

std::map<std::string, std::vector<double>> gradients_of(const Module& module) {
  std::map<std::string, std::vector<double>> out;
  for (const Module::Entry& p : module.parameters()) {
    if (p.tensor.grad()) out[p.name] = test::to_double(to_torch(p.tensor.grad(), p.layout));
    p.tensor.zero_grad();
  }
  return out;
}

struct GradientTolerances {
  double worst, median, elements;
};

/// Norms of all gradients. One that is zero in theory (a bias before a batch norm) is held against the largest norm.
void check_norms(const std::map<std::string, std::vector<double>>& gradients, const Json& norms,
                 GradientTolerances tolerances, Report& report) {
  const std::map<std::string, double> wanted = norms;
  double largest = 0;
  for (const auto& [name, want] : wanted) largest = std::max(largest, want);
  std::vector<double> errors;
  for (const auto& [name, want] : wanted) {
    const auto found = gradients.find(name);
    if (found == gradients.end()) {
      report.wrong("no gradient has arrived at ", name);
      continue;
    }
    double squares = 0;
    for (const double v : found->second) squares += v * v;
    const double error = std::fabs(std::sqrt(squares) - want) / std::max(want, 1e-5 * largest);
    if (!(error <= tolerances.worst))
      report.wrong("norm of grad ", name, ": ", std::sqrt(squares), ", expected ", want);
    errors.push_back(error);
  }
  if (gradients.size() != wanted.size()) report.wrong(gradients.size(), " gradients, expected ", wanted.size());
  if (errors.empty()) return;
  std::sort(errors.begin(), errors.end());
  const double median = errors[errors.size() / 2];
  if (!(median <= tolerances.median)) report.wrong("gradient norms: median error ", median, " > ", tolerances.median);
}

/// `prefix`: "train" or "evalmode".
void check_gradients(const Case& golden, const Json& run, const std::string& prefix, GradientTolerances tolerances,
                     const Module& module, Report& report) {
  const auto gradients = gradients_of(module);
  check_norms(gradients, run.at("all_grad_l2"), tolerances, report);
  for (const auto& [name, digest] : run.at("grads").items()) {
    const auto found = gradients.find(name);
    if (found == gradients.end()) continue;  // reported above
    // Single elements scatter in training mode: there, norm and projection only.
    report.compare(prefix + " grad " + name, found->second, digest, golden.meta.at("salt"), "grad." + name,
                   tolerances.worst, prefix == "evalmode");
    const std::string full = prefix + ".grad." + name + ".f64";
    if (golden.file.has(full)) report.compare(full, found->second, golden.numbers(full), tolerances.elements);
  }
}

void check_eval_mode_gradients(const Case& golden, const Json& run, const Subject& net, Report& report) {
  net.module.eval();
  Tensor depth_m;
  const Tensor loss = net.loss(from_nchw(golden.file.tensor("input.image")).to(device()), depth_m);
  report.compare("eval-mode loss", double(loss.item()), run.at("loss"), kForward);
  loss.backward();
  check_gradients(golden, run, "evalmode", {kGradientWorst, kGradientMedian, kGradientWorst}, net.module, report);
}

void check_statistics(const Case& golden, const Json& statistics, const Module& module, Report& report) {
  const State state = module.state();
  for (const auto& [name, want] : statistics.items()) {
    const auto found = state.find(name);
    if (found == state.end()) {
      report.wrong("no buffer ", name);
    } else if (want.is_number()) {
      const int count = *found->second.data<std::int32_t>();
      if (count != want.get<int>()) report.wrong(name, ": ", count, ", expected ", want.get<int>());
    } else {
      report.compare(name, test::to_double(found->second), want, golden.meta.at("salt"), name, kForward, true);
    }
  }
}

/// The update of a parameter is a thousandth of the parameter: only the difference to the start says something.
void check_update(const Case& golden, const std::string& name, const Tensor& after, const Json& digest,
                  double tolerance, Report& report) {
  const std::string salt = golden.meta.at("salt");
  const Tensor before = formula_entry(salt, name, after.shape(), golden.meta.at("weight_gain"));
  const std::vector<double> from = test::to_double(before), to = test::to_double(after);
  const std::uint64_t h = hash(salt + "proj.after." + name);
  double squares = 0, moved = 0, start = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    squares += (to[i] - from[i]) * (to[i] - from[i]);
    moved += (to[i] - from[i]) * centred(h, i);
    start += from[i] * centred(h, i);
  }
  const double n = double(from.size()), want = digest.at("proj").get<double>() - start / n;
  // Seven standard deviations of an error vector of `tolerance` times the update's norm, as in Report::compare.
  const double slack = 4 * tolerance * std::sqrt(squares) / n;
  if (!(std::fabs(moved / n - want) <= slack)) {
    report.wrong("update of ", name, ": projection ", moved / n, ", expected ", want, " within ", slack);
  }
}

/// The optimisers of the three networks' recipes, by the name in the metadata.
Adam make_optimizer(const std::string& recipe, const Module& module) {
  if (recipe == "lt") return Adam({{module.parameters(), 0.01F}}, {.eps = 1e-6F});
  if (recipe == "bts") {
    Adam::Group encoder{{}, 0.01F}, decoder{{}, 0.F};
    for (const Module::Entry& p : module.parameters()) {
      (p.name.starts_with("encoder.") ? encoder : decoder).params.push_back(p);
    }
    return Adam({encoder, decoder}, {.eps = 1e-3});
  }
  if (recipe == "newcrf") return Adam({{module.parameters(), 0.F}}, {.eps = 1e-8, .decoupled_decay = false});
  fail(ErrorKind::bad_data, "golden: unknown optimizer '", recipe, "'");
}

/// A training run, in two reports: what rounding alone can move (the first loss, depth, statistics), and what also
/// hangs on signs at kinks (gradients and all that follows from them).
struct TrainingReport {
  Report forward, gradients;
};

TrainingReport check_training(const Case& golden, const Json& run, const Tensor& image, const Subject& net) {
  TrainingReport report;
  const TrainTolerances& t = net.tolerances;
  load_formula(net.module, golden.meta.at("salt"), golden.meta.at("weight_gain"));
  net.module.train();
  const auto losses = run.at("losses").get<std::vector<double>>();
  const Json lrs = run.value("lrs", Json::array()), after = run.value("params_after", Json::object());
  std::unique_ptr<Adam> adam;
  if (!lrs.empty()) adam = std::make_unique<Adam>(make_optimizer(golden.meta.at("optimizer"), net.module));
  for (std::size_t k = 0; k < losses.size(); ++k) {
    Tensor depth_m;
    const Tensor loss = net.loss(image, depth_m);
    Report& of_loss = k == 0 ? report.forward : report.gradients;
    of_loss.compare(cat("train loss ", k), double(loss.item()), losses[k], k == 0 ? t.loss : t.later_loss);
    loss.backward();
    if (adam) adam->step(lrs.at(k));
    if (k > 0) {
      gradients_of(net.module);  // clears them
      continue;
    }
    if (depth_m) report.forward.compare("train depth", flat_nchw(depth_m), golden.want("train.depth"), kTrainDepth);
    check_statistics(golden, run.at("bn_after_step0"), net.module, report.forward);
    check_gradients(golden, run, "train", {t.gradient, t.median, t.elements}, net.module, report.gradients);
  }
  const State state = net.module.state();
  for (const auto& [name, digest] : after.items()) {
    check_update(golden, name, state.at(name), digest, t.update, report.gradients);
  }
  return report;
}

/// In training, batch norm over a dozen samples amplifies rounding to about 1e-5, and a pre-activation that lies nearer
/// to the kink of (leaky) ReLU than that takes either side by luck. One such sign in a map of n values moves every
/// gradient behind it by about 1/sqrt(n), which can be more than the tolerance (PyTorch's float32 has the same luck):
/// in lt_nyu_64x96 one value of up3.conv2 lies 6.2e-6 from zero, and turning that one sign in PyTorch's float64 run
/// moves the worst gradient norm by 6.925e-3; we are 6.922e-3 off when it falls the other way here. So the image may be
/// a few roundings off for the gradients and what follows from them: a wrong backward fails for each of these images,
/// bad luck does not. The forward pass must match with the image as it is.
void check_training_despite_kinks(const Case& golden, const Json& run, const Subject& net, Report& report) {
  const Tensor image = from_nchw(golden.file.tensor("input.image")).to(device());
  const TrainingReport exact = check_training(golden, run, image, net);
  report.add(exact.forward);
  if (exact.gradients.text().empty()) return;
  for (const int ulps : {1, -1, 2, -2}) {
    const Tensor off = scale(image, 1 + float(ulps) * 0x1p-23F);
    if (check_training(golden, run, off, net).gradients.text().empty()) return report.note(cat("(", ulps, " ulp)"));
  }
  report.add(exact.gradients);
}

void check_network(const Case& golden, const Subject& net, Report& report) {
  const Json run = golden.json().at("f64");
  const auto load = [&] { load_formula(net.module, golden.meta.at("salt"), golden.meta.at("weight_gain")); };
  load();
  fold_batch_norms(net.module);
  net.module.to(device());
  check_features(golden, run, net, report);
  load();  // what was folded is gone with it
  check_features(golden, run, net, report);
  check_eval_mode_gradients(golden, run.at("evalmode_grad"), net, report);
  check_training_despite_kinks(golden, run.at("train"), net, report);
}

/// The entries of `state` below `prefix`, without it.
State below(const State& state, const std::string& prefix) {
  State out;
  for (const auto& [name, tensor] : state) {
    if (name.starts_with(prefix)) out[name.substr(prefix.size())] = tensor;
  }
  return out;
}

/// Every inner map of LT that the golden has. The network itself shows only its ends, so its parts are wired up here.
std::map<std::string, Tensor> lt_features(const DepthNet& net, const Tensor& image) {
  const State state = net.state();
  std::optional<Rng> unused;
  MobileNetV3Large encoder(unused);
  Conv2d bottleneck(unused, 960, 256, 1);
  UpBlock up1(unused, 256, 112, 128), up2(unused, 128, 40, 64), up3(unused, 64, 24, 48);
  Conv2d predict(unused, 32, 1, 3, ConvOptions{.pad = 1});
  const std::map<std::string, Module*> parts = {{"encoder.", &encoder}, {"bottleneck.", &bottleneck},
                                                {"up1.", &up1},         {"up2.", &up2},
                                                {"up3.", &up3},         {"predict.", &predict}};
  for (const auto& [prefix, part] : parts) {
    part->to(device());
    part->load(below(state, prefix));
    part->eval();
  }
  const std::array<Tensor, 5> encoded = encoder.forward(image);
  std::map<std::string, Tensor> maps;
  for (std::size_t tap = 0; tap < encoded.size(); ++tap)
    maps[cat("encoder.features.", MobileNetV3Large::kTaps[tap])] = encoded[tap];
  maps["bottleneck"] = bottleneck.forward(encoded[4]);
  maps["up1"] = up1.forward(leaky_relu(maps["bottleneck"], 0.2F), encoded[3]);
  maps["up2"] = up2.forward(maps["up1"], encoded[2]);
  maps["up3"] = up3.forward(maps["up2"], encoded[1]);
  const DepthMaps ends = net.forward(image);
  maps["up4"] = ends.features, maps["depth"] = ends.depth_m;
  maps["predict"] = predict.forward(maps["up4"]);
  return maps;
}

/// The value behind "within=" and the like in the note of a MetricDepth golden, which is written in Python.
Json from_note(std::string note, const std::string& key) {
  std::replace(note.begin(), note.end(), '(', '[');
  std::replace(note.begin(), note.end(), ')', ']');
  const std::size_t begin = note.find(key + "=") + key.size() + 1;
  // Values hold ", " between their own elements, so the next key ends them: " margins=".
  const std::size_t next = note.find('=', begin);
  const std::size_t end = next == std::string::npos ? note.size() : note.rfind(' ', next);
  return Json::parse(note.substr(begin, end - begin));
}

/// [N,H,W]
Tensor target_depth_m(const Case& golden) {
  const Tensor target = from_nchw(golden.file.tensor("target.depth")).to(device());
  return target.reshape({target.dim(0), target.dim(1), target.dim(2)});
}

SilogOptions silog_options(const Case& golden) { return {golden.meta.at("dataset") == "nyu" ? 0.1F : 1.F, 0.85F}; }

/// The file ends with the map before the sigmoid; the depth in evaluation mode is that map's, scaled and at full size.
void check_lt_depth(const Case& golden, DepthNet& net, Report& report) {
  const NoGrad off;
  load_formula(net, golden.meta.at("salt"), golden.meta.at("weight_gain"));
  net.eval();
  const Tensor image = from_nchw(golden.file.tensor("input.image")).rows(0, golden.meta.at("eval_batch")).to(device());
  const Tensor logits = from_nchw(golden.file.tensor("eval.feat.predict.f64")).to(device());
  const Tensor want =
      scale(upsample_bilinear(sigmoid(logits), image.dim(1), image.dim(2)), golden.meta.at("max_depth"));
  report.compare("eval depth", flat_nchw(net.forward(image).depth_m), flat_nchw(want), kForward);
}

void lt_case(const Case& golden, Report& report) {
  const float max_depth_m = golden.meta.at("max_depth");
  const auto net = make_net("lt", {.max_depth_m = max_depth_m});
  const Tensor target_m = target_depth_m(golden);
  const std::string note = golden.meta.at("note");
  const bool with_metric_depth = note.find("MetricDepth") != std::string::npos;
  MetricDepthSetting setting;
  if (with_metric_depth) {
    Json params = {{"reduction", "mean"}};
    for (const char* key : {"within", "across", "ranges", "margins", "r_p"}) params[key] = from_note(note, key);
    setting = metric_depth_setting(params);
  }
  const auto loss = [&](const Tensor& image, Tensor& depth_m) {
    const DepthMaps maps = net->forward(image);
    depth_m = maps.depth_m;
    const Tensor data = silog(maps.depth_m, target_m, silog_options(golden));
    if (!with_metric_depth) return data;
    const Tensor small =
        depth_to_feature_size(target_m, maps.features.dim(1), maps.features.dim(2), DepthCell::nearest);
    return add(data, metric_depth(maps.features, small, setting.shifts, setting.options));
  };
  check_network(golden, {*net, [&](const Tensor& image) { return lt_features(*net, image); }, loss, kLtTolerances},
                report);
  check_lt_depth(golden, *net, report);
}

void newcrfs_case(const Case& golden, Report& report) {
  const Json& kwargs = golden.meta.at("kwargs");
  const auto net = make_net("newcrfs_" + kwargs.at("version").get<std::string>(),
                            {.max_depth_m = kwargs.at("max_depth"), .seed = std::nullopt, .drop_path_rate = 0});
  const Tensor target_m = target_depth_m(golden);
  const auto features = [&](const Tensor& image) {
    auto maps = newcrfs_features(net->state(), image);
    maps["depth"] = net->forward(image).depth_m;
    return maps;
  };
  const auto loss = [&](const Tensor& image, Tensor& depth_m) {
    depth_m = net->forward(image).depth_m;
    return silog(depth_m, target_m, silog_options(golden));
  };
  check_network(golden, {*net, features, loss}, report);
}

/// float32(t(salt + "loss.<feature>", i)) in the place of our element i.
Tensor loss_weights(const std::string& salt, const std::string& feature, const Tensor& map) {
  const Shape nchw{map.dim(0), map.dim(3), map.dim(1), map.dim(2)};
  std::vector<float> t(std::size_t(map.numel()));
  const std::uint64_t h = hash(salt + "loss." + feature);
  for (std::size_t i = 0; i < t.size(); ++i) t[i] = float(centred(h, i));
  return from_nchw(Tensor::from_host(t, nchw)).to(device());
}

/// The loss of a bare encoder: the sum over some features of mean(feature * weights).
Tensor encoder_loss(const std::string& salt, const std::map<std::string, Tensor>& maps,
                    const std::vector<std::string>& names) {
  Tensor total = Tensor::zeros({}, device());
  for (const std::string& name : names) {
    total = add(total, mean(multiply(maps.at(name), loss_weights(salt, name, maps.at(name)))));
  }
  return total;
}

void resnet_case(const Case& golden, Report& report) {
  std::optional<Rng> unused;
  ResNet net(unused);
  const auto features = [&](const Tensor& image) {
    const std::array<Tensor, 5> taps = net.forward(image);
    std::map<std::string, Tensor> maps = {{"relu", taps[0]}, {"maxpool", max_pool(taps[0], {3, 2, 1})}};
    for (std::size_t k = 1; k < taps.size(); ++k) maps[cat("layer", k)] = taps[k];
    return maps;
  };
  const auto loss = [&](const Tensor& image, Tensor&) {
    return encoder_loss(golden.meta.at("salt"), features(image), {"layer1", "layer2", "layer3", "layer4"});
  };
  check_network(golden, {net, features, loss, kResNetTolerances}, report);
}

/// The layers of the encoder that a golden's kwargs name, "densenet121_bts"; ResNet-50's are without.
int encoder_layers(const Case& golden) {
  const std::string name = golden.meta.at("kwargs").value("encoder", "resnet50_bts");
  return std::stoi(name.substr(name.find_first_of("0123456789")));
}

void bts_case(const Case& golden, Report& report) {
  Bts net({.max_depth_m = golden.meta.at("max_depth"), .focal_scaling = golden.meta.at("dataset") == "kitti"},
          encoder_layers(golden));
  const Tensor target_m = target_depth_m(golden);
  const auto focal = golden.meta.at("focal").get<std::vector<float>>();
  const auto focal_px = [&](const Tensor& image) {
    return Tensor::from_host(std::span(focal).first(std::size_t(image.dim(0))), {image.dim(0)}, device());
  };
  const auto features = [&](const Tensor& image) {
    std::map<std::string, Tensor> maps;
    const auto keep = [&](const std::string& layer, const Tensor& output) { maps[layer] = output; };
    const Bts::Maps out = net.run(image, focal_px(image), keep);
    maps["depth_8x8_scaled"] = out.depth_8x8_scaled, maps["depth_4x4_scaled"] = out.depth_4x4_scaled;
    maps["depth_2x2_scaled"] = out.depth_2x2_scaled, maps["reduc1x1"] = out.reduc1x1, maps["depth"] = out.depth_m;
    return maps;
  };
  const auto loss = [&](const Tensor& image, Tensor& depth_m) {
    depth_m = net.forward(image, focal_px(image)).depth_m;
    return silog(depth_m, target_m, silog_options(golden));
  };
  check_network(golden, {net, features, loss, kBtsTolerances}, report);
}

void mobilenet_case(const Case& golden, Report& report) {
  std::optional<Rng> unused;
  MobileNetV3Large net(unused);
  const auto features = [&](const Tensor& image) {
    std::map<std::string, Tensor> maps;
    net.forward(image, [&](std::size_t feature, const Tensor& map) { maps[cat("features.", feature)] = map; });
    return maps;
  };
  const auto loss = [&](const Tensor& image, Tensor&) {
    return encoder_loss(golden.meta.at("salt"), features(image),
                        {"features.1", "features.3", "features.6", "features.12", "features.15", "features.16"});
  };
  check_network(golden, {net, features, loss}, report);
}

/// Names, shapes and the number of parameters equal PyTorch's.
void check_manifest(const Module& module, const Json& manifest, Report& report) {
  const State state = module.state();
  for (const Json& entry : manifest.at("entries")) {
    const std::string name = entry.at("name");
    const Shape want(entry.at("shape").get<std::vector<i64>>());
    if (!state.contains(name)) {
      report.wrong("no entry ", name);
    } else if (state.at(name).shape() != want) {
      report.wrong(name, ": shape ", state.at(name).shape(), ", expected ", want);
    }
  }
  if (state.size() != manifest.at("entries").size()) {
    report.wrong(state.size(), " entries, expected ", manifest.at("entries").size());
  }
  i64 count = 0;
  for (const Module::Entry& p : module.parameters()) count += p.tensor.numel();
  if (count != manifest.at("total_parameters").get<i64>()) report.wrong(count, " parameters");
}

Handler manifest_case(const std::string& net) {
  return [net](const Case& c, Report& r) { check_manifest(*make_net(net, {.seed = std::nullopt}), c.meta, r); };
}

}  // namespace

Handlers network_handlers() {
  return {
      {"lt", lt_case},   {"mobilenet", mobilenet_case}, {"resnet", resnet_case},
      {"bts", bts_case}, {"newcrf", newcrfs_case},
  };
}

Handlers manifest_handlers() {
  return {
      {"bts_resnet50", manifest_case("bts")},
      {"bts_resnet101", manifest_case("bts_resnet101")},
      {"bts_densenet121", manifest_case("bts_densenet121")},
      {"bts_densenet161", manifest_case("bts_densenet161")},
      {"resnet50_features",
       [](const Case& c, Report& r) {
         std::optional<Rng> unused;
         check_manifest(ResNet(unused), c.meta, r);
       }},
      {"lt", manifest_case("lt")},
      {"newcrfs_tiny07", manifest_case("newcrfs_tiny07")},
      {"newcrfs_base07", manifest_case("newcrfs_base07")},
      {"newcrfs_large07", manifest_case("newcrfs_large07")},
      {"mobilenet_v3_large_features",
       [](const Case& c, Report& r) {
         std::optional<Rng> unused;
         check_manifest(MobileNetV3Large(unused), c.meta, r);
       }},
  };
}

}  // namespace md::golden
