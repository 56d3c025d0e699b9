// Protocols: what a name stands for, what the peers do differently, and the line that is printed and hashed. How they
// act: score_test.
#include "data/protocol.h"

#include <cmath>
#include <set>

#include "tests/data/data_files.h"

namespace md {
namespace {

using test::fails;

TEST(Protocol, NamesCarryTheOfficialParameters) {
  const Protocol nyu = named_protocol("nyu_eigen", DatasetKind::nyu);
  EXPECT_EQ(nyu.cap_m, 10.F);
  EXPECT_EQ(nyu.min_m, 1e-3F);
  EXPECT_EQ(nyu.depth_scale, 1000.F);
  EXPECT_EQ(nyu.crop, ScoreCrop::eigen_nyu);
  EXPECT_FALSE(nyu.kb_crop);
  const Protocol kitti = named_protocol("kitti_eigen_garg", DatasetKind::kitti);
  EXPECT_EQ(kitti.cap_m, 80.F);
  EXPECT_EQ(kitti.depth_scale, 256.F);
  EXPECT_EQ(kitti.crop, ScoreCrop::garg);
  EXPECT_TRUE(kitti.kb_crop);
  EXPECT_EQ(named_protocol("kitti_eigen_eigen", DatasetKind::kitti).crop, ScoreCrop::eigen_kitti);
  EXPECT_EQ(named_protocol("plain", DatasetKind::kitti).cap_m, 80.F);
  EXPECT_EQ(named_protocol("plain", DatasetKind::nyu).crop, ScoreCrop::none);
  const Protocol official = named_protocol("kitti_official", DatasetKind::kitti);
  EXPECT_EQ(official.crop, ScoreCrop::none);
  EXPECT_FALSE(official.kb_crop);
  EXPECT_GT(official.cap_m, 65535.F / 256);  // nothing that a file can hold is left out
}

TEST(Protocol, WrongNamesAreUsageErrors) {
  EXPECT_TRUE(fails([] { named_protocol("eigen", DatasetKind::nyu); }, ErrorKind::usage,
                    "(plain, nyu_eigen, kitti_eigen_garg, kitti_eigen_eigen, kitti_official)"));
  EXPECT_TRUE(
      fails([] { named_protocol("nyu_eigen", DatasetKind::kitti); }, ErrorKind::usage, "nyu_eigen is not for kitti"));
  EXPECT_TRUE(fails([] { named_protocol("kitti_official", DatasetKind::nyu); }, ErrorKind::usage,
                    "kitti_official is not for nyu"));
  Protocol protocol;
  EXPECT_TRUE(fails([&] { apply_compat(protocol, "adabins"); }, ErrorKind::usage, "(bts, bts-online, newcrfs)"));
}

TEST(Protocol, PeersDoItTheirWay) {
  Protocol bts = named_protocol("kitti_eigen_garg", DatasetKind::kitti), online = bts, newcrfs = bts;
  apply_compat(bts, "bts"), apply_compat(online, "bts-online"), apply_compat(newcrfs, "newcrfs");
  for (const Protocol& p : {bts, online, newcrfs}) EXPECT_TRUE(p.repair);
  EXPECT_EQ(bts.evaluator, Evaluator::pngs);
  EXPECT_EQ(online.evaluator, Evaluator::online);
  EXPECT_FALSE(bts.gt_kb_crop);
  EXPECT_TRUE(online.gt_kb_crop);
  EXPECT_TRUE(newcrfs.gt_kb_crop);
  EXPECT_FALSE(online.flip_average);
  EXPECT_TRUE(newcrfs.flip_average);
  Protocol nyu = named_protocol("nyu_eigen", DatasetKind::nyu);
  apply_compat(nyu, "newcrfs");
  EXPECT_FALSE(nyu.gt_kb_crop);
}

TEST(Protocol, LineHasEveryParameter) {
  Protocol kitti = named_protocol("kitti_eigen_garg", DatasetKind::kitti);
  apply_compat(kitti, "newcrfs");
  EXPECT_EQ(describe(kitti),
            "kitti_eigen_garg dataset=kitti min_m=0.001 cap_m=80 crop=garg kb_crop=yes gt_kb_crop=yes depth_scale=256 "
            "velodyne_raw=no "
            "flip_average=yes median_scaling=no averaging=per_image non_finite=repaired evaluator=online "
            "arithmetic=f32");
}

TEST(Protocol, EveryParameterChangesTheHash) {
  const Protocol plain = named_protocol("plain", DatasetKind::nyu);
  const std::vector<void (*)(Protocol&)> changes{
      [](Protocol& p) { p.name = "nyu_eigen"; },
      [](Protocol& p) { p.dataset = DatasetKind::kitti; },
      [](Protocol& p) { p.min_m = 0.1F; },
      [](Protocol& p) { p.cap_m = std::nextafter(10.F, 11.F); },  // the last digit counts
      [](Protocol& p) { p.crop = ScoreCrop::eigen_nyu; },
      [](Protocol& p) { p.crop = ScoreCrop::garg; },
      [](Protocol& p) { p.kb_crop = true; },
      [](Protocol& p) { p.gt_kb_crop = true; },
      [](Protocol& p) { p.depth_scale = 256.F; },
      [](Protocol& p) { p.velodyne_raw = true; },
      [](Protocol& p) { p.flip_average = true; },
      [](Protocol& p) { p.median_scaling = true; },
      [](Protocol& p) { p.averaging = Averaging::pooled; },
      [](Protocol& p) { p.repair = true; },
      [](Protocol& p) { p.evaluator = Evaluator::pngs; },
      [](Protocol& p) { p.arithmetic = Arithmetic::f64; }};
  std::set<std::string> hashes{protocol_hash(describe(plain))};
  for (const auto& change : changes) {
    Protocol changed = plain;
    change(changed);
    hashes.insert(protocol_hash(describe(changed)));
  }
  EXPECT_EQ(hashes.size(), changes.size() + 1);
  for (const std::string& hash : hashes) EXPECT_EQ(hash.size(), 16U);
  EXPECT_EQ(protocol_hash("a"), "af63dc4c8601ec8c");  // the published FNV-1a of "a": the same on every machine
}

TEST(Protocol, DifferencesAreNamed) {
  const Protocol a = named_protocol("plain", DatasetKind::nyu);
  Protocol b = a;
  EXPECT_EQ(protocol_difference(describe(a), describe(b)), "");
  b.cap_m = 5;
  b.flip_average = true;
  EXPECT_EQ(protocol_difference(describe(a), describe(b)),
            "cap_m=10 and cap_m=5, flip_average=no and flip_average=yes");
  EXPECT_EQ(protocol_difference("plain", "plain cap_m=1"), "nothing and cap_m=1");
}

}  // namespace
}  // namespace md
