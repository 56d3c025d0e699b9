// mdeval compare as a user runs it, on results made here.
// Labels: tool
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/printed.h"
#include "tests/data/data_files.h"
#include "tests/kit/run_tool.h"
#include "tools/eval/results.h"

namespace md::test {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

/// With every `from` replaced.
std::string renamed(std::string text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

class CompareTest : public DataFolder {
 protected:
  /// Forty images, the last without measures. b is better by 0.01 on average, worse on every fourth image.
  CompareTest() : protocol_(named_protocol("plain", "nyu")) {
    for (int i = 0; i < 39; ++i) {
      const double base = 0.1 + 0.05 * std::sin(i);
      a_.per_image.push_back({cat("room/", i, ".jpg"), image(base, 0.8)});
      b_.per_image.push_back({cat("room/", i, ".jpg"), image(base + (i % 4 == 0 ? 0.002 * i : -0.03), 0.8)});
    }
    for (Evaluation* of : {&a_, &b_}) of->per_image.push_back({"room/none, \"yet\".jpg", std::nullopt});
    save();
  }
  static Metrics image(double abs_rel, double d1) {
    Metrics metrics;
    for (const MetricField& field : metric_fields) metrics.*field.value = 0.5;
    metrics.abs_rel = abs_rel;
    metrics.d1 = d1;
    metrics.pixels = 100;
    return metrics;
  }
  void save() const {
    write("a.csv", to_csv(a_, protocol_));
    write("b.csv", to_csv(b_, protocol_));
  }
  ToolRun compare(const Words& more = {}) const {
    Words args{"compare", path("a.csv"), path("b.csv")};
    args.insert(args.end(), more.begin(), more.end());
    return run_tool("mdeval", args);
  }

  Protocol protocol_;
  Evaluation a_, b_;
};

TEST_F(CompareTest, SaysWhatIsBetterAndWhere) {
  const ToolRun run = compare({"--top", "2", "--json", path("out.json")});
  ASSERT_EQ(run.code, 0) << run.err;
  const json got = json::parse(bytes_of(path("out.json")));
  EXPECT_EQ(got["images"], 39);
  double difference = 0;
  for (std::size_t i = 0; i < 39; ++i) {
    difference += (b_.per_image[i].metrics->abs_rel - a_.per_image[i].metrics->abs_rel) / 39;
  }
  const json& abs_rel = got["measures"]["abs_rel"];
  EXPECT_NEAR(abs_rel["difference"], difference, 1e-12);
  EXPECT_LT(abs_rel["interval_95"][1], 0);
  EXPECT_EQ(abs_rel["verdict"], "B is better");
  EXPECT_EQ(got["measures"]["rmse"]["verdict"], "no clear difference");
  EXPECT_NE(run.out.find("by AbsRel, B is better on 29 images, worse on 9\n"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("worse   0.0504 -> 0.1224  room/36.jpg\n"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("room/32.jpg"), std::string::npos) << run.out;
  EXPECT_EQ(run.out.find("room/28.jpg"), std::string::npos) << "two are asked for: " << run.out;
  EXPECT_EQ(got["per_image"].size(), 39U);
  EXPECT_EQ(got["per_image"].back()["image"], "room/36.jpg");
  EXPECT_EQ(compare().out, compare().out);
}

TEST_F(CompareTest, NumbersOfAnySizeStandApart) {
  for (const double scale : {1e3, 2.5e7, 1e12}) {
    for (ImageScore& score : a_.per_image) {
      if (score.metrics) score.metrics->rmse = scale;
    }
    for (ImageScore& score : b_.per_image) {
      if (score.metrics) score.metrics->rmse = 3 * scale;
    }
    save();
    const std::string out = compare().out, number = scale < 1e9 ? "%.4f" : "%.4e";
    const std::string wanted = printed((number + " " + number).c_str(), scale, 3 * scale);
    EXPECT_NE(out.find(wanted), out.npos) << wanted << "\n" << out;
  }
}

TEST_F(CompareTest, HigherIsBetterForAccuracy) {
  for (ImageScore& score : b_.per_image) {
    if (score.metrics) score.metrics->d1 = 0.7;
  }
  save();
  const ToolRun run = compare({"--by", "d1"});
  EXPECT_NE(run.out.find("by d1, B is better on 0 images, worse on 39\n"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("d1          0.8000    0.7000   -0.1000   -0.1000 to -0.1000   A is better"),
            std::string::npos)
      << run.out;
}

TEST_F(CompareTest, TakesJsonAndListsInAnotherOrder) {
  const ToolRun want = compare();
  std::ranges::reverse(b_.per_image);
  write("b.csv", to_json(Results{.protocol = protocol_, .evaluation = b_}).dump());
  const ToolRun got = compare();
  ASSERT_EQ(got.code, 0) << got.err;
  EXPECT_EQ(got.out, want.out);
}

/// Pooled images weigh by their pixels, and the protocol in the file says that they are pooled.
TEST_F(CompareTest, AveragesAsTheProtocolSays) {
  for (Evaluation* of : {&a_, &b_}) of->per_image.front().metrics->pixels = 1e9;
  protocol_.averaging = Averaging::pooled;
  save();
  ASSERT_EQ(compare({"--json", path("out.json")}).code, 0);
  const json got = json::parse(bytes_of(path("out.json")));
  EXPECT_NEAR(got["measures"]["abs_rel"]["a"], a_.per_image.front().metrics->abs_rel, 1e-6);
}

TEST_F(CompareTest, HasTheColumnsOfTheProtocol) {
  protocol_ = named_protocol("kitti_official", "kitti");
  save();
  const std::string out = compare().out;
  for (const char* title : {"\nSILog ", "\nSqErrRel ", "\nAbsRel ", "\niRMSE "})
    EXPECT_NE(out.find(title), out.npos) << title << out;
  EXPECT_EQ(out.find("\nlog10 "), out.npos) << out;
}

TEST_F(CompareTest, RefusesOtherProtocols) {
  Protocol other = protocol_;
  other.cap_m = 5;
  other.flip_average = true;
  write("b.csv", to_csv(b_, other));
  EXPECT_TRUE(refused(compare(), 65, {"other protocols: cap_m=10 and cap_m=5, flip_average=no and flip_average=yes"}));
}

TEST_F(CompareTest, RefusesOtherImages) {
  b_.per_image[3].image = "room/x.jpg";
  save();
  EXPECT_TRUE(refused(compare(), 65, {"b.csv: has no room/3.jpg, which ", "a.csv has"}));
  b_.per_image[3] = {"room/3.jpg", std::nullopt};
  save();
  EXPECT_TRUE(refused(compare(), 65, {"b.csv: room/3.jpg is not scored, but in ", "a.csv"}));
  b_.per_image.pop_back();
  b_.per_image[3] = a_.per_image[3];
  save();
  EXPECT_TRUE(refused(compare(), 65, {"b.csv: has no room/none"}));
}

TEST_F(CompareTest, RefusesWhatIsNoResult) {
  const std::string good = bytes_of(path("b.csv"));
  Protocol gamma = protocol_;
  gamma.name += " gamma=2";
  std::filesystem::remove(path("b.csv"));
  EXPECT_TRUE(refused(compare(), 66, {"b.csv: no such file"}));
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "not a CSV file of mdeval"},
      {"image,abs_rel\n", "not a CSV file of mdeval"},
      {good.substr(0, good.find('\n') + 1), "no images"},
      {good + "room/99.jpg,1,2\n", "row 42: 3 columns"},
      {std::string(good).replace(good.find("0.1,"), 4, "o.1,"), "row 2: 'o.1' is no number"},
      {std::string(good).replace(good.find("0.1,"), 4, "nan,"), "row 2: 'nan' is no number"},
      {std::string(good).replace(good.find("cap_m=10"), 8, "cap_m=11"), "row 3: another protocol than above"},
      {renamed(good, "cap_m=", "gamma="), "protocol line: unknown key 'gamma'"},
      {to_json(Results{.protocol = gamma, .evaluation = b_}).dump(), "protocol line: unknown key 'gamma'"},
      {"{", "not a JSON file of mdeval"},
      {"{\"protocol_line\": \"plain\"}", "not a JSON file of mdeval"},
  };
  for (const auto& [bytes, part] : cases) {
    write("b.csv", bytes);
    EXPECT_TRUE(refused(compare(), 65, {"b.csv: ", part})) << part;
  }
}

TEST_F(CompareTest, BadOptions) {
  EXPECT_TRUE(refused(compare({"--by", "delta"}), 2, {"--by"}));
  EXPECT_TRUE(refused(compare({"--json", path("none/out.json")}), 73, {"--json"}));
  EXPECT_TRUE(refused(run_tool("mdeval", {"compare", path("a.csv")}), 2, {"B"}));
}

}  // namespace
}  // namespace md::test
