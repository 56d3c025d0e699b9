// Goldens of the evaluation metrics and of the training augmentation, both replayed from what the official code saw.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "data/augment.h"
#include "data/datasets.h"
#include "data/metrics.h"
#include "data/score.h"
#include "tests/golden/golden.h"
#include "tests/kit/testing.h"

namespace md::golden {
namespace {

// ---- metrics

struct MetricName {
  const char* golden;
  double Metrics::*value;
};
constexpr MetricName kMetrics[] = {
    {"silog", &Metrics::silog}, {"abs_rel", &Metrics::abs_rel}, {"log10", &Metrics::log10},
    {"rms", &Metrics::rmse},    {"sq_rel", &Metrics::sq_rel},   {"log_rms", &Metrics::rmse_log},
    {"d1", &Metrics::d1},       {"d2", &Metrics::d2},           {"d3", &Metrics::d3}};

/// The official evaluators sum in float32 over up to 2e5 pixels: 1e-5. In float64 only our final rounding is left.
constexpr double kFloat = 1e-5, kDouble = 1e-9;

Protocol protocol_of(const Json& args, float scale) {
  Protocol p;
  p.name = "golden";
  p.min_m = args.at("min_depth_eval");
  p.cap_m = args.at("max_depth_eval");
  p.kb_crop = args.at("do_kb_crop");
  p.depth_scale = scale;
  p.repair = true;
  if (args.at("eigen_crop")) p.crop = args.at("dataset") == "nyu" ? ScoreCrop::eigen_nyu : ScoreCrop::eigen_kitti;
  if (args.at("garg_crop")) p.crop = ScoreCrop::garg;
  return p;
}

/// PNG units to metres, in float32.
Tensor depth_map(const Case& golden, const std::string& entry, float scale) {
  std::vector<float> metres;
  for (const double units : golden.numbers(entry)) metres.push_back(float(units) / scale);
  return Tensor::from_host(metres, golden.file.entry(entry).shape);
}

/// The prediction of the online protocol, with its NaN, infinite, negative and huge elements.
Tensor overridden(const Case& golden, const std::string& entry, const Tensor& map) {
  if (!golden.file.has(entry + ".override_index")) return map;
  std::vector<float> values = map.to_host();
  const std::vector<double> index = golden.numbers(entry + ".override_index");
  const std::vector<double> value = golden.numbers(entry + ".override_value");
  for (std::size_t i = 0; i < index.size(); ++i) values.at(std::size_t(index[i])) = float(value[i]);
  return Tensor::from_host(values, map.shape());
}

EvalCrop crop_of(const Protocol& p, const Tensor& gt_m, const Tensor& pred_m) {
  const int height = int(pred_m.dim(0)), width = int(pred_m.dim(1));
  if (!p.kb_crop) return {0, 0, height, width};
  return {int(gt_m.dim(0)) - height, (int(gt_m.dim(1)) - width) / 2, height, width};
}

/// A list in the order of the file, or an object with names.
void compare_metrics(const std::string& what, const Metrics& got, const Json& want, const Json& order, double tolerance,
                     Report& report) {
  for (const MetricName& m : kMetrics) {
    const auto place = std::find(order.begin(), order.end(), m.golden) - order.begin();
    const double value = want.is_array() ? want.at(std::size_t(place)) : want.at(m.golden);
    report.compare(cat(what, " ", m.golden), got.*m.value, value, tolerance);
  }
}

/// All images of the case under one protocol.
std::vector<Metrics> score_all(const Case& golden, const Protocol& p, bool overrides) {
  std::vector<Metrics> out;
  for (int i = 0; golden.file.has(cat("gt", i)); ++i) {
    const Tensor gt_m = depth_map(golden, cat("gt", i), p.depth_scale);
    Tensor pred_m = depth_map(golden, cat("pred", i), p.depth_scale);
    if (overrides) pred_m = overridden(golden, cat("pred", i), pred_m);
    const auto metrics = score(p, pred_m, gt_m, crop_of(p, gt_m, pred_m), cat("gt", i)).metrics;
    if (metrics) out.push_back(*metrics);
  }
  return out;
}

void metrics_case(const Case& golden, Report& report) {
  const Json file = golden.json();
  const Json& order = file.at("order");
  Protocol p = protocol_of(golden.meta.at("args"), golden.meta.at("scale"));

  const std::vector<Metrics> online = score_all(golden, p, true);
  if (i64(online.size()) != file.at("online_count").get<i64>()) report.wrong(online.size(), " images");
  compare_metrics("online", mean_metrics(online), file.at("online_eval"), order, kFloat, report);

  p.arithmetic = Arithmetic::f64;
  const std::vector<Metrics> exact = score_all(golden, p, true);
  compare_metrics("float64 mean", mean_metrics(exact), file.at("f64_mean"), order, kDouble, report);
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const Json& want = file.at("f64_per_image").at(i);
    compare_metrics(cat("float64 image ", i), exact[i], want, order, kDouble, report);
    if (i64(exact[i].pixels) != want.at("valid_pixels").get<i64>())
      report.wrong("image ", i, ": ", exact[i].pixels, " pixels");
  }

  p.arithmetic = Arithmetic::f32;
  p.evaluator = Evaluator::pngs;
  const std::vector<Metrics> pngs = score_all(golden, p, false);
  for (std::size_t i = 0; i < pngs.size(); ++i) {
    compare_metrics(cat("pngs image ", i), pngs[i], file.at("eval_with_pngs_per_image_f32").at(i), order, kFloat,
                    report);
  }
  compare_metrics("pngs mean", mean_metrics(pngs), file.at("eval_with_pngs_mean"), order, kFloat, report);
}

// ---- augmentation

/// Hands out the recorded numbers and checks that each is asked for as the official loader asked: kind, order, range.
class ScriptedDraws final : public Draws {
 public:
  explicit ScriptedDraws(const Json& meta) : draws_(meta.at("draws")) {
    for (const std::string call : meta.at("call_order")) {
      // "np.uniform(0.9,1.1,3)" is three numbers.
      const bool numpy = call.starts_with("np.uniform(");
      const std::size_t times = numpy ? std::stoul(call.substr(call.rfind(',') + 1)) : 1;
      calls_.insert(calls_.end(), times, numpy ? call.substr(3, call.rfind(',') - 3) + ") numpy" : call);
    }
  }

  double unit() override {
    expect("random");
    return pop("random");
  }
  i64 integer(i64 low, i64 high) override {
    expect(cat("randint(", low, ",", high, ")"));
    return i64(pop("randint"));
  }
  double uniform(double low, double high) override {
    const bool numpy = next_ < calls_.size() && calls_[next_].ends_with(" numpy");
    expect(cat("uniform(", low, ",", high, ")", numpy ? " numpy" : ""));
    return pop(numpy ? "np_uniform" : "uniform");
  }
  bool used_up() const { return next_ == calls_.size(); }

 private:
  void expect(const std::string& call) {
    if (next_ == calls_.size()) fail(ErrorKind::contract, "draw ", next_, ": ", call, " after the last recorded draw");
    if (calls_[next_] != call) fail(ErrorKind::contract, "draw ", next_, ": ", call, ", recorded ", calls_[next_]);
    ++next_;
  }
  double pop(const std::string& queue) { return draws_.at(queue).at(used_[queue]++); }

  Json draws_;
  std::vector<std::string> calls_;
  std::size_t next_ = 0;
  std::map<std::string, std::size_t> used_;
};

AugmentSpec spec_of(const Json& meta) {
  const Json& args = meta.at("args");
  const std::string style = meta.at("case").get<std::string>().starts_with("newcrfs") ? "newcrfs" : "bts";
  AugmentSpec spec = official_augmentation(style, args.at("dataset"));
  spec.height = args.at("input_height"), spec.width = args.at("input_width");
  spec.rotation_degree = args.at("degree");
  spec.kb_crop = args.at("do_kb_crop");
  // NeWCRFs keeps the frame only at its full height; at any other it crops as BTS does.
  if (spec.border == NyuBorder::zero_depth && spec.height != 480) spec.border = NyuBorder::crop;
  return spec;
}

Sample sample_of(const Case& golden) {
  const std::string input = golden.meta.at("input");
  const Path folder = golden.path.parent_path();
  Sample sample;
  sample.image_name = input + "_rgb.png", sample.depth_name = input + "_depth.png";
  sample.image = read_rgb((folder / sample.image_name).string());
  const float units = dataset_traits(golden.meta.at("args").at("dataset")).units_per_m;
  for (const std::uint16_t d : read_depth((folder / sample.depth_name).string()).pixels) {
    sample.depth_m.push_back(float(d) / units);
  }
  return sample;
}

/// Rows and columns `begin`, `begin + step`, ... of every channel of a map [C,H,W].
std::vector<double> part(const std::vector<double>& map, const Shape& shape, std::array<i64, 2> begin, i64 step,
                         const Shape& out) {
  std::vector<double> values;
  for (i64 c = 0; c < out[0]; ++c) {
    for (i64 y = 0; y < out[1]; ++y) {
      for (i64 x = 0; x < out[2]; ++x) {
        const i64 row = begin[0] + step * y, column = begin[1] + step * x;
        values.push_back(map.at(std::size_t((c * shape[1] + row) * shape[2] + column)));
      }
    }
  }
  return values;
}

void compare_map(const Case& golden, const std::string& name, const Tensor& nhwc, double tolerance, Report& report) {
  const std::vector<double> chw = flat_nchw(nhwc);
  const Shape shape{nhwc.dim(3), nhwc.dim(1), nhwc.dim(2)};
  report.compare(name, chw, golden.meta.at(name), golden.meta.at("case"), "aug." + name, tolerance, true);
  const auto origin = golden.meta.at("patch_origin").get<std::vector<i64>>();
  for (const auto& [suffix, begin, step] :
       {std::tuple{"_stride8", std::array<i64, 2>{0, 0}, i64(8)},
        std::tuple{"_patch", std::array<i64, 2>{origin.at(0), origin.at(1)}, i64(1)}}) {
    const Shape out = golden.file.entry(name + suffix).shape;
    report.compare(name + suffix, part(chw, shape, begin, step, out), golden.numbers(name + suffix), tolerance);
  }
}

void augmentation_case(const Case& golden, Report& report) {
  const AugmentSpec spec = spec_of(golden.meta);
  ScriptedDraws draws(golden.meta);
  const Tensor image = Tensor::zeros({1, spec.height, spec.width, 3});
  const Tensor depth_m = Tensor::zeros({1, spec.height, spec.width, 1});
  augment(sample_of(golden), spec, draws, image.data(), depth_m.data());
  if (!draws.used_up()) report.wrong("not every recorded draw was asked for");
  compare_map(golden, "image", image, 1e-6, report);    // float32 powf and products
  compare_map(golden, "depth", depth_m, 1e-7, report);  // one float32 division
}

}  // namespace

Handlers data_handlers() { return {{"metrics", metrics_case}, {"augmentation", augmentation_case}}; }

}  // namespace md::golden
