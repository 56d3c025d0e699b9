// `mdeval export --onnx`: a checkpoint as an ONNX file, for other programs. The network is not written down a second
// time: it runs once, and the ops that it runs are what is written.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "nets/depth_net.h"
#include "tools/cli/exit_code.h"

namespace md {

/// What `mdeval export` is asked for.
struct ExportCommand {
  std::string checkpoint, onnx;
  std::vector<i64> size = {};  // height, width
};

/// Defines the options of `mdeval export`.
void add_export_options(CLI::App&, ExportCommand&);
/// Writes the file, all or nothing. Throws ErrorKind::usage where an op has no ONNX form or no size is known,
/// ErrorKind::cannot_write naming the file.
Exit export_onnx(const ExportCommand&);

/// The file for a network in evaluation mode, on the CPU, and images of one size: input `image` [1,3,H,W] (RGB,
/// ImageNet-normalised) and, where the network reads it, `focal_px` [1]; output `depth_m` [1,1,H,W]. Throws
/// ErrorKind::usage where an op has no ONNX form.
std::string to_onnx(const DepthNet&, const std::string& name, i64 height, i64 width);

}  // namespace md
