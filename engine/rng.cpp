// Philox4x32-10 and the draws made from it.
#include "engine/rng.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace md {

std::array<std::uint32_t, 4> philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t offset) {
  const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
  const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
  std::array<std::uint32_t, 4> c{low(offset), high(offset), low(stream), high(stream)};
  std::uint32_t k0 = low(seed), k1 = high(seed);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c[0], p1 = std::uint64_t{0xCD9E8D57} * c[2];
    c = {high(p1) ^ c[1] ^ k0, low(p1), high(p0) ^ c[3] ^ k1, low(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

Rng::Rng(std::uint64_t seed, Purpose purpose, std::uint64_t a, std::uint64_t b)
    : seed_(seed), stream_(std::uint64_t(purpose) << 60 | a << 40 | b) {
  MD_CHECK(a <= kMostA && b <= kMostB, "Rng: stream (", a, ",", b, ") is beyond (", kMostA, ",", kMostB, ")");
}

std::uint32_t Rng::bits() {
  if (left_ == 0) {
    words_ = philox(seed_, stream_, offset_++);
    left_ = 4;
  }
  return words_[static_cast<std::size_t>(4 - left_--)];
}

double Rng::uniform() {
  const std::uint64_t high = bits() >> 5, low = bits() >> 6;  // 27 + 26 bits
  return static_cast<double>(high << 26 | low) * 0x1p-53;
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
  const std::uint64_t n = static_cast<std::uint64_t>(high - low) + 1;
  const auto draw = [this] {
    const std::uint64_t upper = bits();
    return upper << 32 | bits();
  };
  if (n == 0) return static_cast<i64>(draw());  // the whole range
  // Draws above the largest multiple of n would favour small values.
  const std::uint64_t limit = ~std::uint64_t{0} - (~std::uint64_t{0} % n + 1) % n;
  std::uint64_t v = draw();
  while (v > limit) v = draw();
  return low + static_cast<i64>(v % n);
}

}  // namespace md
