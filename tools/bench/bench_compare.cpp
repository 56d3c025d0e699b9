#include "tools/bench/bench_compare.h"

#include <algorithm>
#include <optional>
#include <set>

#include "tools/bench/bench_peer.h"

namespace md {

using Json = nlohmann::ordered_json;

namespace {

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

Json spread(const std::vector<double>& x) {
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  return {*low, *high};
}

Json described(const Runs& runs) {
  Json report{{"mode", runs.mode}, {"precision", runs.precision}};
  if (!runs.missing.empty()) {
    report["missing"] = runs.missing;
  } else {
    report.update({{"seconds", runs.median_s()}, {"peak_mb", runs.median_mb()}, {"rounds", runs.seconds.size()}});
  }
  return report;
}

/// Of those of the precision ("": any) that ran at least so often; null where there are none.
template <class Cost>
const Runs* least(const std::vector<Runs>& modes, const std::string& precision, std::size_t rounds, Cost cost) {
  const Runs* best = nullptr;
  for (const Runs& mode : modes) {
    if (!mode.missing.empty() || mode.seconds.size() < rounds) continue;
    if (!precision.empty() && mode.precision != precision) continue;
    if (!best || cost(mode) < cost(*best)) best = &mode;
  }
  return best;
}

std::optional<Target> target_of(const BenchOptions& o, const Benchmark& b, Precision precision) {
  if (!o.peer || o.device.name != "cpu") return {};
  for (const Target& target : b.targets) {
    if (target.precision == name_of(precision)) return target;
  }
  return {};
}

/// One run of the benchmark in this mdbench, or in another build's.
Json run_child(const BenchOptions& o, const std::string& program, const std::string& mode, const Benchmark& b,
               Precision precision) {
  Json report = run_mdbench(program, b.name, precision, o);
  report.update({{"mode", mode}, {"precision", name_of(precision)}});
  return report;
}

void add_run(const Json& report, std::vector<Runs>& to) {
  const auto same = [&](const Runs& runs) {
    return runs.mode == report.at("mode") && runs.precision == report.at("precision");
  };
  auto at = std::find_if(to.begin(), to.end(), same);
  if (at == to.end()) at = to.insert(to.end(), Runs{report.at("mode"), report.at("precision"), {}, {}, {}});
  at->add(report);
}

/// Those of ours, and all where a target asks for the best of any.
std::vector<std::string> precisions_of_peers(const std::vector<Precision>& ours, const BenchOptions& o,
                                             const Benchmark& b) {
  std::set<std::string> names;
  for (const Precision precision : ours) {
    names.insert(name_of(precision));
    const auto target = target_of(o, b, precision);
    if (target && target->of_any) names.insert({"f32", "bf16"});
  }
  return {names.begin(), names.end()};
}

}  // namespace

void Runs::add(const Json& report) {
  precision = report.at("precision");
  for (const char* why : {"failed", "absent"}) {
    if (report.contains(why)) missing = std::string(why) + ": " + report.at(why).get<std::string>();
  }
  if (!missing.empty()) return;
  seconds.push_back(report.at("seconds"));
  peak_mb.push_back(report.at("peak_mb"));
}

double Runs::median_s() const { return median(seconds); }
double Runs::median_mb() const { return median(peak_mb); }

std::vector<std::string> worth_repeating(const std::vector<Runs>& modes) {
  std::vector<std::string> names;
  for (const Runs& mode : modes) {
    const Runs* best = least(modes, mode.precision, 1, [](const Runs& m) { return m.median_s(); });
    if (mode.missing.empty() && mode.median_s() <= 1.5 * best->median_s()) names.push_back(mode.mode);
  }
  return names;
}

Json verdict(const Runs& ours, const std::vector<Runs>& modes, const std::optional<Target>& target) {
  Json report{{"precision", ours.precision},
              {"ours_s", ours.median_s()},
              {"spread_s", spread(ours.seconds)},
              {"ours_peak_mb", ours.median_mb()},
              {"spread_mb", spread(ours.peak_mb)}};
  const std::string among = target && target->of_any ? "" : ours.precision;
  const Runs* fastest = least(modes, among, ours.seconds.size(), [](const Runs& m) { return m.median_s(); });
  const Runs* leanest = least(modes, among, 1, [](const Runs& m) { return m.median_mb(); });
  if (target)
    report["target"] = {{"time", target->time}, {"memory", target->memory > 0 ? Json(target->memory) : Json()}};
  if (fastest) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < ours.seconds.size(); ++i) ratios.push_back(ours.seconds[i] / fastest->seconds[i]);
    const double ratio = median(ratios), memory = ours.median_mb() / leanest->median_mb();
    report.update({{"peer", fastest->mode}, {"ratio", ratio}, {"ratios", ratios}});
    report.update({{"memory_peer", leanest->mode}, {"memory_ratio", memory}});
    if (target) report["time_met"] = ratio <= target->time;
    if (target && target->memory > 0) report["memory_met"] = memory <= target->memory;
  }
  report["modes"] = Json::array();
  for (const Runs& mode : modes) report["modes"].push_back(described(mode));
  return report;
}

Json compare(const BenchOptions& o, const Benchmark& b, const std::vector<Precision>& precisions) {
  std::vector<Runs> ours, modes;
  const auto exported = o.peer ? std::make_optional<ExportedNet>(b) : std::nullopt;
  std::vector<std::string> repeated = o.peer_modes;
  for (int round = 0; round < o.pairs; ++round) {
    for (const Precision precision : precisions) {
      add_run(run_child(o, "/proc/self/exe", "ours", b, precision), ours);
      if (!o.other_build.empty()) add_run(run_child(o, o.other_build, o.other_build, b, precision), modes);
    }
    if (!o.peer || (round > 0 && repeated.empty())) continue;
    for (const Json& report : run_peers(o, b, repeated, precisions_of_peers(precisions, o, b), exported->file())) {
      add_run(report, modes);
    }
    repeated = worth_repeating(modes);
  }
  Json reports;
  for (std::size_t i = 0; i < precisions.size(); ++i) {
    Json& report = reports[b.name + "_" + ours[i].precision];
    report["what"] = b.what;
    report.update(verdict(ours[i], modes, target_of(o, b, precisions[i])));
  }
  return reports;
}

}  // namespace md
