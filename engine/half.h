// IEEE 754 binary16, "half": a number of files, in which nothing is computed.
#pragma once
#include <cmath>
#include <cstdint>

namespace md {

/// The value of sign, five bits of exponent and ten of fraction; exact.
inline double value_of_half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double magnitude = exponent == 31  ? (fraction ? std::nan("") : HUGE_VAL)
                           : exponent == 0 ? std::ldexp(fraction, -24)
                                           : std::ldexp(1024 + fraction, exponent - 25);
  return bits >> 15 ? -magnitude : magnitude;
}

}  // namespace md
