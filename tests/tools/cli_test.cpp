// What the tools promise about their command line: one line on stderr, the exit codes of engine/check.h, and a hint
// where an option is misspelt.
#include "tools/cli/cli.h"
#include "tools/cli/progress.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <new>
#include <vector>

namespace md {
namespace {

struct Outcome {
  int code;
  std::string out, err;
};

Outcome run(std::vector<std::string> args, const std::function<Exit()>& body) {
  CLI::App app{"test", "mdtool"};
  std::string data;
  app.add_option("--data", data)->required();
  int count = 0;
  app.add_option("--count", count);
  args.insert(args.begin(), "mdtool");
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = run_main(app, int(argv.size()), argv.data(), body);
  return {code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

Outcome run(std::vector<std::string> args) {
  return run(std::move(args), [] { return Exit::ok; });
}

Outcome run_throwing(const std::function<void()>& thrower) {
  return run({"--data", "d"}, [&] {
    thrower();
    return Exit::ok;
  });
}

TEST(Cli, ReturnsTheExitCodeOfTheBody) {
  const Outcome got = run({"--data", "d"}, [] { return Exit::stopped; });
  EXPECT_EQ(got.code, 75);
  EXPECT_EQ(got.err, "");
}

TEST(Cli, UnknownOptionNamesTheNearestOne) {
  const Outcome got = run({"--dta", "d"});
  EXPECT_EQ(got.code, 2);
  EXPECT_EQ(got.err, "mdtool: error: unknown option --dta (did you mean --data?)\n");
  EXPECT_EQ(run({"--data", "d", "--cont=3"}).err, "mdtool: error: unknown option --cont=3 (did you mean --count?)\n");
}

TEST(Cli, UnknownOptionFarFromAllGetsNoSuggestion) {
  EXPECT_EQ(run({"--data", "d", "--xyzzyx"}).err, "mdtool: error: unknown option --xyzzyx\n");
}

TEST(Cli, OtherUsageErrorsAreOneLineWithCodeTwo) {
  EXPECT_EQ(run({}).err, "mdtool: error: --data is required\n");
  EXPECT_EQ(run({}).code, 2);
  EXPECT_EQ(run({"--data", "d", "extra"}).err, "mdtool: error: unexpected argument 'extra'\n");
  const Outcome bad_value = run({"--data", "d", "--count", "many"});
  EXPECT_EQ(bad_value.code, 2);
  EXPECT_NE(bad_value.err.find("--count"), std::string::npos) << bad_value.err;
}

TEST(Cli, HelpGoesToStdout) {
  const Outcome got = run({"--help"});
  EXPECT_EQ(got.code, 0);
  EXPECT_NE(got.out.find("--data"), std::string::npos);
  EXPECT_EQ(got.err, "");
}

TEST(Cli, ExceptionsBecomeOneLineAndACode) {
  const Outcome missing = run_throwing([] { fail(ErrorKind::missing, "a.txt: no such\nfile"); });
  EXPECT_EQ(missing.code, 66);
  EXPECT_EQ(missing.err, "mdtool: error: a.txt: no such file\n");
  const Outcome unseen = run_throwing([] { (void)std::filesystem::is_directory(std::string(300, 'x')); });
  EXPECT_EQ(unseen.code, 66);
  EXPECT_EQ(unseen.err, "mdtool: error: " + std::string(300, 'x') + ": File name too long\n");
  EXPECT_EQ(run_throwing([] { throw std::bad_alloc(); }).code, 70);
  EXPECT_EQ(run_throwing([] { throw std::logic_error("oops"); }).err, "mdtool: error: internal: oops\n");
}

TEST(Cli, ProgressIsSilentWithoutATerminal) {
  testing::internal::CaptureStderr();  // a file, so no terminal
  {
    ProgressLine line;
    line.show("half way");
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace md
