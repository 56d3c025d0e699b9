// Memory of `mdeval predict` over pictures of ever new sizes: what was made for one size must not stay for all.
// Labels: tool
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/tools/predict_fixture.h"

namespace md::test {
namespace {

class PredictMemory : public PredictTest {
 protected:
  /// The peak of a run over these pictures, KiB.
  i64 peak_of(const Words& pictures, const std::string& out) const {
    Words args = {"predict", path("net.safetensors"), "--out", path(out), "--device", "cpu", "--input-size", "native"};
    args.insert(args.end(), pictures.begin(), pictures.end());
    const pid_t child = start_tool("mdeval", args);
    int status = 0;
    rusage used = {};
    EXPECT_EQ(wait4(child, &status, 0, &used), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    return used.ru_maxrss;
  }
};

TEST_F(PredictMemory, StaysFlatOverPicturesOfEverNewSizes) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own memory grows";
#endif
  Words few, many;
  for (int i = 0; i < 4; ++i) {
    few.push_back(path(cat("large", i, ".png")));
    write_png(few.back(), test_image(288, 320));
  }
  many = few;
  for (int height = 64; height <= 256; height += 32) {
    for (int width = 64; width <= 288; width += 32) {
      many.push_back(path(cat(height, "x", width, ".png")));
      write_png(many.back(), test_image(height, width));
    }
  }
  const i64 before = peak_of(few, "few"), after = peak_of(many, "many");
  RecordProperty("KiB", cat(before, " and ", after));
  EXPECT_LE(double(after), 1.05 * double(before))
      << before << " KiB for " << few.size() << " pictures, " << after << " for " << many.size();
}

}  // namespace
}  // namespace md::test
