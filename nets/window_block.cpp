// The two branches of a block, and how blocks make a stage.
#include "nets/window_block.h"

#include "engine/windows.h"

namespace md {
namespace {

/// The bias table's row for each two tokens of a window.
Tensor relative_position_index() {
  const Tensor index = Tensor::empty({kWindowTokens, kWindowTokens}, {}, DType::i32);
  auto* at = index.data<std::int32_t>();
  for (i64 i = 0; i < kWindowTokens; ++i) {
    for (i64 j = 0; j < kWindowTokens; ++j) *at++ = std::int32_t(distance_row(i, j));
  }
  return index;
}

}  // namespace

Mlp::Mlp(WeightRng rng, i64 dim, Init init)
    : fc1_(child<Linear>("fc1", rng, dim, 4 * dim, LinearOptions{.init = init})),
      fc2_(child<Linear>("fc2", rng, 4 * dim, dim, LinearOptions{.init = init})) {}

Tensor Mlp::forward(const Tensor& x) const {
  const Tensor hidden = gelu(fc1_.forward(x));  // four times x: without a tape, what it was made of is freed here
  return fc2_.forward(hidden);
}

WindowAttention::WindowAttention(WeightRng rng, const WindowBlockOptions& options)
    : spec_{options.heads, options.shift},
      bias_table_(param("relative_position_bias_table", rng.normal({kDistances * kDistances, options.heads}, 0.02))),
      qkv_(child<Linear>(options.own_values ? "qkv" : "qk", rng, options.dim,
                         (options.own_values ? 3 : 2) * options.dim, LinearOptions{.init = options.init})),
      proj_(child<Linear>("proj", rng, options.dim, options.dim, LinearOptions{.init = options.init})) {
  buffer("relative_position_index", relative_position_index());
}

Tensor WindowAttention::forward(const Tensor& x, const Tensor& v) const {
  // The tokens that fill up the last windows are zeros before the linear layer, so its bias after it.
  const Tensor attended = window_attention(qkv_.forward(x), v, qkv_.bias(), bias_table_, spec_);
  return proj_.forward(attended);
}

WindowBlock::WindowBlock(WeightRng rng, const WindowBlockOptions& options)
    : options_(options),
      norm1_(child<LayerNorm>("norm1", options.dim)),
      attn_(child<WindowAttention>("attn", rng, options)),
      norm2_(child<LayerNorm>("norm2", options.dim)),
      mlp_(child<Mlp>("mlp", rng, options.dim, options.init)) {}

Tensor WindowBlock::forward(const Tensor& x, const Tensor& v, const ForwardContext& context) const {
  const auto attend = [this, context](const std::vector<Tensor>& in) {
    return add_dropped(in[0], attn_.forward(norm1_.forward(in[0]), in[1]), context, 0);
  };
  const auto mix = [this, context](const std::vector<Tensor>& in) {
    return add_dropped(in[0], mlp_.forward(norm2_.forward(in[0])), context, 1);
  };
  return run(mix, {run(attend, {x, v})});
}

Tensor WindowBlock::run(Segment branch, const std::vector<Tensor>& inputs) const {
  return options_.recompute ? recompute(std::move(branch), inputs) : branch(inputs);
}

/// The two branches of a block are dropped independently.
Tensor WindowBlock::add_dropped(const Tensor& shortcut, const Tensor& branch, const ForwardContext& context,
                                int which) const {
  if (!training() || options_.drop_rate == 0) return add(shortcut, branch);
  const auto stream = static_cast<std::uint64_t>(2 * options_.index + which);
  const Rng rng(context.seed, Purpose::drop_path, stream, std::uint64_t(context.step));
  return add_stochastic_depth(shortcut, branch, options_.drop_rate, rng);
}

WindowLayer::WindowLayer(WeightRng rng, const Options& options) {
  WindowBlockOptions block = options.block;
  for (const double rate : options.drop_rates) {
    block.shift = blocks_.size() % 2 == 0 ? 0 : kWindow / 2;
    block.drop_rate = rate;
    blocks_.push_back(&child<WindowBlock>(cat("blocks.", blocks_.size()), rng, block));
    ++block.index;
  }
}

Tensor WindowLayer::forward(const Tensor& x, const Tensor& v, const ForwardContext& context) const {
  Tensor y = x;
  for (const WindowBlock* block : blocks_) y = block->forward(y, v, context);
  return y;
}

}  // namespace md
