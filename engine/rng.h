// Randomness: Philox4x32-10 (engine/philox.h), counter-based. The same (seed, stream, offset) gives the same numbers on
// every device and with any number of threads, so nothing that draws depends on who drew before it.
#pragma once
#include <cstdint>
#include <span>

#include "engine/philox.h"
#include "engine/tensor.h"

namespace md {

/// PhiloxDraws one after the other from the stream (purpose, a, b) of a seed, e.g. (augment, epoch, sample index).
/// Throws where one of them is too large: whoever counts epochs (a) or steps (b) checks them against these at the
/// start.
class Rng : private PhiloxDraws {
 public:
  static constexpr std::uint64_t kMostA = (1ULL << 20) - 1, kMostB = (1ULL << 40) - 1;
  Rng(std::uint64_t seed, Purpose purpose, std::uint64_t a = 0, std::uint64_t b = 0);
  using PhiloxDraws::bits;
  using PhiloxDraws::uniform;
  double uniform(double low, double high);  // [low, high)
  double normal();                          // mean 0, standard deviation 1
  i64 integer(i64 low, i64 high);           // as PhiloxDraws has it; throws unless low <= high

  // The same draws one after the other for every element, shared among all threads.
  void uniform(std::span<float>, double low, double high);
  void normal(std::span<float>, double deviation);  // mean 0

 private:
  template <class Draw>
  void fill(std::span<float>, std::uint64_t words_a_draw, Draw draw);
  void skip(std::uint64_t words);
};

}  // namespace md
