// mdeval export: the file's structure, read back by the definition of its format. That ONNX Runtime computes the same
// depth from it is exchange_test.py's business.
// Labels: tool
#include "tools/onnx/export_onnx.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
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
};

/// A model's graph; the numbers are those of onnx.proto3.
struct Graph {
  explicit Graph(const std::string& model) {
    const Fields file = fields(model), graph = fields(one(file, 7));
    opset = one(fields(one(file, 8)), 2);
    for (const std::string& each : all(graph, 1)) {
      const Fields node = fields(each);
      nodes.push_back({one(node, 4), all(node, 1), all(node, 2)});
    }
    for (const std::string& each : all(graph, 5)) constants[one(fields(each), 8)] = fields(each);
    for (const std::string& each : all(graph, 11)) inputs[one(fields(each), 1)] = shape_of(fields(each));
    for (const std::string& each : all(graph, 12)) outputs[one(fields(each), 1)] = shape_of(fields(each));
  }
  static std::string shape_of(const Fields& value) {
    std::string shape;
    for (const std::string& dim : all(fields(one(fields(one(fields(one(value, 2)), 1)), 2)), 1))
      shape += one(fields(dim), 1) + " ";
    return shape;
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

  std::string opset;
  std::vector<Node> nodes;
  std::map<std::string, Fields> constants;
  std::map<std::string, std::string> inputs, outputs;
};

Graph graph_of(const std::string& net, i64 height, i64 width, NetOptions options = {}) {
  const auto made = make_net(net, options);
  made->eval();
  return Graph(to_onnx(*made, net, height, width));
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
  const Graph graph(to_onnx(*net, "lt", 32, 32));
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
  EXPECT_EQ(bts.count("BatchNormalization"), 9) << "those behind an ELU or a concat are nobody's";
}

TEST(ExportOnnx, NewCrfsWritesOutItsWindows) {
  const Graph net = graph_of("newcrfs_tiny07", 64, 96);
  net.expect_sound();
  EXPECT_EQ(net.count("Softmax"), 12 + 8) << "one for each block of Swin and of the CRFs";
  EXPECT_EQ(net.count("Erf"), 12 + 8);
  EXPECT_EQ(net.count("InstanceNormalization"), 4) << "group norm of the pyramid";
  EXPECT_EQ(net.count("BatchNormalization"), 0);
  EXPECT_EQ(net.count("DepthToSpace"), 3);
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
    to_onnx(Inventive(), "inventive", 32, 32);
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

TEST_F(ExportCommandTest, RefusesInOneLine) {
  EXPECT_TRUE(refused(run({"--size", "64"}), 2, {"--size"}));
  EXPECT_TRUE(refused(run({"--size", "64x9"}), 2, {"--size"}));
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
