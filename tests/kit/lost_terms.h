// Proof that the gradient check of an op can fail: with the gradient of an input negated or dropped, or with one term
// of it forgotten, it must. The op's own test says which terms there are.
#pragma once
#include <functional>
#include <vector>

#include "tests/kit/testing.h"

namespace md::test {

/// A backward that forgets one term of a sum.
struct LostTerm {
  const char* term;
  int input;
  std::function<Tensor(const std::vector<Tensor>& x, const Tensor& dy)> wrong;
};

/// An op, and inputs on which its gradients are checked.
struct OpCase {
  const char* name;  // as it is declared
  Function f;
  std::vector<Tensor> inputs;
  GradcheckOptions options = {};
  std::vector<LostTerm> lost = {};
};

/// The check passes as it is, and fails with the gradient of any input negated or dropped, and with any of the terms
/// lost or of the other sign.
void expect_wrong_gradients_caught(const OpCase&);

}  // namespace md::test

/// In the test of an op, once: LOST_TERMS(op) { return {{"op", f, inputs}, ...}; }. It makes a test of it, and says to
/// tests/losses/mutation_test.cpp that the op has one.
#define LOST_TERMS(op)                                                                             \
  std::vector<::md::test::OpCase> lost_terms_of_##op();                                            \
  TEST(LostTerms, op) {                                                                            \
    for (const auto& each : lost_terms_of_##op()) ::md::test::expect_wrong_gradients_caught(each); \
  }                                                                                                \
  std::vector<::md::test::OpCase> lost_terms_of_##op()
