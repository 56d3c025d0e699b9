// Says in a sentence how one array differs from what it should be: the sign, a factor, a term, places.
#pragma once
#include <string>
#include <vector>

#include "tests/kit/array.h"

namespace md::test {

/// What a term adds to an array.
struct TermPart {
  std::string name;
  Array part;
};

/// Nothing where |got - want| <= tolerance * |want|. Else a sentence that begins with the name; `source` says who
/// wants it: "central differences give", "the kernel gives".
std::string difference(const std::string& name, const Array& got, const Array& want, double tolerance,
                       const std::string& source, const std::vector<TermPart>& terms = {});

}  // namespace md::test
