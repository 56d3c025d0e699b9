// The event file, read back by the definition of its format.
#include "tools/run/event_file.h"

#include <gtest/gtest.h>

#include "tests/kit/protobuf_fields.h"

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
    const Fields start = fields(take_message(rest));
    EXPECT_TRUE(rest.empty());
    EXPECT_EQ(start.find(2)->second, step);
    EXPECT_EQ(fields(start.find(7)->second).find(1)->second, "1");
  }
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

}  // namespace
}  // namespace md::test
