#include "tools/onnx/export_onnx.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <filesystem>
#include <iostream>
#include <optional>

#include "engine/autograd.h"
#include "engine/durable_file.h"
#include "tools/cli/output.h"
#include "tools/onnx/onnx_writer.h"
#include "tools/run/checkpoint.h"

namespace md {
namespace {

constexpr i64 kSmallestSide = 32, kLargestSide = 4096;  // of every network's images
constexpr i64 kLargestBatch = 65536;
constexpr const char* kDynamic = "dynamic";

/// All of the text as a number from `low` to `high`.
std::optional<i64> number_in(std::string_view text, i64 low, i64 high) {
  i64 number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < low || number > high) return std::nullopt;
  return number;
}

void read_size(const std::string& text, OnnxFile& file) {
  file.any_size = text == kDynamic;
  if (file.any_size) return;
  const auto side = [](std::string_view digits) { return number_in(digits, kSmallestSide, kLargestSide); };
  const std::size_t x = std::min(text.find('x'), text.size());
  const auto height = side(std::string_view(text).substr(0, x)),
             width = side(std::string_view(text).substr(std::min(x + 1, text.size())));
  if (!height || !width)
    throw CLI::ValidationError("--size", cat("'", text, "' is neither HEIGHTxWIDTH, ", kSmallestSide, " to ",
                                             kLargestSide, " pixels each, nor '", kDynamic, "'"));
  file.height = *height;
  file.width = *width;
}

void read_batch(const std::string& text, OnnxFile& file) {
  const std::optional<i64> images = text == kDynamic ? 0 : number_in(text, 1, kLargestBatch);
  if (!images)
    throw CLI::ValidationError(
        "--batch", cat("'", text, "' is neither a number from 1 to ", kLargestBatch, " nor '", kDynamic, "'"));
  file.batch.images = *images;
}

/// As asked, or what the network was trained on. A file for any size is traced at the smallest that shows each axis.
OnnxFile sized(OnnxFile file, const std::string& checkpoint, const nlohmann::json& config) {
  if (file.any_size) {
    file.height = 2 * kSmallestSide;
    file.width = 3 * kSmallestSide;
  } else if (file.height == 0) {
    if (!config.contains("height") || !config.contains("width"))
      fail(ErrorKind::usage, "--size is required: ", checkpoint, " does not say what it was trained on");
    file.height = config["height"];
    file.width = config["width"];
  }
  return file;
}

std::string size_text(const OnnxFile& file) {
  return file.any_size ? "any size (multiples of 32)" : cat(file.height, "x", file.width);
}

/// "images of 64x96", and how many at once where that is not one.
std::string images_text(const OnnxFile& file) {
  const i64 n = file.batch.images;
  return cat(n == 0   ? "any number of images of "
             : n == 1 ? "images of "
                      : cat("batches of ", n, " images of "),
             size_text(file));
}

}  // namespace

void add_export_options(CLI::App& app, ExportCommand& c) {
  app.add_option("CHECKPOINT", c.checkpoint, "safetensors file that mdtrain wrote")->required();
  app.add_option("--onnx", c.onnx, "the ONNX file to write")->required();
  app.add_option_function<std::string>(
         "--size", [&c](const std::string& text) { read_size(text, c.file); },
         "size of the images that the file is for, HEIGHTxWIDTH pixels, or 'dynamic': any, each side a multiple of 32 "
         "(not NeWCRFs); default: what the network was trained on")
      ->type_name("HxW|dynamic");
  app.add_option_function<std::string>(
         "--batch", [&c](const std::string& text) { read_batch(text, c.file); },
         "images in one run, or 'dynamic': any number; default: 1")
      ->type_name("N|dynamic");
  app.add_option("--opset", c.file.opset, "version of ONNX's operators")
      ->check(CLI::Range(kOldestOpset, kNewestOpset))
      ->capture_default_str();
  app.add_flag("--with-normalisation", c.file.with_normalisation,
               "the file reads RGB from 0 to 255 and applies ImageNet's normalisation itself");
}

std::string to_onnx(const DepthNet& net, const std::string& name, const OnnxFile& file) {
  const NoGrad no_grad;
  const Tensor image = Tensor::zeros({1, file.height, file.width, 3}), focal_px = Tensor::full({1}, 1.F);
  std::vector<TracedOp> ops;  // the tensors live on, so that each stays the only one at its address
  Tensor depth_m;
  {
    const Trace trace([&](const Op& op, const Tensor& y, const std::vector<Tensor>& inputs) {
      ops.push_back({op.name(), op.attributes(), y, inputs});
    });
    depth_m = net.forward(image, focal_px).depth_m;
  }
  OnnxGraph graph(file.opset);
  OnnxWriter writer(graph, net, file);
  const char* const pixels =
      file.with_normalisation ? "RGB, 0 to 255" : "RGB, (value / 255 - mean) / deviation of ImageNet";
  writer.write(ops, {{image, "image", pixels}, {focal_px, "focal_px", "focal length, pixels"}},
               {depth_m, "depth_m", "metres"});
  return graph.finish(name, cat("monocular depth: ", images_text(file), " -> depth_m, metres"));
}

Exit export_onnx(const ExportCommand& c) {
  const LoadedNet loaded = load_net(c.checkpoint);
  const OnnxFile file = sized(c.file, c.checkpoint, loaded.state.config);
  require_writable("--onnx", c.onnx);
  const std::string name = loaded.state.config.at("net");
  const std::string model = to_onnx(*loaded.net, name, file);
  require_space(std::filesystem::absolute(c.onnx).parent_path(), model.size());
  write_file_durably(c.onnx, model);
  std::cout << name << " for " << images_text(file) << " in " << c.onnx << "\n";
  return Exit::ok;
}

}  // namespace md
