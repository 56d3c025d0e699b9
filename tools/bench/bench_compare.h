// A benchmark beside its peers: who took how long, who is best, and whether the target is met.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tools/bench/bench_options.h"
#include "tools/bench/bench_work.h"

namespace md {

/// All runs of one side: of ours in one precision, or of one mode of the peers.
struct Runs {
  std::string mode, precision;
  std::vector<double> seconds, peak_mb;  // a number for each round that it was in
  std::string missing;                   // "failed: why" or "absent: why"; empty: it ran

  /// Takes the mode's next report (run_peers in tools/bench/bench_peer.h).
  void add(const nlohmann::ordered_json& report);
  double median_s() const;
  double median_mb() const;
};

/// The modes that could still be the fastest of their precision: those that took at most half as long again as it did.
std::vector<std::string> worth_repeating(const std::vector<Runs>& modes);

/// Ours beside all modes. Time is compared with the fastest that was in every round, round by round; memory with the
/// leanest of them all; among those of the target's precisions, or of ours where there is no target.
/// "ours_s" and "ours_peak_mb" are medians over the rounds with "spread_s" and "spread_mb", [low, high]; "peer",
/// "ratio", "ratios", "memory_peer", "memory_ratio"; "target", and "time_met" and "memory_met"; "modes".
nlohmann::ordered_json verdict(const Runs& ours, const std::vector<Runs>& modes, const std::optional<Target>&);

/// Runs the benchmark on the device in each of the precisions, and its peers if they are asked for, in turns: one
/// verdict for each precision, under "NAME_PRECISION".
nlohmann::ordered_json compare(const BenchOptions&, const Benchmark&, const std::vector<Precision>&);

}  // namespace md
