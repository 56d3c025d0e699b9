"""What other engines than ONNX Runtime compute of `mdeval export`, as the largest relative difference to it.

With MD_ENGINES=FOLDER each engine is installed there in the version named below, in a virtual environment of its own,
and the table of tools/onnx/README.md is printed at the end. Without it, those that this Python has in that version are
tried.
"""
import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import unittest
import venv
from pathlib import Path
from typing import NamedTuple

from exchange_test import Exchange, np

RUN = Path(__file__).with_name("onnx_engines.py")
HOME = os.environ.get("MD_ENGINES")
# The same sums in another order, through a hundred layers; measured: 5e-6.
TOLERANCE = 2e-5


class Engine(NamedTuple):
    name: str
    function: str  # of onnx_engines.py
    packages: tuple  # the first names the version
    tolerance: float = TOLERANCE

    @property
    def version(self):
        return self.packages[0].partition("==")[2]


def opencv(version, function="opencv_default", which=""):
    return Engine(f"OpenCV {version}{which}", function, (f"opencv-python-headless=={version}",))


ONNX = "onnx==1.23.2"
RUNTIME = Engine("ONNX Runtime", "onnxruntime", ("onnxruntime==1.32.0", "numpy==2.4.6"))
OPENVINO = ("openvino==2026.4.1",)
ENGINES = [
    Engine("OpenVINO, f32", "openvino_f32", OPENVINO),
    # bf16 where the processor has it, which sums of a hundred layers show; f32 elsewhere.
    Engine("OpenVINO, its default", "openvino_default", OPENVINO, tolerance=float("inf")),
    *map(opencv, ("4.10.0.84", "4.11.0.86", "4.12.0.88", "4.13.0.92", "4.14.0.94")),
    opencv("5.0.0.93", "opencv_new", ", new engine (its default)"),
    opencv("5.0.0.93", "opencv_classic", ", classic engine"),
    Engine("ONNX's reference", "reference", (ONNX,)),
    Engine("tract", "tract", ("tract==0.23.9", "numpy==2.4.6")),
    Engine("TVM", "tvm", ("apache-tvm==0.27.0.post1", ONNX)),
    Engine("IREE", "iree", ("iree-base-compiler==3.13.0", "iree-base-runtime==3.13.0", ONNX)),
]
NETS = {  # arguments of mdtrain: random weights hide errors, as their maps are nearly flat
    "lt": ("--max-steps", 60),
    # Seed 0 leaves guidance planes that stand edge-on at single pixels, where rounding grows to a per cent.
    "bts": ("--max-steps", 60, "--focal-scaling", "--seed", 1),
    "newcrfs_tiny07": ("--max-steps", 30),
}


def missing(engine):
    """The first package that this Python has not, or not in that version; None: there is none."""
    for package in () if HOME else engine.packages:
        name, _, version = package.partition("==")
        try:
            if importlib.metadata.version(name) != version and name != "numpy":
                return package
        except importlib.metadata.PackageNotFoundError:
            return package
    return None


def interpreter(engine):
    """A Python that has the engine."""
    if not HOME:
        return sys.executable
    folder = Path(HOME).absolute() / re.sub(r"[^a-z0-9.]+", "-", engine.packages[0].lower())
    python, installed = folder / "bin" / "python", folder / "installed"
    if not installed.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:",
                        *engine.packages], check=True)
        installed.touch()
    return python


def relative_to(wanted, depth_m):
    """Of each pixel; what is nearer than a tenth of the mean depth counts as that far."""
    return np.abs(depth_m - wanted) / np.maximum(np.abs(wanted), 0.1 * wanted.mean())


def cell(depth_m, wanted):
    relative = relative_to(wanted, depth_m)
    largest, mean = float(relative.max()), float(relative.mean())
    return f"{largest:.1e}" if largest < 1e-3 else f"{100 * largest:.1f} % (mean {100 * mean:.2f} %)"


@unittest.skipUnless(np and not missing(RUNTIME), f"no NumPy, or no {missing(RUNTIME)}")
class OnnxEngines(Exchange):
    TABLE = {}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.made = Path(folder.name)

    @classmethod
    def tearDownClass(cls):
        if HOME and cls.TABLE:
            print("\n| engine | version |", " | ".join(NETS), "|\n|---|---|" + "---|" * len(NETS))
            for engine in ENGINES:
                cells = (cls.TABLE.get((engine.name, net), "fails") for net in NETS)
                print(f"| {engine.name} | {engine.version} |", " | ".join(cells), "|")

    def model(self, net):
        """A network after a few steps of training as an ONNX file, made once; what it reads, and the depth."""
        model, inputs, depth = (self.made / f"{net}{end}" for end in (".onnx", ".npz", ".npy"))
        if depth.exists():
            return model, inputs, np.load(depth)
        rooms, run = self.made / "rooms", self.made / net
        size = "--height", 64, "--width", 96
        if not rooms.exists():
            self.run_tool("mdsynth", "nyu", "--out", rooms, "--frames", 8, "--test-frames", 1, *size)
        self.run_tool("mdtrain", "--data", rooms, "--list", "nyu_train.txt", "--out", run, "--net", net, *size,
                      "--batch", 2, *NETS[net])
        self.run_tool("mdeval", "export", "--onnx", model, run / "last.safetensors", "--size", "96x128")
        focal = {"focal_px": np.float32([500])} if net == "bts" else {}
        np.savez(inputs, image=self.image(96, 128), **focal)
        depth_m = self.depth_by(RUNTIME, model, inputs, depth)
        self.assertGreater(depth_m.std() / depth_m.mean(), 0.01, "a flat map shows nothing")
        return model, inputs, depth_m

    def depth_by(self, engine, model, inputs, out):
        run = subprocess.run([interpreter(engine), RUN, engine.function, model, inputs, out], capture_output=True,
                             text=True, timeout=600)
        self.assertEqual(run.returncode, 0, f"{engine.name}: {run.stderr[-2000:]}")
        return np.load(out)

    def check(self, engine):
        if package := missing(engine):
            self.skipTest(f"no {package}")
        for net in NETS:
            with self.subTest(net=net):
                model, inputs, wanted = self.model(net)
                depth_m = self.depth_by(engine, model, inputs, self.folder / "depth.npy")
                self.assertEqual(depth_m.shape, wanted.shape)
                self.assertTrue(np.isfinite(depth_m).all())
                self.TABLE[engine.name, net] = cell(depth_m, wanted)
                print(f"{engine.name}, {net}: {cell(depth_m, wanted)}", flush=True)
                self.assertLess(float(relative_to(wanted, depth_m).max()), engine.tolerance)


for each in ENGINES:
    name = "test_" + re.sub(r"[^a-z0-9]+", "_", each.name.lower())
    setattr(OnnxEngines, name, lambda self, engine=each: self.check(engine))

if __name__ == "__main__":
    unittest.main()
