// Statistics of depth files, and that depth with a wrong unit, of eight bits or without content does not pass for a
// measurement. The wrong ones are made of the right ones, as users make them.
#include "data/depth_histogram.h"

#include "engine/rng.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

using Values = std::vector<std::uint16_t>;

/// `measured` of the pixels uniform in [low_m, high_m], the others 0.
Values depth(double units_per_m, double low_m, double high_m, double measured) {
  Rng rng(1, Purpose::test);
  Values values(20000);
  for (std::uint16_t& value : values)
    value = rng.uniform() < measured ? std::uint16_t(rng.uniform(low_m, high_m) * units_per_m) : std::uint16_t{0};
  return values;
}
Values nyu() { return depth(1000, 0.7, 9.9, 0.7); }
Values kitti() { return depth(256, 5, 80, 0.19); }

Values changed(Values values, int (*change)(int)) {
  for (std::uint16_t& value : values) value = std::uint16_t(change(value));
  return values;
}

std::string judged(const Values& values, const DatasetSpec& spec) {
  DepthHistogram histogram;
  histogram.add(values);
  return implausible(histogram, spec);
}

const DatasetSpec as_nyu{.dataset = "nyu"}, as_kitti{.dataset = "kitti"};
DatasetSpec as_plain(float scale) { return {.dataset = "plain", .depth_scale = scale}; }

TEST(DepthHistogramTest, CountsMeasuredValues) {
  DepthHistogram some, all;
  some.add(Values{0, 6, 9, 9, 0, 12});
  all.add(some);
  all.add(Values{65535});
  EXPECT_EQ(all.pixels(), 7);
  EXPECT_EQ(all.measured(), 5);
  EXPECT_EQ(all.lowest(), 6);
  EXPECT_EQ(all.highest(), 65535);
  EXPECT_EQ(all.median(), 9);
  EXPECT_EQ(all.above(9), 2);
  EXPECT_EQ(some.distinct(), 3);
  EXPECT_EQ(some.common_divisor(), 3);
  const DepthHistogram none;
  EXPECT_EQ(none.measured() + none.lowest() + none.highest() + none.distinct() + none.common_divisor(), 0);
  EXPECT_EQ(none.median(), 0);
}

TEST(DepthHistogramTest, PlausibleDepthPasses) {
  EXPECT_EQ(judged(nyu(), as_nyu), "");
  EXPECT_EQ(judged(kitti(), as_kitti), "");
  EXPECT_EQ(judged(depth(256, 1, 80, 0.95), as_kitti),
            "");  // completed depth is dense, but reaches farther than a Kinect
  EXPECT_EQ(judged(depth(5000, 0.5, 8, 0.9), as_plain(5000)), "");
  EXPECT_EQ(judged(Values(63, 7), as_nyu), "");  // too little to say anything
}

TEST(DepthHistogramTest, AnotherDataSetsUnitIsSeen) {
  EXPECT_EQ(judged(kitti(), as_nyu), "52 % is beyond 10.5 m, where NYU's Kinect is blind: KITTI's (dataset kitti)?");
  EXPECT_EQ(judged(nyu(), as_kitti),
            "70 % of the pixels are measured and none is beyond 40 m, so it is no LiDAR's: NYU's (dataset nyu)?");
  EXPECT_EQ(judged(Values(100, 1000), as_plain(1000)), "every measured pixel has the value 1000");
  const std::string metres_as_millimetres = judged(depth(1000, 20, 60, 1), as_plain(1));
  EXPECT_EQ(metres_as_millimetres, "the median depth is 40001 m: is 1 the number of units per metre?");
}

TEST(DepthHistogramTest, EightBitDepthIsSeen) {
  EXPECT_EQ(judged(changed(nyu(), [](int v) { return v >> 8; }), as_nyu),
            "no value is above 38: 8-bit depth in a 16-bit file?");
  EXPECT_EQ(judged(changed(nyu(), [](int v) { return v >> 8 << 8; }), as_nyu),
            "every value is a multiple of 256: 8-bit depth stretched to 16 bits?");
  EXPECT_EQ(judged(changed(kitti(), [](int v) { return (v >> 8) * 257; }), as_kitti),
            "every value is a multiple of 257: 8-bit depth stretched to 16 bits?");
}

TEST(DepthHistogramTest, DepthWithoutContentIsSeen) {
  EXPECT_EQ(judged(Values(100, 0), as_nyu), "not one measured pixel");
  EXPECT_EQ(judged(Values(100, 65535), as_kitti), "every measured pixel has the value 65535");
  EXPECT_EQ(judged(changed(nyu(), [](int v) { return v > 0 ? v : 65535; }), as_nyu),
            "30 % of the values are 65535: is that this camera's \"no measurement\", or its sky? Here it is 0");
}

Values rotated(Values values) {
  return changed(std::move(values), [](int v) { return (v << 3 | v >> 13) & 0xFFFF; });
}

TEST(DepthHistogramTest, RotatedBitsAreSeen) {
  const std::string why = "nearly every value is a multiple of 8: bits rotated left by three (dataset sunrgbd)?";
  EXPECT_EQ(judged(rotated(nyu()), as_nyu), why);  // up to 9.9 m: some of the values are 8 k + 1
  EXPECT_EQ(judged(rotated(depth(1000, 0.6, 3, 0.5)), as_plain(1000)), why);
  EXPECT_EQ(judged(nyu(), as_nyu), "");
  EXPECT_EQ(judged(changed(nyu(), [](int v) { return v / 10 * 10; }), as_nyu), "");  // a camera that counts centimetres
}

/// A frame of values / units_per_m metres.
Sample frame(const Values& values, float units_per_m, bool whole) {
  Sample sample;
  for (const std::uint16_t value : values) sample.depth_m.push_back(float(value) / units_per_m);
  sample.whole_units = whole;
  return sample;
}

TEST(DepthHistogramTest, FramesAreCountedInUnitsThatShowThem) {
  DepthHistogram whole, metres, both;
  const DatasetSpec decimetres = as_plain(10), in_metres = as_plain(1);
  whole.add(frame({0, 5, 7, 7}, 10, true), decimetres);
  EXPECT_EQ(whole.units_per_m(), 10.F);
  EXPECT_EQ(whole.count(7), 2);
  EXPECT_TRUE(whole.whole_units());
  metres.add(frame({0, 1, 123, 65'535}, 100, false), in_metres);
  EXPECT_EQ(metres.units_per_m(), 100.F);
  EXPECT_EQ(metres.count(123), 1);
  EXPECT_EQ(metres.lowest(), 1);
  metres.add(frame({10'000}, 1, false), in_metres);  // 10 km
  EXPECT_EQ(metres.count(65'535), 2);
  both.add(metres);
  both.add(whole);
  EXPECT_EQ(both.units_per_m(), 100.F);
  EXPECT_EQ(both.count(70), 2);
  EXPECT_FALSE(both.whole_units());
  EXPECT_EQ(both.pixels(), 9);
}

TEST(DepthHistogramTest, MetresAreNotTakenForEightBits) {
  DepthHistogram depth_m;
  depth_m.add(frame(depth(1000, 0.7, 2, 0.9), 1000, false), as_plain(1));
  EXPECT_EQ(implausible(depth_m, as_plain(1)), "");
}

}  // namespace
}  // namespace md
