// Goldens of Swin and NeWCRFs: their blocks one by one, and the inner maps of the whole network.
#include "nets/newcrfs.h"

#include "layers/ops.h"
#include "tests/golden/golden.h"
#include "tests/golden/layer_run.h"

namespace md::golden {
namespace {

Tensor as_map(const Tensor& tokens, i64 h, i64 w) { return tokens.reshape({tokens.dim(0), h, w, tokens.dim(2)}); }
Tensor as_tokens(const Tensor& map) { return map.reshape({map.dim(0), map.dim(1) * map.dim(2), map.dim(3)}); }

WindowBlockOptions block_options(const Json& p, bool own_values) {
  return {.dim = p.at("dim"), .heads = p.at("heads"), .shift = p.value("shift", 0), .own_values = own_values};
}

void patch_embed_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  std::optional<Rng> rng;
  PatchEmbed block(rng, run.params().at("embed_dim"));
  run.load(block);
  run.finish(block.forward(run.input("input")));
}

void patch_merging_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Json& p = run.params();
  std::optional<Rng> rng;
  PatchMerging block(rng, p.at("dim"));
  run.load(block);
  run.finish(as_tokens(block.forward(as_map(run.input("input"), p.at("H"), p.at("W")))));
}

/// One window an image.
void window_attention_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const bool own_values = !golden.file.has("v");
  std::optional<Rng> rng;
  WindowAttention block(rng, block_options(run.params(), own_values));
  run.load(block);
  const Tensor v = own_values ? Tensor() : as_map(run.leaf("v", Layout::same), kWindow, kWindow);
  run.finish(as_tokens(block.forward(as_map(run.input("input"), kWindow, kWindow), v)));
}

void swin_block_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Json& p = run.params();
  std::optional<Rng> rng;
  Named owner;
  auto& block = owner.add<WindowBlock>("blk", rng, block_options(p, true));
  run.load(owner);
  run.finish(as_tokens(block.forward(as_map(run.input("input"), p.at("H"), p.at("W")), {})));
}

/// Two results, walked back from together.
void swin_stage_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Json& p = run.params();
  std::optional<Rng> rng;
  Named owner;
  const WindowLayer::Options options{.block = block_options(p, true), .drop_rates = {0, 0}};
  auto& stage = owner.add<SwinStage>("layer", rng, options, false);
  run.load(owner);
  const Tensor map = stage.forward(as_map(run.input("input"), p.at("H"), p.at("W")), {});
  const Tensor y = as_tokens(map), down = as_tokens(stage.downsample(map));
  run.compare("output", y, Layout::same);
  run.compare("output_down", down, Layout::same);
  const auto weighted = [&](const Tensor& t, const char* name) {
    return sum(multiply(t, run.constant(name, Layout::same)));
  };
  add(weighted(y, "grad_output"), weighted(down, "grad_output_down")).backward();
  run.compare_leaves_and_buffers();
}

void crf_layer_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Json& p = run.params();
  std::optional<Rng> rng;
  Named owner;
  const WindowLayer::Options options{.block = block_options(p, false), .drop_rates = {0, 0}};
  auto& layer = owner.add<WindowLayer>("layer", rng, options);
  run.load(owner);
  const Tensor x = as_map(run.input("input"), p.at("H"), p.at("W")), v = run.leaf("v", Layout::same);  // [B,H,W,C]
  run.finish(as_tokens(layer.forward(x, v)));
}

void crf_level_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Json& p = run.params();
  std::optional<Rng> rng;
  CrfLevel level(rng, {p.at("input_dim"), p.at("v_dim"), p.at("embed_dim"), p.at("heads")});
  run.load(level);
  run.finish(level.forward(run.input("input"), run.input("v")));
}

void pyramid_pooling_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  std::optional<Rng> rng;
  PyramidPooling head(rng, run.params().at("in_channels"));
  run.load(head);
  head.train(golden.meta.at("train").get<bool>());
  run.finish(head.forward(run.input("input")));
}

void disp_head_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  std::optional<Rng> rng;
  DispHead head(rng, golden.file.entry("input").shape[1]);
  run.load(head);
  run.finish(head.forward(run.input("input")));
}

/// A part of a network by itself, with the entries of `state` below `prefix`, in evaluation mode.
template <class Part, class... Args>
std::unique_ptr<Part> part_of(const State& state, const std::string& prefix, Args&&... args) {
  std::optional<Rng> rng;
  auto part = std::make_unique<Part>(rng, std::forward<Args>(args)...);
  State own;
  for (const auto& [name, tensor] : state) {
    if (name.starts_with(prefix)) own[name.substr(prefix.size())] = tensor;
  }
  part->load(own);
  part->to(device());
  part->eval();
  return part;
}

using Maps = std::map<std::string, Tensor>;

/// What a Swin is built with can be read off its entries: channels, blocks of each stage, heads.
SwinOptions swin_of(const State& state) {
  SwinOptions swin;
  swin.dim = state.at("backbone.patch_embed.proj.bias").dim(0);
  for (std::size_t stage = 0; stage < swin.depths.size(); ++stage) {
    const auto table = [stage](int block) {
      return cat("backbone.layers.", stage, ".blocks.", block, ".attn.relative_position_bias_table");
    };
    swin.depths[stage] = 0;
    while (state.contains(table(swin.depths[stage]))) ++swin.depths[stage];
    swin.heads[stage] = int(state.at(table(0)).dim(1));
  }
  return swin;
}

/// The maps inside stage `stage` of the encoder for its input; its output.
Tensor add_stage_features(const State& state, const SwinOptions& swin, std::size_t stage, Tensor x, Maps& maps) {
  const std::string layer = cat("backbone.layers.", stage);
  WindowBlockOptions block{.dim = swin.dim << stage, .heads = swin.heads[stage]};
  for (int i = 0; i < swin.depths[stage]; ++i) {
    const std::string name = cat(layer, ".blocks.", i);
    block.shift = i % 2 * (kWindow / 2);
    x = part_of<WindowBlock>(state, name + ".", block)->forward(x, {});
    maps[name] = as_tokens(x);
  }
  maps[layer] = as_tokens(x);
  const auto norm = [&](const char* what) { return state.at(cat("backbone.norm", stage, what)).to(device()); };
  maps[cat("backbone.out", stage)] = layer_norm(x, norm(".weight"), norm(".bias"));
  return x;
}

/// The maps inside the encoder, and its four outputs under "backbone.outN".
void add_encoder_features(const State& state, const Tensor& image, Maps& maps) {
  const SwinOptions swin = swin_of(state);
  Tensor x = part_of<PatchEmbed>(state, "backbone.patch_embed.", swin.dim)->forward(image);
  maps["backbone.patch_embed"] = x;
  for (std::size_t stage = 0; stage < swin.depths.size(); ++stage) {
    x = add_stage_features(state, swin, stage, x, maps);
    if (stage + 1 == swin.depths.size()) break;
    const std::string name = cat("backbone.layers.", stage, ".downsample");
    x = part_of<PatchMerging>(state, name + ".", swin.dim << stage)->forward(x);
    maps[name] = as_tokens(x);
  }
}

}  // namespace

Handlers newcrfs_layers() {
  return {{"PatchEmbed", patch_embed_case},
          {"PatchMerging", patch_merging_case},
          {"swin WindowAttention", window_attention_case},
          {"SwinTransformerBlock", swin_block_case},
          {"swin BasicLayer", swin_stage_case},
          {"crf WindowAttention", window_attention_case},
          {"BasicCRFLayer", crf_layer_case},
          {"NewCRF", crf_level_case},
          {"PSP", pyramid_pooling_case},
          {"DispHead", disp_head_case}};
}

Maps newcrfs_features(const State& state, const Tensor& image) {
  Maps maps;
  add_encoder_features(state, image, maps);
  const auto decoder = part_of<PyramidPooling>(state, "decoder.", maps["backbone.out3"].dim(3));
  for (std::size_t level = 0; level < PyramidPooling::kScales.size(); ++level)
    maps[cat("decoder.psp_modules.", level)] = decoder->level(maps["backbone.out3"], level);
  Tensor v = maps["decoder"] = decoder->forward(maps["backbone.out3"]);
  for (i64 i = 3; i >= 0; --i) {
    const std::string name = cat("crf", i);
    const Tensor x = maps[cat("backbone.out", i)];
    const i64 dim = 128 << i, values = 64 << i;
    v = part_of<CrfLevel>(state, name + ".", CrfLevel::Options{x.dim(3), values, dim, int(dim / 32)})->forward(x, v);
    maps[name] = v;
    v = pixel_shuffle(v, 2);
  }
  return maps;
}

}  // namespace md::golden
