// Philox4x32-10 (Salmon et al. 2011) and the draws made from it, for both devices: counter-based, so that whoever draws
// needs a key and nothing that went on before. engine/rng.h is what the host draws with. constexpr, so that code for a
// GPU may call it (nvcc --expt-relaxed-constexpr).
#pragma once
#include <array>
#include <cstdint>

namespace md {

/// Four independent 32-bit words for one counter value.
constexpr std::array<std::uint32_t, 4> philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t offset) {
  const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
  const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
  std::uint32_t c0 = low(offset), c1 = high(offset), c2 = low(stream), c3 = high(stream);
  std::uint32_t k0 = low(seed), k1 = high(seed);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0, p1 = std::uint64_t{0xCD9E8D57} * c2;
    c0 = high(p1) ^ c1 ^ k0;
    c1 = low(p1);
    c2 = high(p0) ^ c3 ^ k1;
    c3 = low(p0);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {c0, c1, c2, c3};
}

/// What a sequence of draws is for. Purposes never share numbers.
enum class Purpose : std::uint8_t { init, shuffle, augment, metric_depth, drop_path, test, scene, bootstrap };

/// Draws one after the other from the stream (purpose, a, b) of a seed. REQUIRES: a < 2^20, b < 2^40 (Rng checks
/// them).
class PhiloxDraws {
 public:
  constexpr PhiloxDraws(std::uint64_t seed, Purpose purpose, std::uint64_t a, std::uint64_t b)
      : seed_(seed), stream_(static_cast<std::uint64_t>(purpose) << 60 | a << 40 | b) {}

  /// 32 of them, uniform.
  constexpr std::uint32_t bits() {
    if (left_ == 0) {
      const std::array<std::uint32_t, 4> words = philox(seed_, stream_, offset_++);
      for (int i = 0; i < 4; ++i) words_[i] = words[static_cast<std::size_t>(i)];
      left_ = 4;
    }
    --left_;
    const std::uint32_t first = words_[0];
    for (int i = 0; i < 3; ++i) words_[i] = words_[i + 1];  // known places: a GPU keeps them in registers
    return first;
  }

  /// [0,1), 53 bits.
  constexpr double uniform() {
    const std::uint64_t high = bits() >> 5, low = bits() >> 6;  // 27 + 26 bits
    return static_cast<double>(high << 26 | low) * 0x1p-53;
  }

  /// low..high, both inclusive, unbiased. REQUIRES: low <= high.
  constexpr std::int64_t integer(std::int64_t low, std::int64_t high) {
    const std::uint64_t n = static_cast<std::uint64_t>(high - low) + 1;
    if (n == 0) return static_cast<std::int64_t>(two_words());  // the whole range
    // Draws above the largest multiple of n would favour small values.
    const std::uint64_t limit = ~std::uint64_t{0} - (~std::uint64_t{0} % n + 1) % n;
    std::uint64_t v = two_words();
    while (v > limit) v = two_words();
    return low + static_cast<std::int64_t>(v % n);
  }

 protected:
  constexpr std::uint64_t two_words() {
    const std::uint64_t upper = bits();
    return upper << 32 | bits();
  }

  std::uint64_t seed_, stream_, offset_ = 0;
  std::uint32_t words_[4] = {};
  int left_ = 0;
};

}  // namespace md
