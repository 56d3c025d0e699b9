// How convolutions on the CPU are multiplied: a choice of the whole process, for programs that want the direct sum and
// for tests that want one algorithm wherever it can be used. (A GPU's library chooses for itself.)
#pragma once
#include <cstdint>

namespace md {

/// Winograd's algorithm takes fewer products and rounds more often. It serves f32, stride 1, one group and windows of
/// 3x3 or 2x2; whatever it cannot do is direct.
enum class ConvAlgorithm : std::uint8_t {
  fastest,    // what is measured to be faster for the shapes
  direct,     // the sum of products as it stands
  winograd4,  // on tiles of 4x4 inputs: as exact as the direct sum
  winograd6,  // on tiles of 6x6: rounding errors a few times as large (tools/bench/README.md)
};

/// What was chosen last; `fastest` until then.
ConvAlgorithm conv_algorithm();
/// For all convolutions that begin from now on, in every thread.
void choose_conv_algorithm(ConvAlgorithm);

}  // namespace md
