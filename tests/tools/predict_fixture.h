// A network of random weights that "was trained" on frames of 40x50, and mdeval predict with it.
#pragma once
#include <cstring>

#include "data/augment.h"
#include "data/rescale.h"
#include "engine/autograd.h"
#include "nets/registry.h"
#include "tests/data/data_files.h"
#include "tests/kit/run_tool.h"
#include "tools/run/checkpoint.h"

namespace md::test {

using Words = std::vector<std::string>;

class PredictTest : public DataFolder {
 protected:
  PredictTest() : net_(make_net("lt", {.seed = 3})) {
    save_net("net.safetensors");
    net_->eval();
    write_png(path("room.png"), image_);
  }

  /// The network as a checkpoint whose config says these things too.
  std::string save_net(const std::string& name, const nlohmann::json& more = {}) const {
    RunState run{.config = {{"net", "lt"}, {"max-depth", 10.0}, {"dataset", "nyu"}, {"height", 40}, {"width", 50}}};
    if (!more.is_null()) run.config.update(more);
    save_checkpoint(path(name), *net_, Adam({{net_->parameters(), 0.F}}, {}), run);
    return path(name);
  }
  /// The same with another last layer: `depth_m` everywhere, for a largest depth of max_depth_m.
  std::string save_constant_net(const std::string& name, double depth_m, double max_depth_m,
                                const nlohmann::json& more = {}) const {
    for (const Module::Entry& p : net_->parameters()) {
      if (!p.name.starts_with("predict.")) continue;
      const float logit = float(std::log(depth_m / (max_depth_m - depth_m)));
      std::fill_n(p.tensor.data(), p.tensor.numel(), p.name.ends_with("bias") ? logit : 0.F);
      p.tensor.bump_version();
    }
    nlohmann::json config = {{"max-depth", max_depth_m}};
    if (!more.is_null()) config.update(more);
    return save_net(name, config);
  }

  ToolRun predict(const Words& more, const std::string& input = "", const std::string& net = "net.safetensors") const {
    Words args = {"predict", path(net), "--out", path("out"), "--device", "cpu"};
    args.insert(args.end(), more.begin(), more.end());
    return run_tool("mdeval", args, {.input = input});
  }

  /// What the network says of an image, by itself and on the CPU.
  std::vector<float> expected_m(const RgbImage& image) const {
    const NoGrad no_grad;
    const Tensor input = Tensor::empty({1, image.height, image.width, 3});
    normalise(image, input.data());
    return load_folded_net(path("net.safetensors")).net->forward(input).depth_m.to_host();
  }
  std::vector<float> expected_m() const { return expected_m(image_); }

  /// Names below out/, sorted.
  Words written() const {
    Words names;
    std::error_code none;
    for (std::filesystem::recursive_directory_iterator at(path("out"), none), end; at != end; at.increment(none))
      if (at->is_regular_file()) names.push_back(std::filesystem::relative(at->path(), path("out")).string());
    std::ranges::sort(names);
    return names;
  }
  bool is_written(const std::string& name) const { return std::filesystem::exists(path("out/" + name)); }

  template <class T>
  static T at(const std::string& bytes, std::size_t offset) {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
  }
  static bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }
  static i64 lines(const std::string& text) { return std::ranges::count(text, '\n'); }

  const RgbImage image_ = test_image(40, 50);  // no multiple of 32
  const std::unique_ptr<DepthNet> net_;
};

}  // namespace md::test
