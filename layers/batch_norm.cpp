// batch_norm: torch.nn.functional.batch_norm, plus a residual if there is one, followed by an activation, over all axes
// but the last. x, residual [...,C].
//   training:   mean, var of the batch (biased var normalises);  running = (1 - momentum)*running + momentum*batch,
//               with the UNBIASED batch variance
//   evaluation: the running statistics
//   y = act(weight * (x - mean) / sqrt(var + eps) + bias + residual)
// The two passes over memory and their gradients are the backend's (engine/cpu/batch_norm.cpp has the formulas).
#include <cmath>

#include "engine/autograd.h"
#include "engine/batch_norm_formula.h"
#include "engine/bf16.h"
#include "engine/comm.h"
#include "engine/curves.h"
#include "engine/pointwise.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

struct InverseRoot {
  const float* variance;  // [C]
  float* rstd;
  float eps;
  MD_HD void operator()(i64, i64 c) const { rstd[c] = 1.F / sqrtf(variance[c] + eps); }
};

/// act(y + residual), act none or relu.
struct AddAndActivate {
  bool relu;
  MD_HD float operator()(float y, float residual) const {
    const float sum = y + residual;
    return relu ? Relu::value(sum) : sum;
  }
};

/// dy where y is above 0.
struct ReluGradient {
  MD_HD float operator()(float dy, float y) const { return dy * Relu::slope(y); }
};

void check(const Tensor& x, const Tensor& weight, const Tensor& bias, const BatchNormState& s, const Tensor& residual) {
  MD_CHECK(x.shape().rank() >= 2 && x.numel() > 0, "batch_norm: input ", x.shape(), " wants [...,C]");
  const Shape per_channel{x.dim(-1)};
  for (const Tensor* t : {&weight, &bias, &s.running_mean, &s.running_var}) {
    MD_CHECK(t->shape() == per_channel, "batch_norm: ", t->shape(), " for input ", x.shape());
  }
  require_together("batch_norm", {x, residual}, {weight, bias, s.running_mean, s.running_var});
  MD_CHECK(!residual || residual.shape() == x.shape(), "batch_norm: residual ", residual.shape(), " for input ",
           x.shape());
  const Tensor& batches = s.batches_tracked;
  MD_CHECK(!batches || (batches.dtype() == DType::i32 && batches.numel() == 1 && batches.device() == x.device()),
           "batch_norm: batches_tracked is no i32 number beside the input");
  MD_CHECK(!s.training || s.ranks || x.numel() > x.dim(-1), "batch_norm: one value per channel has no variance, input ",
           x.shape());
}

struct Statistics {
  Tensor mean, rstd;  // [C]
};

/// From the mean and the unbiased variance of each rank's rows, in the order of the ranks (Chan et al.).
struct MergeStatistics {
  const float* of_ranks;  // [ranks,2,C]
  i64 ranks, C;
  double rows;  // of a rank
  float eps, momentum;
  float *running_mean, *running_var, *mean, *rstd;
  MD_HD void operator()(i64, i64 c) const {
    double n = 0, mu = 0, squares = 0;
    for (i64 r = 0; r < ranks; ++r) {
      const double delta = static_cast<double>(of_ranks[r * 2 * C + c]) - mu;
      mu += delta * rows / (n + rows);
      squares +=
          static_cast<double>(of_ranks[(r * 2 + 1) * C + c]) * (rows - 1) + delta * delta * n * rows / (n + rows);
      n += rows;
    }
    mean[c] = static_cast<float>(mu);
    rstd[c] = static_cast<float>(1 / sqrt(squares / n + static_cast<double>(eps)));
    running_mean[c] = batch_norm_running(running_mean[c], mu, momentum);
    running_var[c] = batch_norm_running(running_var[c], unbiased_variance(squares, n), momentum);
  }
};

/// Those of the rows of all ranks; the running ones move.
void statistics_over_ranks(const Tensor& x, const BatchNormState& state, const BatchNormSpec& spec, const Tensor& mean,
                           const Tensor& rstd) {
  const i64 C = x.dim(-1), ranks = state.ranks->size();
  const Tensor mine = Tensor::zeros({2, C}, x.device()), all = Tensor::empty({ranks, 2, C}, x.device());
  const Tensor own_mean = mine.rows(0, 1).reshape({C}), own_variance = mine.rows(1, 2).reshape({C});
  backend(x.device()).batch_norm_statistics(spec, x, {own_mean, own_variance, state.batches_tracked, 1.F}, mean, rstd);
  state.ranks->gather(mine, all);
  launch(x.device(), 1, C,
         MergeStatistics{all.data(), ranks, C, static_cast<double>(x.numel() / C), spec.eps, state.momentum,
                         state.running_mean.data(), state.running_var.data(), mean.data(), rstd.data()});
}

/// Those of the batch, which move the running ones; or, in evaluation, the running ones.
Statistics statistics_of(const Tensor& x, const BatchNormState& state, const BatchNormSpec& spec) {
  Backend& b = backend(x.device());
  const i64 C = x.dim(-1);
  const Tensor mean = Tensor::empty({C}, x.device()), rstd = Tensor::empty({C}, x.device());
  if (state.training) {
    if (state.ranks) {
      statistics_over_ranks(x, state, spec, mean, rstd);
    } else {
      b.batch_norm_statistics(spec, x, {state.running_mean, state.running_var, state.batches_tracked, state.momentum},
                              mean, rstd);
    }
    for (const Tensor* t : {&state.running_mean, &state.running_var, &state.batches_tracked}) {
      if (*t) t->bump_version();
    }
  } else {
    // A copy: the running statistics may move on before the backward.
    b.copy(mean.raw(), state.running_mean.raw(), mean.bytes());
    launch(x.device(), 1, C, InverseRoot{state.running_var.data(), rstd.data(), spec.eps});
  }
  return {mean, rstd};
}

/// y = act(y + residual)
void add_residual(const BatchNormSpec& spec, const Tensor& residual, const Tensor& y) {
  const AddAndActivate add{spec.act.kind == Act::relu};
  const Rows rows = pointwise_rows(y.shape());
  with_storage(y.dtype(), [&](auto storage) {
    using T = decltype(storage);
    pointwise(y.device(), rows.outer, rows.inner, add, y.data<T>(), y.data<T>(), residual.data<T>());
  });
}

/// dz of y = relu(...).
void before_relu(const Tensor& dy, const Tensor& y, const Tensor& dz) {
  const Rows rows = pointwise_rows(dy.shape());
  with_storage(dy.dtype(), [&](auto storage) {
    using T = decltype(storage);
    pointwise(dy.device(), rows.outer, rows.inner, ReluGradient{}, dz.data<T>(), dy.data<T>(), y.data<T>());
  });
}

/// What the backward keeps.
struct Kept {
  BatchNormSpec of_x;
  bool training, has_residual;
  Communicator* ranks;  // over whose batches the statistics are; or null
  Saved x, weight, bias;
  Statistics of;
  Saved y;  // where a relu stands behind the residual
};

/// What the statistics of all ranks add to dx = weight * rstd * dz: k_x * x + k_1, from the sums over all rows.
struct StatisticsGradient {
  const float* of_ranks;  // [ranks,2,C]: each rank's dweight and dbias
  i64 ranks, C;
  double rows;  // of all ranks
  const float *weight, *mean, *rstd;
  float* k;  // [2,C]: k_x and k_1
  MD_HD void operator()(i64, i64 c) const {
    double dweight = 0, dbias = 0;
    for (i64 r = 0; r < ranks; ++r) {
      dweight += static_cast<double>(of_ranks[r * 2 * C + c]);
      dbias += static_cast<double>(of_ranks[(r * 2 + 1) * C + c]);
    }
    const double s = static_cast<double>(rstd[c]);
    const BatchNormGradient g = batch_norm_gradient(dbias, dweight / s, static_cast<double>(weight[c]),
                                                    static_cast<double>(mean[c]), s, rows, true);
    k[c] = g.k_x;
    k[C + c] = g.k_1;
  }
};

template <class T>
struct AddStatisticsGradient {
  const float* k;  // [2,C]
  const T* x;
  i64 C;
  T* dx;
  MD_HD void operator()(i64 row, i64 c) const {
    const i64 at = row * C + c;
    dx[at] = static_cast<float>(dx[at]) + k[c] * static_cast<float>(x[at]) + k[C + c];
  }
};

/// As Backend::batch_norm_backward of all ranks' rows together; dweight and dbias are those of this rank's.
void backward_over_ranks(const Kept& k, const Tensor& dz, const Tensor& dx, const Tensor& dweight,
                         const Tensor& dbias) {
  const auto& [mean, rstd] = k.of;
  const Device device = dz.device();
  Backend& b = backend(device);
  b.batch_norm_backward(k.of_x, false, dz, *k.x, *k.weight, *k.bias, mean, rstd, dx, dweight, dbias);
  if (!dx) return;
  const i64 C = mean.numel(), rows = dx.numel() / C, ranks = k.ranks->size();
  const Tensor mine = Tensor::empty({2, C}, device), all = Tensor::empty({ranks, 2, C}, device);
  b.copy_each({mine.rows(0, 1), mine.rows(1, 2)}, {dweight, dbias});
  k.ranks->gather(mine, all);
  launch(device, 1, C,
         StatisticsGradient{all.data(), ranks, C, static_cast<double>(ranks * rows), k.weight->data(), mean.data(),
                            rstd.data(), mine.data()});
  with_storage(dx.dtype(), [&](auto storage) {
    using T = decltype(storage);
    launch(device, rows, C, AddStatisticsGradient<T>{mine.data(), k.x->data<T>(), C, dx.data<T>()});
  });
}

Grads gradients(const Kept& k, const Tensor& dy, Needs needs) {
  Backend& b = backend(dy.device());
  const auto& [mean, rstd] = k.of;
  const Tensor dweight = Tensor::empty(mean.shape(), dy.device()), dbias = Tensor::empty(mean.shape(), dy.device());
  const Tensor sum = needs[0] && !k.has_residual ? needs.take_sum(0) : Tensor();
  if (sum && !k.ranks &&
      b.add_batch_norm_backward(k.of_x, k.training, dy, *k.x, *k.weight, *k.bias, mean, rstd, sum, dweight, dbias))
    return {sum, dweight, dbias};
  Tensor dx;  // where dz is the residual's gradient, not in its memory
  if (needs[0]) dx = k.has_residual ? Tensor::empty(dy.shape(), dy.device(), dy.dtype()) : in_place_of(dy);
  const Tensor dz = *k.y ? in_place_of(dy) : dy;
  const bool both = *k.y && !k.ranks &&
                    b.batch_norm_plus_backward(k.of_x, k.training, dy, *k.y, *k.x, *k.weight, *k.bias, mean, rstd, dz,
                                               dx, dweight, dbias);
  if (!both) {
    if (*k.y) before_relu(dy, *k.y, dz);
    if (k.ranks) {
      backward_over_ranks(k, dz, dx, dweight, dbias);
    } else {
      b.batch_norm_backward(k.of_x, k.training, dz, *k.x, *k.weight, *k.bias, mean, rstd, dx, dweight, dbias);
    }
  }
  if (sum) b.add_into(sum, dx);
  Grads grads = {sum ? sum : dx, dweight, dbias};
  if (k.has_residual) grads.push_back(dz);
  return grads;
}

}  // namespace

// With xhat = (x - mean) * rstd, dz = dy * act'(weight * xhat + bias + residual) and R values per channel (Ioffe &
// Szegedy 2015):
//   dbias = sum dz;  dweight = sum dz * xhat;  dresidual = dz
//   training:    dx = weight * rstd * (dz - dbias/R - xhat * dweight/R)
//   evaluation:  dx = weight * rstd * dz
// Without a residual the backend makes dz from x as it goes; with one, dz is a map that the residual needs anyway, made
// from y, whose sign is that of the sum.
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const BatchNormState& state,
                  const BatchNormSpec& spec, const Tensor& residual) {
  check(x, weight, bias, state, residual);
  if (residual && spec.act.kind != Act::none && spec.act.kind != Act::relu)  // y does not tell their slope
    return activate(batch_norm(x, weight, bias, state, {spec.eps, {}}, residual), spec.act);
  const Statistics of = statistics_of(x, state, spec);
  BatchNormSpec of_x = spec;  // what x alone goes through
  if (residual) of_x.act = {};
  const Tensor y = Tensor::empty(x.shape(), x.device(), x.dtype());
  Backend& b = backend(x.device());
  if (!residual || !b.batch_norm_plus(spec, x, weight, bias, of.mean, of.rstd, residual, y)) {
    b.batch_norm(of_x, x, weight, bias, of.mean, of.rstd, y);
    if (residual) add_residual(spec, residual, y);
  }
  std::vector<Tensor> inputs = {x, weight, bias};
  if (residual) inputs.push_back(residual);
  Communicator* const ranks = state.training ? state.ranks : nullptr;
  const Saved saved_x(x), saved_weight(weight), saved_bias(bias);
  const Saved needed_y(residual && spec.act.kind == Act::relu ? y : Tensor());
  const Tensor recorded = record(
      {"batch_norm", std::pair(state, spec)}, y, inputs,
      [kept = Kept{of_x, state.training, bool(residual), ranks, saved_x, saved_weight, saved_bias, of, needed_y}](
          const Tensor& dy, Needs needs) { return gradients(kept, dy, needs); });
  if (!residual) {
    can_be_made_again(recorded, [spec, x = saved_x, weight = saved_weight, bias = saved_bias, of] {
      const Tensor again = Tensor::empty(x.shape(), of.mean.device(), x->dtype());
      backend(of.mean.device()).batch_norm(spec, *x, *weight, *bias, of.mean, of.rstd, again);
      return again;
    });
  }
  return recorded;
}

}  // namespace md
