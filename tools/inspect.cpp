// What the machine and the program offer, and what is wrong with a list, frame by frame.
#include "tools/inspect.h"

#include <omp.h>

#include <iostream>

#include "tools/cli.h"

namespace md {

Exit doctor() {
  const Device device = choose_device("auto");
  std::cout << "mdtrain       " << MD_VERSION << "\n"
            << "device        " << (device.kind == Device::cuda ? "cuda" : "cpu") << ", " << backend(device).name()
            << "\n"
            << "threads       " << omp_get_max_threads() << " of " << omp_get_num_procs() << " processors\n"
            << "JPEG decoder  " << jpeg_decoder_name() << "\n"
            << "networks     ";
  for (const std::string& name : net_names()) std::cout << " " << name;
  std::cout << std::endl;
  return Exit::ok;
}

Exit check_data(const TrainOptions& options, const std::string& list) {
  if (options.data.empty()) fail(Exit::usage, "--data is required");
  const Dataset data(dataset_spec(options, list));
  ProgressLine progress;
  i64 good = 0, bad = 0, without_depth = 0;
  for (i64 i = 0; i < data.size(); ++i) {
    progress.show(cat(i, "/", data.size(), " frames"));
    try {
      const bool has_depth = !data.entries()[std::size_t(i)].depth.empty();
      if (has_depth) {
        data.load_training(i);
      } else {
        data.load(i);
      }
      ++good;
      without_depth += !has_depth;
    } catch (const Error& error) {
      ++bad;
      progress.clear();
      std::cerr << data.spec().list << ":" << data.entries()[std::size_t(i)].line << ": " << error.what() << std::endl;
    }
  }
  progress.clear();
  std::cout << data.size() << " frames: " << good << " good (" << without_depth << " of them without ground truth), "
            << bad << " bad" << std::endl;
  return bad == 0 ? Exit::ok : Exit::bad_data;
}

}  // namespace md
