"""tools/experiments on rooms of mdsynth: stopped and killed on the way it goes on, and never makes a run twice."""
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("MD_BIN", SOURCE / "build" / "cpu" / "bin"))


class Experiments(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.holder.cleanup)
        cls.folder = Path(cls.holder.name)
        subprocess.run([BIN / "mdsynth", "nyu", "--out", "data", "--frames", "6", "--test-frames", "3", "--seed", "1",
                        "--height", "64", "--width", "96"], cwd=cls.folder, check=True, capture_output=True)

    def words(self, command, *more):
        sets = ["list=nyu_train.txt", "eval-list=nyu_test.txt", "height=64", "width=64", "batch=2", "border=keep", "rotation=0",
                "protocol=plain", "flip-average=false", "device=cpu", "lr=1e-3"]
        return [sys.executable, SOURCE / "tools" / "experiments", command, "table5", "--data", "data", "--seeds", "0,1",
                "--scale", "0.1", *(word for each in sets for word in ("--set", each)), *more]

    def start(self, *words):
        return subprocess.Popen(list(map(str, words)), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=dict(os.environ, MD_BIN=str(BIN)), start_new_session=True)

    def ask(self, *words, code=0):
        process = self.start(*words)
        out, err = process.communicate(timeout=300)
        self.assertEqual(process.returncode, code, err)
        return out

    def results(self):
        return sorted((self.folder / "runs").rglob("results.json"))

    def test_killed_and_stopped_it_goes_on(self):
        for how in (signal.SIGKILL, signal.SIGINT):
            before, process = len(self.results()), self.start(*self.words("run"))
            end = time.monotonic() + 120
            while len(self.results()) == before and time.monotonic() < end:
                time.sleep(0.02)
            os.killpg(process.pid, how)
            process.communicate(timeout=60)
            self.assertGreater(len(self.results()), before)
        done = self.results()
        self.assertLess(len(done), 6)
        dates = {path: path.stat().st_mtime_ns for path in done}

        self.assertIn(f"6 runs, {len(done)} of them done", self.ask(*self.words("run", "--jobs", 2)))
        self.assertEqual(len(self.results()), 6)
        self.assertEqual({path: path.stat().st_mtime_ns for path in done}, dates, "what was done stays as it was")
        self.assertIn("6 runs, 6 of them done", self.ask(*self.words("run")))
        self.assertNotIn("to do", self.ask(*self.words("status")))
        self.assertIn("to do", self.ask(*self.words("status", "--set", "lr=2e-3")), "another run by any option")

        text = self.ask(*self.words("table", "--out", "tables"))
        self.assertIn("0.1 of the schedule's epochs", text)
        self.assertIn("| both, 10 and 4 | 2 | ", text)
        with open(self.folder / "tables" / "table5.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row["row"] for row in rows], ["within 10", "across 4", "both, 10 and 4"])
        self.assertEqual(rows[2]["abs_rel_paper"], ".1375")
        self.assertLessEqual(float(rows[1]["abs_rel_low"]), float(rows[1]["abs_rel_difference"]))
        self.assertLessEqual(float(rows[1]["abs_rel_difference"]), float(rows[1]["abs_rel_high"]))
        self.assertAlmostEqual(float(rows[1]["abs_rel"]) - float(rows[0]["abs_rel"]), float(rows[1]["abs_rel_difference"]))
        self.assertIn("<table>", (self.folder / "tables" / "table5.html").read_text())

    def test_every_description_is_whole(self):
        listed = self.ask(sys.executable, SOURCE / "tools" / "experiments", "list")
        for number in range(1, 9):
            self.assertIn(f"table{number} ", listed)

    def test_what_is_wrong_is_said(self):
        words = [word if word != "list=nyu_train.txt" else "list=none.txt" for word in self.words("run")]
        process = self.start(*words)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 2)
        self.assertRegex(err, r"^experiments: error: .*none\.txt: No such file")


if __name__ == "__main__":
    unittest.main()
