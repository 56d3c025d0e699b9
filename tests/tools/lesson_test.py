"""tools/lesson with a student before it: nothing filled in, all of it, half of it, and wrong in the ways that students are."""
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MD_BIN", SOURCE / "build" / "cpu" / "bin")).parent
sys.path.insert(0, str(SOURCE / "tools" / "course"))
import lesson_source  # noqa: E402
import student  # noqa: E402

PRODUCT = "dx(p.n, p.iy, p.ix, p.c) += term("


class Student(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.lessons = {lesson.number: lesson for lesson in lesson_source.lessons(SOURCE / "tests" / "lessons")}

    def judge(self, number, write):
        """{part: what is said of it} for the lesson as write(text) leaves it, and the exit code."""
        lesson = self.lessons[number]
        path = self.folder / lesson.path.name
        path.write_text(write(lesson.path.read_text()).replace("namespace md::lessons::", "namespace md::student::"))
        done = subprocess.run([SOURCE / "tools" / "lesson", str(number), self.folder, "--build", BUILD],
                              capture_output=True, text=True, timeout=300)
        said = re.split(r"^  (\d) .{18} ", done.stdout, flags=re.M)
        self.assertEqual(len(said), 17, done.stdout + done.stderr)
        parts = {int(number): text.strip() for number, text in zip(said[1::2], said[2::2])}
        parts[8] = parts[8].split("\n")[0]  # behind it stands the count
        return parts, done.returncode

    def replaced(self, number, old, new):
        """What is said where the lesson is right but for this."""
        def write(text):
            self.assertIn(old, text)
            return text.replace(old, new)
        return self.judge(number, write)[0]

    def test_1_nothing_is_filled_in(self):
        path = self.folder / self.lessons[9].path.name
        student.write_blanks(self.lessons[9], path)
        opened = path.read_text()
        self.assertEqual(path.with_suffix(".html").read_text().count(">?</text>"), 18)  # y, dx, dw, dbias
        self.assertNotIn("dy * w\", dy(", opened)
        parts, code = self.judge(9, lambda _: opened)
        self.assertEqual(code, 1)
        self.assertIn("y: not written yet: 4 numbers", parts[2])
        for part in (3, 4, 5, 6, 7):
            self.assertIn("not written yet: ", parts[part])

    def test_1_every_lesson_compiles_with_open_blanks(self):
        """All of them at once: a build each would take a minute."""
        lines = []
        for number, lesson in self.lessons.items():
            path = self.folder / "open" / lesson.path.name
            student.write_blanks(lesson, path)
            lines.append(f'#include "{path}"')
        name = self.lessons[1].path.stem.split("_", 1)[1]
        lines += [f'#include "tests/lessons/{self.lessons[1].path.name}"', f"namespace own = md::student::{name};",
                  f"namespace whole = md::lessons::{name};", ""]
        chosen = BUILD / "tests" / "students" / "student_lesson.h"
        chosen.parent.mkdir(exist_ok=True)
        chosen.write_text("\n".join(lines))
        done = subprocess.run(["cmake", "--build", BUILD, "--target", "student"], capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:])

    def test_2_all_is_right(self):
        parts, code = self.judge(9, lambda text: text)
        self.assertEqual(set(parts.values()), {"right", "to be read"})
        self.assertEqual(code, 0)

    def test_3_half_is_done(self):
        def half(text):
            return text.replace("dw(p.o, p.ky, p.kx, p.i) += term(", "term(")
        parts, code = self.judge(9, half)
        self.assertEqual((parts[2], parts[3], code), ("right", "right", 1))
        self.assertIn("dw is 0 everywhere: nothing is added to it.", parts[4])
        self.assertIn("dw of conv2d is 0 everywhere", parts[5])

    def test_4_a_wrong_sign(self):
        parts = self.replaced(9, PRODUCT, PRODUCT.replace("+=", "-="))
        self.assertIn("dx has the wrong sign. At (", parts[4])
        self.assertIn("dx of conv2d has the wrong sign. ", parts[5])
        self.assertIn("dx of conv2d is not what goes the same way back", parts[6])

    def test_5_a_swapped_index(self):
        parts = self.replaced(9, '"dy * w", dy(p.n, p.oy, p.ox, p.o) * w(p.o, p.ky, p.kx, p.i)',
                              '"dy * w", dy(p.n, p.oy, p.ox, p.o) * w(p.o, p.kx, p.ky, p.i)')
        self.assertIn("dx is wrong, and not by a sign", parts[4])  # 2x2 weights: every index is inside
        self.assertIn("an index is swapped", parts[5])             # 2x3 weights

    def test_6_a_missing_term(self):
        parts = self.replaced(1, "d[from.at] += term(", "d[from.at] = term(")  # a second path overwrites the first
        self.assertIn("da misses a term: dy, to the second.", parts[4])

    def test_7_a_term_with_another_name(self):
        parts = self.replaced(9, '"dy * w", dy(p.n, p.oy', '"dy*w", dy(p.n, p.oy')
        self.assertIn("conv2d: no term is called dy * w, which is in the list of part 7.", parts[7])

    def test_8_an_index_outside_of_an_array(self):
        parts = self.replaced(9, "dbias[i % dbias.numel()]", "dbias[i]")
        self.assertIn("outside of its array", parts[4])

    def test_9_a_wrong_number_by_hand(self):
        parts = self.replaced(9, "{7, 6, 4, 9}", "{7, 6, -4, 9}")
        self.assertIn("y is right but for one number. At (0,1,0,0) it is -4 where the definition gives 4.", parts[2])

    def test_what_does_not_compile_is_said_by_the_compiler_alone(self):
        said = ("[1/3] Building CXX object a.o\n[2/3] Building CXX object b.o\nFAILED: b.o \n/usr/bin/c++ -c b.cpp\n"
                "b.cpp:1:2: error: expected ';'\nninja: build stopped: subcommand failed.\n")
        self.assertEqual(student.compilers_words(said), "b.cpp:1:2: error: expected ';'")


if __name__ == "__main__":
    unittest.main()
