"""A lesson as a page of HTML: text beside code, formulas as MathML, the example worked out by hand as pictures of arrays."""
import math
import re
from html import escape
from pathlib import Path

import formula
import lesson_source

FOLDER = Path(__file__).resolve().parent
NAMED = re.compile(r'\{"(\w+)",\s*\{([\d,\s]*)\},\s*\{([-\w.,*/\s]*)\}\}')
CELL_W, CELL_H = 38, 30
WORDS = re.compile(r'(?P<comment>//.*$)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>(?<![\w.])\d[\w.\'-]*\b)|'
                   r"(?P<word>\b(?:inline|return|const|constexpr|struct|class|template|for|if|else|while|continue|namespace|"
                   r"using|auto|double|float|int|bool|void|static|true|false|std)\b)|(?P<directive>^#\w+)", re.M)


def inline(text):
    """`code` and *emphasis* of a paragraph. A line does not end inside of 1e-8."""
    out = []
    text = re.sub(r"(?<=\de)-(?=\d)", "\N{NON-BREAKING HYPHEN}", text)
    for part in re.split(r"(`[^`]+`)", text):
        if part.startswith("`"):
            out.append(f"<code>{escape(part[1:-1])}</code>")
        else:
            out.append(re.sub(r"(?<!\w)\*(\w[^*]*?)\*(?!\w)", r"<em>\1</em>", escape(part, quote=False)))
    return "".join(out)


def text_html(lines):
    """Paragraphs, lists and formulas of a comment."""
    out, paragraph, items, block = [], [], [], []

    def flush():
        if paragraph:
            out.append(f"<p>{inline(' '.join(paragraph))}</p>")
        if items:
            out.append("<ul>" + "".join(f"<li>{inline(item)}</li>" for item in items) + "</ul>")
        if block:
            out.append(f'<div class="formula">{formula.mathml(block)}</div>')
        paragraph.clear(), items.clear(), block.clear()

    for line in (line[2:] for line in lines):
        if not line.strip():
            flush()
        elif line.startswith("     "):
            if not block:
                flush()
            block.append(line.strip())
        elif line.startswith(" - "):
            if not items:
                flush()
            items.append(line[3:])
        elif items and line.startswith("   "):
            items[-1] += " " + line.strip()
        else:
            if block or items:
                flush()
            paragraph.append(line.strip())
    flush()
    return "\n".join(out)


def highlighted(line):
    """A line of C++ with its words marked."""
    out, at = [], 0
    for match in WORDS.finditer(line):
        out.append(escape(line[at:match.start()]))
        out.append(f'<span class="{match.lastgroup}">{escape(match[0])}</span>')
        at = match.end()
    return "".join(out) + escape(line[at:])


def code_html(lines):
    """Code, with what a student fills in as a part of its own, closed until it is clicked."""
    out, held = [], []
    for line in lines:
        blank = lesson_source.BLANK.match(line)
        if blank or lesson_source.END_OF_BLANK.match(line):
            out.append("\n".join(held))
            out.append(f'<details class="blank"><summary>blank: {escape(blank[2])}</summary>' if blank else "</details>")
            held = []
        else:
            held.append(highlighted(line))
    out.append("\n".join(held))
    return "<pre>" + "\n".join(out).replace("</summary>\n", "</summary>").replace("\n</details>\n", "</details>") + "</pre>"


def number(text):
    """As it is typed, a long one to three digits, with the signs of print."""
    text = text.strip().replace(" * ", "⋅")
    return (f"{float(text):.3g}" if re.fullmatch(r"-?[\d.]{7,}", text) else text).replace("-", "−")


def grid(values, rows, columns):
    """A picture of rows x columns numbers."""
    cells, wide = [], max([CELL_W] + [9 * len(number(value)) + 12 for value in values])
    for i, value in enumerate(values):
        x, y = i % columns * wide, i // columns * CELL_H
        cells.append(f'<rect x="{x + 1}" y="{y + 1}" width="{wide}" height="{CELL_H}"/>'
                     f'<text x="{x + 1 + wide / 2}" y="{y + CELL_H / 2 + 6}">{number(value)}</text>')
    return columns * wide + 2, rows * CELL_H + 2, "".join(cells)


def array_svg(name, shape, values, role):
    """An array as one picture: planes [rows, columns] of the middle axes beside each other, the outer and the last axis
    counted below them."""
    dims = [int(each) for each in shape.split(",") if each.strip()]
    numbers = [each for each in values.split(",") if each.strip()] or ["?"] * math.prod(dims)  # a blank
    outer, (rows, columns), inner = {0: (1, (1, 1), 1), 1: (1, (1, dims[-1] if dims else 1), 1)}.get(
        len(dims), (1, tuple(dims[:2]), 1) if len(dims) == 2 else (1, tuple(dims[:2]), dims[2]) if len(dims) == 3
        else (dims[0], (dims[1], dims[2]), dims[3]) if len(dims) == 4 else None)
    pictures, left, height = [], 0, 0
    for a in range(outer):
        for c in range(inner):
            plane = [numbers[(a * rows * columns + k) * inner + c] for k in range(rows * columns)]
            width, tall, cells = grid(plane, rows, columns)
            several = outer * inner > 1
            label = ", ".join([str(a)] * (outer > 1) + [".."] + [str(c)] * (inner > 1))
            note = f'<text class="note" x="{width / 2}" y="{tall + 15}">{label}</text>' if several else ""
            pictures.append(f'<g transform="translate({left},0)">{cells}{note}</g>')
            left, height = left + width + 12, max(height, tall + (20 if several else 0))
    words = f"{name}, {' by '.join(map(str, dims)) or 'one number'}: {', '.join(map(number, numbers))}"
    return (f'<figure class="{role}"><figcaption>{escape(name)} <small>[{",".join(map(str, dims))}]</small></figcaption>'
            f'<svg viewBox="0 0 {left - 12} {height}" width="{left - 12}" height="{height}" role="img" '
            f'aria-label="{escape(words)}">{"".join(pictures)}</svg></figure>')


def arrays_html(lines):
    """The arrays of every example that is worked out by hand, in the order of its source."""
    out = []
    for example in "\n".join(lines).split(".inputs =")[1:]:
        figures = []
        for match in NAMED.finditer(example):
            before = example[:match.start()]
            role = "gradient" if ".gradients" in before else "given" if ".dy" in before else "output" if ".y" in before \
                else "input"
            figures.append(array_svg(*match.groups(), role))
        out.append(f'<div class="arrays">{"".join(figures)}</div>')
    return "".join(out)


def part_html(number, name, blocks):
    """A part: its texts, each beside the code that follows it."""
    rows, text = [], ""
    for kind, lines in blocks:
        if kind == "text":
            text += text_html(lines)
            continue
        pictures = arrays_html(lines) if number == 2 else ""
        rows.append(f'<div class="row"><div class="text">{text}{pictures}</div>{code_html(lines)}</div>')
        text = ""
    if text:
        rows.append(f'<div class="row alone"><div class="text">{text}</div></div>')
    return f'<section id="part-{number}"><h2>{number}. {escape(name)}</h2>{"".join(rows)}</section>'


def shell(title, body):
    style = (FOLDER / "page.css").read_text()
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
            f'initial-scale=1"><title>{escape(title)}</title><style>\n{style}</style></head>\n<body>{body}</body></html>\n')


def file_of(lesson):
    return lesson.path.stem + ".html"


def ways_html(lesson, lessons):
    """Links to the lessons before and behind."""
    def link(other, words, rel):
        return f'<a rel="{rel}" href="{file_of(other)}">{words} {other.number}: {escape(other.name)}</a>'
    at = lessons.index(lesson)
    ways = [link(lessons[at - 1], "← Lesson", "prev")] if at > 0 else []
    ways.append('<a href="index.html">All lessons</a>')
    ways += [link(lessons[at + 1], "Lesson", "next") + " →"] if at + 1 < len(lessons) else []
    return f'<nav aria-label="Lessons">{"".join(f"<span>{way}</span>" for way in ways)}</nav>'


def lesson_html(lesson, lessons):
    """The whole page; without links where it stands alone and `lessons` is empty."""
    ways = ways_html(lesson, lessons) if lessons else ""
    parts = "".join(f'<a href="#part-{k}">{k}. {name}</a>' for k, name in enumerate(lesson_source.PARTS, 1))
    ops = ", ".join(f"<code>{escape(op)}</code>" for op in lesson.ops)
    body = "".join(part_html(k, name, blocks)
                   for k, (name, blocks) in enumerate(zip(lesson_source.PARTS, lesson.parts), 1))
    return shell(f"Lesson {lesson.number}: {lesson.name}",
                 f'<header>{ways}<h1>Lesson {lesson.number}: {escape(lesson.name)}</h1><p class="ops">Ops: {ops}. Source: '
                 f'<code>tests/lessons/{lesson.path.name}</code>, filled in with <code>tools/lesson {lesson.number}</code>.</p>'
                 f'<nav class="parts" aria-label="Parts">{parts}</nav></header><main>{body}</main><footer>{ways}</footer>')


def index_html(lessons):
    rows = "".join(f'<li value="{lesson.number}"><a href="{file_of(lesson)}">{escape(lesson.name)}</a> '
                   f'<span class="ops">{escape(", ".join(lesson.ops))}</span></li>' for lesson in lessons)
    return shell("Backpropagation in vision networks",
                 f"<header><h1>Backpropagation in vision networks</h1><p>{len(lessons)} lessons for a reader who knows "
                 f"calculus and C++. Each is a test of this engine: what it says is run.</p></header>"
                 f'<main><ol class="lessons">{rows}</ol></main>')


def write_all(lessons, out):
    """The pages of all lessons, and their index."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for lesson in lessons:
        try:
            (out / file_of(lesson)).write_text(lesson_html(lesson, lessons))
        except formula.BadFormula as error:
            raise lesson_source.BadLesson(f"{lesson.path}: {error}") from None
    (out / "index.html").write_text(index_html(lessons))
