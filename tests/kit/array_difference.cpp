// Tries one mistake after the other on the right array, and names the first that gives the array at hand.
#include "tests/kit/array_difference.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "tests/kit/testing.h"

namespace md::test {
namespace {

constexpr double kSame = 1e-5;  // a mistake is told apart from another one; the arrays may be a float kernel's

/// want + factor * part.
std::vector<double> with(const Array& want, double factor, const Array& part) {
  std::vector<double> sum = want.values();
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += factor * part.values()[i];
  return sum;
}

/// got = factor * want in the sense of least squares.
double factor_between(const Array& got, const Array& want) {
  double product = 0, square = 0;
  for (i64 i = 0; i < got.numel(); ++i) {
    product += got[i] * want[i];
    square += want[i] * want[i];
  }
  return square > 0 ? product / square : 0;
}

std::string a_term(const std::string& name, const Array& got, const Array& want, const std::vector<TermPart>& terms) {
  const auto is = [&](double factor, const Array& part) {
    return relative_l2(part.values(), Array(part.shape()).values()) > 0 &&
           relative_l2(got.values(), with(want, factor, part)) < kSame;
  };
  for (const TermPart& each : terms) {
    if (is(-1, each.part)) return cat(name, " misses a term: ", each.name, ".");
    if (is(-2, each.part)) return cat(name, " has a term with the wrong sign: ", each.name, ".");
    if (terms.size() > 1 && is(1, each.part)) return cat(name, " has a term twice: ", each.name, ".");
  }
  return "";
}

bool same_numbers_elsewhere(const Array& got, const Array& want) {
  std::vector<double> a = got.values(), b = want.values();
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return relative_l2(a, b) < kSame;
}

i64 different_numbers(const Array& got, const Array& want) {
  i64 count = 0;
  for (i64 i = 0; i < got.numel(); ++i) count += std::fabs(got[i] - want[i]) <= kSame * std::fabs(want[i]) ? 0 : 1;
  return count;
}

/// "(0,2,1,0)", the coordinates of a place in memory.
std::string place(const Shape& shape, i64 flat) {
  std::string at;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    at = cat(flat % shape[axis], at.empty() ? "" : ",", at);
    flat /= shape[axis];
  }
  return "(" + at + ")";
}

std::string worst(const Array& got, const Array& want, const std::string& source) {
  i64 at = 0;
  for (i64 i = 0; i < got.numel(); ++i) {
    if (!(std::fabs(got[i] - want[i]) <= std::fabs(got[at] - want[at]))) at = i;
  }
  return cat("At ", place(got.shape(), at), " it is ", got[at], " where ", source, " ", want[at], ".");
}

}  // namespace

std::string difference(const std::string& name, const Array& got, const Array& want, double tolerance,
                       const std::string& source, const std::vector<TermPart>& terms) {
  if (got.shape() != want.shape()) return cat(name, " has the shape ", got.shape(), " and not ", want.shape(), ".");
  if (relative_l2(got.values(), want.values()) <= tolerance) return "";
  const std::vector<double> zeros(got.values().size());
  const std::string seen = " " + worst(got, want, source);
  if (got.values() == zeros) return name + " is 0 everywhere: nothing is added to it." + seen;
  const double factor = factor_between(got, want);
  std::vector<double> scaled = want.values();
  for (double& each : scaled) each *= factor;
  const bool proportional = factor != 0 && relative_l2(got.values(), scaled) < kSame;
  if (proportional && std::fabs(factor + 1) < kSame) return name + " has the wrong sign." + seen;
  if (const std::string term = a_term(name, got, want, terms); !term.empty()) return term + seen;
  if (proportional)
    return cat(name, " is ", factor, " times what it should be: a factor is missing or one too many.", seen);
  if (same_numbers_elsewhere(got, want)) {
    return name + " has the right numbers at the wrong places: an index is swapped." + seen;
  }
  return name +
         (different_numbers(got, want) == 1
              ? " is right but for one number."
              : " is wrong, and not by a sign, a factor or a whole term: look at its indices, and at what each number "
                "is multiplied by.") +
         seen;
}

}  // namespace md::test
