// Protocols: what a name stands for, what the peers do differently, and the line that is printed and hashed. How they
// act: score_test.
#include "data/protocol.h"

#include <cmath>
#include <set>

#include "data/datasets.h"
#include "tests/data/data_files.h"

namespace md {
namespace {

using test::fails;

TEST(Protocol, NamesCarryTheOfficialParameters) {
  const Protocol nyu = named_protocol("nyu_eigen", "nyu");
  EXPECT_EQ(nyu.cap_m, 10.F);
  EXPECT_EQ(nyu.min_m, 1e-3F);
  EXPECT_EQ(nyu.depth_scale, 1000.F);
  EXPECT_EQ(nyu.crop, ScoreCrop::eigen_nyu);
  EXPECT_FALSE(nyu.kb_crop);
  const Protocol kitti = named_protocol("kitti_eigen_garg", "kitti");
  EXPECT_EQ(kitti.cap_m, 80.F);
  EXPECT_EQ(kitti.depth_scale, 256.F);
  EXPECT_EQ(kitti.crop, ScoreCrop::garg);
  EXPECT_TRUE(kitti.kb_crop);
  EXPECT_EQ(named_protocol("kitti_eigen_eigen", "kitti").crop, ScoreCrop::eigen_kitti);
  EXPECT_EQ(named_protocol("plain", "kitti").cap_m, 80.F);
  EXPECT_EQ(named_protocol("plain", "nyu").crop, ScoreCrop::none);
  const Protocol official = named_protocol("kitti_official", "kitti");
  EXPECT_EQ(official.crop, ScoreCrop::none);
  EXPECT_FALSE(official.kb_crop);
  EXPECT_GT(official.cap_m, 65535.F / 256);  // nothing that a file can hold is left out
}

TEST(Protocol, WrongNamesAreUsageErrors) {
  EXPECT_TRUE(fails([] { named_protocol("eigen", "nyu"); }, ErrorKind::usage,
                    "(plain, nyu_eigen, kitti_eigen_garg, kitti_eigen_eigen, kitti_official, "));
  EXPECT_TRUE(
      fails([] { named_protocol("nyu_eigen", "kitti"); }, ErrorKind::usage, "protocol 'nyu_eigen' is not for kitti"));
  EXPECT_TRUE(fails([] { named_protocol("kitti_official", "nyu"); }, ErrorKind::usage,
                    "protocol 'kitti_official' is not for nyu"));
  Protocol protocol;
  EXPECT_TRUE(fails([&] { apply_compat(protocol, "adabins"); }, ErrorKind::usage, "(bts, bts-online, newcrfs)"));
}

TEST(Protocol, PeersDoItTheirWay) {
  Protocol bts = named_protocol("kitti_eigen_garg", "kitti"), online = bts, newcrfs = bts;
  apply_compat(bts, "bts"), apply_compat(online, "bts-online"), apply_compat(newcrfs, "newcrfs");
  for (const Protocol& p : {bts, online, newcrfs}) EXPECT_TRUE(p.repair);
  EXPECT_EQ(bts.evaluator, Evaluator::pngs);
  EXPECT_EQ(online.evaluator, Evaluator::online);
  EXPECT_FALSE(bts.gt_kb_crop);
  EXPECT_TRUE(online.gt_kb_crop);
  EXPECT_TRUE(newcrfs.gt_kb_crop);
  EXPECT_FALSE(online.flip_average);
  EXPECT_TRUE(newcrfs.flip_average);
  Protocol nyu = named_protocol("nyu_eigen", "nyu");
  apply_compat(nyu, "newcrfs");
  EXPECT_FALSE(nyu.gt_kb_crop);
}

TEST(Protocol, LineHasEveryParameter) {
  Protocol kitti = named_protocol("kitti_eigen_garg", "kitti");
  apply_compat(kitti, "newcrfs");
  EXPECT_EQ(describe(kitti),
            "kitti_eigen_garg dataset=kitti min_m=0.001 cap_m=80 crop=garg kb_crop=yes gt_kb_crop=yes depth_scale=256 "
            "velodyne_raw=no "
            "flip_average=yes median_scaling=no averaging=per_image non_finite=repaired evaluator=online "
            "arithmetic=f32");
}

/// Of one parameter each.
const std::vector<void (*)(Protocol&)> kChanges{
    [](Protocol& p) { p.name = "nyu_eigen"; },
    [](Protocol& p) { p.dataset = "kitti"; },
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
    [](Protocol& p) { p.arithmetic = Arithmetic::f64; },
    [](Protocol& p) { p.invalid_value = 65535.F; },
    [](Protocol& p) { p.valid_below_m = 80.F; },
    [](Protocol& p) { p.zero_depth = ZeroDepth::filled; },
    [](Protocol& p) { p.resampling = Resampling::bilinear; },
    [](Protocol& p) { p.resampling = Resampling::nearest; }};

TEST(Protocol, EveryParameterChangesTheHash) {
  const Protocol plain = named_protocol("plain", "nyu");
  std::set<std::string> hashes{protocol_hash(describe(plain))};
  for (const auto& change : kChanges) {
    Protocol changed = plain;
    change(changed);
    hashes.insert(protocol_hash(describe(changed)));
  }
  EXPECT_EQ(hashes.size(), kChanges.size() + 1);
  for (const std::string& hash : hashes) EXPECT_EQ(hash.size(), 16U);
  EXPECT_EQ(protocol_hash("a"), "af63dc4c8601ec8c");  // the published FNV-1a of "a": the same on every machine
}

/// Every named protocol of every data set, each with every peer's habits and with none.
std::vector<Protocol> all_protocols() {
  std::vector<Protocol> all;
  for (const std::string& name : protocol_names()) {
    for (const std::string& dataset : dataset_names()) {
      if (protocol_dataset(name).value_or(dataset) != dataset) continue;
      all.push_back(named_protocol(name, dataset));
      for (const char* peer : {"bts", "bts-online", "newcrfs"}) {
        all.push_back(named_protocol(name, dataset));
        apply_compat(all.back(), peer);
      }
    }
  }
  return all;
}

TEST(Protocol, LinesAreReadBackAsTheyWere) {
  const std::vector<Protocol> named = all_protocols();
  std::size_t own = dataset_names().size();  // "plain" for each data set, and the protocols of each
  for (const std::string& dataset : dataset_names()) own += dataset_traits(dataset).protocols.size();
  EXPECT_EQ(named.size(), own * 4U);
  for (const Protocol& protocol : named) {
    for (const auto& change : kChanges) {
      Protocol changed = protocol;
      change(changed);
      const std::string line = describe(changed);
      EXPECT_EQ(parse_protocol(line), changed) << line;
      EXPECT_EQ(describe(parse_protocol(line)), line);
    }
    EXPECT_EQ(parse_protocol(describe(protocol)), protocol) << describe(protocol);
  }
}

/// As files of 2026 have it.
TEST(Protocol, OldLinesAreStillRead) {
  const std::string line =
      "plain dataset=nyu min_m=0.001 cap_m=10 crop=none kb_crop=no gt_kb_crop=no depth_scale=1000 velodyne_raw=no "
      "flip_average=no median_scaling=no averaging=per_image non_finite=refused evaluator=online arithmetic=f32";
  EXPECT_EQ(parse_protocol(line), named_protocol("plain", "nyu"));
  EXPECT_EQ(describe(named_protocol("plain", "nyu")), line);
}

/// What a line from before the rule does not say was not done.
TEST(Protocol, KittisOwnFillsZerosAndSaysSo) {
  const Protocol official = named_protocol("kitti_official", "kitti");
  EXPECT_EQ(official.zero_depth, ZeroDepth::filled);
  const std::string line = describe(official), rule = " zero_depth=filled";
  ASSERT_TRUE(line.ends_with(rule)) << line;
  Protocol old = official;
  old.zero_depth = ZeroDepth::clamped;
  EXPECT_EQ(parse_protocol(line.substr(0, line.size() - rule.size())), old);
  EXPECT_EQ(named_protocol("kitti_eigen_garg", "kitti").zero_depth, ZeroDepth::clamped);
}

TEST(Protocol, WrongLinesAreRefused) {
  const std::string good = describe(named_protocol("plain", "nyu"));
  const auto with = [&](const std::string& from, const std::string& to) {
    return std::string(good).replace(good.find(from), from.size(), to);
  };
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "it does not begin with a name"},
      {good.substr(good.find(' ')), "it does not begin with a name"},
      {good + " gamma=2", "unknown key 'gamma'"},
      {good + " fast", "unknown key 'fast'"},
      {good + " cap_m=10", "cap_m is there twice"},
      {with(" cap_m=10", ""), "no cap_m in it"},
      {with("cap_m=10", "cap_m=ten"), "cap_m cannot be 'ten'"},
      {with("cap_m=10", "cap_m=10m"), "cap_m cannot be '10m'"},
      {with("cap_m=10", "cap_m"), "cap_m cannot be ''"},
      {with("kb_crop=no", "kb_crop=maybe"), "kb_crop cannot be 'maybe'"},
      {with("crop=none", "crop=round"), "crop cannot be 'round'"},
      {good + " resampling=cubic", "resampling cannot be 'cubic'"},
      {good + " zero_depth=filled zero_depth=filled", "zero_depth is there twice"},
      {with("dataset=nyu", "dataset=sun"), "dataset cannot be 'sun'"},
  };
  for (const auto& [line, part] : cases)
    EXPECT_TRUE(fails([&] { parse_protocol(line); }, ErrorKind::bad_data, "protocol line: " + part)) << line;
}

TEST(Protocol, TablesHaveTheColumnsOfThePaper) {
  const auto columns = [](const std::string& name, const std::string& dataset) {
    std::string keys;
    for (const MetricField* field : table_columns(named_protocol(name, dataset))) keys += cat(field->key, " ");
    return keys;
  };
  EXPECT_EQ(columns("plain", "nyu"), "abs_rel rmse log10 d1 d2 d3 ");
  EXPECT_EQ(columns("plain", "plain"), "abs_rel rmse log10 d1 d2 d3 ");
  EXPECT_EQ(columns("kitti_eigen_garg", "kitti"), "abs_rel sq_rel rmse rmse_log d1 d2 d3 ");
  EXPECT_EQ(columns("kitti_official", "kitti"), "silog sq_err_rel abs_rel irmse ");
}

TEST(Protocol, DifferencesAreNamed) {
  const Protocol a = named_protocol("plain", "nyu");
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
