// `mdeval export --onnx`: a checkpoint as an ONNX file, for other programs. The network is not written down a second
// time: it runs once, and the ops that it runs are what is written.
#pragma once
#include <string>

#include "nets/depth_net.h"
#include "tools/cli/exit_code.h"
#include "tools/onnx/onnx_file.h"

namespace CLI {
class App;
}

namespace md {

/// What `mdeval export` is asked for. Without a size in `file` it is what the network was trained on.
struct ExportCommand {
  std::string checkpoint, onnx;
  OnnxFile file = {};
};

/// Defines the options of `mdeval export`.
void add_export_options(CLI::App&, ExportCommand&);
/// Writes the file, all or nothing. Throws ErrorKind::usage where an op has no ONNX form or no size is known,
/// ErrorKind::cannot_write naming the file.
Exit export_onnx(const ExportCommand&);

/// The file for a network in evaluation mode, on the CPU: input `image` [N,3,H,W] (RGB, ImageNet-normalised, or 0..255)
/// and, where the network reads it, `focal_px` [N]; output `depth_m` [N,1,H,W]. Throws ErrorKind::usage where an op has
/// no ONNX form.
std::string to_onnx(const DepthNet&, const std::string& name, const OnnxFile&);

}  // namespace md
