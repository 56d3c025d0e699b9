// mdeval export: the file's structure, read back by the definition of its format. That ONNX Runtime computes the same
// depth from it is exchange_test.py's business.
// Labels: tool
#include "tools/onnx/export_onnx.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <set>

#include "engine/autograd.h"
#include "layers/ops.h"
#include "nets/registry.h"
#include "tests/data/data_files.h"
#include "tests/kit/protobuf_fields.h"
#include "tests/kit/run_tool.h"
#include "tools/run/checkpoint.h"

namespace md::test {
namespace {

std::vector<std::string> all(const Fields& of, int field) {
  std::vector<std::string> found;
  const auto [begin, end] = of.equal_range(field);
  for (auto it = begin; it != end; ++it) found.push_back(it->second);
  return found;
}

std::string one(const Fields& of, int field) {
  const std::vector<std::string> found = all(of, field);
  EXPECT_EQ(found.size(), 1U) << "field " << field;
  return found.empty() ? "" : found[0];
}

struct Node {
  std::string op;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, Fields> attributes;
};

/// The dims of a value; "H" for one that has a name.
std::string shape_of(const Fields& value) {
  std::string shape;
  for (const std::string& dim : all(fields(one(fields(one(fields(one(value, 2)), 1)), 2)), 1)) {
    const Fields length = fields(dim);
    shape += one(length, length.contains(2) ? 2 : 1) + " ";
  }
  return shape;
}

Node node_of(const Fields& fields_of) {
  Node node{one(fields_of, 4), all(fields_of, 1), all(fields_of, 2), {}};
  for (const std::string& each : all(fields_of, 5)) node.attributes[one(fields(each), 1)] = fields(each);
  return node;
}

/// A model's graph; the numbers are those of onnx.proto3.
struct Graph {
  explicit Graph(const std::string& model) {
    const Fields file = fields(model), graph = fields(one(file, 7));
    ir_version = one(file, 1);
    opset = one(fields(one(file, 8)), 2);
    for (const std::string& each : all(graph, 1)) nodes.push_back(node_of(fields(each)));
    for (const std::string& each : all(graph, 5)) constants[one(fields(each), 8)] = fields(each);
    for (const std::string& each : all(graph, 11)) inputs[one(fields(each), 1)] = shape_of(fields(each));
    for (const std::string& each : all(graph, 12)) outputs[one(fields(each), 1)] = shape_of(fields(each));
  }
  i64 count(const std::string& op) const {
    return std::ranges::count_if(nodes, [&](const Node& node) { return node.op == op; });
  }
  /// Every value is made once, before it is read, and is read.
  void expect_sound() const {
    std::set<std::string> made, unread;
    const auto make = [&](const std::string& name) {
      EXPECT_TRUE(made.insert(name).second) << name;
      unread.insert(name);
    };
    for (const auto& [name, ignored] : constants) make(name);
    for (const auto& [name, ignored] : inputs) make(name);
    for (const Node& node : nodes) {
      for (const std::string& input : node.inputs) {
        EXPECT_TRUE(input.empty() || made.contains(input)) << node.op << " reads " << input;
        unread.erase(input);
      }
      for (const std::string& output : node.outputs) make(output);
    }
    for (const auto& [name, ignored] : outputs) EXPECT_EQ(unread.erase(name), 1U) << name;
    EXPECT_TRUE(unread.empty()) << *unread.begin();
  }

  std::vector<const Node*> of(const std::string& op) const {
    std::vector<const Node*> found;
    for (const Node& node : nodes)
      if (node.op == op) found.push_back(&node);
    return found;
  }
  /// What made a value; null for a constant or an input.
  const Node* maker(const std::string& value) const {
    const auto it = std::ranges::find_if(
        nodes, [&](const Node& node) { return std::ranges::find(node.outputs, value) != node.outputs.end(); });
    return it == nodes.end() ? nullptr : &*it;
  }
  std::vector<float> numbers(const std::string& constant) const {
    const std::string bytes = one(constants.at(constant), 9);
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  std::string ir_version, opset;
  std::vector<Node> nodes;
  std::map<std::string, Fields> constants;
  std::map<std::string, std::string> inputs, outputs;
};

std::string model_of(const std::string& net, const OnnxFile& file, NetOptions options = {}) {
  const auto made = make_net(net, options);
  made->eval();
  return to_onnx(*made, net, file);
}

Graph graph_of(const std::string& net, i64 height, i64 width, NetOptions options = {}) {
  return Graph(model_of(net, {.height = height, .width = width}, options));
}

TEST(ExportOnnx, LtFoldsEveryBatchNormIntoItsConvolution) {
  const Graph lt = graph_of("lt", 64, 96);
  lt.expect_sound();
  EXPECT_EQ(lt.opset, "17");
  EXPECT_EQ(lt.inputs, (std::map<std::string, std::string>{{"image", "1 3 64 96 "}}));
  EXPECT_EQ(lt.outputs, (std::map<std::string, std::string>{{"depth_m", "1 1 64 96 "}}));
  EXPECT_EQ(lt.count("BatchNormalization"), 0);
  EXPECT_EQ(lt.count("Transpose"), 0) << "a convolutional network stays in one layout";
  EXPECT_EQ(lt.count("Conv"), 72) << "62 of MobileNetV3-Large, 10 of the decoder";
  EXPECT_EQ(lt.count("Resize"), 5);
  EXPECT_EQ(lt.count("GlobalAveragePool"), 8) << "squeeze-and-excitation";
  const Fields stem = lt.constants.at("encoder.features.0.0.weight");
  EXPECT_EQ(all(stem, 1), (std::vector<std::string>{"16", "3", "3", "3"}));
  EXPECT_EQ(one(stem, 9).size(), 16U * 27 * 4);
}

TEST(ExportOnnx, AFoldedConvolutionIsTheConvolutionAndItsNorm) {
  const auto net = make_net("lt", {.seed = 2});
  State state = net->state();
  const auto set = [&](const std::string& name, float value) {
    std::ranges::fill(std::span(state.at("encoder.features.0." + name).data(), 16), value);
  };
  set("1.weight", 3.F);
  set("1.bias", 0.25F);
  set("1.running_mean", 0.5F);
  set("1.running_var", 4.F - 1e-3F);  // and eps: the deviation is 2
  net->load(state);
  net->eval();
  const Graph graph(to_onnx(*net, "lt", {.height = 32, .width = 32}));
  const std::string weights = one(graph.constants.at("encoder.features.0.0.weight"), 9),
                    biases = one(graph.constants.at("encoder.features.0.0.weight.bias"), 9);
  std::string_view weight = weights, bias = biases;
  for (i64 i = 0; i < 16 * 27; ++i)
    EXPECT_NEAR(take<float>(weight), 1.5F * state.at("encoder.features.0.0.weight").data()[i], 1e-6);
  EXPECT_NEAR(take<float>(bias), 0.25F - 1.5F * 0.5F, 1e-6);
}

TEST(ExportOnnx, BtsAsksForTheFocalLengthWhereItReadsIt) {
  const Graph bts = graph_of("bts", 40, 64, {.focal_scaling = true});
  bts.expect_sound();
  EXPECT_EQ(bts.inputs.at("focal_px"), "1 ");
  EXPECT_EQ(bts.outputs.at("depth_m"), "1 1 40 64 ");
  EXPECT_EQ(bts.count("Pad"), 2) << "40 rows become 64, by reflection: rows, then columns";
}

TEST(ExportOnnx, NewCrfsWritesOutItsWindows) {
  const Graph net = graph_of("newcrfs_tiny07", 64, 96);
  net.expect_sound();
  EXPECT_EQ(net.count("Softmax"), 12 + 8) << "one for each block of Swin and of the CRFs";
  EXPECT_EQ(net.count("Erf"), 12 + 8);
  EXPECT_EQ(net.count("InstanceNormalization"), 4) << "group norm of the pyramid";
  EXPECT_EQ(net.count("BatchNormalization"), 0);
}

TEST(ExportOnnx, EveryConvolutionSaysItsKernel) {  // OpenCV up to 4.12 loads none that does not
  for (const char* const name : {"lt", "bts", "newcrfs_tiny07"}) {
    const Graph net = graph_of(name, 32, 64);
    EXPECT_GT(net.count("Conv"), 10);
    for (const Node* conv : net.of("Conv")) {
      const std::vector<std::string> sides = all(net.constants.at(conv->inputs[1]), 1);
      ASSERT_TRUE(conv->attributes.contains("kernel_shape")) << name << ": " << conv->inputs[1];
      EXPECT_EQ(all(conv->attributes.at("kernel_shape"), 8), std::vector(sides.begin() + 2, sides.end())) << name;
    }
  }
}

TEST(ExportOnnx, NoGateIsTakenForAHardSwish) {  // OpenCV takes HardSigmoid(q) x for q HardSigmoid(q)
  for (const i64 opset : {kOldestOpset, kUsualOpset}) {
    const Graph lt(model_of("lt", {.height = 32, .width = 64, .opset = opset}));
    EXPECT_EQ(lt.count("HardSigmoid"), 0);
    EXPECT_EQ(lt.count("HardSwish"), opset < 14 ? 0 : 20);
    EXPECT_EQ(lt.count("Clip"), opset < 14 ? 28 : 8);
    for (const Node* clip : lt.of("Clip")) {
      EXPECT_EQ(lt.numbers(clip->inputs[1])[0], 0.F);
      EXPECT_EQ(lt.numbers(clip->inputs[2])[0], 1.F);
      const Node *const add = lt.maker(clip->inputs[0]), *const mul = lt.maker(add->inputs[0]);
      EXPECT_EQ(add->op + " " + mul->op, "Add Mul");
      EXPECT_EQ(lt.numbers(add->inputs[1])[0], 0.5F);
      EXPECT_EQ(lt.numbers(mul->inputs[1])[0], 1.F / 6);
    }
  }
}

TEST(ExportOnnx, ANormThatNoConvolutionTakesInIsAProductAndASum) {  // OpenCV 5 moves the other over an ELU
  const auto net = make_net("bts", {.seed = 2});
  State state = net->state();
  const auto set = [&](const std::string& name, float value) {
    Tensor& all_channels = state.at("decoder.bn5." + name);
    std::ranges::fill(std::span(all_channels.data(), std::size_t(all_channels.numel())), value);
  };
  set("weight", 3.F);
  set("bias", 0.25F);
  set("running_mean", 0.5F);
  set("running_var", 4.F - 1.1e-5F);  // and eps: the deviation is 2
  net->load(state);
  net->eval();
  const Graph bts(to_onnx(*net, "bts", {.height = 32, .width = 64}));
  EXPECT_EQ(bts.count("BatchNormalization"), 0);
  i64 norms = 0;
  for (const Node& node : bts.nodes) norms += node.op == "Mul" && node.inputs[1].ends_with(".weight.scale");
  EXPECT_EQ(norms, 9) << "those behind an ELU or a concat are nobody's";
  EXPECT_NEAR(bts.numbers("decoder.bn5.weight.scale")[7], 1.5F, 1e-6);
  EXPECT_NEAR(bts.numbers("decoder.bn5.weight.shift")[7], 0.25F - 1.5F * 0.5F, 1e-6);
  const std::vector<const Node*> sums = bts.of("Add");
  const Node* const sum =
      *std::ranges::find_if(sums, [](const Node* add) { return add->inputs[1] == "decoder.bn5.weight.shift"; });
  EXPECT_EQ(bts.maker(bts.maker(sum->inputs[0])->inputs[0])->op, "Elu");
}

/// IREE scrambles DepthToSpace in the mode CRD. With one channel left the modes agree, as BTS's planes have it.
TEST(ExportOnnx, PixelsAreShuffledWithoutTheModeThatIsScrambled) {
  const Graph crfs = graph_of("newcrfs_tiny07", 64, 96);
  EXPECT_EQ(crfs.count("DepthToSpace"), 0);
  const auto six_axes = std::ranges::count_if(
      crfs.of("Transpose"), [](const Node* move) { return all(move->attributes.at("perm"), 8).size() == 6; });
  EXPECT_EQ(six_axes, 3);
  const Graph bts = graph_of("bts", 32, 64);
  EXPECT_EQ(bts.count("DepthToSpace"), 3);
  for (const Node* shuffle : bts.of("DepthToSpace")) EXPECT_EQ(one(shuffle->attributes.at("mode"), 4), "DCR");
}

TEST(ExportOnnx, OneRowIsRepeatedInsteadOfInterpolated) {  // which OpenCV 5.0.0 does wrongly
  const Graph pyramid = graph_of("newcrfs_tiny07", 64, 96);
  EXPECT_EQ(pyramid.count("Expand"), 1) << "the mean of the map, at every place";
  EXPECT_EQ(pyramid.count("Resize"), 4);
  const Graph wide = graph_of("lt", 32, 96), small = graph_of("lt", 32, 32), usual = graph_of("lt", 64, 32);
  EXPECT_EQ(wide.count("Expand"), 1) << "1x3 to 2x3, and then its columns";
  EXPECT_EQ(wide.count("Resize"), 5);
  EXPECT_EQ(small.count("Expand"), 1);
  EXPECT_EQ(small.count("Resize"), 4);
  EXPECT_EQ(usual.count("Expand"), 0);
  for (const Graph* net : {&pyramid, &wide, &small}) net->expect_sound();
}

TEST(ExportOnnx, WritesTheVersionOfTheOperatorsThatIsAskedFor) {
  const auto made = make_net("newcrfs_tiny07", {});
  made->eval();
  for (const i64 opset : {kOldestOpset, i64{14}, i64{16}, kUsualOpset, i64{18}, kNewestOpset}) {
    const Graph net(to_onnx(*made, "newcrfs_tiny07", {.height = 32, .width = 64, .opset = opset}));
    net.expect_sound();
    EXPECT_EQ(net.opset, std::to_string(opset));
    EXPECT_EQ(net.ir_version, opset < 15 ? "7" : "8");
    EXPECT_EQ(net.count("LayerNormalization") > 0, opset >= 17) << "it is new in 17";
    for (const Node* mean : net.of("ReduceMean"))  // the axes became an input in 18
      EXPECT_EQ(mean->attributes.contains("axes"), opset < 18);
  }
}

TEST(ExportOnnx, ABatchIsANumberOrAName) {
  for (const char* const name : {"bts", "newcrfs_tiny07"}) {
    const NetOptions options{.focal_scaling = std::string(name) == "bts"};
    const Graph three(model_of(name, {.height = 64, .width = 96, .batch = {3}}, options));
    three.expect_sound();
    EXPECT_EQ(three.inputs.at("image"), "3 3 64 96 ");
    EXPECT_EQ(three.outputs.at("depth_m"), "3 1 64 96 ");
    const Graph any(model_of(name, {.height = 64, .width = 96, .batch = {0}}, options));
    any.expect_sound();
    EXPECT_EQ(any.inputs.at("image"), "batch 3 64 96 ");
    EXPECT_EQ(any.outputs.at("depth_m"), "batch 1 64 96 ");
    if (options.focal_scaling) {
      EXPECT_EQ(three.inputs.at("focal_px") + any.inputs.at("focal_px"), "3 batch ");
    }
  }
}

TEST(ExportOnnx, AFileForAnySizeHoldsNoSize) {
  for (const char* const name : {"lt", "bts"}) {
    const NetOptions options{.focal_scaling = std::string(name) == "bts"};
    const std::string one_size = model_of(name, {.height = 64, .width = 96, .any_size = true}, options),
                      another = model_of(name, {.height = 160, .width = 128, .any_size = true}, options);
    EXPECT_TRUE(one_size == another) << name << ": what was traced can be seen in the file";
    const Graph net(one_size);
    net.expect_sound();
    EXPECT_EQ(net.inputs.at("image"), "1 3 height width ");
    EXPECT_EQ(net.outputs.at("depth_m"), "1 1 height width ");
  }
  const Graph free(model_of("lt", {.height = 64, .width = 96, .any_size = true, .batch = {0}}));
  EXPECT_EQ(free.inputs.at("image"), "batch 3 height width ");
}

TEST(ExportOnnx, WhatIsOfOneSizeIsNamed) {
  const auto refusal = [](const std::string& net, i64 height) {
    try {
      model_of(net, {.height = height, .width = 96, .any_size = true});
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return std::string(error.what());
    }
    return std::string("nothing was refused");
  };
  const std::string rest =
      " is written for one size of image, so a file for any size cannot hold it; give --size "
      "HEIGHTxWIDTH";
  EXPECT_EQ(refusal("newcrfs_tiny07", 64), "export: the op 'window_attention'" + rest);
  EXPECT_EQ(refusal("lt", 40), "export: the op 'pad_reflect'" + rest);
}

TEST(ExportOnnx, TheFileCanNormaliseItself) {
  for (const char* const name : {"lt", "bts"}) {
    const Graph net(model_of(name, {.height = 40, .width = 64, .with_normalisation = true}));
    net.expect_sound();
    const std::vector<float> scale = net.numbers("normalisation.scale"), shift = net.numbers("normalisation.shift");
    EXPECT_EQ(all(net.constants.at("normalisation.scale"), 1), (std::vector<std::string>{"3", "1", "1"}));
    EXPECT_NEAR(255 * scale[0] + shift[0], (1 - 0.485) / 0.229, 1e-6) << "white";
    EXPECT_NEAR(shift[1], -0.456 / 0.224, 1e-6) << "black";
    EXPECT_NEAR(102 * scale[2] + shift[2], (0.4 - 0.406) / 0.225, 1e-6);
    EXPECT_EQ(net.nodes[0].inputs, (std::vector<std::string>{"image", "normalisation.scale"}));
    EXPECT_EQ(net.nodes[1].inputs[1], "normalisation.shift");
  }
}

/// A network with an op of its own.
class Inventive final : public DepthNet {
 public:
  Inventive() : DepthNet(NetOptions()) {}

 private:
  DepthMaps forward_aligned(const Tensor& image, const Tensor&, const ForwardContext&) const override {
    const Tensor y = record("made_up", Tensor::zeros({1, image.dim(1), image.dim(2), 1}), {image}, {});
    return {y, softmax(image)};  // what does not lead to the depth needs no form
  }
};

TEST(ExportOnnx, AnOpWithoutAFormIsNamed) {
  try {
    to_onnx(Inventive(), "inventive", {.height = 32, .width = 32});
    FAIL() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_STREQ(error.what(), "export: the op 'made_up' has no ONNX form");
  }
}

class ExportCommandTest : public DataFolder {
 protected:
  ExportCommandTest() {
    const auto net = make_net("lt", {});
    save_checkpoint(path("net.safetensors"), *net, Adam({{net->parameters(), 0.F}}, {}),
                    {.config = {{"net", "lt"}, {"max-depth", 10.0}, {"height", 64}, {"width", 96}}});
  }
  ToolRun run(std::vector<std::string> more) const {
    std::vector<std::string> args = {"export", "--onnx", path("net.onnx"), path("net.safetensors")};
    args.insert(args.end(), more.begin(), more.end());
    return run_tool("mdeval", args);
  }
};

TEST_F(ExportCommandTest, WritesWhatTheNetworkWasTrainedOnOrTheSizeAskedFor) {
  const ToolRun trained = run({});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(trained.out, "lt for images of 64x96 in " + path("net.onnx") + "\n");
  EXPECT_EQ(Graph(bytes_of(path("net.onnx"))).inputs.at("image"), "1 3 64 96 ");
  ASSERT_EQ(run({"--size", "33x70"}).code, 0);
  EXPECT_EQ(Graph(bytes_of(path("net.onnx"))).inputs.at("image"), "1 3 33 70 ");
}

TEST_F(ExportCommandTest, SaysWhatTheFileIsFor) {
  const std::string in = " in " + path("net.onnx") + "\n";
  EXPECT_EQ(run({"--size", "dynamic", "--batch", "dynamic"}).out,
            "lt for any number of images of any size (multiples of 32)" + in);
  const Graph free(bytes_of(path("net.onnx")));
  EXPECT_EQ(free.inputs.at("image"), "batch 3 height width ");
  EXPECT_EQ(run({"--batch", "4", "--opset", "13", "--with-normalisation"}).out,
            "lt for batches of 4 images of 64x96" + in);
  const Graph four(bytes_of(path("net.onnx")));
  EXPECT_EQ(four.opset, "13");
  EXPECT_EQ(four.inputs.at("image"), "4 3 64 96 ");
  EXPECT_TRUE(four.constants.contains("normalisation.scale"));
}

TEST_F(ExportCommandTest, RefusesInOneLine) {
  for (const char* const size : {"64", "64x9", "x64", "64x", "64x96x3", "64x4097", "64x96 ", "Dynamic", ""})
    EXPECT_TRUE(refused(run({"--size", size}), 2, {"--size"})) << size;
  for (const char* const batch : {"0", "-1", "2.5", "free", "65537"})
    EXPECT_TRUE(refused(run({"--batch", batch}), 2, {"--batch"})) << batch;
  for (const char* const opset : {"12", "28", "17.5"}) EXPECT_TRUE(refused(run({"--opset", opset}), 2, {"--opset"}));
  EXPECT_TRUE(refused(run_tool("mdeval", {"export", path("net.safetensors")}), 2, {"--onnx"}));
  EXPECT_TRUE(refused(run_tool("mdeval", {"export", "--onnx", path("x.onnx"), path("none")}), 66, {path("none")}));
  EXPECT_TRUE(refused(run_tool("mdeval", {"export", "--onnx", path("no/x.onnx"), path("net.safetensors")}), 73,
                      {"--onnx", path("no/x.onnx")}));
}

TEST_F(ExportCommandTest, AWriteThatFailsLeavesTheOldFileAlone) {
  write("net.onnx", "before");
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit one_megabyte{1 << 20, before.rlim_max};
  std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &one_megabyte);  // the child's, too; a disk that is full
  const ToolRun failed = run({});
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_TRUE(refused(failed, 73, {path("net.onnx")}));
  EXPECT_EQ(bytes_of(path("net.onnx")), "before");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path("")), {}), 2) << "nothing half-written is left";
}

}  // namespace
}  // namespace md::test
