"""TensorBoard's own readers, kept open while runs stop, go on and go back."""
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("MD_BIN", SOURCE / "build" / "cpu" / "bin"))

try:
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.backend.event_processing import plugin_event_multiplexer
except ImportError:
    event_accumulator = None


@unittest.skipIf(event_accumulator is None, "no tensorboard (pip install tensorboard==2.20.0)")
class TensorBoardReaders(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.tool("mdsynth", "nyu", "--out", "data", "--frames", 6, "--test-frames", 2, "--seed", 1, "--height", 64,
                  "--width", 96)
        self.run = self.folder / "run"

    def tool(self, name, *words, code=0):
        done = subprocess.run([BIN / name, *map(str, words)], capture_output=True, text=True, timeout=300,
                              cwd=self.folder)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def anew(self):
        """Three steps an epoch, an evaluation and a checkpoint after each."""
        return ["--data", "data", "--list", "nyu_train.txt", "--eval-list", "nyu_test.txt", "--out", self.run,
                "--height", 64, "--width", 64, "--batch", 2, "--device", "cpu", "--seed", 3]

    def train(self, *more):
        self.tool("mdtrain", *self.anew(), *more)

    def resume(self, *more):
        self.tool("mdtrain", "--resume", self.run, *more)

    def written(self, kind):
        """Step and value of each line of metrics.jsonl."""
        lines = [json.loads(line) for line in (self.run / "metrics.jsonl").read_text().splitlines()]
        if kind == "eval":
            return [(line["step"], line["eval"]["abs_rel"]) for line in lines if "eval" in line]
        return [(line["step"], line["loss"]) for line in lines if "loss" in line]

    def open_readers(self):
        """The accumulator as scripts use it, and the multiplexer of TensorBoard itself."""
        self.accumulator = event_accumulator.EventAccumulator(
            str(self.run), size_guidance={event_accumulator.TENSORS: 0, event_accumulator.SCALARS: 0})
        self.multiplexer = plugin_event_multiplexer.EventMultiplexer()
        self.multiplexer.AddRun(str(self.run), "run")

    def expect_shown(self, what):
        """That the readers, once they look again, show what metrics.jsonl has, and each step once."""
        self.accumulator.Reload()
        self.multiplexer.Reload()
        for kind, tag in (("train", "train/loss"), ("eval", "eval/abs_rel")):
            wanted = [(step, round(value, 5)) for step, value in self.written(kind)]
            self.assertTrue(wanted, what)
            tensors = self.multiplexer.Tensors("run", tag)
            shown = [(each.step, round(float(each.tensor_proto.float_val[0]), 5)) for each in tensors]
            self.assertEqual(shown, wanted, what + ", multiplexer, " + tag)
            shown = [(each.step, round(each.value, 5)) for each in self.accumulator.Scalars(tag)]
            self.assertEqual(shown, wanted, what + ", accumulator, " + tag)

    def test_a_run_that_goes_on(self):
        self.train("--max-steps", 4)
        self.open_readers()
        self.expect_shown("before")
        for steps in (6, 7):
            self.resume("--max-steps", steps)
            self.assertEqual(self.written("train")[-1][0], steps)
            self.expect_shown(f"up to step {steps}")

    def test_steps_beyond_the_checkpoint_are_purged(self):
        self.train("--max-steps", 6)
        checkpoint = (self.run / "last.safetensors").read_bytes()
        self.resume("--max-steps", 9)
        self.open_readers()
        self.expect_shown("nine steps")
        (self.run / "last.safetensors").write_bytes(checkpoint)  # as if killed before the next checkpoint
        self.resume("--max-steps", 7, "--seed", 4, "--allow-changes")  # other losses
        self.assertEqual([step for step, _ in self.written("train")], list(range(1, 8)))
        self.expect_shown("back at step 6, and one more")
        self.resume("--max-steps", 12)
        self.expect_shown("twelve steps")

    def test_the_first_resume_goes_back(self):
        watched, self.run = self.run, self.folder / "shorter"
        self.train("--max-steps", 6)
        checkpoint = (self.run / "last.safetensors").read_bytes()
        self.run = watched
        self.train("--max-steps", 9)
        self.open_readers()
        (self.run / "last.safetensors").write_bytes(checkpoint)
        self.resume("--max-steps", 8, "--seed", 4, "--allow-changes")
        self.assertEqual([step for step, _ in self.written("train")], list(range(1, 9)))
        self.expect_shown("back at step 6, and two more")

    def test_a_run_that_goes_back_by_itself(self):
        self.train("--max-steps", 3)
        self.open_readers()
        self.expect_shown("three steps")
        self.tool("mdtrain", "--resume", self.run, "--lr", "1e30", "--allow-changes", "--max-steps", 30, code=70)
        self.accumulator.Reload()
        shown = [each.step for each in self.accumulator.Scalars("train/lr")]
        self.assertEqual(shown, sorted(shown))
        self.assertEqual(len(shown), len(set(shown)))

    def test_cut_records(self):
        self.train("--max-steps", 4)
        events = self.run / "events.out.tfevents.mdtrain"
        os.truncate(events, events.stat().st_size - 9)
        with open(self.run / "metrics.jsonl", "a") as metrics:
            metrics.write('{"step":5,"lo')
        self.open_readers()
        self.accumulator.Reload()
        self.multiplexer.Reload()
        self.resume("--max-steps", 6)
        self.accumulator.Reload()
        self.multiplexer.Reload()
        steps = [each.step for each in self.accumulator.Scalars("train/loss")]
        self.assertEqual(steps, [1, 2, 3, 4, 5, 6])
        self.assertEqual([each.step for each in self.multiplexer.Tensors("run", "train/loss")], steps)

    def test_killed_while_it_is_watched(self):
        watched = False
        for after_s in (1.0, 1.5, 2.0, 3.0, 5.0):
            begun = (self.run / "config.toml").exists()
            words = ["--resume", self.run] if begun else [*self.anew(), "--max-steps", 24, "--checkpoint-every", 5]
            process = subprocess.Popen([BIN / "mdtrain", *map(str, words)], cwd=self.folder, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            time.sleep(after_s)
            process.send_signal(signal.SIGKILL)
            process.wait()
            if not watched and (self.run / "events.out.tfevents.mdtrain").exists():
                watched = True
                self.open_readers()
            if watched:
                self.accumulator.Reload()
                self.multiplexer.Reload()
        self.resume("--max-steps", 27)
        self.assertTrue(watched)
        self.expect_shown("killed five times")


if __name__ == "__main__":
    unittest.main()
