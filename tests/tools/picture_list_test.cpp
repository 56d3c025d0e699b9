// Which pictures arguments mean and what each one's depth is called: trees, links, equal names, depth maps, names from
// a stream.
#include "tools/eval/picture_list.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/data/data_files.h"

namespace md::test {
namespace {

using Words = std::vector<std::string>;

class PictureListTest : public DataFolder {
 protected:
  void touch(const Words& names) const {
    for (const std::string& name : names) write(name, "not looked at");
  }
  PictureList list(Words arguments, bool recursive = false) const {
    for (std::string& argument : arguments) argument = path(argument);
    return list_pictures(arguments, {.recursive = recursive, .out = path("out"), .endings = {".png", "_color.png"}});
  }
  Words names(const Words& arguments, bool recursive = false) const {
    Words all;
    for (const ListedPicture& picture : list(arguments, recursive).pictures) all.push_back(picture.name);
    return all;
  }
};

TEST_F(PictureListTest, FoldersAreSortedAndFilesKeepTheirOrder) {
  touch({"in/b.JPG", "in/a.jpeg", "in/c.Png", "z.png", "y.jfif"});
  EXPECT_EQ(names({"z.png", "in", "y.jfif"}), (Words{"z", "a", "b", "c", "y"}));
}

TEST_F(PictureListTest, EachFileIsTakenOnce) {
  touch({"in/a.jpg", "in/b.jpg"});
  std::filesystem::create_symlink(path("in/a.jpg"), path("link.jpg"));
  EXPECT_EQ(names({"in/b.jpg", "in", "in/../in/a.jpg", "link.jpg"}), (Words{"b", "a"}));
}

TEST_F(PictureListTest, EqualNamesGetFoldersOrSuffixes) {
  touch({"w/s1/a.jpg", "w/s2/a.jpg", "v/s2/a.jpg", "w/s1/b.jpg"});
  EXPECT_EQ(names({"w/s1/a.jpg", "w/s2/a.jpg", "w/s1/b.jpg"}), (Words{"s1/a", "s2/a", "b"}));
  EXPECT_EQ(names({"w/s2/a.jpg", "v/s2/a.jpg"}), (Words{"w/s2/a", "v/s2/a"}));
  EXPECT_EQ(names({"w", "v"}, true), (Words{"s1/a", "s1/b", "w/s2/a", "v/s2/a"}));
  touch({"x/k.jpg", "x/k.png", "x/k.webp", "y/k.jpg"});
  EXPECT_EQ(names({"x/k.jpg", "x/k.png"}), (Words{"k_jpg", "k_png"}));
  EXPECT_EQ(names({"x/k.jpg", "x/k.png", "y/k.jpg"}), (Words{"k_jpg", "k_png", "y/k"}));
}

TEST_F(PictureListTest, NoFileOfOneIsAnothers) {
  touch({"in/a.png", "in/a_color.png", "in/a_png.jpg", "in/a.jpg"});
  const PictureList found = list({"in"});
  std::set<std::string> files;
  for (const ListedPicture& picture : found.pictures) {
    for (const char* ending : {".png", "_color.png"}) EXPECT_TRUE(files.insert(picture.name + ending).second);
  }
  EXPECT_EQ(files.size(), 8U);
}

TEST_F(PictureListTest, LinkedFoldersAreFollowedOnceAndResultsLeftOut) {
  touch({"disk/1.jpg", "in/0.jpg", "out/9.jpg", "in/.hidden/8.jpg", "in/._0.jpg"});
  std::filesystem::create_directory_symlink(path("disk"), path("in/scene"));
  std::filesystem::create_directory_symlink(path("in"), path("disk/back"));
  std::filesystem::create_directory_symlink(path("out"), path("in/results"));
  EXPECT_EQ(names({"in"}, true), (Words{"0", "scene/1"}));
}

TEST_F(PictureListTest, PngsThatAreNot16BitGreyArePictures) {
  write("mixed/colour16.png", foreign_png(PNG_FORMAT_LINEAR_RGB, 3, 4));
  write("mixed/grey8.png", foreign_png(PNG_FORMAT_GRAY, 3, 4));
  write_png(path("mixed/depth.png"), test_depth(3, 4));
  EXPECT_EQ(names({"mixed"}), (Words{"colour16", "grey8"}));
  EXPECT_EQ(list({"mixed"}).depth_maps.size(), 1U);
}

TEST_F(PictureListTest, Grey16IsDepthOnlyBesideOtherPictures) {
  for (const char* name : {"a", "b"}) {
    write("mixed/x.jpg", "");
    write_png(path(cat("mixed/", name, "_depth.png")), test_depth(3, 4));
    std::filesystem::create_directories(path("grey"));
    write_png(path(cat("grey/", name, ".png")), test_depth(3, 4));
  }
  std::filesystem::create_directories(path("tree/depth"));
  write("tree/rgb/1.jpg", "");
  write_png(path("tree/depth/1.png"), test_depth(3, 4));
  EXPECT_EQ(names({"mixed"}), Words{"x"});
  EXPECT_EQ(list({"mixed"}).depth_maps.size(), 2U);
  EXPECT_EQ(names({"grey"}), (Words{"a", "b"})) << "pictures of a camera without colour";
  EXPECT_EQ(names({"tree"}, true), Words{"rgb/1"});
  EXPECT_EQ(names({"mixed/a_depth.png"}), Words{"a_depth"}) << "named itself";
}

TEST_F(PictureListTest, OtherFilesAreCounted) {
  touch({"in/a.jpg", "in/b.txt", "in/c.TXT", "in/sub/d.csv", "in/e.gif", "in/README"});
  const PictureList found = list({"in"});
  EXPECT_EQ(found.others, (std::map<std::string, int>{{".txt", 2}, {"without suffix", 1}}));
  EXPECT_EQ(found.unread.at("GIF"), Words{path("in/e.gif")});
  EXPECT_EQ(list({"in"}, true).others.at(".csv"), 1);
}

TEST_F(PictureListTest, FoldersWithoutPicturesAreErrors) {
  touch({"text/a.txt", "raw/b.gif", "deep/er/c.jpg"});
  std::filesystem::create_directories(path("bare"));
  const PictureList found = list({"text", "raw", "deep", "bare"});
  ASSERT_EQ(found.errors.size(), 4U);
  for (const Error& error : found.errors) EXPECT_EQ(error.kind(), ErrorKind::bad_data);
  const std::string raw = found.errors[1].what(), deep = found.errors[2].what();
  EXPECT_NE(raw.find("GIF is not read: convert"), raw.npos) << raw;
  EXPECT_NE(deep.find("--recursive"), deep.npos) << deep;
}

Words read(const std::string& text) {
  std::istringstream in(text);
  return read_names(in);
}

TEST(ReadNames, TakesLinesAndNulsAndKeepsBlanks) {
  using namespace std::string_literals;
  EXPECT_EQ(read("a b.png\n c.jpg \n"), (Words{"a b.png", " c.jpg "}));
  EXPECT_EQ(read("a.png\r\nb.png\r\n\r\nc.png"), (Words{"a.png", "b.png", "c.png"}));
  EXPECT_EQ(read("a.png\0b\nb.png\0c.png\0"s), (Words{"a.png", "b\nb.png", "c.png"}));
  EXPECT_EQ(read("one.png\0"s), Words{"one.png"});
  EXPECT_EQ(read("x\r.png\0y.png\r\0"s), (Words{"x\r.png", "y.png\r"})) << "NUL alone ends these";
  EXPECT_EQ(read("\xEF\xBB\xBF"
                 "a.png\n"),
            Words{"a.png"});
  EXPECT_EQ(read(""), Words{});
  EXPECT_EQ(read("\0\0\0"s), Words{});
}

TEST(ReadNames, RefusesUtf16) {
  using namespace std::string_literals;
  EXPECT_TRUE(fails(
      [&] {
        read(
            "\xFF\xFE"
            "a\0.\0"s);
      },
      ErrorKind::bad_data, "UTF-16"));
  EXPECT_TRUE(fails([&] { read("\xFE\xFF\0a\0."s); }, ErrorKind::bad_data, "UTF-16"));
}

}  // namespace
}  // namespace md::test
