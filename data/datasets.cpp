// The list of data sets. Another one is its own file and a line here (CONTRIBUTING.md).
#include "data/datasets.h"

#include <algorithm>
#include <deque>

#include "engine/check.h"

namespace md {

// Beside each data set: data/datasets/NAME.cpp.
DatasetTraits nyu_dataset();
DatasetTraits kitti_dataset();
DatasetTraits plain_dataset();

namespace {

/// References to elements last.
std::deque<DatasetTraits>& records() {
  static std::deque<DatasetTraits> all = {
      nyu_dataset(),
      kitti_dataset(),
      plain_dataset(),
  };
  return all;
}

auto find(const std::string& name) { return std::ranges::find(records(), name, &DatasetTraits::name); }

}  // namespace

void register_dataset(DatasetTraits traits) {
  const auto known = find(traits.name);
  if (known != records().end()) {
    *known = std::move(traits);
  } else {
    records().push_back(std::move(traits));
  }
}

const DatasetTraits& dataset_traits(const std::string& name) {
  const auto found = find(name);
  if (found == records().end()) fail(ErrorKind::usage, "dataset '", name, "': wanted is ", either(dataset_names()));
  return *found;
}

std::vector<std::string> dataset_names() {
  std::vector<std::string> names;
  for (const DatasetTraits& traits : records()) names.push_back(traits.name);
  return names;
}

std::string either(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += cat(i == 0 ? "" : i + 1 == names.size() ? " or " : ", ", names[i]);
  }
  return text;
}

std::string datasets_with(const std::function<bool(const DatasetTraits&)>& holds) {
  std::vector<std::string> names;
  for (const DatasetTraits& traits : records()) {
    if (holds(traits)) names.push_back(traits.name);
  }
  return either(names);
}

}  // namespace md
