"""How tools/bench/peer_bench.py runs the modes of mdbench's peers, with engines that only pretend; and what
tools/bench/tables.py makes of a report."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "tools" / "bench"
SCRIPT = BENCH / "peer_bench.py"
sys.path.insert(0, str(BENCH))
import tables  # noqa: E402

NUMPY = """
class random:
    def default_rng(seed):
        pass
"""
ENGINE = """
class SessionOptions:
    pass
class InferenceSession:
    def __init__(self, model, options, providers):
        assert model == "net.onnx" and options.intra_op_num_threads == 3
    def get_inputs(self):
        return []
    def run(self, outputs, inputs):
        print("what an engine says is no part of the report")
"""


class PeerBench(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "numpy.py").write_text(NUMPY)

    def reports(self, *arguments, engine=None):
        """Of a network's inference, by mode; `engine` is the code of a module onnxruntime."""
        if engine:
            (self.folder / "onnxruntime.py").write_text(engine)
        command = [sys.executable, "-S", SCRIPT, "lt_infer", "--seconds", "0", "--threads", "3", *arguments]
        run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(self.folder)})
        self.assertEqual(run.returncode, 0, run.stderr)
        return {report["mode"]: report for report in json.loads(run.stdout)}

    def of_runtime(self, engine, *more):
        return self.reports("--modes", "ONNX Runtime", "--onnx", "net.onnx", *more, engine=engine)["ONNX Runtime f32"]

    def test_a_mode_is_timed(self):
        report = self.of_runtime(ENGINE)
        self.assertEqual(report["precision"], "f32")
        self.assertGreater(report["seconds"], 0)
        self.assertGreater(report["peak_mb"], 1)

    def test_a_mode_that_fails_says_why(self):
        self.assertEqual(self.of_runtime("raise ValueError('no compiler')")["failed"], "ValueError: no compiler")

    def test_a_mode_that_takes_too_long_has_failed(self):
        self.assertEqual(self.of_runtime("import time; time.sleep(60)", "--limit", "1")["failed"], "took more than 1 s")

    def test_a_mode_that_dies_has_failed(self):
        self.assertIn("failed", self.of_runtime("import os; os.abort()"))

    def test_what_is_not_installed_is_absent(self):
        reports = self.reports("--precisions", "f32,bf16", "--onnx", "net.onnx")
        self.assertEqual(reports["OpenVINO default"]["absent"], "No module named 'openvino'")
        self.assertEqual(reports["PyTorch eager contiguous bf16"]["absent"], "No module named 'torch'")

    def test_a_network_that_is_not_given_is_absent(self):
        self.assertEqual(self.reports()["OpenVINO f32"]["absent"], "no ONNX file was given")

    def test_modes_are_chosen_by_precision_and_parts_of_names(self):
        self.assertEqual(set(self.reports("--precisions", "bf16", "--modes", "channels_last,OpenVINO")),
                         {"PyTorch eager channels_last bf16", "PyTorch compiled channels_last bf16", "OpenVINO default"})


class BenchTables(unittest.TestCase):
    WORK = {"what": "a step", "precision": "f32", "ours_s": 0.5, "ours_peak_mb": 100, "peer": "fast", "ratio": 0.25,
            "memory_peer": "lean", "memory_ratio": 2.0, "target": {"time": 0.2, "memory": None}, "time_met": False,
            "modes": [{"mode": "fast", "precision": "f32", "seconds": 2.0, "peak_mb": 90},
                      {"mode": "lean", "precision": "f32", "seconds": 3.0, "peak_mb": 50},
                      {"mode": "half", "precision": "bf16", "missing": "failed: no compiler"}]}
    OPS = {"what": "a step", "whole_s": 0.5, "parts_s": 0.4, "whole_of_parts": 1.25, "least_s": 0.25, "target": 1.15,
           "met": False, "rows": []}

    def lines(self, **report):
        return list(tables.markdown({"threads": 2, "device": "cpu", **report}))

    def test_a_row_says_who_is_best_and_what_is_missed(self):
        lines = self.lines(step_f32=self.WORK)
        self.assertEqual(lines[2], "| `step_f32`, a step | 500.0 ms, 100 MB | fast: 2.00 s | 0.250, target 0.2 **missed** "
                                   "| lean: 50 MB | 2.000 |")
        self.assertIn("| a step | half | bf16 | failed: no compiler |", lines)

    def test_a_row_without_peers_stands_there(self):
        alone = {"what": "a step", "ours_s": 0.5, "ours_peak_mb": 100, "modes": []}
        self.assertIn("| `step_f32`, a step | 500.0 ms, 100 MB | none |  |  |  |", self.lines(step_f32=alone))

    def test_ops_stand_as_their_sum(self):
        self.assertIn("| `ops_step_f32`, a step | 500.0 ms | 400.0 ms | 1.250, target 1.15 **missed** | 250.0 ms, 50 % |",
                      self.lines(ops_step_f32=self.OPS))


if __name__ == "__main__":
    unittest.main()
