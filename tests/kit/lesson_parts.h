// Judges a lesson part by part, as a test or for a student who has filled its blanks.
#pragma once
#include "tests/kit/lesson.h"

namespace md::test {

/// The headings of a lesson's parts, in their order.
inline constexpr const char* kPartNames[] = {"Idea",  "By hand", "Definition", "Derivation",
                                             "Check", "Adjoint", "Lost terms", "Trap and exercise"};

/// What is wrong with a part, 1 to 8, of a lesson: sentences, one a line; or nothing. `whole` is the same lesson with
/// nothing left out, which knows the terms that a student's may miss; the lesson itself, where it is no student's.
std::string what_is_wrong(int part, const Lesson&, const Lesson& whole);

}  // namespace md::test
