// The gradient check itself: what it refuses, and the line that repeats one that failed.
#include <gtest/gtest-spi.h>

#include <cmath>

#include "layers/ops.h"
#include "tests/kit/testing.h"

namespace md::test {
namespace {

using Inputs = std::vector<Tensor>;

TEST(Gradcheck, RefusesTooManyKinks) {
  const GradcheckResult result =
      gradcheck([](const Inputs& in) { return relu(in[0]); }, {Tensor::zeros({4})}, {.kinks = {0}});
  EXPECT_FALSE(result.ok);
  EXPECT_NE(result.message.find("near a kink"), std::string::npos);
}

TEST(Gradcheck, FailsOnNan) {
  const Tensor nan = Tensor::full({2}, std::nanf(""));
  const Function f = [](const Inputs& in) { return scale(in[0], 2.F); };
  EXPECT_FALSE(gradcheck(f, {random_tensor({2}, 1)}, {.mutation = {Mutation::replace, 0, nan}}).ok);
}

TEST(Gradcheck, AFailurePrintsTheLineThatRepeatsIt) {
  const Function f = [](const Inputs& in) { return multiply(scale(in[0], 2.F), in[1]); };
  const Inputs inputs = {random_tensor({2, 3}, 1), random_tensor({2, 3}, 2)};
  ::testing::TestPartResultArray failures;
  {
    const ::testing::ScopedFakeTestPartResultReporter caught(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    expect_gradcheck(f, inputs, {.seed = 77, .mutation = {Mutation::negate, 1}});
  }
  ASSERT_EQ(failures.size(), 1);
  const std::string message = failures.GetTestPartResult(0).message();
  EXPECT_NE(message.find("input 1: relative error 2"), std::string::npos) << message;
  EXPECT_NE(message.find("\nrepeat multiply [2,3] [2,3] seed 77 on cpu: /"), std::string::npos) << message;
  EXPECT_NE(message.find("/gradcheck_test --gtest_filter='Gradcheck.AFailurePrintsTheLineThatRepeatsIt'\n"),
            std::string::npos)
      << message;
}

}  // namespace
}  // namespace md::test
