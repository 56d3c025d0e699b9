"""A lesson in a student's hands: the file with its blanks open, built against the libraries, judged part by part."""
import signal
import subprocess
import sys

import lesson_source
import page


def write_blanks(lesson, path):
    """The lesson with open blanks, in a namespace of its own, as the whole one is compiled beside it; and its page."""
    lines = lesson_source.with_open_blanks(lesson.lines)
    text = "\n".join(lines).replace("namespace md::lessons::", "namespace md::student::") + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.with_suffix(".html").write_text(page.lesson_html(lesson_source.Lesson(path), []))


def compilers_words(said):
    """The end of what ninja printed: of a failed compilation its errors alone, without the command and what was built before."""
    at = said.rfind("FAILED: ")
    return said[-4000:] if at < 0 else "\n".join(said[at:].split("\n")[2:-2])


def build(lesson, path, source, folder):
    """Builds the program that judges it. False, with the compiler's words on stderr, where that fails."""
    if not (folder / "CMakeCache.txt").exists():
        print(f"lesson: configuring {folder}; the first build takes minutes", flush=True)
        subprocess.run(["cmake", "--preset", "cpu", "-DMD_TESTS=ON", "-B", folder], cwd=source, check=True,
                       stdout=subprocess.DEVNULL)
    name = lesson.path.stem.split("_", 1)[1]
    text = (f'#include "{path.resolve()}"\n#include "tests/lessons/{lesson.path.name}"\n'
            f"namespace whole = md::lessons::{name};\nnamespace own = md::student::{name};\n")
    chosen = folder / "tests" / "students" / "student_lesson.h"
    chosen.parent.mkdir(parents=True, exist_ok=True)
    if not chosen.exists() or chosen.read_text() != text:
        chosen.write_text(text)
    print("building", flush=True)
    done = subprocess.run(["cmake", "--build", folder, "--target", "student"], capture_output=True, text=True)
    if done.returncode != 0:
        print(compilers_words(done.stdout), file=sys.stderr)
    return done.returncode == 0


def run(lesson, folder, source, build_folder):
    """Makes the file if it is not there, judges it, prints a line a part. The program's exit code, 1 where it crashed."""
    path = folder / lesson.path.name
    if not path.exists():
        write_blanks(lesson, path)
    print(f"Lesson {lesson.number}: {lesson.name}\n{path}, to be read as {path.with_suffix('.html').name}", flush=True)
    if not build(lesson, path, source, build_folder):
        print("It does not compile.", file=sys.stderr)
        return 1
    code = subprocess.run([build_folder / "tests" / "student"]).returncode
    if code < 0:
        print(f"It crashed behind the last line above: {signal.Signals(-code).name}. An index outside of a std::vector?",
              file=sys.stderr)
    return code if code >= 0 else 1
