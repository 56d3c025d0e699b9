// Augmentation against what the official loaders of BTS and NeWCRFs made, with Pillow and NumPy, of the same pictures
// and the same draws; and each option by itself.
#include "data/augment.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>

#include "data/datasets.h"
#include "data/rotation.h"
#include "engine/safetensors.h"
#include "tests/data/data_files.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

using test::fails;
using test::test_depth;
using test::test_image;

/// Replays the numbers that another program drew.
class ScriptedDraws final : public Draws {
 public:
  std::deque<double> units, uniforms;
  std::deque<i64> integers;

  double unit() override { return take(units); }
  i64 integer(i64 low, i64 high) override {
    const i64 value = take(integers);
    EXPECT_TRUE(low <= value && value <= high) << value << " is not in " << low << ".." << high;
    return value;
  }
  double uniform(double low, double high) override {
    const double value = take(uniforms);
    EXPECT_TRUE(low <= value && value <= high) << value << " is not in " << low << ".." << high;
    return value;
  }
  bool used_up() const { return units.empty() && uniforms.empty() && integers.empty(); }

 private:
  template <class T>
  static T take(std::deque<T>& from) {
    if (from.empty()) {
      ADD_FAILURE() << "more draws than the official loader made";
      return {};
    }
    const T value = from.front();
    from.pop_front();
    return value;
  }
};

struct Augmented {
  int height, width;
  std::vector<float> image, depth_m;  // [H,W,3], [H,W]
  float colour(int c, int y, int x) const { return image[std::size_t((y * width + x) * 3 + c)]; }
  float depth(int y, int x) const { return depth_m[std::size_t(y * width + x)]; }
};

Augmented run(const Sample& sample, const AugmentSpec& spec, Draws& draws) {
  Augmented out{spec.height, spec.width, {}, {}};
  out.image.assign(std::size_t(spec.height) * spec.width * 3, -99.F);
  out.depth_m.assign(std::size_t(spec.height) * spec.width, -99.F);
  augment(sample, spec, draws, out.image.data(), out.depth_m.data());
  return out;
}

Sample sample_of(int height, int width) {
  Sample sample;
  sample.image = test_image(height, width);
  for (const auto raw : test_depth(height, width).pixels) sample.depth_m.push_back(float(raw) / 1000.F);
  sample.image_name = "a.jpg";
  return sample;
}

/// Leaves only the crop on.
AugmentSpec plain(int height, int width) {
  return {.height = height,
          .width = width,
          .border = NyuBorder::keep,
          .rotation_degree = 0,
          .flip = false,
          .photometric = false};
}

class GoldenTest : public testing::TestWithParam<const char*> {};

class Golden {
 public:
  explicit Golden(const std::string& name)
      : folder_(test::source_dir() + "/tests/goldens/augmentation/"),
        file_(SafeTensors::read(folder_ + name + ".safetensors")),
        meta_(nlohmann::json::parse(file_.metadata().at("meta"))),
        style_(name.substr(0, name.find('_'))) {}

  Sample sample() const {
    const std::string input = meta_["input"];
    Sample sample;
    sample.image = read_rgb(folder_ + input + "_rgb.png");
    const float units = dataset_traits(input).units_per_m;
    for (const auto raw : read_depth(folder_ + input + "_depth.png").pixels) {
      sample.depth_m.push_back(float(raw) / units);
    }
    return sample;
  }
  AugmentSpec spec() const {
    AugmentSpec spec = official_augmentation(style_, meta_["args"]["dataset"]);
    EXPECT_EQ(spec.height, meta_["args"]["input_height"]);
    EXPECT_EQ(spec.width, meta_["args"]["input_width"]);
    EXPECT_EQ(spec.rotation_degree, meta_["args"]["degree"]);
    EXPECT_EQ(spec.kb_crop, meta_["args"]["do_kb_crop"]);
    return spec;
  }
  ScriptedDraws draws() const {
    ScriptedDraws draws;
    for (const double value : meta_["draws"]["random"]) draws.units.push_back(value);
    for (const i64 value : meta_["draws"]["randint"]) draws.integers.push_back(value);
    for (const double value : meta_["draws"]["uniform"]) draws.uniforms.push_back(value);
    for (const double value : meta_["draws"]["np_uniform"]) draws.uniforms.push_back(value);
    return draws;
  }
  std::vector<double> numbers(const std::string& name) const { return file_.numbers(name); }
  Shape shape(const std::string& name) const { return file_.entry(name).shape; }
  const nlohmann::json& meta() const { return meta_; }

 private:
  std::string folder_;
  SafeTensors file_;
  nlohmann::json meta_;
  std::string style_;
};

// What is stored: every 8th pixel, a patch, the first pixels, and of all pixels sum and norm. The image may differ
// by NumPy's float power (a few ulp of values up to 2.64); depth is exact.
constexpr double image_tolerance = 2e-6;

TEST_P(GoldenTest, EqualsTheOfficialLoader) {
  const Golden golden(GetParam());
  ScriptedDraws draws = golden.draws();
  const Augmented out = run(golden.sample(), golden.spec(), draws);
  EXPECT_TRUE(draws.used_up());

  const auto compare = [&](const std::string& part, int top, int left, int step) {
    const auto image = golden.numbers("image_" + part), depth = golden.numbers("depth_" + part);
    const int height = int(golden.shape("depth_" + part)[1]), width = int(golden.shape("depth_" + part)[2]);
    double worst_image = 0, worst_depth = 0;
    for (int i = 0; i < height * width; ++i) {
      const int y = top + i / width * step, x = left + i % width * step;
      worst_depth = std::max(worst_depth, std::abs(out.depth(y, x) - depth[std::size_t(i)]));
      for (int c = 0; c < 3; ++c) {
        const double want = image[std::size_t(c * height * width + i)];
        worst_image = std::max(worst_image, std::abs(out.colour(c, y, x) - want));
      }
    }
    EXPECT_LE(worst_image, image_tolerance) << part;
    EXPECT_EQ(worst_depth, 0) << part;
  };
  compare("stride8", 0, 0, 8);
  compare("patch", golden.meta()["patch_origin"][0], golden.meta()["patch_origin"][1], 1);
}

struct Digest {
  double sum = 0, squares = 0;
  explicit Digest(const std::vector<float>& values) {
    for (const float value : values) {
      sum += double(value);
      squares += double(value) * double(value);
    }
  }
};

TEST_P(GoldenTest, EveryPixelTakesPartInTheDigests) {
  const Golden golden(GetParam());
  ScriptedDraws draws = golden.draws();
  const Augmented out = run(golden.sample(), golden.spec(), draws);
  const auto& image = golden.meta()["image"];
  const auto& depth = golden.meta()["depth"];
  const Digest of_image(out.image), of_depth(out.depth_m);
  const double rounding = double(out.image.size()) * image_tolerance / 10;  // errors of both signs
  EXPECT_NEAR(of_image.sum, double(image["sum"]), rounding);
  EXPECT_NEAR(of_image.squares / double(image["l2"]), double(image["l2"]), rounding);
  EXPECT_NEAR(of_depth.sum, double(depth["sum"]), 1e-6);  // only the order of summation differs
  EXPECT_NEAR(std::sqrt(of_depth.squares), double(depth["l2"]), 1e-6);
  for (int x = 0; x < int(image["first"].size()); ++x) {
    EXPECT_NEAR(out.colour(0, 0, x), double(image["first"][std::size_t(x)]), image_tolerance) << x;
    EXPECT_EQ(double(out.depth(0, x)), double(depth["first"][std::size_t(x)])) << x;
  }
}

INSTANTIATE_TEST_SUITE_P(Official, GoldenTest,
                         testing::Values("bts_nyu_rotate_flip_aug", "bts_nyu_noflip_noaug", "bts_kitti_rotate_flip_aug",
                                         "newcrfs_nyu_rotate_aug"),
                         [](const auto& test) { return std::string(test.param); });

TEST(AugmentTest, CropTakesWhereItIsTold) {
  const Sample sample = sample_of(10, 12);
  ScriptedDraws draws;
  draws.integers = {3, 2};  // x first
  const Augmented out = run(sample, plain(5, 7), draws);
  const float grey = (float(sample.image.pixels[std::size_t((2 + 1) * 12 + 3 + 4) * 3]) / 255.F - 0.485F) / 0.229F;
  EXPECT_EQ(out.colour(0, 1, 4), grey);
  EXPECT_EQ(out.depth(1, 4), sample.depth_m[std::size_t((2 + 1) * 12 + 3 + 4)]);
}

TEST(AugmentTest, FlipMirrorsImageAndDepth) {
  const Sample sample = sample_of(8, 9);
  AugmentSpec spec = plain(8, 9);
  ScriptedDraws still, flipped;
  still.integers = flipped.integers = {0, 0};
  const Augmented a = run(sample, spec, still);
  spec.flip = true;
  flipped.units = {0.51};
  const Augmented b = run(sample, spec, flipped);
  for (int x = 0; x < 9; ++x) {
    EXPECT_EQ(a.depth(3, x), b.depth(3, 8 - x));
    EXPECT_EQ(a.colour(2, 3, x), b.colour(2, 3, 8 - x));
  }
}

TEST(AugmentTest, NothingDrawnChangesNothing) {
  const Sample sample = sample_of(8, 9);
  AugmentSpec spec = plain(8, 9);
  spec.flip = spec.photometric = true;
  spec.rotation_degree = 2.5;
  ScriptedDraws draws;
  draws.units = {0.5, 0.5, 0.5};  // angle 0, and 0.5 is not > 0.5
  draws.integers = {0, 0};
  const Augmented out = run(sample, spec, draws);
  std::vector<float> image(sample.image.pixels.size());
  normalise(sample.image, image.data());
  EXPECT_EQ(out.image, image);
  EXPECT_EQ(out.depth_m, sample.depth_m);
}

TEST(AugmentTest, DrawsOnlyWhatIsOn) {
  AugmentSpec spec = plain(8, 9);
  spec.always_draw_crop = false;
  ScriptedDraws none;
  run(sample_of(8, 9), spec, none);  // a draw would be a failure
  ScriptedDraws crop;
  crop.integers = {0, 1};
  run(sample_of(9, 9), spec, crop);
  EXPECT_TRUE(crop.used_up());
}

TEST(AugmentTest, PhotometricIsClippedToWhite) {
  Sample sample = sample_of(2, 2);
  std::fill(sample.image.pixels.begin(), sample.image.pixels.end(), std::uint8_t{255});
  AugmentSpec spec = plain(2, 2);
  spec.photometric = true;
  ScriptedDraws draws;
  draws.integers = {0, 0};
  draws.units = {0.9};
  draws.uniforms = {1.0, 1.25, 1.1, 0.9, 1.0};
  const Augmented out = run(sample, spec, draws);
  EXPECT_EQ(out.colour(0, 0, 0), (1.F - 0.485F) / 0.229F);
}

TEST(AugmentTest, RotationTurnsCounterClockwise) {
  const Rotation quarter(90, 5, 5);  // the pixel right of the centre comes from below it
  const Rotation::Point from = quarter.source(4, 2);
  EXPECT_NEAR(from.x, 2.5, 1e-12);
  EXPECT_NEAR(from.y, 4.5, 1e-12);
}

TEST(AugmentTest, EqualKeysGiveEqualDraws) {
  const Sample sample = sample_of(500, 640);
  const AugmentSpec spec = official_augmentation("bts", "nyu");
  RngDraws first(7, 3, 11), again(7, 3, 11), other(7, 4, 11);
  const Augmented a = run(sample, spec, first), b = run(sample, spec, again), c = run(sample, spec, other);
  EXPECT_EQ(a.image, b.image);
  EXPECT_EQ(a.depth_m, b.depth_m);
  EXPECT_NE(a.image, c.image);
}

// The recipe of small Kinect frames: a free crop, flip and colours. Depth holds the pixel's index, so it says where the
// crop's corner came from.
TEST(AugmentTest, CropsAndFlipsAreDrawnEvenly) {
  Sample sample = sample_of(24, 32);
  for (std::size_t i = 0; i < sample.depth_m.size(); ++i) sample.depth_m[i] = float(i + 1);
  const AugmentSpec spec{.height = 22, .width = 28, .border = NyuBorder::keep, .rotation_degree = 0};
  std::map<int, int> lefts, tops;
  int flips = 0;
  for (i64 index = 0; index < 600; ++index) {
    RngDraws draws(1, 0, index);
    const Augmented out = run(sample, spec, draws);
    const bool flipped = out.depth(0, 0) > out.depth(0, 1);
    const int corner = int(flipped ? out.depth(0, 27) : out.depth(0, 0)) - 1;
    flips += flipped;
    ++tops[corner / 32];
    ++lefts[corner % 32];
  }
  EXPECT_NEAR(flips, 300, 5 * 12.3);  // five standard deviations of a binomial count, here and below
  ASSERT_EQ(tops.size(), 3U);
  ASSERT_EQ(lefts.size(), 5U);
  for (const auto& [top, count] : tops) EXPECT_NEAR(count, 200, 5 * 11.6) << top;
  for (const auto& [left, count] : lefts) EXPECT_NEAR(count, 120, 5 * 9.8) << left;
}

TEST(AugmentTest, TooSmallFramesAreNamed) {
  RngDraws draws(1, 0, 0);
  const auto with = [&](const AugmentSpec& spec, int height, int width) {
    return [&draws, spec, height, width] { run(sample_of(height, width), spec, draws); };
  };
  EXPECT_TRUE(
      fails(with(plain(11, 8), 10, 12), ErrorKind::bad_data, "a.jpg: frame of 12x10 is too small for a crop of 8x11"));
  EXPECT_TRUE(fails(with(official_augmentation("bts", "nyu"), 471, 640), ErrorKind::bad_data, "crop of 608x472"));
  EXPECT_TRUE(fails(with(official_augmentation("bts", "kitti"), 351, 1216), ErrorKind::bad_data, "of 1216x352"));
}

TEST(AugmentTest, BenchmarkCropIsBottomAlignedAndCentred) {
  const EvalCrop crop = kb_crop(sample_of(375, 1242));
  EXPECT_EQ(crop.top, 23);
  EXPECT_EQ(crop.left, 13);
  EXPECT_EQ(crop.height, 352);
  EXPECT_EQ(crop.width, 1216);
}

}  // namespace
}  // namespace md
