"""The report as a reader meets it: in Chromium, wide and narrow, light and dark, with a keyboard, without script."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from browser import CHROMIUM, OVERFLOW, WITHOUT_WORDS, Browser

SOURCE = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("MD_BIN", SOURCE / "build" / "cpu" / "bin"))

REACHABLE = """[...document.querySelectorAll("a, button, summary, [tabindex]")]
  .filter((e) => e.tabIndex >= 0 && e.offsetParent !== null && !e.closest("dialog")).length"""


@unittest.skipIf(CHROMIUM is None, "no chromium (apt-get install chromium)")
class ReportInBrowser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.report = Path(cls.folder.name) / "report.html"
        cls.tool("mdsynth", "nyu", "--out", "data", "--frames", 6, "--test-frames", 4, "--seed", 1, "--height", 64,
                 "--width", 96)
        for name in ("plain", "with_a_name_that_is_as_long_as_those_of_real_runs_often_are"):
            cls.tool("mdtrain", "--data", "data", "--list", "nyu_train.txt", "--eval-list", "nyu_test.txt", "--out", name,
                     "--height", 64, "--width", 64, "--batch", 2, "--epochs", 2, "--device", "cpu", "--no-report",
                     "--metric-depth" if name != "plain" else "--no-metric-depth")
        cls.tool("mdeval", "report", "plain", name, "--out", cls.report)

    @classmethod
    def tool(cls, name, *words):
        done = subprocess.run([BIN / name, *map(str, words)], capture_output=True, text=True, timeout=300,
                              cwd=cls.folder.name)
        assert done.returncode == 0, done.stderr

    def test_nothing_overflows_and_nothing_complains(self):
        with Browser() as browser:
            for width in (1280, 400):
                for dark in (False, True):
                    browser.open(self.report, width, dark=dark)
                    self.assertEqual(browser.ask(OVERFLOW), [], f"at {width} pixels")
                    self.assertLessEqual(browser.ask("document.documentElement.scrollWidth"), width)
            self.assertEqual(browser.complaints, [])

    def test_pictures_have_words(self):
        with Browser() as browser:
            browser.open(self.report, 1280)
            self.assertGreater(browser.ask("document.querySelectorAll('main img, svg').length"), 20)
            self.assertEqual(browser.ask(WITHOUT_WORDS), [])

    def test_a_keyboard_reaches_everything(self):
        with Browser() as browser:
            browser.open(self.report, 1280)
            browser.ask("document.querySelectorAll('details').forEach((e) => { e.open = true; })")  # what is closed has no focus
            wanted, seen = browser.ask(REACHABLE), set()
            for _ in range(wanted + 5):
                browser.press("Tab", 9)
                seen.add(browser.ask("""(() => { const e = document.activeElement;
                    return [...document.querySelectorAll("*")].indexOf(e) + " " + e.tagName; })()"""))
            self.assertGreaterEqual(len({each for each in seen if not each.endswith(" BODY")}), wanted)

            browser.ask("document.querySelector('.pictures img').focus()")
            browser.press("Enter", 13, "\r")
            self.assertTrue(browser.ask("document.getElementById('zoom').open"))
            browser.press("Escape", 27)
            self.assertFalse(browser.ask("document.getElementById('zoom').open"))

            first = "document.querySelector('table.sortable tbody th').textContent"
            names = []
            for _ in range(2):
                browser.ask("document.querySelector('table.sortable th button').focus()")
                browser.press("Enter", 13, "\r")
                names.append(browser.ask(first))
            self.assertNotEqual(*names, "sorting turns round")

    def test_it_is_whole_without_script(self):
        with Browser(script=False) as browser:
            browser.open(self.report, 400)
            tree = browser.call("Accessibility.getFullAXTree")["nodes"]
            words = " ".join(str(node.get("name", {}).get("value", "")) for node in tree)
            for part in ("Measures", "Learning curves", "Frames", "Where it is wrong", "Features", "How it was made", "AbsRel"):
                self.assertIn(part, words)
            self.assertEqual(browser.complaints, [])


if __name__ == "__main__":
    unittest.main()
