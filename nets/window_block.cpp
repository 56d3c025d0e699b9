// The two branches of a block, and how blocks make a stage.
#include "nets/window_block.h"

#include <algorithm>

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

/// shortcut + branch, of which samples are dropped where there are factors [2,N].
Tensor add_dropped(const Tensor& shortcut, const Tensor& branch, const Tensor& factors, i64 which) {
  if (!factors) return add(shortcut, branch);
  return add_stochastic_depth(shortcut, branch, factors.rows(which, which + 1).reshape({branch.dim(0)}));
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

Tensor WindowBlock::forward(const Tensor& x, const Tensor& v, const Tensor& factors) const {
  const auto attend = [this, factors](const std::vector<Tensor>& in) {
    return add_dropped(in[0], attn_.forward(norm1_.forward(in[0]), in[1]), factors, 0);
  };
  const auto mix = [this, factors](const std::vector<Tensor>& in) {
    return add_dropped(in[0], mlp_.forward(norm2_.forward(in[0])), factors, 1);
  };
  return run(mix, {run(attend, {x, v})});
}

Tensor WindowBlock::run(Segment branch, const std::vector<Tensor>& inputs) const {
  return options_.recompute ? recompute(std::move(branch), inputs) : branch(inputs);
}

WindowLayer::WindowLayer(WeightRng rng, const Options& options) : first_branch_(2 * i64(options.index)) {
  WindowBlockOptions block = options.block;
  for (const double rate : options.drop_rates) {
    block.shift = blocks_.size() % 2 == 0 ? 0 : kWindow / 2;
    blocks_.push_back(&child<WindowBlock>(cat("blocks.", blocks_.size()), rng, block));
    branch_rates_.insert(branch_rates_.end(), 2, rate);  // the two branches of a block are dropped independently
  }
}

/// Of all branches; empty where none is dropped.
Tensor WindowLayer::drop_factors_of(i64 samples, const ForwardContext& context, Device device) const {
  const bool none = std::ranges::all_of(branch_rates_, [](double rate) { return rate == 0; });
  if (!training() || none) return {};
  return drop_factors(branch_rates_, samples, {context.seed, first_branch_, context.step, context.first_sample},
                      device);
}

Tensor WindowLayer::forward(const Tensor& x, const Tensor& v, const ForwardContext& context) const {
  const Tensor factors = drop_factors_of(x.dim(0), context, x.device());
  Tensor y = x;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const bool dropped = factors && branch_rates_[2 * i] > 0;
    y = blocks_[i]->forward(y, v, dropped ? factors.rows(i64(2 * i), i64(2 * i + 2)) : Tensor());
  }
  return y;
}

}  // namespace md
