// The loader: what it yields depends on the seed alone, never on the threads; errors arrive where they belong; it can
// be left at any moment. Also under ThreadSanitizer (preset cpu-tsan).
// Labels: threads
#include "data/loader.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <set>

#include "data/prefetch.h"
#include "tests/data/data_files.h"

namespace md {
namespace {

using test::fails;

constexpr int frames = 11, height = 24, width = 32;

/// Eleven small frames; number 4 has no ground truth.
class LoaderTest : public test::DataFolder {
 protected:
  LoaderTest() {
    std::string list;
    for (int i = 0; i < frames; ++i) {
      const std::string n = std::to_string(i);
      write_png(path(n + ".png"), test::test_image(height, width, i));
      write_png(path("d" + n + ".png"), test::test_depth(height, width, i));
      list += n + ".png " + (i == 4 ? "None" : "d" + n + ".png") + " " + std::to_string(500 + i) + "\n";
    }
    data_ = std::make_unique<Dataset>(DatasetSpec{"nyu", write("list.txt", list), folder_.string()});
  }
  static AugmentSpec spec() { return {.height = 16, .width = 20, .border = NyuBorder::keep}; }

  struct Copy {
    i64 epoch, step;
    std::vector<std::string> names, bad, replacements;
    std::vector<i64> measured;
    std::vector<float> image, depth_m, focal_px;
    bool operator==(const Copy&) const = default;
  };
  std::vector<Copy> take(int batches, const TrainLoaderSpec& how) const {
    TrainLoader loader(*data_, spec(), how);
    std::vector<Copy> taken;
    for (int i = 0; i < batches; ++i) {
      const Batch& b = loader.next();
      taken.push_back({.epoch = b.epoch,
                       .step = b.step,
                       .names = b.names,
                       .bad = {},
                       .replacements = {},
                       .measured = b.measured,
                       .image = b.image.to_host(),
                       .depth_m = b.depth_m.to_host(),
                       .focal_px = b.focal_px.to_host()});
      for (const BadFrame& bad : b.bad) {
        taken.back().bad.push_back(bad.name);
        taken.back().replacements.push_back(bad.replacement);
      }
    }
    return taken;
  }

  std::unique_ptr<Dataset> data_;
};

TEST_F(LoaderTest, ThreadsDoNotChangeTheBatches) {
  const auto one = take(9, {.batch = 3, .threads = 1, .ahead = 1, .seed = 5});
  EXPECT_EQ(one, take(9, {.batch = 3, .threads = 4, .ahead = 3, .seed = 5}));
  EXPECT_EQ(one, take(9, {.batch = 3, .threads = 2, .ahead = 2, .seed = 5}));
  EXPECT_NE(one, take(9, {.batch = 3, .threads = 1, .ahead = 1, .seed = 6}));
}

TEST_F(LoaderTest, AnEpochShowsEachFrameOnceAndDropsTheRest) {
  TrainLoader loader(*data_, spec(), {.batch = 3});
  EXPECT_EQ(loader.steps_per_epoch(), 3);  // ten frames with ground truth
  std::set<std::vector<std::string>> orders;
  for (i64 epoch = 0; epoch < 4; ++epoch) {
    std::vector<std::string> names;
    for (i64 step = 0; step < 3; ++step) {
      const Batch& batch = loader.next();
      EXPECT_EQ(batch.epoch, epoch);
      EXPECT_EQ(batch.step, step);
      EXPECT_EQ(batch.image.shape(), (Shape{3, 16, 20, 3}));
      EXPECT_EQ(batch.depth_m.shape(), (Shape{3, 16, 20}));
      for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(batch.focal_px.data()[i], 500.F + std::stof(batch.names[std::size_t(i)]));
      }
      names.insert(names.end(), batch.names.begin(), batch.names.end());
    }
    orders.insert(names);
    EXPECT_EQ(std::set(names.begin(), names.end()).size(), 9U);
    EXPECT_EQ(std::count(names.begin(), names.end(), "4.png"), 0);
  }
  EXPECT_EQ(orders.size(), 4U);  // shuffled anew
  EXPECT_GE(loader.waited_s(), 0);
}

TEST_F(LoaderTest, BeginsAnywhere) {
  const auto all = take(8, {.batch = 2, .seed = 9});
  const auto rest = take(2, {.batch = 2, .seed = 9, .first_epoch = 1, .first_step = 1});
  EXPECT_EQ(rest[0], all[6]);
  EXPECT_EQ(rest[1], all[7]);
}

TEST_F(LoaderTest, ErrorsArriveWithTheirBatchAndStay) {
  const auto good = take(5, {.batch = 2, .seed = 1});
  std::filesystem::remove(path("d" + std::to_string(std::stoi(good[2].names[1])) + ".png"));
  TrainLoader loader(*data_, spec(), {.batch = 2, .threads = 3, .ahead = 4, .seed = 1});
  EXPECT_EQ(loader.next().names, good[0].names);
  EXPECT_EQ(loader.next().names, good[1].names);
  for (int again = 0; again < 2; ++again) {
    EXPECT_TRUE(fails([&] { loader.next(); }, ErrorKind::missing, ".png: no such file"));
  }
}

/// Ways in which a frame cannot be used.
const std::vector<std::pair<std::string, std::function<void(const std::string& image, const std::string& depth)>>>
    kSpoilers = {
        {"no depth file", [](auto&, auto& depth) { std::filesystem::remove(depth); }},
        {"no image file", [](auto& image, auto&) { std::filesystem::remove(image); }},
        {"a cut image", [](auto& image, auto&) { std::filesystem::resize_file(image, 60); }},
        {"depth that is text", [](auto&, auto& depth) { std::ofstream(depth) << "nothing to see"; }},
        {"nothing measured",
         [](auto&, auto& depth) {
           write_png(depth, DepthImage{height, width, std::vector<std::uint16_t>(height * width)});
         }},
        {"sizes that differ", [](auto&, auto& depth) { write_png(depth, test::test_depth(height, 2 * width)); }},
        {"smaller than the crop",
         [](auto& image, auto& depth) {
           write_png(image, test::test_image(15, width));
           write_png(depth, test::test_depth(15, width));
         }},
};

/// The frames of each epoch in order, two a batch, are ten: half an epoch further on is five.
TEST_F(LoaderTest, ABadFrameIsReplacedByTheOneHalfAnEpochOn) {
  constexpr int kBatches = 10, kHalf = 5;
  const TrainLoaderSpec how{.batch = 2, .threads = 3, .seed = 3, .most_bad = 2};
  const auto good = take(kBatches, how);
  for (const auto& [what, spoil] : kSpoilers) {
    SCOPED_TRACE(what);
    const std::string image = bytes_of(path("7.png")), depth = bytes_of(path("d7.png"));
    spoil(path("7.png"), path("d7.png"));
    const auto got = take(kBatches, how);
    int replaced = 0;
    for (int i = 0; i < kBatches; ++i) {
      const auto bad = std::ranges::find(good[std::size_t(i)].names, "7.png");
      if (bad == good[std::size_t(i)].names.end()) {
        EXPECT_EQ(got[std::size_t(i)], good[std::size_t(i)]);
        continue;
      }
      const auto part = bad - good[std::size_t(i)].names.begin();
      const auto from = (2 * (i % kHalf) + part + kHalf) % 10;
      const std::string stand_in = good[std::size_t(i / kHalf * kHalf + from / 2)].names[std::size_t(from % 2)];
      EXPECT_EQ(got[std::size_t(i)].names[std::size_t(part)], stand_in);
      EXPECT_EQ(got[std::size_t(i)].names[std::size_t(1 - part)], good[std::size_t(i)].names[std::size_t(1 - part)]);
      EXPECT_EQ(got[std::size_t(i)].bad, std::vector<std::string>{"7.png"});
      EXPECT_EQ(got[std::size_t(i)].replacements, std::vector<std::string>{stand_in});
      ++replaced;
    }
    EXPECT_EQ(replaced, 2) << "once an epoch";
    EXPECT_EQ(got, take(kBatches, {.batch = 2, .threads = 1, .ahead = 1, .seed = 3, .most_bad = 2}));
    const auto rest = take(3, {.batch = 2, .seed = 3, .first_step = 7, .most_bad = 2});
    EXPECT_EQ(rest, (std::vector<Copy>{got[7], got[8], got[9]}));
    EXPECT_TRUE(fails([&] { take(kBatches, {.batch = 2, .seed = 3}); }, ErrorKind::bad_data, "7.png") ||
                fails([&] { take(kBatches, {.batch = 2, .seed = 3}); }, ErrorKind::missing, "7.png"));
    write("7.png", image);
    write("d7.png", depth);
  }
}

TEST_F(LoaderTest, BadFramesInARowAreAnError) {
  for (int i = 0; i < frames; ++i) {
    if (i != 2 && i != 8) std::filesystem::remove(path(cat(i, ".png")));
  }
  for (const Copy& batch : take(10, {.batch = 1, .seed = 3, .most_bad = 9})) {
    EXPECT_TRUE(batch.names[0] == "2.png" || batch.names[0] == "8.png") << batch.names[0];
  }
  EXPECT_TRUE(fails([&] { take(10, {.batch = 1, .seed = 3, .most_bad = 3}); }, ErrorKind::missing,
                    "4 frames one after the other cannot be used, the first: "));
}

TEST_F(LoaderTest, CountsThePixelsThatAreMeasured) {
  DepthImage depth{height, width, std::vector<std::uint16_t>(height * width, 90)};  // 0.09 m
  write_png(path("d3.png"), depth);
  depth.pixels.assign(height * width, 110);
  write_png(path("d5.png"), depth);
  for (const Copy& batch : take(5, {.batch = 2, .seed = 1, .counts_above_m = 0.1F})) {
    for (std::size_t i = 0; i < 2; ++i) {
      if (batch.names[i] == "3.png") {
        EXPECT_EQ(batch.measured[i], 0);
      } else if (batch.names[i] == "5.png") {
        EXPECT_GT(batch.measured[i], 16 * 20 / 2) << "all but the corners that a rotation leaves empty";
      } else {
        EXPECT_GT(batch.measured[i], 0);
      }
    }
  }
}

TEST_F(LoaderTest, WrongOptionsAreNamed) {
  EXPECT_TRUE(fails([&] { take(1, {.batch = 11}); }, ErrorKind::usage,
                    "11 samples a step, and " + path("list.txt") + " has 10 frames"));
  EXPECT_TRUE(fails([&] { take(1, {.batch = 0}); }, ErrorKind::usage, "0 samples a step: wanted is at least 1"));
}

/// Can only crash or hang, or race (label `threads`).
TEST_F(LoaderTest, CanBeLeftAtAnyMoment) {
  for (int taken = 0; taken < 12; ++taken) take(taken % 4, {.batch = 2, .threads = 3, .ahead = 1 + taken % 3});
}

TEST_F(LoaderTest, EvaluationShowsEveryFrameInOrder) {
  EvalLoader loader(*data_, {.threads = 3});
  for (i64 i = 0; i < frames; ++i) {
    const EvalFrame* frame = loader.next();
    ASSERT_NE(frame, nullptr);
    EXPECT_EQ(frame->index, i);
    EXPECT_EQ(frame->sample.image_name, std::to_string(i) + ".png");
    EXPECT_EQ(frame->sample.has_depth(), i != 4);
    EXPECT_EQ(frame->image.shape(), (Shape{1, height, width, 3}));
    EXPECT_EQ(frame->image.data()[3], (float(frame->sample.image.pixels[3]) / 255.F - 0.485F) / 0.229F);
  }
  EXPECT_EQ(loader.next(), nullptr);
  EXPECT_EQ(loader.next(), nullptr);
}

TEST_F(LoaderTest, EvaluationCutsTheBenchmarkCrop) {
  const RgbImage image = test::test_image(370, 1226);
  write_png(path("k.png"), image);
  const Dataset data({"kitti", write("kitti.txt", "k.png None 721\n"), folder_.string()});
  EvalLoader loader(data, {.kb_crop = true});
  const EvalFrame& frame = *loader.next();
  EXPECT_EQ(frame.image.shape(), (Shape{1, 352, 1216, 3}));
  EXPECT_EQ(frame.crop.top, 18);
  EXPECT_EQ(frame.crop.left, 5);
  EXPECT_EQ(frame.image.data()[0], (float(image.pixels[(18 * 1226 + 5) * 3]) / 255.F - 0.485F) / 0.229F);
}

TEST(PrefetcherTest, TheFirstErrorInPartOrderWins) {
  Prefetcher prefetcher({.threads = 4, .slots = 3, .parts = 4}, [](i64 ticket, int part, int) {
    if (ticket == 1 && part >= 1) fail(ErrorKind::bad_data, "part ", part);
  });
  EXPECT_EQ(prefetcher.next(), 0);
  EXPECT_TRUE(fails([&] { prefetcher.next(); }, ErrorKind::bad_data, "part 1"));
}

/// Room for one stack of 64 MiB and not for two, so that the second thread cannot start; ends the process.
[[noreturn]] void start_more_threads_than_fit() {
  constexpr std::size_t stack = 64U << 20U;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack);
  pthread_setattr_default_np(&attributes);
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t room = pages * std::size_t(sysconf(_SC_PAGESIZE)) + stack + stack / 2;
  const rlimit limit{room, room};
  setrlimit(RLIMIT_AS, &limit);
  const test::Caught error = test::caught([] { Prefetcher({.threads = 2}, [](i64, int, int) {}); });
  std::cerr << error.what << std::endl;
  std::_Exit(error.kind ? int(*error.kind) : 255);
}

TEST(PrefetcherTest, AThreadThatCannotStartIsAnError) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer needs more address space than the test leaves";
#endif
  EXPECT_EXIT(start_more_threads_than_fit(), testing::ExitedWithCode(int(ErrorKind::contract)),
              "thread 2 of 2 for loading: ");
}

TEST(PrefetcherTest, NeverOverwritesTheConsumersSlot) {
  constexpr int slots = 3, tickets = 2000;
  std::vector<i64> content(slots);
  Prefetcher prefetcher({.threads = 4, .slots = slots, .parts = 1, .first = 7, .end = tickets},
                        [&](i64 ticket, int, int slot) { content[std::size_t(slot)] = ticket; });
  for (i64 ticket = 7; ticket < tickets; ++ticket) {
    const int slot = prefetcher.next();
    ASSERT_EQ(content[std::size_t(slot)], ticket);
    ASSERT_EQ(prefetcher.ticket(), ticket);
  }
  EXPECT_EQ(prefetcher.next(), -1);
}

}  // namespace
}  // namespace md
