// Training runs of a second, as mdtrain makes them, but in this process.
#pragma once
#include "tests/data/data_files.h"
#include "tools/train/trainer.h"

namespace md::test {

/// Four frames of 40x64, and how to train LT on them.
class TinyRuns : public DataFolder {
 protected:
  static constexpr int kFrames = 4;
  TinyRuns() {
    std::string list;
    for (int i = 0; i < kFrames; ++i) {
      write_png(path(cat(i, ".png")), test_image(40, 64, i));
      write_png(path(cat("d", i, ".png")), test_depth(40, 64, i));
      list += cat(i, ".png d", i, ".png 500\n");
    }
    write("list.txt", list);
  }
  TrainOptions options(const std::string& run, i64 steps, const std::string& device = "cpu") const {
    TrainOptions o;
    o.data.root = path("");
    o.list = path("list.txt");
    o.out = path(run);
    o.device.name = device;
    o.augment.height = 32;
    o.augment.width = 64;
    o.batch = 1;
    o.epochs = 100;
    o.max_steps = steps;
    o.metric_depth = true;
    resolve(o);
    return o;
  }
  /// Returns what it says.
  static std::string expect_trains(const TrainOptions& o) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const Caught error = caught([&] { train(o); });
    const std::string said = testing::internal::GetCapturedStdout() + testing::internal::GetCapturedStderr();
    EXPECT_EQ(error.kind, std::nullopt) << error.what << said;
    return said;
  }
};

}  // namespace md::test
