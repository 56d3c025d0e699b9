// Holds the engine against every file under tests/goldens, or MD_GOLDENS=DIR. One line a case on stdout: "pass NAME"
// ("pass NAME (1 ulp)": gradients matched with the image a rounding off, golden_networks.cpp), "FAIL NAME" or "pending
// NAME" (known, but part of a later network). An unknown op fails.
// Labels: golden
#include "tests/golden/golden.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <regex>

#include "tests/kit/testing.h"

namespace md::golden {
namespace {

const std::vector<Case>& all_cases() {
  static const std::vector<Case> cases = find_cases(goldens_dir());
  return cases;
}

/// Throws Pending.
Report judge(const Case& golden, const Handlers& handlers) {
  Report report;
  const auto handler = handlers.ready.find(golden.op);
  if (golden.kind == "broken") {
    report.wrong("cannot be read: ", golden.op);
  } else if (handlers.pending.contains(golden.op)) {
    throw Pending{};
  } else if (handler == handlers.ready.end()) {
    report.wrong("unknown ", golden.kind, " '", golden.op, "'");
  } else {
    try {
      handler->second(golden, report);
    } catch (const std::exception& error) {
      report.wrong(error.what());
    }
  }
  return report;
}

/// By name; env MD_GOLDEN_CASES is a regular expression that leaves others out.
bool is_wanted(const Case& golden) {
  const char* const given = std::getenv("MD_GOLDEN_CASES");
  return given == nullptr || std::regex_search(golden.name, std::regex(given));
}

/// What is wrong with a case; empty if nothing.
std::string verdict(const Case& golden, const Handlers& handlers) { return judge(golden, handlers).text(); }

void run_case(const Case& golden, const Handlers& handlers) {
  try {
    const Report report = judge(golden, handlers);
    const std::string& wrong = report.text();
    std::cout << (wrong.empty() ? "pass " : "FAIL ") << golden.name << report.note() << '\n';
    if (!wrong.empty()) ADD_FAILURE() << golden.name << ":\n" << wrong;
  } catch (const Pending&) {
    std::cout << "pending " << golden.name << '\n';
  }
}

void run_kind(const std::string& kind, const Handlers& handlers) {
  const std::string no_gpu = device().kind == Device::cuda ? test::why_no_gpu() : "";
  if (!no_gpu.empty()) GTEST_SKIP() << no_gpu;
  for (const Case& golden : all_cases()) {
    if (golden.kind == kind && is_wanted(golden)) run_case(golden, handlers);
  }
}

TEST(Golden, EveryFileIsReadable) {
  EXPECT_FALSE(all_cases().empty()) << goldens_dir() << " has no cases";
  run_kind("broken", {});
}

TEST(Golden, Layers) { run_kind("layer", layer_handlers()); }
TEST(Golden, Networks) { run_kind("network", network_handlers()); }
TEST(Golden, Optimisers) { run_kind("optim", optim_handlers()); }
TEST(Golden, MetricsAndAugmentation) { run_kind("data", data_handlers()); }

/// tests/goldens/layers/act_relu with one element of `entry` changed, written to and read from a folder of its own.
Case spoiled(const std::string& entry) {
  const SafeTensors original = SafeTensors::read(test::source_dir() + "/tests/goldens/layers/act_relu.safetensors");
  State state;
  for (const char* name : {"input", "output", "grad_output", "grad_input"}) state[name] = original.tensor(name).clone();
  if (!entry.empty()) state[entry].data()[20] += 0.01F;
  const Path folder = Path(::testing::TempDir()) / cat("spoiled_golden_", entry);
  std::filesystem::create_directories(folder);
  write_safetensors((folder / "relu.safetensors").string(), state, original.metadata());
  return find_cases(folder).at(0);
}

TEST(GoldenRunner, FailsOnAWrongNumberAndOnAnUnknownOp) {
  EXPECT_EQ(verdict(spoiled(""), layer_handlers()), "");
  EXPECT_NE(verdict(spoiled("output"), layer_handlers()).find("output"), std::string::npos);
  EXPECT_NE(verdict(spoiled("grad_input"), layer_handlers()).find("grad_input"), std::string::npos);
  Case unknown = spoiled("");
  unknown.op = "no_such_op";
  EXPECT_NE(verdict(unknown, layer_handlers()).find("unknown layer 'no_such_op'"), std::string::npos);
}

TEST(GoldenRunner, FailsOnADamagedFile) {
  const Path folder = Path(::testing::TempDir()) / "damaged_golden";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "x.safetensors") << "not a safetensors file";
  const Case damaged = find_cases(folder).at(0);
  EXPECT_NE(verdict(damaged, {}).find("x.safetensors"), std::string::npos);
}

// The published test vector of the formula.
TEST(GoldenFormula, FillsTheFirstWeightOfMobileNet) {
  const Tensor w = formula_entry("", "features.0.0.weight", {16, 3, 3, 3}, 1.4);
  const std::vector<float> values = w.to_host();
  EXPECT_EQ(hash("features.0.0.weight"), 0xdc61ac3bf1020d2cU);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(values[0]), 0x3eb0f8caU);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(values[1]), 0xbe814b39U);
  const std::vector<float> var = formula_entry("", "features.0.1.running_var", {16}, 1).to_host();
  EXPECT_EQ(std::bit_cast<std::uint32_t>(var[3]), 0x3f850c18U);
}

// A digest must notice a permutation that leaves the norm alone, and a relative error above the tolerance.
TEST(GoldenReport, NoticesPermutationsAndErrors) {
  const std::uint64_t h = hash("proj.x");
  std::vector<double> x(1000);
  double l2 = 0, projection = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = centred(hash("x"), i);
    l2 += x[i] * x[i], projection += x[i] * centred(h, i) / 1000;
  }
  const Json digest = {{"shape", {10, 100}}, {"l2", std::sqrt(l2)}, {"proj", projection}, {"first", {x[0], x[1]}}};
  const auto wrong = [&](const std::vector<double>& values) {
    Report report;
    report.compare("x", values, digest, "", "x", 5e-3, true);
    return !report.text().empty();
  };
  EXPECT_FALSE(wrong(x));
  std::vector<double> moved(x.rbegin(), x.rend());
  EXPECT_TRUE(wrong(moved));
  moved = x;
  for (double& v : moved) v *= 1.01;
  EXPECT_TRUE(wrong(moved));
  moved = x;
  moved[1] = 0;
  EXPECT_TRUE(wrong(moved));
  moved[1] = std::nan("");
  EXPECT_TRUE(wrong(moved));
}

}  // namespace
}  // namespace md::golden
