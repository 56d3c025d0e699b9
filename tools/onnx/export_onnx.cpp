#include "tools/onnx/export_onnx.h"

#include <filesystem>
#include <iostream>

#include "engine/autograd.h"
#include "engine/durable_file.h"
#include "tools/cli/output.h"
#include "tools/onnx/onnx_writer.h"
#include "tools/run/checkpoint.h"

namespace md {
namespace {

/// As asked, or what the network was trained on.
std::vector<i64> size_of(const ExportCommand& c, const nlohmann::json& config) {
  if (!c.size.empty()) return c.size;
  if (!config.contains("height") || !config.contains("width"))
    fail(ErrorKind::usage, "--size is required: ", c.checkpoint, " does not say what it was trained on");
  return {config["height"], config["width"]};
}

}  // namespace

void add_export_options(CLI::App& app, ExportCommand& c) {
  app.add_option("CHECKPOINT", c.checkpoint, "safetensors file that mdtrain wrote")->required();
  app.add_option("--onnx", c.onnx, "the ONNX file to write (opset 17)")->required();
  app.add_option(
         "--size", c.size,
         "size of the images that the file is for, HEIGHTxWIDTH pixels; default: what the network was trained on")
      ->expected(2)
      ->delimiter('x')
      ->check(CLI::Range(32, 4096));
}

std::string to_onnx(const DepthNet& net, const std::string& name, i64 height, i64 width) {
  const NoGrad no_grad;
  const Tensor image = Tensor::zeros({1, height, width, 3}), focal_px = Tensor::full({1}, 1.F);
  std::vector<TracedOp> ops;  // the tensors live on, so that each stays the only one at its address
  Tensor depth_m;
  {
    const Trace trace([&](const Op& op, const Tensor& y, const std::vector<Tensor>& inputs) {
      ops.push_back({op.name(), op.attributes(), y, inputs});
    });
    depth_m = net.forward(image, focal_px).depth_m;
  }
  OnnxGraph graph;
  OnnxWriter writer(graph, net);
  writer.write(ops,
               {{image, "image", "RGB, (value / 255 - mean) / deviation of ImageNet"},
                {focal_px, "focal_px", "focal length, pixels"}},
               {depth_m, "depth_m", "metres"});
  return graph.finish(name, cat("monocular depth: image [1,3,", height, ",", width, "] -> depth_m, metres"));
}

Exit export_onnx(const ExportCommand& c) {
  const LoadedNet loaded = load_net(c.checkpoint);
  const std::vector<i64> size = size_of(c, loaded.state.config);
  require_writable("--onnx", c.onnx);
  const std::string name = loaded.state.config.at("net");
  const std::string model = to_onnx(*loaded.net, name, size[0], size[1]);
  require_space(std::filesystem::absolute(c.onnx).parent_path(), model.size());
  write_file_durably(c.onnx, model);
  std::cout << name << " for images of " << size[0] << "x" << size[1] << " in " << c.onnx << "\n";
  return Exit::ok;
}

}  // namespace md
