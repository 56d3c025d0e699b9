// Draws for lessons, and their blanks.
#include "tests/kit/lesson.h"

#include "tests/kit/testing.h"

namespace md::test {

Array random_array(const Shape& shape, std::uint64_t seed, double low, double high) {
  return Array(random_tensor(shape, seed, float(low), float(high)));
}

void not_written(const std::string& what) { fail(ErrorKind::usage, "not written yet: ", what); }

}  // namespace md::test
