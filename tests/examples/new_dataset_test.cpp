// A data set that no room of the house knows: one record makes it one whose lists are read, whose frames are loaded,
// augmented, judged and scored, and whose options the programs take.
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "data/datasets.h"
#include "data/score.h"
#include "engine/text.h"
#include "tests/data/data_files.h"
#include "tools/cli/data_options.h"
#include "tools/train/train_command.h"

namespace md {
namespace {

using test::fails;
using test::test_image;

/// Made up, to differ from all others: depth in 1/5000 m, lists of TIME IMAGE TIME DEPTH, 65535 for "no measurement".
DatasetTraits hall() {
  return {.name = "hall",
          .help = "1/5000 m",
          .columns = {ListColumn::skip, ListColumn::image, ListColumn::skip, ListColumn::depth},
          .places =
              [](const std::string& path) {
                return std::vector<std::string>{path, "frames/" + path};
              },
          .usual_focal_px = 525,
          .units_per_m = 5000,
          .not_measured = 65535,
          .implausible = [](const DepthHistogram& depth) -> std::string {
            return depth.lowest() < 1000 ? "nearer than 0.2 m" : "";
          },
          .augmentations = {{"bts", {.height = 224, .width = 288, .border = NyuBorder::keep}}},
          .cap_m = 6,
          .protocols = {{.name = "hall_far", .cap_m = 12, .table_columns = {"rmse", "abs_rel"}}}};
}

class NewDatasetTest : public test::DataFolder {
 protected:
  NewDatasetTest() {
    register_dataset(hall());
    std::filesystem::create_directories(path("frames"));
    write_png(path("frames/a.png"), test_image(4, 6));
    DepthImage depth{4, 6, std::vector<std::uint16_t>(24, 10'000)};
    depth.pixels[0] = 65535;
    depth.pixels[1] = 40'000;
    write_png(path("frames/a_depth.png"), depth);
    list_ = write("hall.txt", "1305031102.17 a.png 1305031102.16 a_depth.png\n1305031103.2 a.png\n");
  }
  Dataset open() const { return Dataset({.dataset = "hall", .list = list_, .root = path("")}); }

  std::string list_;
};

TEST_F(NewDatasetTest, ItsFramesAreLoaded) {
  const Dataset data = open();
  ASSERT_EQ(data.size(), 2);
  EXPECT_EQ(data.with_depth(), std::vector<i64>{0});
  const Sample sample = data.load_training(0);
  EXPECT_EQ(sample.image.pixels, test_image(4, 6).pixels);
  EXPECT_EQ(sample.depth_m[0], 0.F);
  EXPECT_EQ(sample.depth_m[1], 8.F);
  EXPECT_EQ(sample.depth_m[2], 2.F);
  EXPECT_EQ(sample.focal_px, 525);
  EXPECT_EQ(sample.depth_name, "a_depth.png");
  EXPECT_FALSE(data.load(1).has_depth());
}

TEST_F(NewDatasetTest, ItsListsHaveItsColumns) {
  write("hall.txt", "1 a.png 1 a_depth.png 525\n");
  EXPECT_TRUE(fails([&] { open(); }, ErrorKind::bad_data, "hall.txt:1: 5 columns; wanted are - IMAGE - DEPTH"));
  write("hall.txt", "1\n");
  EXPECT_TRUE(fails([&] { open(); }, ErrorKind::bad_data, "hall.txt:1: no IMAGE; wanted are - IMAGE - DEPTH"));
}

TEST_F(NewDatasetTest, ItsPredictionsAreScored) {
  const Protocol plain = named_protocol("plain", "hall");
  EXPECT_EQ(plain.cap_m, 6.F);
  EXPECT_EQ(plain.depth_scale, 5000.F);
  EXPECT_EQ(parse_protocol(describe(plain)), plain);
  const Sample sample = open().load(0);
  const Tensor gt_m = Tensor::from_host(sample.depth_m, {4, 6}), pred_m = Tensor::full({4, 6}, 3.F);
  const Scored scored = score(plain, pred_m, gt_m, {.height = 4, .width = 6}, "a.png");
  ASSERT_TRUE(scored.metrics);
  EXPECT_EQ(scored.metrics->pixels, 22);  // one is not measured, one beyond the cap
  EXPECT_DOUBLE_EQ(scored.metrics->abs_rel, 0.5);
}

TEST_F(NewDatasetTest, HasProtocolsAndTablesOfItsOwn) {
  EXPECT_EQ(named_protocol("hall_far", "hall").cap_m, 12.F);
  EXPECT_EQ(protocol_dataset("hall_far"), "hall");
  EXPECT_EQ(protocol_names().back(), "hall_far");
  EXPECT_TRUE(fails([] { named_protocol("hall_far", "nyu"); }, ErrorKind::usage, "'hall_far' is not for nyu"));
  EXPECT_TRUE(fails([] { named_protocol("nyu_eigen", "hall"); }, ErrorKind::usage, "'nyu_eigen' is not for hall"));
  const std::vector<const MetricField*> columns = table_columns(named_protocol("hall_far", "hall"));
  ASSERT_EQ(columns.size(), 2U);
  EXPECT_STREQ(columns[0]->key, "rmse");
}

TEST_F(NewDatasetTest, ItsDepthIsJudged) {
  DepthHistogram depth;
  depth.add(std::vector<std::uint16_t>(100, 900));
  depth.add(std::vector<std::uint16_t>(100, 2000));
  EXPECT_EQ(implausible(depth, {.dataset = "hall"}), "nearer than 0.2 m");
  EXPECT_EQ(implausible(depth, {.dataset = "plain"}), "");
}

TEST_F(NewDatasetTest, TheProgramsKnowIt) {
  CLI::App app;
  TrainOptions options;
  add_train_options(app, options);
  app.parse("--dataset hall --data d --list l --out o --augment bts --protocol hall_far");
  resolve(app, options);
  EXPECT_EQ(options.augment.width, 288);
  EXPECT_EQ(eval_protocol(options).cap_m, 12.F);
  EXPECT_EQ(data_options_of({{"dataset", "hall"}}).dataset, "hall");
  EXPECT_EQ(dataset_spec({.dataset = "hall", .root = path("")}, list_).units_per_m(), 5000.F);
  EXPECT_NE(app.help().find(", hall (1/5000 m)"), std::string::npos) << app.help();
  EXPECT_TRUE(
      fails([] { official_augmentation("newcrfs", "hall"); }, ErrorKind::usage, "is for nyu or kitti, not for"));
  options.augment.border = NyuBorder::crop;
  EXPECT_TRUE(fails([&] { resolve(options); }, ErrorKind::usage, "is for NYU's frames"));
}

TEST_F(NewDatasetTest, TheLastOfANameCounts) {
  const std::size_t before = dataset_names().size();
  const DatasetTraits* const known = &dataset_traits("hall");
  DatasetTraits changed = hall();
  changed.units_per_m = 100;
  register_dataset(changed);
  EXPECT_EQ(dataset_names().size(), before);
  EXPECT_EQ(&dataset_traits("hall"), known);
  EXPECT_EQ(open().load(0).depth_m[2], 100.F);
  EXPECT_TRUE(fails([] { dataset_traits("sun"); }, ErrorKind::usage, "wanted is " + either(dataset_names())));
}

}  // namespace
}  // namespace md
