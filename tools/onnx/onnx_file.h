// What an ONNX file is for: the choices of `mdeval export` that change what is written.
#pragma once
#include "engine/tensor.h"

namespace md {

/// The versions of ONNX's operators that can be written: ONNX 1.8 to 1.22. Each is checked by exchange_test.py.
constexpr i64 kOldestOpset = 13, kUsualOpset = 17, kNewestOpset = 27;

/// Images in one run of the graph.
struct OnnxBatch {
  i64 images = 1;  // 0: any number, which is how Reshape is told "as the input has it"
  /// The first side of a reshaped value that has `each` rows for each image: -1 is Reshape's "whatever is left".
  i64 rows(i64 each) const { return images > 0 ? images * each : -1; }
};

/// What is asked of a file.
struct OnnxFile {
  i64 height = 0, width = 0;  // pixels of the images
  bool any_size = false;      // or of any size with sides that are multiples of 32; then those that are traced
  OnnxBatch batch = {};
  i64 opset = kUsualOpset;
  bool with_normalisation = false;  // the graph reads RGB in 0..255 and normalises it itself
};

}  // namespace md
