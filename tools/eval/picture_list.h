// Which pictures `mdeval predict` is asked for, and what each one's depth is called.
#pragma once
#include <filesystem>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "engine/check.h"

namespace md {

/// A picture, and what its depth is called.
struct ListedPicture {
  std::filesystem::path file;
  std::string name;  // below the folder of results, without suffix: "0001", or "kitchen/0001"
};

/// What was found.
struct PictureList {
  std::vector<ListedPicture> pictures;
  std::vector<Error> errors;          // arguments of which nothing can come, each named
  std::map<std::string, int> others;  // files of folders that are no pictures: ".txt" -> how many
  /// Files of folders in formats that this build does not read, by the format's name (data/picture.h).
  std::map<std::string, std::vector<std::string>> unread;
  std::vector<std::filesystem::path> depth_maps;  // 16-bit grey PNGs of a folder that has pictures of another kind
};

/// How folders are looked through.
struct PictureListOptions {
  bool recursive = false;
  std::filesystem::path out = {};         // results; its own files are not looked at when it lies in a folder
  std::vector<std::string> endings = {};  // of the files that come of one picture: ".png", "_color.png"
};

/// The pictures that arguments name, in that order, each once. A folder stands for its pictures by name, sorted, hidden
/// files left out, with `recursive` below it too. In a folder argument, 16-bit grey PNGs are depth maps and left out
/// if pictures of another kind are in it (NYU's rgb_*.jpg beside sync_depth_*.png); named themselves, or alone, they
/// are pictures. A file that is not there is listed: reading it says so.
///
/// A depth is called as its picture without suffix, below its folder's path inside the argument. Pictures of which two
/// files would get one name all get as many of the folders before it as tell them apart (s1/a.jpg and s2/a.jpg: s1/a
/// and s2/a); where no folder does, the suffix joins the name (a.jpg and a.png: a_jpg and a_png).
PictureList list_pictures(const std::vector<std::string>& arguments, const PictureListOptions&);

/// Names from a stream: one a line (LF or CRLF, a byte order mark passed over), or each ended by NUL as `find -print0`
/// has them, blanks kept. Throws ErrorKind::bad_data for UTF-16, which a Windows shell may write.
std::vector<std::string> read_names(std::istream&);

}  // namespace md
