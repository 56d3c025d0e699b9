#include "tools/bench/bench_startup.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "engine/check.h"
#include "tools/bench/bench_frames.h"
#include "tools/cli/clock.h"
#include "tools/cli/process.h"

namespace md {
namespace {

namespace fs = std::filesystem;

/// A program that lies beside this one.
std::string program(const char* name) { return fs::read_symlink("/proc/self/exe").parent_path() / name; }

Finished run_to_the_end(const std::vector<std::string>& command) {
  Finished done = run_process(command);
  if (done.exit_code != 0) fail(ErrorKind::contract, command[0], ": ended with ", done.exit_code);
  return done;
}

/// Looks every half millisecond.
Startup time_until(const std::vector<std::string>& command, const std::function<bool()>& there) {
  const double start_s = now_s();
  auto running = std::async(std::launch::async, [&] { return run_to_the_end(command); });
  while (!there()) {
    if (running.wait_for(std::chrono::microseconds(500)) == std::future_status::ready) break;
  }
  const double seconds = now_s() - start_s;
  return {seconds, running.get().peak_mb};
}

std::vector<std::string> training(const RenderedFrames& frames) {
  return {program("mdtrain"),
          "--data",
          frames.folder(),
          "--list",
          frames.list(),
          "--out",
          frames.folder() / "run",
          "--max-steps",
          "1",
          "--batch",
          "4",
          "--height",
          "416",
          "--width",
          "544"};
}

bool has_loss(const fs::path& metrics) {
  std::ifstream file(metrics);
  for (std::string line; std::getline(file, line);) {
    if (line.find("\"loss\"") != line.npos) return true;
  }
  return false;
}

bool has_file(const fs::path& folder) {
  std::error_code not_there_yet;
  for (const auto& entry : fs::directory_iterator(folder, not_there_yet)) {
    if (entry.path().extension() == ".png" && entry.path().filename().string()[0] != '.') return true;
  }
  return false;
}

}  // namespace

Startup time_first_loss() {
  const RenderedFrames frames;
  return time_until(training(frames), [&] { return has_loss(frames.folder() / "run" / "metrics.jsonl"); });
}

Startup time_first_file() {
  const RenderedFrames frames;
  run_to_the_end(training(frames));
  std::ifstream list(frames.list());
  std::string image;
  list >> image;
  const fs::path out = frames.folder() / "depth";
  const std::vector<std::string> command{
      program("mdeval"),       "predict", frames.folder() / "run" / "last.safetensors",
      frames.folder() / image, "--out",   out};
  return time_until(command, [&] { return has_file(out); });
}

}  // namespace md
