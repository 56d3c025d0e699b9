#include "engine/conv_algorithm.h"

#include <atomic>

namespace md {
namespace {
std::atomic<ConvAlgorithm> chosen{ConvAlgorithm::fastest};
}

ConvAlgorithm conv_algorithm() { return chosen; }
void choose_conv_algorithm(ConvAlgorithm algorithm) { chosen = algorithm; }

}  // namespace md
