// Whatever the bytes, parse_list gives frames whose paths stay inside the root and whose numbers are numbers, or
// refuses. Seeds: the dialects of the published lists and their traps.
#include <cmath>
#include <filesystem>

#include "data/datasets/kitti_files.h"
#include "data/list_file.h"
#include "tests/fuzz/fuzz.h"

namespace md::test {
namespace {

void require_inside(const std::string& path) {
  require(std::ranges::none_of(path, [](unsigned char c) { return c < 0x20 || c == 0x7F; }), "control characters");
  const std::filesystem::path inside(path);
  require(inside.is_relative() && !inside.empty(), "not a relative path: " + path);
  require(std::ranges::none_of(inside, [](const auto& part) { return part == ".."; }), "leaves the root: " + path);
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  return {
      "/kitchen_0028b/rgb_00045.jpg /kitchen_0028b/sync_depth_00045.png 518.8579\n/a.jpg /a.png 518.8579",
      "bedroom_0130/rgb_00000.jpg bedroom_0130/sync_depth_00000.png bedroom_0130/dense/sync_depth_dense_00000.png\n",
      "2011_09_26/2011_09_26_drive_0002_sync/image_02/data/0000000069.png None 721.5377\r\n\r\n"
      "2011_09_26_drive_0002_sync/image_02/data/0000000054.png "
      "2011_09_26_drive_0002_sync/proj_depth/groundtruth/image_02/0000000054.png 721.5377\r\n",
      "depth_selection/val_selection_cropped/image/2011_09_26_drive_0005_sync_image_0000000068_image_02.png\n",
      "\xEF\xBB\xBF# own frames\nk\xC3\xBC"
      "che/1.jpg\tk\xC3\xBC"
      "che/1.png\t525\n  \n./x/../y.jpg None\n",
      "../../etc/passwd None 1e3\n",
      "a.jpg a.png -1\na.jpg a.png nan\na.jpg 518.8 a.png\na b c d e\n",
      "my rooms/0.jpg my rooms/0_depth.png 500\n\"a b.jpg\" 'c d' 5\na b c d e f\n'x y' '../z' 1\n",
      "1305031102.1753 rgb/0.png 1305031102.1604 depth/0.png\n1 depth/1.png 2 rgb/1.png\n",
      "a.jpg,a.png,518\nb c.jpg\tb c.png\t5\n\"a,b.jpg\",None\n",
      "/root/a.jpg /gt/a.png\n/root/../root/b.jpg /gt/../../c.png\n/root/../../d.jpg\n/rootless/e.jpg\n",
      "",
      std::string("a\0b.png\n", 8),
  };
}

void fuzz_list(const std::string& bytes, const ListRules& rules) {
  for (const ListEntry& entry : parse_list(bytes, "file", rules)) {
    require_inside(entry.image);
    for (const std::string& depth : {entry.depth, entry.dense_depth}) {
      if (!depth.empty()) require_inside(depth);
    }
    require(std::isfinite(entry.focal_px) && entry.focal_px >= 0, "focal length");
    require(entry.line >= 1 && entry.columns >= 1 && entry.columns <= 4, "line or columns");
    for (const std::string& place : kitti_places(entry.image)) require_inside(place);
    kitti_official_depth(entry.image);
    kitti_velodyne_raw(entry.image);
    kitti_convention(entry.image);
  }
}

/// As in a folder with about every other file that is asked for.
ListRules half_there() {
  return {
      .image_roots = {"/root"}, .depth_roots = {"/gt", "/root"}, .is_there = [](ListColumn, const std::string& path) {
        require_inside(path);
        return std::hash<std::string>()(path) % 2 == 0;
      }};
}

void fuzz_one(const std::string& bytes) {
  try {
    fuzz_list(bytes, half_there());
  } catch (const Error& error) {
    require_refusal(error);
  }
  fuzz_list(bytes, {});
}

}  // namespace md::test
