#include "tools/bench/bench_print.h"

#include <algorithm>
#include <iostream>
#include <map>
#include <set>

#include "engine/check.h"
#include "engine/printed.h"
#include "engine/text.h"
#include "tools/bench/bench_against.h"
#include "tools/cli/text_table.h"

namespace md {

using Json = nlohmann::ordered_json;

namespace {

/// At least one blank behind it.
/// "none (this processor has no products of bf16)" or "470 GFLOP/s (AVX-512-bf16)".
std::string bf16_peak(const Json& r) {
  if (r["peak_bf16_gflops"].is_null()) return "none (this processor has no products of bf16)";
  return printed("%.0f GFLOP/s", r["peak_bf16_gflops"].get<double>()) + " (" + r["peak_bf16_by"].get<std::string>() +
         ")";
}

constexpr std::size_t kNameWidth = 44;

std::string line(const std::string& name, double seconds, double mb) {
  return padded(name, kNameWidth) + printed("%10.2f ms %8.0f MB", 1e3 * seconds, mb);
}

/// ": target 0.470 met", or nothing where there is none.
std::string outcome(const Json& r, const char* what, const char* met) {
  if (!r.contains(met)) return "";
  return printed(": target %.3g ", r["target"][what].get<double>()) + (r[met].get<bool>() ? "met" : "MISSED");
}

/// What ours is of the best peer's, in time and in memory; nothing where there is no peer.
std::string verdict_lines(const Json& r) {
  if (!r.contains("ratio")) return "";
  const std::vector<double> ratios = r["ratios"];
  const auto [low, high] = std::minmax_element(ratios.begin(), ratios.end());
  const std::string precision = r["precision"], peer = r["peer"], leanest = r["memory_peer"];
  return cat("  ", precision, printed(": time %.3f (%.3f to %.3f) of ", r["ratio"].get<double>(), *low, *high), peer,
             outcome(r, "time", "time_met"), "\n  ", precision,
             printed(": memory %.3f of ", r["memory_ratio"].get<double>()), leanest, outcome(r, "memory", "memory_met"),
             "\n");
}

/// What bf16 makes of f32's time and memory; nothing where only one of them ran.
std::string bf16_line(const Json& reports) {
  std::map<std::string, Json> by_precision;
  for (const Json& r : reports) by_precision[r["precision"]] = r;
  if (!by_precision.contains("f32") || !by_precision.contains("bf16")) return "";
  const Json &f32 = by_precision["f32"], &bf16 = by_precision["bf16"];
  const auto ratio = [&](const char* what) { return bf16[what].get<double>() / f32[what].get<double>(); };
  return printed("  bf16: time %.3f, memory %.3f of f32's", ratio("ours_s"), ratio("ours_peak_mb")) +
         (ratio("ours_s") > 1 ? ": SLOWER\n" : "\n");
}

/// The parts of the whole, the peaks' share in it, and what is missing.
std::string sum_lines(const Json& r) {
  const double whole_s = r["whole_s"], parts_s = r["parts_s"], least_s = r["least_s"];
  std::string text =
      printed("  the whole %.2f ms, its parts %.2f ms: %.3f of them", 1e3 * whole_s, 1e3 * parts_s,
              r["whole_of_parts"].get<double>()) +
      printed(", target %.2f %s; the peaks allow %.2f ms, %.0f %% of the whole\n", r["target"].get<double>(),
              r["met"].get<bool>() ? "met" : "MISSED", 1e3 * least_s, 100 * least_s / whole_s);
  for (const std::string op : r["missing"]) text += "  not among the parts: " + op + "\n";
  return text;
}

}  // namespace

void print_work(const std::string& what, const Json& reports, const Json& earlier) {
  std::cout << what << "\n";
  for (const auto& [name, r] : reports.items()) {
    const Json before = earlier.value(name, Json::object());
    std::cout << line("  ours " + r["precision"].get<std::string>(), r["ours_s"], r["ours_peak_mb"])
              << against(before, r, "ours_s", "spread_s") << against(before, r, "ours_peak_mb", "spread_mb")
              << (before.empty() && !earlier.empty() ? "   not in the earlier report" : "") << "\n";
  }
  std::set<std::string> shown;  // modes of other precisions than ours are in more than one report
  for (const Json& r : reports) {
    for (const Json& mode : r["modes"]) {
      const std::string name = mode["mode"], precision = mode["precision"];
      if (!shown.insert(name + precision).second) continue;
      std::cout << (mode.contains("missing")
                        ? padded("  " + name, kNameWidth) + "  " + mode["missing"].get<std::string>()
                        : line("  " + name, mode["seconds"], mode["peak_mb"]))
                << "\n";
    }
  }
  for (const Json& r : reports) std::cout << verdict_lines(r);
  std::cout << bf16_line(reports);
  std::cout << std::flush;
}

void print_ops(const Json& r, const Json& before) {
  std::cout << "ops of " << r["what"].get<std::string>()
            << "; peaks measured: " << printed("%.0f GFLOP/s (", r["peak_gflops"].get<double>())
            << r["peak_gflops_by"].get<std::string>()
            << printed("; a product reaches %.0f), bf16: ", r["product_gflops"].get<double>()) << bf16_peak(r)
            << printed(", memory: %.1f GB/s\n", r["peak_gbytes"].get<double>());
  std::vector<std::vector<std::string>> rows;
  for (const Json& row : r["rows"]) {
    const char* const of_peak =
        row["in_cache"].get<bool>() ? "  in cache: %.0f %% of the memory's peak" : "  %3.0f %% of peak";
    rows.push_back({"  " + row["op"].get<std::string>(), row["input"], row["pass"],
                    printed("%d x", row["count"].get<int>()), printed("%.2f ms", 1e3 * row["seconds"].get<double>()),
                    printed("%.1f %%", 100 * row["of_parts"].get<double>()),
                    printed("%.1f GFLOP/s", row["gflops"].get<double>()),
                    printed("%.1f GB/s", row["gbytes"].get<double>()),
                    printed(of_peak, 100 * row["of_peak"].get<double>()) +
                        against(earlier_row(before, row), row, "seconds", "spread_s")});
  }
  const auto words = [](std::size_t least) { return TextColumn{.least = least, .left = true}; };
  std::cout << text_table({words(34),
                           words(19),
                           words(9),
                           {.least = 5},
                           {.least = 11},
                           {.least = 8},
                           {.least = 16},
                           {.least = 12},
                           words(0)},
                          rows)
            << sum_lines(r) << std::flush;
}

void print_slower_ops(const Json& f32, const Json& bf16) {
  std::cout << printed("  bf16: the whole %.3f of f32's\n",
                       bf16["whole_s"].get<double>() / f32["whole_s"].get<double>());
  for (const Json& row : bf16["rows"]) {
    const Json in_f32 = earlier_row(f32, row);
    const double seconds = row["seconds"], before_s = in_f32.value("seconds", 0.);
    if (seconds <= before_s) continue;
    std::cout << cat("  ", in_f32.empty() ? "in bf16 alone: " : "SLOWER in bf16: ", row["count"].get<int>(), " x ",
                     row["op"].get<std::string>(), " ", row["input"].get<std::string>(), " ",
                     row["pass"].get<std::string>(), printed(", %.2f ms", 1e3 * seconds),
                     in_f32.empty() ? "" : printed(", in f32 %.2f ms", 1e3 * before_s), "\n");
  }
  std::cout << std::flush;
}

void print_data(const Json& r) {
  std::cout << padded("data", 22)
            << printed("%10.2f ms a step of LT fed from JPEGs, %.1f %% of it waiting; %.2f ms from memory\n",
                       1e3 * r["step_s"].get<double>(), 100 * r["waited"].get<double>(),
                       1e3 * r["from_memory_s"].get<double>())
            << std::flush;
}

}  // namespace md
