// The event files, read back by the definition of their format.
#include "tools/run/event_file.h"

#include <map>

#include "tests/kit/protobuf_fields.h"
#include "tests/kit/test_folder.h"
#include "tools/run/run_folder.h"

namespace md::test {
namespace {

/// The message of the first of some records, whose checksums must be right; it is then taken from them.
std::string_view take_message(std::string_view& records) {
  const auto unmasked = [](std::uint32_t masked) {
    const std::uint32_t rotated = masked - 0xa282ead8U;
    return rotated >> 17 | rotated << 15;
  };
  const std::string_view whole = records;
  const auto length = take<std::uint64_t>(records);
  EXPECT_EQ(unmasked(take<std::uint32_t>(records)), crc32c(whole.substr(0, 8)));
  const std::string_view message = records.substr(0, length);
  records.remove_prefix(length);
  EXPECT_EQ(unmasked(take<std::uint32_t>(records)), crc32c(message));
  return message;
}

std::string_view message_of(std::string_view record) {
  const std::string_view message = take_message(record);
  EXPECT_TRUE(record.empty());
  return message;
}

TEST(EventFile, ChecksumIsCastagnolis) { EXPECT_EQ(crc32c("123456789"), 0xe3069283U); }

TEST(EventFile, BeginsWithTheVersion) {
  const std::string record = first_event_records(5, 0);
  EXPECT_EQ(fields(message_of(record)).find(3)->second, "brain.Event:2");
}

/// Event.session_log is field 7, its status field 1, START is 1 (event.proto).
TEST(EventFile, OfARunThatGoesOnTakesLaterStepsBack) {
  for (const char* step : {"7", "300000000000"}) {
    const std::string records = first_event_records(5, std::stoll(step));
    std::string_view rest = records;
    EXPECT_EQ(fields(take_message(rest)).find(3)->second, "brain.Event:2");
    for (int time = 0; time < 2; ++time) {  // TensorBoard may take the first for the run's beginning
      const Fields start = fields(take_message(rest));
      EXPECT_EQ(start.find(2)->second, step);
      EXPECT_EQ(fields(start.find(7)->second).find(1)->second, "1");
    }
    EXPECT_TRUE(rest.empty());
  }
}

TEST(EventFile, HoldsAdaptiveThresholdsAsCurves) {
  const nlohmann::ordered_json thresholds = {
      {"positive-below", 0.125}, {"ranges", {"0.5-0.75", "0.75-inf"}}, {"margins", {1.5, 3}}};
  const std::string record = event_record({{"step", 3}, {"time", 8.5}, {"thresholds", thresholds}});
  const Fields summary = fields(fields(message_of(record)).find(5)->second);
  std::map<std::string, float> curves;
  for (auto [one, end] = summary.equal_range(1); one != end; ++one) {
    const Fields scalar = fields(one->second);
    std::string_view value = scalar.find(2)->second;
    curves[std::string(scalar.find(1)->second)] = take<float>(value);
  }
  const std::map<std::string, float> expected = {{"train/thresholds/positive-below", 0.125F},
                                                 {"train/thresholds/ranges/1", 0.5F},
                                                 {"train/thresholds/ranges/2", 0.75F},
                                                 {"train/thresholds/margins/1", 1.5F},
                                                 {"train/thresholds/margins/2", 3}};
  EXPECT_EQ(curves, expected);
}

TEST(EventFile, HoldsTheScalarsOfALine) {
  const std::string record =
      event_record({{"step", 300}, {"epoch", 2}, {"loss", 0.75}, {"skipped", {"a"}}, {"time", 8.5}});
  const auto event = fields(message_of(record));
  std::string_view time = event.find(1)->second;
  EXPECT_EQ(take<double>(time), 8.5);
  EXPECT_EQ(event.find(2)->second, "300");
  const auto values = fields(event.find(5)->second);
  ASSERT_EQ(values.count(1), 1U);
  const auto scalar = fields(values.find(1)->second);
  EXPECT_EQ(scalar.find(1)->second, "train/loss");
  std::string_view loss = scalar.find(2)->second;
  EXPECT_EQ(take<float>(loss), 0.75F);

  const std::string evaluation =
      event_record({{"step", 1}, {"time", 0}, {"eval", {{"abs_rel", 0.1}, {"protocol", "plain"}}}});
  const auto of_evaluation = fields(message_of(evaluation));
  EXPECT_EQ(fields(fields(of_evaluation.find(5)->second).find(1)->second).find(1)->second, "eval/abs_rel");
  EXPECT_EQ(event_record({{"step", 1}, {"time", 0}, {"note", "x"}}), "");
}

/// A run folder whose event files are read.
class RunEvents : public TestFolder {
 protected:
  static constexpr const char* kFirst = "run/events.out.tfevents.mdtrain";

  /// Steps [from, to] and, where `evaluated`, an evaluation after the last.
  static void log(RunFolder& run, i64 from, i64 to, bool evaluated = false) {
    for (i64 step = from; step <= to; ++step) run.log({{"step", step}, {"loss", 0.5 * double(step)}});
    if (evaluated) run.log({{"step", to}, {"eval", {{"abs_rel", 0.25}}}});
  }
  /// What the records of a file say: "version", "start 3", "start 3", "train/loss 3", "eval/abs_rel 3".
  std::vector<std::string> told(const std::string& name) const {
    const std::string bytes = bytes_of(path(name));
    std::vector<std::string> found;
    for (std::string_view rest = bytes; !rest.empty();) {
      const Fields event = fields(take_message(rest));
      const std::string step = event.contains(2) ? event.find(2)->second : "0";
      if (event.contains(3)) found.emplace_back("version");
      if (event.contains(7)) found.push_back("start " + step);
      if (event.contains(5))
        found.push_back(fields(fields(event.find(5)->second).find(1)->second).find(1)->second + " " + step);
    }
    return found;
  }
  using Told = std::vector<std::string>;
};

TEST_F(RunEvents, GoOnInAnotherFileWhichSortsBehind) {
  {
    RunFolder run(path("run"), RunFolder::Begin::anew);
    run.write_config("");
    log(run, 1, 5);
  }
  const std::string before = bytes_of(path(kFirst));
  std::filesystem::create_hard_link(path(kFirst), path("held_open"));
  for (const auto& [name, step] : {std::pair(".0002", 3), {".0003", 2}}) {
    RunFolder run(path("run"), RunFolder::Begin::resumed);
    run.write_config("");
    run.rewind(step, 0);
    EXPECT_FALSE(std::filesystem::exists(path(kFirst + std::string(name)))) << "not before there is something new";
    log(run, step + 1, 4);
    run.sync_logs();
  }
  EXPECT_EQ(bytes_of(path("held_open")), before) << "neither changed nor replaced";
  EXPECT_EQ(bytes_of(path(kFirst)), before);
  EXPECT_EQ(told(kFirst + std::string(".0002")), (Told{"version", "start 4", "start 4", "train/loss 4"}));
  EXPECT_EQ(told(kFirst + std::string(".0003")),
            (Told{"version", "start 3", "start 3", "train/loss 3", "train/loss 4"}));
}

TEST_F(RunEvents, GoBackWithinARun) {
  RunFolder run(path("run"), RunFolder::Begin::anew);
  run.write_config("");
  log(run, 1, 12);
  run.rewind(8, 0);
  log(run, 9, 9, true);
  EXPECT_EQ(told(kFirst).size(), 13U);
  EXPECT_EQ(told(kFirst + std::string(".0002")),
            (Told{"version", "start 9", "start 9", "train/loss 9", "eval/abs_rel 9"}));
}

/// Killed between the evaluation after step 4 and the checkpoint that would know of it.
TEST_F(RunEvents, TakeBackAnEvaluationThatIsMadeAgain) {
  RunFolder run(path("run"), RunFolder::Begin::anew);
  run.write_config("");
  log(run, 1, 4, true);
  run.rewind(4, 2);
  log(run, 5, 5);
  EXPECT_EQ(told(kFirst + std::string(".0002")),
            (Told{"version", "start 4", "start 4", "train/loss 4", "train/loss 5"}));
}

TEST_F(RunEvents, AreMadeAnewWhereTheyAreGone) {
  RunFolder run(path("run"), RunFolder::Begin::anew);
  run.write_config("");
  log(run, 1, 3);
  std::filesystem::remove(path(kFirst));
  run.rewind(2, 0);
  log(run, 3, 3);
  EXPECT_EQ(told(kFirst), (Told{"version", "train/loss 1", "train/loss 2", "train/loss 3"}));
}

/// Killed in the middle of a record and of a line.
TEST_F(RunEvents, GoOnBehindACutRecord) {
  for (const int cut : {1, 20, 60}) {
    std::filesystem::remove_all(path("run"));
    {
      RunFolder run(path("run"), RunFolder::Begin::anew);
      run.write_config("");
      log(run, 1, 3);
    }
    for (const char* name : {kFirst, "run/metrics.jsonl"})
      std::filesystem::resize_file(path(name), std::filesystem::file_size(path(name)) - std::uintmax_t(cut));
    const std::string before = bytes_of(path(kFirst));
    RunFolder run(path("run"), RunFolder::Begin::resumed);
    run.write_config("");
    run.rewind(2, 0);
    log(run, 3, 3);
    EXPECT_EQ(bytes_of(path(kFirst)), before);
    EXPECT_EQ(told(kFirst + std::string(".0002")), (Told{"version", "start 3", "start 3", "train/loss 3"})) << cut;
  }
}

}  // namespace
}  // namespace md::test
