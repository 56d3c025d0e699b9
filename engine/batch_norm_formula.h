// Batch norm's coefficients of one channel, for both devices; engine/cpu/batch_norm.cpp has the formulas that they come
// from. constexpr, so that code for a GPU may call them (nvcc --expt-relaxed-constexpr).
#pragma once

namespace md {

/// z = x * slope + offset, which is (x - mean) * rstd * weight + bias.
struct BatchNormAffine {
  float slope, offset;
};
/// From the channel's parameters and statistics.
constexpr BatchNormAffine batch_norm_affine(float weight, float bias, float mean, float rstd) {
  return {weight * rstd, bias - mean * weight * rstd};
}

/// Of a channel: the gradients of its weight and bias, and dx = k_dz * dz + (k_x * x + k_1).
struct BatchNormGradient {
  float dweight, dbias, k_dz, k_x, k_1;
};

/// From the channel's sums of dz and of dz * (x - mean) over all rows. `batch_statistics`: mean and rstd depend on x.
constexpr BatchNormGradient batch_norm_gradient(double sum_dz, double sum_dz_x, double weight, double mean, double rstd,
                                                double rows, bool batch_statistics) {
  const double k = weight * rstd;
  const double k_x = batch_statistics ? -k * rstd * rstd * sum_dz_x / rows : 0.0;
  const double k_1 = batch_statistics ? -k * sum_dz / rows - k_x * mean : 0.0;
  return {static_cast<float>(sum_dz_x * rstd), static_cast<float>(sum_dz), static_cast<float>(k),
          static_cast<float>(k_x), static_cast<float>(k_1)};
}

/// A running statistic after a batch: (1 - momentum) * running + momentum * batch.
constexpr float batch_norm_running(float running, double batch, float momentum) {
  return (1.F - momentum) * running + momentum * static_cast<float>(batch);
}

/// The unbiased variance of n values, from the sum of their squared deviations; of one value 0.
constexpr double unbiased_variance(double squares, double n) { return squares / (n > 1 ? n - 1 : 1); }

}  // namespace md
