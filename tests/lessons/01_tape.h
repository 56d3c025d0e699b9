// Lesson 1: The tape
// The first lesson. Ops: add, multiply.
//
// 1. Idea
//
// A network computes one number L, its loss, from millions of numbers. Training wants to know for each of them: if this
// number grows by a little, by how many times as much does L grow? That factor is the derivative dL/dx, and for short
// it is called the *gradient* of x and written dx.
//
// Trying it out takes one run of the network for each number. Backpropagation gets all of them from one run and one
// walk back. During the run each operation writes on a tape what it made, from which numbers, and how strongly each of
// them acted on the result. The walk begins at L and reads the tape from its end. When it comes to a number, everything
// that used this number stands later on the tape and has been read, so its gradient is complete; then its own sources
// get their share.
#pragma once
#include "layers/ops.h"
#include "tests/kit/lesson.h"

namespace md::lessons::tape {
using namespace test;

Definition multiply_and_add();  // part 4

// 2. By hand
//
// Take y = a * b + a, for two pairs of numbers. The run writes two lines, m = a * b and y = m + a:
//
//     m = (2 * 3, -1 * 4) = (6, -4)
//     y = (6 + 2, -4 + -1) = (8, -5)
//
// Behind y something computes L, and has said what y does to it: dy = (1, 2). The walk reads y = m + a first. A sum
// hands on what it gets: m gets dy, and a gets dy. Then it reads m = a * b. If a grows by a little, m grows b times as
// much: a gets b * dm, and b gets a * dm. The number a was used twice, so it gets two shares, and they are added up:
//
//     da = (1 + 3 * 1, 2 + 4 * 2) = (4, 10)
//     db = (2 * 1, -1 * 2) = (2, -2)
inline std::vector<ByHand> by_hand() {
  return {{
      .op = multiply_and_add(),
      .inputs = {{"a", {2}, {2, -1}}, {"b", {2}, {3, 4}}},
      // blank numbers: a * b + a
      .y = {"y", {2}, {8, -5}},
      // end of blank
      .dy = {"dy", {2}, {1, 2}},
      // blank numbers: a is used twice, b once
      .gradients = {{"da", {2}, {4, 10}}, {"db", {2}, {2, -2}}}
      // end of blank
  }};
}

// 3. Definition
//
// An entry of the tape is a number and the list of what it was made from. For each source it has the *slope*: how many
// times as much as the source the result grows, all other sources held. The slopes are known while the run goes on,
// because they depend on nothing but the numbers at hand:
//
//     y = a + b, "slopes" dy/da = 1, dy/db = 1
//     y = a * b, "slopes" dy/da = b, dy/db = a
//
// (In a fraction dy/da is a slope, that of y over a. By itself dy stays the gradient of y, what y does to L.)

/// One source of a number on the tape.
struct From {
  std::size_t at;    // its entry
  double slope;      // d result / d source
  const char* name;  // of the term that it makes in the source's gradient
};

/// The numbers of one run, in the order in which they were made.
struct Tape {
  struct Entry {
    double value;
    std::vector<From> from;  // empty: a number that was given
  };
  std::vector<Entry> entries;

  std::size_t write(const Entry& entry) {
    entries.push_back(entry);
    return entries.size() - 1;
  }
  std::size_t given(double value) { return write({value, {}}); }
  std::size_t add(std::size_t a, std::size_t b) {
    const double y = entries[a].value + entries[b].value;
    return write({y, {{a, 1, "dy, to the first"}, {b, 1, "dy, to the second"}}});
  }
  std::size_t multiply(std::size_t a, std::size_t b) {
    const double y = entries[a].value * entries[b].value;
    double slope_a = 0, slope_b = 0;
    // blank: how many times as much as a, and as b, the product grows
    slope_a = entries[b].value;
    slope_b = entries[a].value;
    // end of blank
    return write({y, {{a, slope_a, "dy * b"}, {b, slope_b, "dy * a"}}});
  }
  std::vector<double> walk(std::size_t last, double dy, const Terms&) const;
};

// 4. Derivation
//
// Let x be a number, and y_1, y_2, ... the results that were made from it directly. L depends on x through them and in
// no other way. If x grows by a small e, then y_k grows by slope_k * e, and L by dL/dy_k * slope_k * e for each of
// them:
//
//     dL/dx = sum over k of dL/dy[k] * dy[k]/dx
//
// This is the chain rule, and both of its halves are in the walk: along a path slopes are *multiplied*, and where paths
// meet they are *added up*. An entry may be handled once all its results are: they stand behind it on the tape, so
// reading backwards is the right order, whatever the network looks like.
//
// Two things follow. An op has to know its own slopes and nothing else of the network. And the walk costs about as much
// as the run, for all gradients together.
//
// Each share has a name in the code: term("dy * b", value) is value. Part 7 uses the names to take one share away.
/// The gradient of every entry, where that of entry `last` is dy.
inline std::vector<double> Tape::walk(std::size_t last, double dy, const Terms& term) const {
  std::vector<double> d(entries.size());
  d[last] = dy;
  for (std::size_t i = last + 1; i-- > 0;) {
    for (const From& from : entries[i].from) {
      // blank: what the source gets from entry i; term(from.name, ...) around it
      d[from.at] += term(from.name, from.slope * d[i]);
      // end of blank
    }
  }
  return d;
}

// The engine's tape (engine/autograd.h) is the same with tensors in place of numbers. Its ops keep a function that
// computes the shares of their sources, since the slopes of a whole tensor would be a matrix.
//
// A lesson says what an op is with a `Definition`: its value and its gradients, computed on an `Array` (doubles with a
// shape), and the kernel of the engine, which computes the same in float on tensors.
/// Writes an expression of the numbers a and b on a tape.
using Expression = std::size_t (*)(Tape&, std::size_t a, std::size_t b);

/// An expression of each pair of elements of a and b.
inline Definition each_pair(const char* name, Expression expression, Tensor (*kernel)(const Tensor&, const Tensor&)) {
  return {.name = name,
          .inputs = {"a", "b"},
          .value =
              [=](const Arrays& in) {
                Array y(in[0].shape());
                for (i64 i = 0; i < y.numel(); ++i) {
                  Tape tape;
                  const std::size_t a = tape.given(in[0][i]), b = tape.given(in[1][i]);
                  y[i] = tape.entries[expression(tape, a, b)].value;
                }
                return y;
              },
          .gradients =
              [=](const Arrays& in, const Array& dy, const Terms& term) {
                Array da(in[0].shape()), db(in[1].shape());
                for (i64 i = 0; i < dy.numel(); ++i) {
                  Tape tape;
                  const std::size_t a = tape.given(in[0][i]), b = tape.given(in[1][i]);
                  const std::vector<double> d = tape.walk(expression(tape, a, b), dy[i], term);
                  da[i] = d[a];
                  db[i] = d[b];
                }
                return Arrays{da, db};
              },
          .kernel = [kernel](const std::vector<Tensor>& in) { return kernel(in[0], in[1]); }};
}

inline Definition multiply() {
  return each_pair(
      "multiply", [](Tape& t, std::size_t a, std::size_t b) { return t.multiply(a, b); }, md::multiply);
}
inline Definition add() {
  return each_pair(
      "add", [](Tape& t, std::size_t a, std::size_t b) { return t.add(a, b); }, md::add);
}
inline Definition multiply_and_add() {
  return each_pair(
      "a * b + a", [](Tape& t, std::size_t a, std::size_t b) { return t.add(t.multiply(a, b), a); },
      [](const Tensor& a, const Tensor& b) { return md::add(md::multiply(a, b), a); });
}

// 5. Check
//
// A derivative can be measured: make a number a little larger, then a little smaller, and see how far L moves. This is
// the *central difference*. It needs nothing of what is derived above, so it can tell whether that is right:
//
//     dL/dx = (L(x + h) - L(x - h)) / (2 * h)
//
// For L the test takes the sum of dy * y with random dy. The walk agrees with the differences to 1e-8, and the engine's
// tape, which computes in float, agrees with the walk to a few roundings (a float has 24 bits, so one rounding is
// 6e-8).
inline std::vector<Check> checks() {
  const Arrays in = {random_array({2, 3, 5}, 1), random_array({2, 3, 5}, 2)};
  constexpr double kTolerance = 3e-7;  // at most three roundings
  return {{multiply(), in, kTolerance}, {add(), in, kTolerance}, {multiply_and_add(), in, kTolerance}};
}

// 6. Adjoint
//
// Hold b: then y is linear in a. With all numbers in one column, y = A a + c with a matrix A, here a diagonal one with
// b or b + 1 on the diagonal. The walk back multiplies dy with the transposed matrix A'. Any matrix and its transposed
// one satisfy, for every v,
//
//     dot(dy, A v) = dot(A' dy, v)
//
// where the angle brackets are the sum of the products p_i * q_i of two columns p and q. The left side needs the run
// alone, the right side the walk alone. One random v is enough to find a mistake anywhere in either.
inline std::vector<Linear> linear() {
  return {{"multiply", {"a", "b"}}, {"add", {"a", "b"}}, {"a * b + a", {"a", "b"}}};
}

// 7. Lost terms
//
// A check that cannot fail proves nothing. So each term of the gradients is left out once, and once turned negative;
// the check has to notice every time. For a * b + a this includes the second path to a, which a walk that writes =
// instead of
// += would lose.
inline std::vector<TermList> terms() {
  return {{"multiply", {"dy * b", "dy * a"}},
          {"add", {"dy, to the first", "dy, to the second"}},
          {"a * b + a", {"dy * b", "dy * a", "dy, to the first", "dy, to the second"}}};
}

// 8. Trap and exercise
//
// The slope of a product is a number of the run. If b is overwritten between the run and the walk, the walk computes
// with the new b, and the result is the exact gradient of something that never ran. Nothing crashes. The engine counts
// the writes to each tensor and refuses such a walk; the test overwrites b and wants the refusal.
inline std::string a_factor_that_was_overwritten_is_used() {
  const Tensor a = Tensor::full({2}, 3.F).requires_grad_(), b = Tensor::full({2}, 4.F);
  const Tensor y = md::multiply(a, b);
  b.copy_from(Tensor::full({2}, 5.F));
  try {
    y.backward(Tensor::full({2}, 1.F));
  } catch (const Error&) {
    return "";
  }
  return cat("the walk gave ", a.grad().to_host()[0], ", and the run had 4");
}

// Exercise. Let y = f(x) for each of a million numbers, each by itself. Put all slopes dy_i/dx_j into a matrix: how
// large is it, and which of its entries are not 0? What would an op store for the walk? (Lesson 2.)

inline Lesson lesson() {
  return {1,
          "The tape",
          by_hand(),
          checks(),
          linear(),
          terms(),
          {{"an overwritten factor", a_factor_that_was_overwritten_is_used}}};
}

}  // namespace md::lessons::tape
