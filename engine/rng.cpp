// The draws that the host alone makes, and what it checks.
#include "engine/rng.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace md {

Rng::Rng(std::uint64_t seed, Purpose purpose, std::uint64_t a, std::uint64_t b) : PhiloxDraws(seed, purpose, a, b) {
  MD_CHECK(a <= kMostA && b <= kMostB, "Rng: stream (", a, ",", b, ") is beyond (", kMostA, ",", kMostB, ")");
}

double Rng::uniform(double low, double high) { return low + (high - low) * uniform(); }

double Rng::normal() {
  // Box-Muller; 1 - u lies in (0,1], so the logarithm is finite.
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

/// As so many calls of bits().
void Rng::skip(std::uint64_t words) {
  const std::uint64_t taken = std::min<std::uint64_t>(words, std::uint64_t(left_));
  left_ -= int(taken);
  offset_ += (words - taken) / 4;
  for (std::uint64_t rest = (words - taken) % 4; rest > 0; --rest) bits();
}

template <class Draw>
void Rng::fill(std::span<float> values, std::uint64_t words_a_draw, Draw draw) {
  constexpr i64 kChunk = 1 << 14;
  const i64 n = i64(values.size());
#pragma omp parallel for schedule(static) if (n > kChunk)
  for (i64 begin = 0; begin < n; begin += kChunk) {
    Rng here = *this;
    here.skip(std::uint64_t(begin) * words_a_draw);
    for (i64 i = begin; i < std::min(n, begin + kChunk); ++i) values[std::size_t(i)] = float(draw(here));
  }
  skip(std::uint64_t(n) * words_a_draw);
}

void Rng::uniform(std::span<float> values, double low, double high) {
  fill(values, 2, [=](Rng& rng) { return rng.uniform(low, high); });
}

void Rng::normal(std::span<float> values, double deviation) {
  fill(values, 4, [=](Rng& rng) { return deviation * rng.normal(); });
}

i64 Rng::integer(i64 low, i64 high) {
  MD_CHECK(low <= high, "Rng: empty range ", low, "..", high);
  return PhiloxDraws::integer(low, high);
}

}  // namespace md
