// Calibration files are text; nothing is read of one but its first number.
#include "data/datasets/file_names.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include "data/file_status.h"
#include "engine/check.h"

namespace md {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMostCalibrationBytes = 1 << 20;

}  // namespace

std::string replace_all(std::string text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

std::string with_ending(const std::string& name, const std::string& from, const std::string& to) {
  return name.ends_with(from) ? name.substr(0, name.size() - from.size()) + to : "";
}

double focal_of_file(const std::string& file, const std::string& key) {
  if (!fs::is_regular_file(status_of(file))) return 0;
  if (fs::file_size(file) > kMostCalibrationBytes) fail(ErrorKind::bad_data, file, ": too long for a calibration file");
  std::ifstream in(file);
  std::string word;
  while (!key.empty() && in >> word && word != key) {
  }
  double value = 0;
  in >> value;
  if (!std::isfinite(value) || value <= 0)
    fail(ErrorKind::bad_data, file, ": no focal length", key.empty() ? "" : " after ", key);
  return value;
}

}  // namespace md
