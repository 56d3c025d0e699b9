// The covariance's eigenvectors by power iteration, each taken out before the next (deflation).
#include "tools/report/principal_components.h"

#include <algorithm>
#include <cmath>

#include "engine/check.h"

namespace md {
namespace {

using Vector = std::vector<double>;

constexpr int kComponents = 3, kIterations = 500;
constexpr i64 kMostPixels = 20'000;  // of a map; more are taken at regular steps

/// Calls visit(feature) for a regular sample of a map's pixels.
template <class Visit>
void each_pixel(const Tensor& map, Visit visit) {
  const i64 pixels = map.dim(0) * map.dim(1), step = std::max<i64>(pixels / kMostPixels, 1);
  for (i64 i = 0; i < pixels; i += step) visit(map.data() + i * map.dim(2));
}

Vector mean_of(const std::vector<Tensor>& maps, std::size_t channels) {
  Vector mean(channels);
  double count = 0;
  for (const Tensor& map : maps) {
    each_pixel(map, [&](const float* f) {
      for (std::size_t c = 0; c < channels; ++c) mean[c] += double(f[c]);
      ++count;
    });
  }
  for (double& value : mean) value /= std::max(count, 1.0);
  return mean;
}

/// C x C, not divided by the number of pixels.
Vector covariance_of(const std::vector<Tensor>& maps, const Vector& mean) {
  const std::size_t channels = mean.size();
  Vector covariance(channels * channels), centred(channels);
  for (const Tensor& map : maps) {
    each_pixel(map, [&](const float* f) {
      for (std::size_t c = 0; c < channels; ++c) centred[c] = double(f[c]) - mean[c];
      for (std::size_t a = 0; a < channels; ++a) {
        for (std::size_t b = 0; b < channels; ++b) covariance[a * channels + b] += centred[a] * centred[b];
      }
    });
  }
  return covariance;
}

Vector times(const Vector& matrix, const Vector& v) {
  Vector out(v.size());
  for (std::size_t a = 0; a < v.size(); ++a) {
    for (std::size_t b = 0; b < v.size(); ++b) out[a] += matrix[a * v.size() + b] * v[b];
  }
  return out;
}

/// Makes the length 1 and returns what it was.
double normalise_length(Vector& v) {
  double squared = 0;
  for (const double x : v) squared += x * x;
  const double length = std::sqrt(squared);
  for (double& x : v) x = length > 0 ? x / length : 0;
  return length;
}

/// The direction of the largest eigenvalue, which is taken out of the matrix.
double take_largest(Vector& matrix, Vector& direction) {
  const std::size_t n = direction.size();
  for (std::size_t c = 0; c < n; ++c) direction[c] = 1 + 0.1 * double(c % 7);  // no eigenvector by chance
  double eigenvalue = 0;
  for (int i = 0; i < kIterations; ++i) {
    direction = times(matrix, direction);
    eigenvalue = normalise_length(direction);
  }
  const auto largest = std::ranges::max_element(direction, {}, [](double x) { return std::abs(x); });
  if (*largest < 0) {
    for (double& x : direction) x = -x;
  }
  for (std::size_t a = 0; a < n; ++a) {
    for (std::size_t b = 0; b < n; ++b) matrix[a * n + b] -= eigenvalue * direction[a] * direction[b];
  }
  return eigenvalue;
}

}  // namespace

std::array<float, 3> PrincipalComponents::project(const float* feature) const {
  std::array<float, 3> place{};
  for (std::size_t k = 0; k < directions.size(); ++k) {
    double sum = 0;
    for (std::size_t c = 0; c < mean.size(); ++c) sum += (double(feature[c]) - mean[c]) * directions[k][c];
    place[k] = float(sum);
  }
  return place;
}

PrincipalComponents principal_components(const std::vector<Tensor>& maps) {
  MD_CHECK(!maps.empty(), "principal_components: no map");
  const auto channels = std::size_t(maps.front().dim(2));
  PrincipalComponents out{.mean = mean_of(maps, channels)};
  Vector covariance = covariance_of(maps, out.mean);
  double whole = 0;
  for (std::size_t c = 0; c < channels; ++c) whole += covariance[c * channels + c];
  for (int k = 0; k < std::min<int>(kComponents, int(channels)); ++k) {
    Vector& direction = out.directions.emplace_back(channels);
    const double eigenvalue = take_largest(covariance, direction);
    out.shares.push_back(whole > 0 ? eigenvalue / whole : 0);
  }
  return out;
}

}  // namespace md
