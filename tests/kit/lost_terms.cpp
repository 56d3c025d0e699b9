// Measures an op's gradients once, and judges them again for each error.
#include "tests/kit/lost_terms.h"

namespace md::test {
namespace {

/// whole = without + term, so with the term negated it is 2 without - whole.
Tensor with_term_negated(const Tensor& without, const std::vector<double>& whole) {
  std::vector<float> values = without.to_host();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 2 * values[i] - float(whole[i]);
  return Tensor::from_host(values, without.shape());
}

bool caught(const OpCase& op, const GradientPair& measured, Mutation mutation) {
  GradcheckOptions options = op.options;
  options.mutation = std::move(mutation);
  return !judge_gradients(measured, op.inputs, options).ok;
}

}  // namespace

void expect_wrong_gradients_caught(const OpCase& op) {
  SCOPED_TRACE(op.name);
  const GradientPair measured = measure_gradients(op.f, op.inputs, op.options);
  const GradcheckResult right = judge_gradients(measured, op.inputs, op.options);
  EXPECT_TRUE(right.ok) << right.message << how_to_repeat(op.f, op.inputs, op.options);
  for (int input = 0; input < int(op.inputs.size()); ++input) {
    EXPECT_TRUE(caught(op, measured, {Mutation::negate, input})) << "input " << input;
    EXPECT_TRUE(caught(op, measured, {Mutation::drop, input})) << "input " << input;
  }
  const Tensor dy = random_upstream(op.f(op.inputs).shape(), op.options.seed);
  for (const LostTerm& lost : op.lost) {
    const Tensor without = lost.wrong(op.inputs, dy);
    EXPECT_TRUE(caught(op, measured, {Mutation::replace, lost.input, without}))
        << "input " << lost.input << " without " << lost.term;
    const Tensor negated = with_term_negated(without, measured.backward[std::size_t(lost.input)]);
    EXPECT_TRUE(caught(op, measured, {Mutation::replace, lost.input, negated}))
        << "input " << lost.input << " with the other sign of " << lost.term;
  }
}

}  // namespace md::test
