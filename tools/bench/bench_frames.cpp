#include "tools/bench/bench_frames.h"

#include <unistd.h>

#include "engine/check.h"
#include "tools/synth/synth_dataset.h"

namespace md {

namespace fs = std::filesystem;

RenderedFrames::RenderedFrames() : folder_(fs::temp_directory_path() / cat("mdbench-", getpid())) {
  fs::create_directory(folder_);
  try {
    const synth::SetSpec set{.out = folder_.string(), .train_frames = 8, .seed = 1};
    list_ = synth::write_split(set, synth::Split::train).list;
  } catch (...) {  // no destructor will run
    fs::remove_all(folder_);
    throw;
  }
}

RenderedFrames::~RenderedFrames() {
  std::error_code gone_already;
  fs::remove_all(folder_, gone_already);
}

Dataset RenderedFrames::open() const { return Dataset({.dataset = "nyu", .list = list_, .root = folder_.string()}); }

}  // namespace md
