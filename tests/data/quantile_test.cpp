// Quantiles against numpy.quantile's numbers.
#include "data/quantile.h"

#include <gtest/gtest.h>

#include <cmath>

namespace md {
namespace {

TEST(Quantile, IsNumpys) {
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 1), 4);
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 0.1), 1.3);
  EXPECT_TRUE(std::isnan(quantile({}, 0.5)));
}

}  // namespace
}  // namespace md
