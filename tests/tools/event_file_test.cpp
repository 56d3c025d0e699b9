// The event file, read back by the definition of its format.
#include "tools/run/event_file.h"

#include <gtest/gtest.h>

#include "tests/kit/protobuf_fields.h"

namespace md::test {
namespace {

/// The message of a record, whose checksums must be right.
std::string_view message_of(std::string_view record) {
  const auto unmasked = [](std::uint32_t masked) {
    const std::uint32_t rotated = masked - 0xa282ead8U;
    return rotated >> 17 | rotated << 15;
  };
  const std::string_view whole = record;
  const auto length = take<std::uint64_t>(record);
  EXPECT_EQ(unmasked(take<std::uint32_t>(record)), crc32c(whole.substr(0, 8)));
  const std::string_view message = record.substr(0, length);
  record.remove_prefix(length);
  EXPECT_EQ(unmasked(take<std::uint32_t>(record)), crc32c(message));
  EXPECT_TRUE(record.empty());
  return message;
}

TEST(EventFile, ChecksumIsCastagnolis) { EXPECT_EQ(crc32c("123456789"), 0xe3069283U); }

TEST(EventFile, BeginsWithTheVersion) {
  const std::string record = first_event_record(5);
  EXPECT_EQ(fields(message_of(record)).find(3)->second, "brain.Event:2");
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
