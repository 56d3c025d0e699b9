// Frames for what is timed from files on: rendered, so that JPEGs and depth are of the size and kind that real ones
// are.
#pragma once
#include <filesystem>
#include <string>

#include "data/dataset.h"

namespace md {

/// Eight frames of NYU's kind, and room for more files, in a temporary folder that ends with it.
class RenderedFrames {
 public:
  RenderedFrames();
  ~RenderedFrames();
  RenderedFrames(const RenderedFrames&) = delete;
  RenderedFrames& operator=(const RenderedFrames&) = delete;
  Dataset open() const;  // the frames, as training reads them
  const std::filesystem::path& folder() const { return folder_; }
  const std::string& list() const { return list_; }  // file; its images are relative to folder()

 private:
  std::filesystem::path folder_;
  std::string list_;
};

}  // namespace md
