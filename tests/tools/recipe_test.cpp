// --augment stands for a peer's augmentation: with it every option of the group has the value that the shipped
// configuration of that peer writes out.
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/kit/testing.h"
#include "tools/train/train_command.h"

namespace md {
namespace {

struct Resolved {
  TrainOptions options;
  nlohmann::json all;
  std::string toml;
};

Resolved resolved(std::vector<std::string> words) {
  CLI::App app;
  Resolved result;
  add_train_options(app, result.options);
  words.insert(words.end(), {"--data", "d", "--list", "l", "--out", "o"});
  std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
  app.parse(words);
  resolve(app, result.options);
  result.all = config_json(result.options);
  result.toml = config_toml(result.options);
  return result;
}

const std::vector<std::string> kGroup = {"height", "width",       "border",     "kb-crop",         "rotation",
                                         "flip",   "photometric", "brightness", "always-draw-crop"};

TEST(RecipeTest, IsThatOfThePeersConfiguration) {
  for (const std::string dataset : {"nyu", "kitti"}) {
    for (const std::string peer : {"bts", "newcrfs"}) {
      const Resolved recipe = resolved({"--augment", peer, "--dataset", dataset});
      const std::string config = test::source_dir() + "/tools/configs/" + dataset + "_" + peer + ".toml";
      const Resolved shipped = resolved({"--config", config});
      for (const std::string& option : kGroup)
        EXPECT_EQ(recipe.all[option], shipped.all[option]) << dataset << " " << peer << " " << option;
      const AugmentSpec &a = recipe.options.augment, &b = shipped.options.augment;
      EXPECT_EQ(a.height, b.height);
      EXPECT_EQ(a.border, b.border);
      EXPECT_EQ(a.kb_crop, b.kb_crop);
      EXPECT_EQ(a.rotation_degree, b.rotation_degree);
      EXPECT_EQ(a.brightness, b.brightness);
      EXPECT_EQ(a.always_draw_crop, b.always_draw_crop);
    }
  }
}

TEST(RecipeTest, WhatIsGivenWins) {
  const Resolved some = resolved({"--height", "64", "--augment", "bts", "--no-flip", "--brightness", "0.5,2"});
  EXPECT_EQ(some.options.augment.height, 64);
  EXPECT_EQ(some.options.augment.width, 544);
  EXPECT_FALSE(some.options.augment.flip);
  EXPECT_EQ(some.options.augment.brightness[1], 2);
  EXPECT_EQ(some.all["brightness"], nlohmann::json({0.5, 2}));
}

TEST(RecipeTest, IsForItsTwoDataSets) {
  EXPECT_THROW(resolved({"--augment", "bts", "--dataset", "plain", "--depth-scale", "1000"}), Error);
  EXPECT_THROW(resolved({"--augment", "adabins"}), CLI::ParseError);
}

}  // namespace
}  // namespace md
