// The list of data sets. Another one is its own file and a line here (CONTRIBUTING.md).
#include "data/datasets.h"

#include "engine/check.h"
#include "engine/records.h"
#include "engine/text.h"

namespace md {

// Beside each data set: data/datasets/NAME.cpp.
DatasetTraits nyu_dataset();
DatasetTraits kitti_dataset();
DatasetTraits plain_dataset();
DatasetTraits tum_dataset();
DatasetTraits scannet_dataset();
DatasetTraits seven_scenes_dataset();
DatasetTraits sunrgbd_dataset();
DatasetTraits diode_dataset();
DatasetTraits vkitti2_dataset();
DatasetTraits ibims_dataset();
DatasetTraits hypersim_dataset();

namespace {

Records<DatasetTraits>& records() {
  static Records<DatasetTraits> all = [] {
    Records<DatasetTraits> known;
    for (const auto& dataset :
         {nyu_dataset, kitti_dataset, plain_dataset, tum_dataset, scannet_dataset, seven_scenes_dataset,
          sunrgbd_dataset, diode_dataset, vkitti2_dataset, ibims_dataset, hypersim_dataset})
      known.add(dataset());
    return known;
  }();
  return all;
}

}  // namespace

void register_dataset(DatasetTraits traits) { records().add(std::move(traits)); }

const DatasetTraits& dataset_traits(const std::string& name) {
  const DatasetTraits* const found = records().find(name);
  if (!found) fail(ErrorKind::usage, "dataset '", name, "': wanted is ", either(dataset_names()));
  return *found;
}

std::vector<std::string> dataset_names() { return records().names(); }

std::string datasets_with(const std::function<bool(const DatasetTraits&)>& holds) {
  return either(records().names_where(holds));
}

}  // namespace md
