// The parts of a lesson, each judged by itself: a mistake is told by the first part that can see it.
#include "tests/kit/lesson_parts.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "tests/kit/array_difference.h"
#include "tests/kit/testing.h"

namespace md::test {
namespace {

constexpr double kExact = 1e-12;    // sums of a few products in double
constexpr double kCalculus = 1e-8;  // what two central differences and their extrapolation leave in double
constexpr double kNoticed = 1e-3;   // what the kernels' own gradient check, in float, would notice
constexpr std::uint64_t kUpstream = 1001, kDirection = 1002;  // seeds, of no input

std::string join(const std::string& sentences, const std::string& more) {
  if (sentences.find(more) != std::string::npos) return sentences;  // of another check of the same op
  return sentences.empty() ? more : sentences + "\n" + more;
}

Arrays arrays_of(const std::vector<Named>& named) {
  Arrays arrays;
  for (const Named& each : named) arrays.push_back(each.array());
  return arrays;
}

std::vector<Tensor> tensors_of(const Arrays& arrays) {
  std::vector<Tensor> tensors;
  for (const Array& each : arrays) tensors.push_back(each.tensor());
  return tensors;
}

double dot(const Array& a, const Array& b) {
  double sum = 0;
  for (i64 i = 0; i < a.numel(); ++i) sum += a[i] * b[i];
  return sum;
}

Arrays gradients_of(const Definition& op, const Arrays& in, const Array& dy, const Terms& term = {}) {
  Arrays gradients = op.gradients(in, dy, term);
  MD_CHECK(gradients.size() == in.size(), op.name, " has ", in.size(), " inputs and ", gradients.size(), " gradients");
  return gradients;
}

std::set<std::string> names_of_terms(const Definition& op, const Arrays& in, const Array& dy) {
  std::set<std::string> names;
  gradients_of(op, in, dy, Terms(&names));
  return names;
}

/// What each term adds to the gradient of one input.
std::vector<TermPart> terms_of(const Definition& op, const Arrays& in, const Array& dy, std::size_t input) {
  std::vector<TermPart> parts;
  const Array all = gradients_of(op, in, dy)[input];
  for (const std::string& name : names_of_terms(op, in, dy)) {
    Array part = all;
    const Array without = gradients_of(op, in, dy, {name, 0})[input];
    for (i64 i = 0; i < part.numel(); ++i) part[i] -= without[i];
    parts.push_back({name, part});
  }
  return parts;
}

/// d sum(dy * value) / d in[input]: central differences with steps h and h/2, extrapolated, so that their error is of
/// the order h^4.
Array central_differences(const Definition& op, Arrays in, const Array& dy, std::size_t input) {
  constexpr double h = 1e-3;
  Array gradient(in[input].shape());
  for (i64 i = 0; i < gradient.numel(); ++i) {
    const double at = in[input][i];
    const auto slope = [&](double step) {
      in[input][i] = at + step;
      const double above = dot(op.value(in), dy);
      in[input][i] = at - step;
      const double below = dot(op.value(in), dy);
      in[input][i] = at;
      return (above - below) / (2 * step);
    };
    gradient[i] = (4 * slope(h / 2) - slope(h)) / 3;
  }
  return gradient;
}

Array upstream(const Definition& op, const Arrays& in) {
  return Array(random_upstream(op.value(in).shape(), kUpstream));
}

std::string filled_in(const Named& named) {
  const i64 missing = named.shape.numel() - i64(named.numbers.size());
  return missing == 0 ? "" : cat(named.name, ": not written yet: ", missing, missing == 1 ? " number." : " numbers.");
}

/// The numbers that were typed, against the whole lesson's definition: they can be right before a line is written.
std::string by_hand(const ByHand& typed, const Definition& op) {
  std::string wrong = filled_in(typed.y);
  for (const Named& each : typed.gradients) wrong = join(wrong, filled_in(each));
  if (!wrong.empty()) return wrong;
  const Arrays in = arrays_of(typed.inputs);
  wrong = difference(typed.y.name, typed.y.array(), op.value(in), kExact, "the definition gives");
  const Arrays right = gradients_of(op, in, typed.dy.array());
  for (std::size_t k = 0; k < right.size(); ++k) {
    const Named& each = typed.gradients.at(k);
    wrong = join(wrong, difference(each.name, each.array(), right[k], kExact, "the definition gives",
                                   terms_of(op, in, typed.dy.array(), k)));
  }
  return wrong;
}

/// The definition against the kernel.
std::string definition(const Check& check) {
  const Array got = check.op.value(check.inputs);
  return difference("y of " + check.op.name, got, Array(check.op.kernel(tensors_of(check.inputs))), check.tolerance,
                    "the kernel gives");
}

/// The gradients as they are written, against those of the example that is worked out by hand.
std::string derivation(const Definition& op, const ByHand& example) {
  const Arrays in = arrays_of(example.inputs);
  const Array dy = example.dy.array();
  const Arrays got = gradients_of(op, in, dy);
  std::string wrong;
  for (std::size_t k = 0; k < got.size(); ++k) {
    const Named& want = example.gradients.at(k);
    wrong = join(wrong,
                 difference(want.name, got[k], want.array(), kExact, "by hand it is", terms_of(example.op, in, dy, k)));
  }
  return wrong;
}

std::string kernels_gradients(const Check& check, const Array& dy, const Arrays& got) {
  if (!check.op.differentiable_kernel) return "";
  std::vector<Tensor> leaves = tensors_of(check.inputs);
  for (const Tensor& leaf : leaves) leaf.requires_grad_();
  check.op.kernel(leaves).backward(dy.tensor());
  std::string wrong;
  for (std::size_t k = 0; k < got.size(); ++k) {
    const Array kernels = leaves[k].grad() ? Array(leaves[k].grad()) : Array(leaves[k].shape());
    wrong = join(wrong, difference(cat("d", check.op.inputs.at(k), " of ", check.op.name), got[k], kernels,
                                   check.tolerance, "the kernel gives"));
  }
  return wrong;
}

/// The gradients against central differences of the lesson's own definition, then against the kernel.
std::string check_gradients(const Check& check, const Definition& whole) {
  const Array dy = upstream(check.op, check.inputs);
  const Arrays got = gradients_of(check.op, check.inputs, dy);
  std::string wrong;
  for (std::size_t k = 0; k < got.size(); ++k) {
    wrong = join(wrong, difference(cat("d", check.op.inputs.at(k), " of ", check.op.name), got[k],
                                   central_differences(check.op, check.inputs, dy, k), kCalculus,
                                   "central differences give", terms_of(whole, check.inputs, dy, k)));
  }
  return wrong.empty() ? kernels_gradients(check, dy, got) : wrong;
}

bool is_linear(const Lesson& lesson, const std::string& op, const std::string& input) {
  return std::any_of(lesson.linear.begin(), lesson.linear.end(), [&](const Linear& each) {
    return each.op == op && std::find(each.inputs.begin(), each.inputs.end(), input) != each.inputs.end();
  });
}

/// <dy, A v> of an op that is linear in the input, apart from what does not depend on it.
double through_the_op(const Definition& op, Arrays in, const Array& dy, std::size_t input, const Array& v) {
  in[input] = v;
  const double all = dot(op.value(in), dy);
  in[input] = Array(v.shape());
  return all - dot(op.value(in), dy);
}

/// <dy, J v>, J the derivative.
double along(const Definition& op, Arrays in, const Array& dy, std::size_t input, const Array& v) {
  const Array at = in[input];
  const auto slope = [&](double step) {
    const auto value = [&](double by) {
      for (i64 i = 0; i < at.numel(); ++i) in[input][i] = at[i] + by * v[i];
      return dot(op.value(in), dy);
    };
    return (value(step) - value(-step)) / (2 * step);
  };
  constexpr double h = 1e-3;
  return (4 * slope(h / 2) - slope(h)) / 3;
}

std::string adjoint(const Lesson& lesson, const Check& check) {
  const Array dy = upstream(check.op, check.inputs);
  const Arrays gradients = gradients_of(check.op, check.inputs, dy);
  std::string wrong;
  for (std::size_t k = 0; k < check.inputs.size(); ++k) {
    const Array v = random_array(check.inputs[k].shape(), kDirection + k);
    const bool linear = is_linear(lesson, check.op.name, check.op.inputs.at(k));
    const double left = (linear ? through_the_op : along)(check.op, check.inputs, dy, k, v),
                 right = dot(gradients[k], v);
    if (std::fabs(left - right) <= (linear ? kExact : kCalculus) * (1 + std::fabs(left))) continue;
    const std::string& name = check.op.inputs[k];
    wrong = join(wrong, cat("d", name, " of ", check.op.name, " is not what goes the same way back: <dy, A v> = ", left,
                            " and <d", name, ", v> = ", right, "."));
  }
  return wrong;
}

std::string lost_terms(const Check& check, const std::vector<std::string>& listed) {
  const Array dy = upstream(check.op, check.inputs);
  const std::set<std::string> names = names_of_terms(check.op, check.inputs, dy);
  if (names.empty()) {
    std::string all;
    for (const std::string& name : listed) all += cat(all.empty() ? "" : ", ", '"', name, '"');
    return cat(check.op.name, ": no term has a name: write term(\"name\", value) around what is added. Part 7 lists ",
               all, ".");
  }
  std::string wrong;
  for (const std::string& name : names) {
    if (std::find(listed.begin(), listed.end(), name) == listed.end()) {
      wrong = join(wrong, cat(check.op.name, ": the term ", name, " is not in the list of part 7."));
    }
  }
  const Arrays right = gradients_of(check.op, check.inputs, dy);
  for (const std::string& name : listed) {
    if (names.count(name) == 0) {
      wrong = join(wrong, cat(check.op.name, ": no term is called ", name, ", which is in the list of part 7."));
      continue;
    }
    for (const double factor : {0., -1.}) {
      const Arrays mutant = gradients_of(check.op, check.inputs, dy, {name, factor});
      double error = 0;
      for (std::size_t k = 0; k < right.size(); ++k) {
        error = std::max(error, relative_l2(mutant[k].values(), right[k].values()));
      }
      if (error > kNoticed) continue;
      wrong =
          join(wrong, cat(check.op.name,
                          factor == 0 ? ": nobody would miss the term " : ": nobody would see the sign of the term ",
                          name, "."));
    }
  }
  return wrong;
}

const std::vector<std::string>& listed_terms(const Lesson& lesson, const std::string& op) {
  for (const TermList& each : lesson.terms) {
    if (each.op == op) return each.terms;
  }
  static const std::vector<std::string> none;
  return none;
}

std::string of_part(int part, const Lesson& lesson, const Lesson& whole) {
  std::string wrong;
  if (part == 1 && lesson.checks.empty()) return "The lesson has no op.";
  if (part == 2 || part == 4) {
    if (lesson.by_hand.empty()) return "Nothing is worked out by hand.";
    for (std::size_t i = 0; i < lesson.by_hand.size(); ++i) {
      const ByHand &own = lesson.by_hand[i], &right = whole.by_hand.at(i);
      wrong = join(wrong, part == 2 ? by_hand(own, right.op) : derivation(own.op, right));
    }
  }
  for (std::size_t i = 0; i < lesson.checks.size(); ++i) {
    const Check& check = lesson.checks[i];
    if (part == 3) wrong = join(wrong, definition(check));
    if (part == 5) wrong = join(wrong, check_gradients(check, whole.checks.at(i).op));
    if (part == 6) wrong = join(wrong, adjoint(lesson, check));
    if (part == 7) wrong = join(wrong, lost_terms(check, listed_terms(lesson, check.op.name)));
  }
  if (part == 8 && lesson.traps.empty()) return "The lesson has no trap.";
  if (part == 8) {
    for (const Trap& trap : lesson.traps) {
      const std::string said = trap.what_is_wrong();
      if (!said.empty()) wrong = join(wrong, cat(trap.name, ": ", said));
    }
  }
  return wrong;
}

}  // namespace

std::string what_is_wrong(int part, const Lesson& lesson, const Lesson& whole) {
  try {
    return of_part(part, lesson, whole);
  } catch (const Error& error) {
    return error.what();
  } catch (const std::out_of_range&) {
    return "A place in memory, as in y[i], is outside of its array.";
  }
}

}  // namespace md::test
