// Judges a student's lesson, part by part, beside the whole one: tools/lesson. Exits with 1 unless all parts are right.
#include <cstdio>

#include "student_lesson.h"  // written by tools/lesson: the namespaces `own` and `whole`
#include "tests/kit/lesson_parts.h"

namespace {

/// The sentences one below the other.
std::string indented(std::string sentences) {
  for (std::size_t at = 0; (at = sentences.find('\n', at)) != std::string::npos; at += 1) {
    sentences.replace(at, 1, "\n" + std::string(23, ' '));
  }
  return sentences;
}

}  // namespace

int main() {
  const md::test::Lesson own_lesson = own::lesson(), whole_lesson = whole::lesson();
  int right = 0;
  for (int part = 1; part <= 8; ++part) {
    const std::string wrong = md::test::what_is_wrong(part, own_lesson, whole_lesson);
    right += wrong.empty() ? 1 : 0;
    std::printf("  %d %-18s %s\n", part, md::test::kPartNames[part - 1],
                wrong.empty() ? part == 1 ? "to be read" : "right" : indented(wrong).c_str());
    std::fflush(stdout);  // what is said stays, should the next part crash
  }
  std::printf("%d of 8 parts are done\n", right);
  return right == 8 ? 0 : 1;
}
