"""The pages of the lessons: as they are written, and in Chromium as a reader meets them, wide in light colours and narrow in dark ones."""
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from browser import CHROMIUM, OVERFLOW, WITHOUT_WORDS, Browser

SOURCE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tools" / "course"))
import formula  # noqa: E402
import lesson_source  # noqa: E402


class WithPages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.out = Path(folder.name)
        subprocess.run([SOURCE / "tools" / "lesson", "--pages", cls.out], check=True, stdout=subprocess.DEVNULL, timeout=60)
        cls.lessons = lesson_source.lessons(SOURCE / "tests" / "lessons")
        cls.pages = {lesson.number: cls.out / f"{lesson.path.stem}.html" for lesson in cls.lessons}


class LessonPages(WithPages):
    def test_each_lesson_names_the_one_before_it_and_is_linked_with_its_neighbours(self):
        for lesson in self.lessons:
            self.assertEqual(lesson.before, lesson.number - 1 if lesson.number > 1 else None, lesson.path)
            page = self.pages[lesson.number].read_text()
            for neighbour in (lesson.number - 1, lesson.number + 1):
                if neighbour in self.pages:
                    self.assertEqual(page.count(f'href="{self.pages[neighbour].name}"'), 2)  # above and below

    def test_every_number_worked_out_by_hand_is_in_a_picture(self):
        for lesson in self.lessons:
            source = "\n".join(line for kind, lines in lesson.parts[1] if kind == "code" for line in lines)
            arrays = len(re.findall(r'\{"\w+",\s*\{', source))
            self.assertGreater(arrays, 3, lesson.path)
            self.assertEqual(self.pages[lesson.number].read_text().count("<svg "), arrays, lesson.path)

    def test_all_eight_parts_have_text_and_there_are_formulas(self):
        for lesson in self.lessons:
            page = self.pages[lesson.number].read_text()
            sections = re.split(r'<section id="part-\d">', page)[1:]
            self.assertEqual(len(sections), 8)
            for section in sections:
                self.assertGreater(len(re.sub(r"<[^>]+>", "", re.sub(r"<pre>.*?</pre>", "", section, flags=re.S))), 40, lesson.path)
            self.assertGreater(page.count("<math "), 2, lesson.path)
            self.assertIn("Exercise.", sections[7], lesson.path)
            self.assertIn('class="blank"', page, lesson.path)

    def test_formulas(self):
        self.assertIn("<mfrac><mrow><mi>dL</mi></mrow><mrow><msub><mi>dx</mi><mrow><mi>i</mi></mrow></msub></mrow></mfrac>",
                      formula.mathml(["dL/dx[i] = 1"]))
        self.assertIn("<mfrac><mrow><mn>1</mn><mo>+</mo><mi>h</mi></mrow><mrow><mn>2</mn></mrow></mfrac>",
                      formula.mathml(["y = (1 + h) / 2"]))
        self.assertIn("<munder><mo>∑</mo><mrow><mi>i</mi></mrow></munder>", formula.mathml(["y = sum over i of x[i]"]))
        self.assertIn("<mo>−</mo><mrow><mo>(</mo><mo>−</mo><mn>2</mn><mo>)</mo></mrow>", formula.mathml(["y = 1 - -2"]))
        for bad in ("y = 2 x", "y = (1 + 2", "y = x §", "y = * 2"):
            with self.assertRaises(formula.BadFormula, msg=bad):
                formula.mathml([bad])


@unittest.skipIf(CHROMIUM is None, "no chromium (apt-get install chromium)")
class LessonPagesInBrowser(WithPages):
    def test_nothing_overflows_nothing_complains_and_pictures_have_words(self):
        with Browser() as browser:
            for page in [*self.pages.values(), self.out / "index.html"]:
                for width, dark in ((1280, False), (400, True)):
                    browser.open(page, width, dark=dark)
                    self.assertEqual(browser.ask(OVERFLOW), [], f"{page.name} at {width} pixels")
                    self.assertLessEqual(browser.ask("document.documentElement.scrollWidth"), width)
                self.assertEqual(browser.ask(WITHOUT_WORDS), [])
            self.assertEqual(browser.complaints, [])

    def test_text_stands_beside_code_where_there_is_room_and_above_it_where_there_is_none(self):
        left_of = """(() => { const row = document.querySelector('#part-3 .row'), text = row.querySelector('.text'),
            code = row.querySelector('pre'); return code.getBoundingClientRect().left > text.getBoundingClientRect().right - 1; })()"""
        with Browser() as browser:
            for width, beside in ((1280, True), (400, False)):
                browser.open(self.pages[9], width)
                self.assertEqual(browser.ask(left_of), beside)

    def test_formulas_are_drawn(self):
        with Browser() as browser:
            browser.open(self.pages[9], 1280)
            self.assertGreater(browser.ask("document.querySelector('math mfrac').getBoundingClientRect().height"), 20)


if __name__ == "__main__":
    unittest.main()
