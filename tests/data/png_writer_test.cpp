// PNGs by rows are the PNGs of whole pictures, byte for byte; nothing is left of one that was not finished.
#include "data/png_writer.h"

#include <signal.h>
#include <sys/resource.h>

#include "data/image_io.h"
#include "tests/data/data_files.h"

namespace md {
namespace {

using test::fails;
using test::test_depth;
using test::test_image;

class PngWriterTest : public test::DataFolder {
 protected:
  long files() const { return std::distance(std::filesystem::directory_iterator(folder_), {}); }
};

TEST_F(PngWriterTest, RowsMakeTheSameFile) {
  const DepthImage depth = test_depth(37, 23);
  const RgbImage colour = test_image(11, 50);
  write_png(path("depth.png"), depth);
  write_png(path("colour.png"), colour);
  DepthPngWriter depth_rows(path("depth_rows.png"), depth.height, depth.width);
  for (int y = 0; y < depth.height; ++y) depth_rows.write_row(&depth.pixels[std::size_t(y * depth.width)]);
  depth_rows.finish();
  ColourPngWriter colour_rows(path("colour_rows.png"), colour.height, colour.width);
  for (int y = 0; y < colour.height; ++y) colour_rows.write_row(&colour.pixels[std::size_t(y * colour.width * 3)]);
  colour_rows.finish();
  EXPECT_EQ(bytes_of(path("depth_rows.png")), bytes_of(path("depth.png")));
  EXPECT_EQ(bytes_of(path("colour_rows.png")), bytes_of(path("colour.png")));
  EXPECT_EQ(files(), 4);
}

TEST_F(PngWriterTest, NothingIsLeftOfAnUnfinishedFile) {
  const DepthImage depth = test_depth(3, 4);
  write("old.png", "old");
  {
    DepthPngWriter rows(path("old.png"), 3, 4);
    rows.write_row(depth.pixels.data());
    ColourPngWriter none(path("new.png"), 3, 4);
  }
  EXPECT_EQ(bytes_of(path("old.png")), "old");
  EXPECT_EQ(files(), 1);
  DepthPngWriter rows(path("a.png"), 1, 4);
  EXPECT_TRUE(fails([&] { rows.finish(); }, ErrorKind::contract, "a.png: 1 rows of the picture are missing"));
  rows.write_row(depth.pixels.data());
  EXPECT_TRUE(fails([&] { rows.write_row(depth.pixels.data()); }, ErrorKind::contract, "a.png: more rows"));
}

TEST_F(PngWriterTest, WhatCannotBeWrittenIsNamed) {
  EXPECT_TRUE(fails([&] { DepthPngWriter(path("none/a.png"), 2, 2); }, ErrorKind::cannot_write, "none/a.png"));
  // A disk that is full: no file may grow beyond 1 MiB.
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1 << 20, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const auto write_much = [&] {
    DepthPngWriter rows(path("full.png"), 2000, 2000);
    std::vector<std::uint16_t> row(2000);
    std::uint32_t noise = 1;
    for (int y = 0; y < 2000; ++y) {
      for (std::uint16_t& value : row) value = std::uint16_t((noise = noise * 1664525 + 1013904223) >> 16);
      rows.write_row(row.data());
    }
    rows.finish();
  };
  EXPECT_TRUE(fails(write_much, ErrorKind::cannot_write, "full.png: cannot write"));
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(files(), 0);
}

TEST_F(PngWriterTest, LargeFilesTakeNoMemory) {
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  const std::vector<std::uint16_t> row(20000, 1234);
  DepthPngWriter rows(path("large.png"), 1000, 20000);  // 40 MB of samples
  for (int y = 0; y < 1000; ++y) rows.write_row(row.data());
  rows.finish();
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT((after.ru_maxrss - before.ru_maxrss) / 1024, 16);
}

}  // namespace
}  // namespace md
