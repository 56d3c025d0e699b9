// Runs one lesson: the header that MD_LESSON names. Each of its eight parts is a test, and the generic mutation test
// takes the terms that it lists.
#include <algorithm>
#include <fstream>
#include <regex>

#include "tests/kit/lesson_parts.h"
#include "tests/kit/lost_terms.h"
#include MD_LESSON

namespace md::test {
namespace {

const Lesson& the_lesson() {
  static const Lesson lesson = lessons::MD_LESSON_NAMESPACE::lesson();
  return lesson;
}

class Part : public ::testing::TestWithParam<int> {};

TEST_P(Part, Holds) { EXPECT_EQ(what_is_wrong(GetParam(), the_lesson(), the_lesson()), ""); }

/// "LostTerms" for part 7.
std::string name_of_part(const ::testing::TestParamInfo<int>& part) {
  std::string name;
  bool capital = true;
  for (const char each : std::string(kPartNames[part.param - 1])) {
    if (each != ' ') name += capital ? char(std::toupper(each)) : each;
    capital = each == ' ';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(MD_LESSON_NAME, Part, ::testing::Range(1, 9), name_of_part);

/// The ops that the head of the lesson names, between "Ops:" and the full stop.
std::set<std::string> ops_of_the_head() {
  std::ifstream file(source_dir() + "/" MD_LESSON);
  std::string head, line;
  while (std::getline(file, line) && line != "//") head += line.substr(2);
  std::set<std::string> ops;
  const std::regex op(R"(\w+)");
  const std::size_t begin = head.find("Ops:") + 4;
  for (std::sregex_iterator at(head.begin() + std::ptrdiff_t(begin), head.end(), op), end; at != end; ++at) {
    ops.insert(at->str());
  }
  return ops;
}

/// Every op of the head is checked and has its terms; the lesson has a number worked out by hand and a trap.
TEST(Whole, MD_LESSON_NAME) {
  std::set<std::string> checked, with_terms;
  for (const Check& check : the_lesson().checks) checked.insert(check.op.name);
  for (const TermList& list : the_lesson().terms) {
    if (!list.terms.empty()) with_terms.insert(list.op);
    EXPECT_TRUE(checked.contains(list.op)) << list.op << " has terms and no check";
  }
  for (const std::string& op : ops_of_the_head()) {
    EXPECT_TRUE(checked.contains(op)) << op << " is not checked";
    EXPECT_TRUE(with_terms.contains(op)) << op << " has no terms";
  }
  for (const ByHand& example : the_lesson().by_hand) {
    for (const Named& input : example.inputs)
      EXPECT_LE(input.shape.numel(), 18) << input.name << " is too large for a hand";
  }
  EXPECT_FALSE(the_lesson().by_hand.empty());
  EXPECT_FALSE(the_lesson().traps.empty());
}

/// The gradient of one input without a term, by the definition.
Tensor gradient_without(const std::string& term, const Definition& op, std::size_t input, const std::vector<Tensor>& x,
                        const Tensor& dy) {
  const Arrays in(x.begin(), x.end());
  return op.gradients(in, Array(dy), {term, 0})[input].tensor();
}

/// Whether the term is one of this input's gradient, and not of another's.
bool belongs_to(const std::string& term, const Definition& op, std::size_t input, const Arrays& in, const Array& dy) {
  return op.gradients(in, dy, {term, 0})[input].values() != op.gradients(in, dy, {})[input].values();
}

OpCase op_case(const Check& check, const std::vector<std::string>& terms) {
  OpCase op{check.op.name.c_str(),
            check.op.kernel,
            {},
            {.tolerance = std::max(1e-3, check.tolerance), .step = check.step, .kinks = check.kinks}};
  for (const Array& each : check.inputs) op.inputs.push_back(each.tensor());
  const Array dy(random_upstream(check.op.value(check.inputs).shape(), op.options.seed));
  for (const std::string& term : terms) {
    for (std::size_t k = 0; k < check.inputs.size(); ++k) {
      if (!belongs_to(term, check.op, k, check.inputs, dy)) continue;
      op.lost.push_back(
          {term.c_str(), int(k), [=, &check, &term](const std::vector<Tensor>& x, const Tensor& upstream) {
             return gradient_without(term, check.op, k, x, upstream);
           }});
    }
  }
  return op;
}

TEST(Mutation, MD_LESSON_NAME) {
  for (const Check& check : the_lesson().checks) {
    if (!check.op.differentiable_kernel) continue;
    for (const TermList& list : the_lesson().terms) {
      if (list.op == check.op.name) expect_wrong_gradients_caught(op_case(check, list.terms));
    }
  }
}

}  // namespace
}  // namespace md::test
