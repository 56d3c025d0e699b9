// Training in bf16: its loss follows that of f32, a run that was stopped goes on bit for bit, and a machine that cannot
// says so in a line.
// Labels: tool
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/kit/bf16.h"
#include "tests/kit/run_tool.h"
#include "tests/tools/tiny_runs.h"
#include "tools/cli/exit_code.h"
#include "tools/run/checkpoint.h"

namespace md::test {
namespace {

using nlohmann::json;

class Bf16Training : public TinyRuns {
 protected:
  TrainOptions in_bf16(const std::string& run, i64 steps) const {
    TrainOptions o = options(run, steps);
    o.device.precision = Precision::bf16;
    return o;
  }
  std::vector<double> losses(const std::string& run) const {
    std::vector<double> all;
    std::ifstream file(path(run + "/metrics.jsonl"));
    for (std::string line; std::getline(file, line);) {
      const json entry = json::parse(line);
      if (entry.contains("loss")) all.push_back(entry["loss"]);
    }
    return all;
  }
};

TEST_F(Bf16Training, LossFollowsThatOfF32) {
  constexpr i64 kSteps = 6;
  expect_trains(options("f32", kSteps));
  const std::vector<double> want = losses("f32");
  ASSERT_EQ(want.size(), std::size_t(kSteps));
  for_each_bf16_cpu([&] {
    std::filesystem::remove_all(path("bf16"));
    expect_trains(in_bf16("bf16", kSteps));
    const std::vector<double> got = losses("bf16");
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t k = 0; k < want.size(); ++k) EXPECT_NEAR(got[k], want[k], 0.03 * want[k]) << "step " << k;
    EXPECT_NE(got, want);
  });
}

TEST_F(Bf16Training, GoesOnBitForBit) {
  for_each_bf16_cpu([&] {
    for (const char* run : {"whole", "parts"}) std::filesystem::remove_all(path(run));
    expect_trains(in_bf16("whole", 5));
    expect_trains(in_bf16("parts", 2));
    TrainOptions rest = in_bf16("parts", 5);
    rest.resume = path("parts");
    expect_trains(rest);
    EXPECT_EQ(losses("parts"), losses("whole"));
  });
}

TEST_F(Bf16Training, IsRecordedInTheConfig) {
  const EmulatedBf16 on;
  expect_trains(in_bf16("run", 1));
  std::ifstream file(path("run/config.toml"));
  const std::string config((std::istreambuf_iterator<char>(file)), {});
  EXPECT_NE(config.find("precision = \"bf16\""), std::string::npos) << config;
}

TEST_F(Bf16Training, IsRefusedInALineWhereItCannotBe) {
  if (can_multiply_bf16()) GTEST_SKIP() << "this processor has instructions for bf16";
  const std::vector<std::string> train{"--list", path("list.txt"), "--data", path(""), "--out", path("no")};
  std::vector<std::string> args = train;
  args.insert(args.end(), {"--device", "cpu", "--precision", "bf16"});
  EXPECT_TRUE(refused(run_tool("mdtrain", args), int(Exit::no_device), {"no bf16", "instructions"}));
  EXPECT_FALSE(std::filesystem::exists(path("no")));
  EXPECT_TRUE(refused(run_tool("mdbench", {"--only", "lt_infer", "--precision", "f32,bf16"}), int(Exit::no_device),
                      {"no bf16", "instructions"}));
}

}  // namespace
}  // namespace md::test
