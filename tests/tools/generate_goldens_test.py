"""The generator of the goldens of single ops: what it makes is what is there, and a case of one's own is an entry of a file."""
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
CASES = json.loads((TESTS / "golden" / "layer_cases.json").read_text())
BLOCKS = ("bts_", "crf_", "disp_head", "flip_postprocess", "mbv3_", "metric_depth_", "newcrf_module", "patch_", "psp_head_",
          "resnet_", "swin_")


class GoldenCases(unittest.TestCase):
    def test_every_golden_of_a_layer_has_its_case_or_is_a_block(self):
        files = {path.stem for path in (TESTS / "goldens" / "layers").glob("*.safetensors")}
        cases = {case["case"] for case in CASES}
        self.assertEqual(len(cases), len(CASES))
        self.assertEqual({name for name in files if not name.startswith(BLOCKS)}, cases)


@unittest.skipIf(importlib.util.find_spec("torch") is None or importlib.util.find_spec("numpy") is None, "no torch, or no NumPy")
class GoldenGenerator(unittest.TestCase):
    def run_in(self, folder, *words):
        return subprocess.run([sys.executable, folder / "goldens" / "generate.py", *words], capture_output=True, text=True,
                              timeout=300)

    def test_it_makes_what_is_there(self):
        done = self.run_in(TESTS, "--check")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(sum(": " in line and "generate.py" not in line for line in done.stdout.splitlines()), len(CASES))

    def test_a_new_case_is_an_entry_and_a_changed_number_is_seen(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "golden").mkdir()
            (folder / "goldens").mkdir()
            shutil.copy(TESTS / "goldens" / "generate.py", folder / "goldens")
            new = {"case": "conv1x7", "op": "conv2d", "train": False, "note": "",
                   "params": {"kernel": [1, 7], "stride": 1, "padding": [0, 3], "dilation": 1, "groups": 1, "bias": False},
                   "tensors": {"input": {"shape": [1, 2, 3, 9], "scale": 1}, "weight": {"shape": [4, 2, 1, 7], "scale": 0.5}}}
            (folder / "golden" / "layer_cases.json").write_text(json.dumps([new]))
            self.assertIn("is not there", self.run_in(folder, "--check").stdout)
            self.assertEqual(self.run_in(folder).returncode, 0)
            self.assertIn("conv1x7: the same byte for byte", self.run_in(folder, "--check").stdout)
            new["tensors"]["input"]["scale"] = 1.001
            (folder / "golden" / "layer_cases.json").write_text(json.dumps([new]))
            done = self.run_in(folder, "--check")
            self.assertEqual(done.returncode, 1)
            self.assertIn("conv1x7: differs by ", done.stdout)


if __name__ == "__main__":
    unittest.main()
