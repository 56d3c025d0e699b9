"""A lesson as its source: the heads, the eight parts, in each of them text and code in turn, and the blanks."""
import re
from pathlib import Path

PARTS = ("Idea", "By hand", "Definition", "Derivation", "Check", "Adjoint", "Lost terms", "Trap and exercise")
HEADING = re.compile(r"^// (\d)\. (.+)$")
BLANK = re.compile(r"^\s*// blank( numbers)?: (.+)$")
END_OF_BLANK = re.compile(r"^\s*// end of blank$")


class BadLesson(Exception):
    """A lesson that is not written as the others are."""


class Lesson:
    """`parts` has for each heading the list of its blocks, ("text", lines) or ("code", lines), in their order."""

    def __init__(self, path):
        self.path = Path(path)
        self.lines = self.path.read_text().splitlines()
        title = re.match(r"^// Lesson (\d+): (.+)$", self.lines[0])
        head = " ".join(line[3:] for line in self.lines[1:self.lines.index("//")])
        before = re.match(r"^(After lesson (\d+), .+?|The first lesson)\. Ops: (.+)\.$", head)
        if not title or not before:
            raise BadLesson(f"{path}: begins with '// Lesson N: NAME' and '// After lesson N, NAME. Ops: ...'")
        self.number, self.name = int(title[1]), title[2]
        self.before = int(before[2]) if before[2] else None
        self.ops = before[3].split(", ")
        self.parts = self.split()

    def split(self):
        """The parts by their headings, which all are there, in order."""
        headings = [(int(m[1]), m[2], at) for at, line in enumerate(self.lines) if (m := HEADING.match(line))]
        if [(number, name) for number, name, _ in headings] != list(enumerate(PARTS, 1)):
            raise BadLesson(f"{self.path}: its parts are {[name for _, name, _ in headings]}, not {list(PARTS)}")
        ends = [at for _, _, at in headings[1:]] + [len(self.lines)]
        return [blocks(self.lines[at + 1:end]) for (_, _, at), end in zip(headings, ends)]


def blocks(lines):
    """Comments that begin a line, by turns with code."""
    found = []
    for line in lines:
        kind = "text" if line.startswith("//") and not line.startswith("///") else "code"
        if not line.strip() and found:
            kind = found[-1][0] if found[-1][0] == "code" else "between"
        if kind == "between" or (not line.strip() and not found):
            continue
        if not found or found[-1][0] != kind:
            found.append((kind, []))
        found[-1][1].append(line)
    return [(kind, strip_empty(block)) for kind, block in found if strip_empty(block)]


def strip_empty(lines):
    """Without empty lines at both ends."""
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def lessons(folder):
    """All lessons of a folder, by number."""
    return sorted((Lesson(path) for path in Path(folder).glob("[0-9]*_*.h")), key=lambda lesson: lesson.number)


NAMED = re.compile(r'(\{"\w+", \{[\d, ]*\}, )\{[^{}]*\}')


def with_open_blanks(lines):
    """The lines with what stands between the markers taken out. A blank of code says when it runs that it is not written;
    one of numbers, {"y", {1, 2, 2, 1}, {7, 6, 4, 9}}, has none."""
    out, held, blank = [], [], None
    for line in lines:
        if END_OF_BLANK.match(line):
            if blank[1]:
                out += NAMED.sub(r"\1{}", "\n".join(held)).split("\n")
            else:
                words = blank[2].replace('"', '\\"')
                out.append(f'{line[:len(line) - len(line.lstrip())]}not_written("{words}");')
            blank = None
        elif blank:
            held.append(line)
            continue
        out.append(line)
        if BLANK.match(line):
            held, blank = [], BLANK.match(line)
    if blank:
        raise BadLesson("a blank has no end")
    return out
