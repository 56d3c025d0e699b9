// Lists: the field's own in all their dialects (counted against the published ones where they are at hand), and what a
// list must not be able to do.
#include "data/list_file.h"

#include <algorithm>
#include <set>

#include "data/datasets/kitti_files.h"
#include "tests/data/data_files.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

using test::fails;

class ListFileTest : public test::DataFolder {};

TEST_F(ListFileTest, ReadsEveryDialect) {
  const auto entries = parse_list(
      "\xEF\xBB\xBF/kitchen/rgb_1.jpg /kitchen/sync_depth_1.png 518.8579\r\n"
      "\r\n"
      "a.png\tNone\t721.5377\n"
      "# a comment\n"
      "b.jpg b.png dense/b.png\n"
      "c/./d/../c.jpg   c.png\n"
      "image/0000000000.png",
      "list.txt");
  ASSERT_EQ(entries.size(), 5U);
  EXPECT_EQ(entries[0].image, "kitchen/rgb_1.jpg");
  EXPECT_EQ(entries[0].depth, "kitchen/sync_depth_1.png");
  EXPECT_EQ(entries[0].focal_px, 518.8579);
  EXPECT_EQ(entries[0].line, 1);
  EXPECT_EQ(entries[1].image, "a.png");
  EXPECT_EQ(entries[1].depth, "");
  EXPECT_EQ(entries[1].focal_px, 721.5377);
  EXPECT_EQ(entries[1].line, 3);
  EXPECT_EQ(entries[2].dense_depth, "dense/b.png");
  EXPECT_EQ(entries[2].focal_px, 0);
  EXPECT_EQ(entries[3].image, "c/c.jpg");
  EXPECT_EQ(entries[3].depth, "c.png");
  EXPECT_EQ(entries[4].image, "image/0000000000.png");
  EXPECT_EQ(entries[4].depth, "");
  EXPECT_EQ(entries[4].line, 7);
  EXPECT_EQ(entries[2].columns, 3);
  EXPECT_EQ(entries[4].columns, 1);
  EXPECT_EQ(parse_list("k\xC3\xBC"
                       "che/\xF0\x9F\x8F\xA0.jpg  ",
                       "l.txt")[0]
                .image,
            "k\xC3\xBC"
            "che/\xF0\x9F\x8F\xA0.jpg");
}

TEST_F(ListFileTest, NamesFileAndLineOfWhatIsMalformed) {
  const auto line = [](const std::string& text) { return [text] { parse_list("a.jpg a.png 1\n" + text, "l.txt"); }; };
  EXPECT_TRUE(fails(line("a.jpg a.png 500 x.png"), ErrorKind::bad_data, "l.txt:2: 4 columns"));
  EXPECT_TRUE(fails(line("a.jpg 518.8579"), ErrorKind::bad_data, "l.txt:2: '518.8579' is where a path should be"));
  EXPECT_TRUE(fails(line("a.jpg a.png abc"), ErrorKind::bad_data, "l.txt:2: column 'abc' is neither"));
  EXPECT_TRUE(fails(line("a.jpg a.png 0"), ErrorKind::bad_data, "l.txt:2: focal length '0' is not positive"));
  EXPECT_TRUE(fails(line("a.jpg a.png nan"), ErrorKind::bad_data, "l.txt:2: focal length 'nan'"));
  EXPECT_TRUE(fails(line("/ a.png 500"), ErrorKind::bad_data, "l.txt:2: empty path"));
  EXPECT_TRUE(fails(line(std::string("a\0.jpg a.png 5", 14)), ErrorKind::bad_data, "l.txt:2: control character"));
  EXPECT_TRUE(fails(line("a\x7F.jpg"), ErrorKind::bad_data, "l.txt:2: control character in the line"));
  EXPECT_TRUE(
      fails(line("a.jpg b.png 1 c.jpg d.png"), ErrorKind::bad_data, "l.txt:2: 5 columns; wanted are IMAGE DEPTH"));
  // Latin-1, a lone continuation, a cut character, an overlong '/', a surrogate, above U+10FFFF.
  for (const char* name : {"k\xFC"
                           "che.jpg",
                           "\x80.jpg", "a\xE2\x82", "\xC0\xAF.jpg", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80"})
    EXPECT_TRUE(fails(line(name), ErrorKind::bad_data, "l.txt:2: a name that is not UTF-8"));
}

TEST_F(ListFileTest, RefusesWhatIsTooLongToBeAList) {
  EXPECT_TRUE(fails([&] { parse_list("a.jpg\n" + std::string(10'000'000, 'a'), "l.txt"); }, ErrorKind::bad_data,
                    "l.txt:2: 10000000 bytes in one line"));
  std::string long_list;
  for (std::size_t i = 0; i <= max_list_frames; ++i) long_list += "a\n";
  EXPECT_TRUE(fails([&] { parse_list(long_list, "l.txt"); }, ErrorKind::bad_data, "l.txt: more than 1000000 frames"));
  const std::string huge = write("huge.txt", "");
  std::filesystem::resize_file(huge, 1ULL << 40);  // without a block on the disk
  EXPECT_TRUE(
      fails([&] { read_list(huge); }, ErrorKind::bad_data, "huge.txt: 1099511627776 bytes are too many for a list"));
}

TEST_F(ListFileTest, RefusesEmptyAndMissingLists) {
  EXPECT_TRUE(fails([&] { read_list(path("none.txt")); }, ErrorKind::missing, "none.txt: no such list"));
  EXPECT_TRUE(fails([&] { read_list(write("e.txt", "")); }, ErrorKind::bad_data, "e.txt: the list is empty"));
  EXPECT_TRUE(fails([&] { read_list(write("e.txt", "\n \r\n")); }, ErrorKind::bad_data, "e.txt: the list is empty"));
  EXPECT_TRUE(fails([&] { read_list(folder_.string()); }, ErrorKind::bad_data, ": not a file"));
}

TEST_F(ListFileTest, PathsStayInsideTheRoot) {
  const auto line = [](const std::string& text) { return [text] { parse_list(text, "l.txt"); }; };
  EXPECT_TRUE(fails(line("../a.jpg a.png 5"), ErrorKind::bad_data, "l.txt:1: path '../a.jpg' leaves the data root"));
  EXPECT_TRUE(
      fails(line("a.jpg /b/../../a.png 5"), ErrorKind::bad_data, "l.txt:1: path 'b/../../a.png' leaves the data"));
  EXPECT_EQ(parse_list("/etc/passwd", "l.txt")[0].image, "etc/passwd");  // below the root
}

TEST_F(ListFileTest, TheUsersLinksAreFollowedAndAListLeadsNowhere) {
  namespace fs = std::filesystem;
  write("disk/scene/b.png", "x");
  write("disk/secret.png", "x");
  write("root/scene/a.png", "x");
  fs::create_symlink(path("disk/scene/b.png"), path("root/scene/file.png"));
  fs::create_directory_symlink(path("disk/scene"), path("root/folder"));
  fs::create_directory_symlink(path("disk/scene"), path("root/chain1"));
  fs::create_directory_symlink("chain1", path("root/chain2"));
  fs::create_directory_symlink(path("root"), path("root_by_link"));
  fs::create_symlink("loop.png", path("root/loop.png"));
  const std::string root = path("root"), real = fs::canonical(root).string();
  EXPECT_EQ(resolve_inside(root, "scene/a.png"), real + "/scene/a.png");
  EXPECT_EQ(resolve_inside(root, "/scene/a.png"), real + "/scene/a.png");
  EXPECT_EQ(resolve_inside(path("root_by_link"), "scene/a.png"), real + "/scene/a.png");
  for (const char* linked : {"scene/file.png", "folder/b.png", "chain2/b.png"})
    EXPECT_EQ(resolve_inside(root, linked), real + "/" + linked);
  // As text: what lies above the place that a link leads to is not reached.
  EXPECT_TRUE(fails([&] { resolve_inside(root, "folder/../secret.png"); }, ErrorKind::missing,
                    "root/secret.png: no such file"));
  for (const char* out : {"../disk/secret.png", "folder/../../disk/secret.png", "..", "scene/../.."})
    EXPECT_TRUE(fails([&] { resolve_inside(root, out); }, ErrorKind::bad_data, "leads out of the data root")) << out;
  EXPECT_TRUE(fails([&] { resolve_inside(root, "none.png"); }, ErrorKind::missing, "none.png: no such file"));
  EXPECT_TRUE(fails([&] { resolve_inside(root, "loop.png"); }, ErrorKind::missing, "loop.png"));
  EXPECT_TRUE(fails([&] { resolve_inside(path("no"), "a.png"); }, ErrorKind::missing, "no: no such folder"));
}

// --- Lists as people write them

/// IMAGE|DEPTH|DENSE|FOCAL of the only line.
std::string read_line(const std::string& line, const ListRules& rules = {}) {
  const auto entries = parse_list(line + "\n", "l.txt", rules);
  EXPECT_EQ(entries.size(), 1U) << line;
  const ListEntry& e = entries[0];
  return cat(e.image, "|", e.depth, "|", e.dense_depth, "|", e.focal_px);
}

/// Rules under which these files are there, of images and of depth.
ListRules with_files(const std::set<std::string>& files) {
  return {.is_there = [=](ListColumn, const std::string& path) { return files.contains(path); }};
}

TEST(Lists, NamesWithBlanksAreToldByTheEndingsOfFiles) {
  EXPECT_EQ(read_line("my rooms/0.jpg my rooms/0_depth.png 500"), "my rooms/0.jpg|my rooms/0_depth.png||500");
  EXPECT_EQ(read_line("living  room 1/a b.JPEG living  room 1/a b.npy"),
            "living  room 1/a b.JPEG|living  room 1/a b.npy||0");
  EXPECT_EQ(read_line("my rooms/0.png"), "my rooms/0.png|||0");
  EXPECT_EQ(read_line("my rooms/0.png None 21.5\r"), "my rooms/0.png|||21.5");
  EXPECT_EQ(read_line("2 rooms/0.jpg 2 rooms/0.exr 500"), "2 rooms/0.jpg|2 rooms/0.exr||500");
  EXPECT_EQ(read_line("a b.jpg c d.png e f.png"), "a b.jpg|c d.png|e f.png|0");
  EXPECT_EQ(read_line("St. Anton/0.jpg St. Anton/0.pfm"), "St. Anton/0.jpg|St. Anton/0.pfm||0");
}

TEST(Lists, NamesInQuotes) {
  EXPECT_EQ(read_line("\"my rooms/0.jpg\" \"my rooms/0\" 500"), "my rooms/0.jpg|my rooms/0||500");
  EXPECT_EQ(read_line("'a b' c.png"), "a b|c.png||0");
  EXPECT_EQ(read_line("'it''s.jpg' \"say \"x\".png\""), "it''s.jpg|say \"x\".png||0");
  EXPECT_EQ(read_line("'tis.jpg d.png 5"), "'tis.jpg|d.png||5");
  EXPECT_EQ(read_line("'rock'n'roll.jpg d.png"), "'rock'n'roll.jpg|d.png||0");
  EXPECT_TRUE(fails([] { read_line("'../a.jpg' b.png"); }, ErrorKind::bad_data, "l.txt:1: path '../a.jpg' leaves"));
  EXPECT_TRUE(fails([] { read_line("'' b.png"); }, ErrorKind::bad_data, "l.txt:1: empty path"));
  EXPECT_TRUE(fails([] { read_line("'a\tb.jpg' b.png"); }, ErrorKind::bad_data, "l.txt:1: a name with a tab"));
}

TEST(Lists, TabsAndCommas) {
  EXPECT_EQ(read_line("my rooms/0.jpg\tmy rooms/0.png\t500"), "my rooms/0.jpg|my rooms/0.png||500");
  EXPECT_EQ(read_line("a.jpg,a.png"), "a.jpg|a.png||0");
  EXPECT_EQ(read_line("a.jpg, b c.png , 518.8"), "a.jpg|b c.png||518.8");
  EXPECT_EQ(read_line("\"a,b.jpg\",None,5"), "a,b.jpg|||5");
  EXPECT_EQ(read_line("a,b.jpg c,d.png 5"), "a,b.jpg|c,d.png||5");
}

TEST(Lists, AssociationsOfTimeStamps) {
  EXPECT_EQ(read_line("1305031102.1753 rgb/0.png 1305031102.1604 depth/0.png"), "rgb/0.png|depth/0.png||0");
  EXPECT_EQ(read_line("1305031102.1604 depth/0.png 1305031102.1753 rgb/0.png"), "rgb/0.png|depth/0.png||0");
  EXPECT_EQ(read_line("5 a.jpg 6 None"), "a.jpg|||0");
  EXPECT_EQ(read_line("1305031102.1753 rgb/0.png"), "rgb/0.png|||0");
  EXPECT_EQ(read_line("1.5 my rgb/0.png 1.6 my depth/0.png"), "my rgb/0.png|my depth/0.png||0");
  EXPECT_TRUE(fails([] { read_line("1.5 ../0.png 1.6 depth/0.png"); }, ErrorKind::bad_data, "path '../0.png' leaves"));
}

TEST(Lists, WhatIsThereDecides) {
  EXPECT_EQ(read_line("a room/0 a room/0d 5", with_files({"a room/0", "a room/0d"})), "a room/0|a room/0d||5");
  EXPECT_EQ(read_line("1 my rgb/0.png 2 my depth/0.png", with_files({"1 my rgb/0.png", "2 my depth/0.png"})),
            "1 my rgb/0.png|2 my depth/0.png||0");
  EXPECT_EQ(read_line("a b", with_files({"a b"})), "a b|||0");
  EXPECT_EQ(read_line("a b", with_files({"a", "b"})), "a|b||0");
  EXPECT_EQ(read_line("a b", with_files({})), "a|b||0");  // as it is written
  const ListRules image_alone = with_files({"a.jpg"});    // is not enough for columns that nobody wrote
  EXPECT_TRUE(fails([&] { read_line("a.jpg b.png 5 6", image_alone); }, ErrorKind::bad_data, "l.txt:1: 4 columns"));
  const ListRules two = with_files({"a.jpg", "a.png"});  // a third name that was put together wants its file, too
  for (const char* line : {"a.jpg a.png 518.8 1", "a.jpg a.png 5 b.jpg b.png"})
    EXPECT_TRUE(fails([&] { read_line(line, two); }, ErrorKind::bad_data, "columns; wanted are IMAGE DEPTH")) << line;
  EXPECT_EQ(read_line("a.jpg a.png 500 x.png", with_files({"a.jpg", "a.png", "500 x.png"})), "a.jpg|a.png|500 x.png|0");
  // Enough to decide is not asked for.
  const ListRules never = {
      .is_there = [](ListColumn, const std::string& path) -> bool { throw std::logic_error(path); }};
  for (const char* line : {"a.jpg a.png 500", "my rooms/0.jpg my rooms/0.png", "a.jpg,a.png"})
    EXPECT_NO_THROW(read_line(line, never)) << line;
}

TEST(Lists, OtherColumnsHaveTheSameFreedom) {
  ListRules rules = with_files({"x y", "z"});
  rules.columns = {ListColumn::skip, ListColumn::image, ListColumn::skip, ListColumn::depth};
  EXPECT_EQ(read_line("- a b.png - c d.png", rules), "a b.png|c d.png||0");
  EXPECT_EQ(read_line("- x y - z", rules), "x y|z||0");
  EXPECT_TRUE(fails([&] { read_line("1 2 3 4 5 6", rules); }, ErrorKind::bad_data, "wanted are - IMAGE - DEPTH"));
}

TEST(Lists, AbsolutePathsBelowTheRootAreRelativeToIt) {
  const ListRules rules = {.image_roots = {"/home/u/data", "/mnt/disk"}, .depth_roots = {"/gt"}};
  EXPECT_EQ(read_line("/home/u/data/a/0.jpg /gt/a/0.png 5", rules), "a/0.jpg|a/0.png||5");
  EXPECT_EQ(read_line("/mnt/disk/0.jpg /home/u/data/0.png", rules), "0.jpg|home/u/data/0.png||0");  // not the depth's
  EXPECT_EQ(read_line("/home/u/./data//x/../0.jpg", rules), "0.jpg|||0");
  EXPECT_EQ(read_line("/home/u/database/0.jpg", rules), "home/u/database/0.jpg|||0");
  EXPECT_EQ(read_line("/home/u/data/../../../etc/passwd", rules), "etc/passwd|||0");  // below the root
  EXPECT_TRUE(
      fails([&] { read_line("/home/u/data/../../../../passwd", rules); }, ErrorKind::bad_data, "leaves the data root"));
  EXPECT_EQ(read_line("/home/u/data", rules), "home/u/data|||0");
}

// --- The split lists of BTS and NeWCRFs as published; not part of the repository

class PublishedLists : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(folder_)) GTEST_SKIP() << "the published lists are not here: " << folder_;
  }
  std::vector<ListEntry> read(const std::string& name) const { return read_list(folder_ + name); }
  const std::string folder_ = test::shared_dir() + "/lists/";
};

struct Published {
  std::string name;
  std::size_t frames, without_depth, dense;
  std::set<double> focals_px;  // 0: the list has none
};

TEST_F(PublishedLists, Parse) {
  const std::vector<Published> lists = {
      {"eigen_test_files_with_gt.txt", 697, 45, 0, {707.0493, 707.0912, 718.3351, 718.856, 721.5377}},
      {"eigen_train_files_with_gt.txt", 23158, 0, 0, {707.0493, 707.0912, 718.3351, 718.856, 721.5377}},
      {"nyudepthv2_test_files_with_gt.txt", 654, 0, 0, {518.8579}},
      {"bts_nyudepthv2_train_files_with_gt.txt", 24231, 0, 0, {518.8579}},
      {"nyudepthv2_train_files_with_gt_dense.txt", 36253, 0, 36253, {0}},
      {"kitti_official_valid.txt", 1000, 1000, 0, {0}},
      {"kitti_official_test.txt", 500, 500, 0, {0}},
  };
  for (const Published& list : lists) {
    const auto entries = read(list.name);
    EXPECT_EQ(entries.size(), list.frames) << list.name;
    const auto count = [&](auto what) { return std::size_t(std::count_if(entries.begin(), entries.end(), what)); };
    EXPECT_EQ(count([](const ListEntry& e) { return e.depth.empty(); }), list.without_depth) << list.name;
    EXPECT_EQ(count([](const ListEntry& e) { return !e.dense_depth.empty(); }), list.dense) << list.name;
    EXPECT_EQ(count([](const ListEntry& e) { return e.image.starts_with('/'); }), 0U) << list.name;
    std::set<double> focals_px;
    for (const ListEntry& e : entries) focals_px.insert(e.focal_px);
    EXPECT_EQ(focals_px, list.focals_px) << list.name;
  }
}

TEST_F(PublishedLists, KittisGroundTruthIsFoundByNameAlone) {
  for (const ListEntry& e : read("kitti_official_valid.txt")) {
    const std::string depth = kitti_official_depth(e.image);
    EXPECT_NE(depth.find("/groundtruth_depth/2011_"), depth.npos) << e.image;
    EXPECT_NE(depth.find("_sync_groundtruth_depth_0"), depth.npos) << e.image;
    EXPECT_EQ(depth.find("image/"), depth.npos) << e.image;
  }
  for (const ListEntry& e : read("kitti_official_test.txt")) EXPECT_EQ(kitti_official_depth(e.image), "");
  for (const ListEntry& e : read("eigen_train_files_with_gt.txt")) {
    EXPECT_EQ(kitti_places(e.image).size(), 6U) << e.image;  // two conventions, three roots
    const std::string by_day = e.depth.substr(0, 10) + "/" + e.depth;
    EXPECT_EQ(kitti_places(e.depth)[1], by_day);
    EXPECT_EQ(kitti_places(by_day)[1], e.depth);
    EXPECT_NE(kitti_velodyne_raw(e.depth), "");
  }
}

}  // namespace
}  // namespace md
