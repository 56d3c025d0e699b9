"""What other programs make of our files, and we of theirs: ONNX Runtime of `mdeval export`, PyTorch of checkpoints."""
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("MD_SHARED", SOURCE.parent / "shared"))
BIN = Path(os.environ.get("MD_BIN", SOURCE / "build" / "cpu" / "bin"))
sys.path[:0] = [str(SOURCE / "tools" / "convert"), str(SHARED / "peers")]
import convert_weights  # noqa: E402
import weight_files  # noqa: E402

try:
    import numpy as np
except ImportError:
    np = None


def importable(name):
    try:
        __import__(name)
        return True
    except ImportError:
        return False


def write_png(path, pixels):
    """uint8 [H,W,3]."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind, data):
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    header = struct.pack(">2L5B", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
                     + chunk(b"IEND", b""))


def normalised(pixels):
    """What a network reads of an image: float32 [1,3,H,W]."""
    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    return ((pixels.astype(np.float32) / 255 - mean) / deviation).transpose(2, 0, 1)[None]


def relative_difference(got, want):
    return float(np.max(np.abs(got - want) / np.abs(want)))


class Exchange(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_tool(self, name, *arguments):
        run = subprocess.run([BIN / name, *map(str, arguments)], capture_output=True, text=True, timeout=300)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def image(self, height, width):
        """Smooth colours and noise, as a file and as a network reads it."""
        draws = np.random.default_rng(height * width)
        y, x = np.mgrid[:height, :width]
        waves = np.stack([np.sin(y / 9), np.cos(x / 13), np.sin((x + y) / 17)], axis=-1)
        pixels = np.clip(128 + 90 * waves + draws.normal(0, 20, waves.shape), 0, 255).astype(np.uint8)
        write_png(self.folder / "image.png", pixels)
        return normalised(pixels)

    def predicted(self, checkpoint):
        """What `mdeval predict` says of the image, pixel by pixel on a CPU, metres [H,W]."""
        out = self.folder / "depth"
        self.run_tool("mdeval", "predict", checkpoint, self.folder / "image.png", "--out", out, "--npy", "--focal", 500,
                      "--input-size", "native", "--device", "cpu")
        return np.load(out / "image.npy")

    def convert(self, *arguments):
        subprocess.run([sys.executable, SOURCE / "tools" / "convert" / "convert_weights.py", *arguments], check=True,
                       capture_output=True)

    def checkpoint(self, net, dataset):
        """Random weights of a scale at which no layer dies, as a checkpoint."""
        draws, state = np.random.default_rng(5), {}
        for entry in json.loads((convert_weights.MANIFESTS / f"{net}.json").read_text())["entries"]:
            name, shape = entry["name"], entry["shape"]
            if (tensor := convert_weights.derived(name, shape)) is None:
                if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
                    values = draws.uniform(0.5, 1.5, shape)
                else:
                    values = draws.normal(0, math.sqrt(1 / math.prod(shape[1:])) if len(shape) > 1 else 0.1, shape)
                tensor = weight_files.dense("F32", shape, values.astype("<f4").tobytes())
            state[name] = tensor
        layout = next(name for name, layout in convert_weights.LAYOUTS.items() if net in layout.nets)
        metadata = convert_weights.checkpoint_metadata(net, layout, dataset)
        path = self.folder / f"{net}.safetensors"
        weight_files.write_durably(str(path), lambda file: weight_files.write_safetensors(file, state, metadata))
        return path


@unittest.skipUnless(importable("onnxruntime"), "no onnxruntime")
class OnnxRuntime(Exchange):
    # The same sums in another order, through fifty layers and a sigmoid; measured: 2e-6.
    TOLERANCE = 2e-5

    def export(self, checkpoint, *options):
        """A session of the file that is written with those options."""
        import onnxruntime
        model = self.folder / "net.onnx"
        self.run_tool("mdeval", "export", "--onnx", model, checkpoint, *options)
        if importable("onnx"):
            import onnx
            onnx.checker.check_model(str(model), full_check=True)
        return onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])

    def depth_by(self, session, image):
        """metres [N,1,H,W] of [N,3,H,W]."""
        inputs = {"image": image, "focal_px": np.full(len(image), 500, np.float32)}
        depth_m, = session.run(["depth_m"], {i.name: inputs[i.name] for i in session.get_inputs()})
        self.assertEqual(depth_m.shape, (len(image), 1, *image.shape[2:]))
        return depth_m

    def assert_same(self, what, depth_m, wanted):
        self.assertGreater(wanted.std() / wanted.mean(), 0.01, "a flat map shows nothing")
        difference = relative_difference(depth_m, wanted)
        print(f"{what}: largest relative difference {difference:.1e}")
        self.assertLess(difference, self.TOLERANCE)

    def check(self, net, dataset, sizes):
        checkpoint = self.checkpoint(net, dataset)
        for height, width in sizes:
            with self.subTest(net=net, size=(height, width)):
                image = self.image(height, width)
                depth_m = self.depth_by(self.export(checkpoint, "--size", f"{height}x{width}"), image)
                self.assert_same(f"{net} {height}x{width}", depth_m[0, 0], self.predicted(checkpoint))

    def test_lt(self):
        self.check("lt", "nyu", [(96, 128), (101, 150), (32, 96), (32, 32)])

    def test_bts(self):
        self.check("bts_resnet50", "kitti", [(64, 96), (75, 130)])
        for net in ("bts_resnet101", "bts_densenet121", "bts_densenet161"):
            self.check(net, "nyu", [(64, 96)])

    def test_newcrfs(self):
        self.check("newcrfs_tiny07", "nyu", [(96, 128), (101, 150)])

    def test_every_opset(self):
        for net, dataset, opsets in (("lt", "nyu", range(13, 28)), ("newcrfs_tiny07", "nyu", (13, 16, 18, 27)),
                                     ("bts_resnet50", "kitti", (13, 27))):
            checkpoint, image = self.checkpoint(net, dataset), self.image(64, 96)
            wanted = self.predicted(checkpoint)
            for opset in opsets:
                with self.subTest(net=net, opset=opset):
                    session = self.export(checkpoint, "--size", "64x96", "--opset", opset)
                    self.assert_same(f"{net}, opset {opset}", self.depth_by(session, image)[0, 0], wanted)

    def test_batches(self):
        """Each image of a batch has the depth that it has alone."""
        for net, dataset in (("lt", "nyu"), ("bts_resnet50", "kitti"), ("newcrfs_tiny07", "nyu")):
            checkpoint, images, wanted = self.checkpoint(net, dataset), [], []
            for step in (1, 2):
                images.append(np.ascontiguousarray(self.image(64, 96)[:, :, :, ::step].repeat(step, axis=3)))
            alone = self.export(checkpoint, "--size", "64x96")
            wanted = [self.depth_by(alone, image)[0] for image in images]
            self.assertGreater(relative_difference(*wanted), 0.01)
            for batch in (2, "dynamic"):
                with self.subTest(net=net, batch=batch):
                    session = self.export(checkpoint, "--size", "64x96", "--batch", batch)
                    depth_m = self.depth_by(session, np.concatenate(images))
                    self.assert_same(f"{net}, batch {batch}", depth_m, np.stack(wanted))
            self.assert_same(f"{net}, one of any number", self.depth_by(session, images[1])[0], wanted[1])

    def test_any_size(self):
        for net, dataset in (("lt", "nyu"), ("bts_resnet50", "kitti"), ("bts_densenet121", "nyu")):
            checkpoint = self.checkpoint(net, dataset)
            session = self.export(checkpoint, "--size", "dynamic")
            for height, width in ((96, 128), (64, 32), (128, 224)):
                with self.subTest(net=net, size=(height, width)):
                    depth_m = self.depth_by(session, self.image(height, width))
                    self.assert_same(f"{net}, {height}x{width} of any", depth_m[0, 0], self.predicted(checkpoint))

    def test_normalisation_inside(self):
        for net, dataset, size in (("lt", "nyu", (75, 100)), ("bts_resnet50", "kitti", (64, 96))):
            checkpoint, image = self.checkpoint(net, dataset), self.image(*size)
            mean, deviation = (np.float32(v)[:, None, None] for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
            pixels = np.rint((image * deviation + mean) * 255)
            self.assertGreater(pixels.max(), 200)
            session = self.export(checkpoint, "--size", f"{size[0]}x{size[1]}", "--with-normalisation")
            depth_m = self.depth_by(session, pixels)
            self.assert_same(f"{net}, normalised inside", depth_m[0, 0], self.predicted(checkpoint))


@unittest.skipUnless(importable("torch") and np and (SHARED / "peers").is_dir(), f"no torch, or no {SHARED}/peers")
class PyTorchPeer(Exchange):
    TOLERANCE = 1e-4

    def depth_of(self, model, image):
        import torch
        with torch.no_grad():
            return model.eval()(torch.from_numpy(image))[0][0, 0].numpy()

    def test_reads_our_checkpoint(self):
        import lt
        import torch
        rooms, run = self.folder / "rooms", self.folder / "run"
        size = "--height", 64, "--width", 96
        self.run_tool("mdsynth", "nyu", "--out", rooms, "--frames", 4, "--test-frames", 1, *size)
        self.run_tool("mdtrain", "--data", rooms, "--list", "nyu_train.txt", "--out", run, "--net", "lt", *size,
                      "--batch", 2, "--max-steps", 3)
        self.convert(run / "last.safetensors", self.folder / "lt.pth")
        model = lt.LT()
        model.load_state_dict(torch.load(self.folder / "lt.pth", weights_only=True))
        image = self.image(96, 128)
        difference = relative_difference(self.predicted(run / "last.safetensors"), self.depth_of(model, image))
        self.assertLess(difference, self.TOLERANCE)
        print(f"largest relative difference {difference:.1e}")

    @unittest.skipUnless(importable("safetensors"), "no safetensors")
    def test_loads_the_best_network_as_the_readme_says(self):
        import lt
        from safetensors.torch import load_file
        rooms, run = self.folder / "rooms", self.folder / "run"
        size = "--height", 64, "--width", 96
        self.run_tool("mdsynth", "nyu", "--out", rooms, "--frames", 4, "--test-frames", 2, *size)
        self.run_tool("mdtrain", "--data", rooms, "--list", "nyu_train.txt", "--eval-list", "nyu_test.txt", "--protocol",
                      "plain", "--out", run, "--net", "lt", *size, "--batch", 2, "--max-steps", 2)
        model = lt.LT()
        matched = model.load_state_dict(load_file(run / "best.safetensors"))
        self.assertEqual((matched.missing_keys, matched.unexpected_keys), ([], []))
        image = self.image(96, 128)
        difference = relative_difference(self.predicted(run / "best.safetensors"), self.depth_of(model, image))
        self.assertLess(difference, self.TOLERANCE)
        self.assertTrue(any(name.startswith("optimizer.") for name in load_file(run / "last.safetensors")))

    def test_writes_ours(self):
        import lt
        import torch
        torch.manual_seed(3)
        model = lt.LT(max_depth=80.0)
        with torch.no_grad():  # statistics that are not those of a fresh network
            for _ in range(3):
                model.train()(torch.randn(2, 3, 64, 96))
        torch.save(model.state_dict(), self.folder / "lt.pth")
        self.convert(self.folder / "lt.pth", self.folder / "lt.safetensors", "--dataset", "kitti")
        image = self.image(96, 128)
        difference = relative_difference(self.predicted(self.folder / "lt.safetensors"), self.depth_of(model, image))
        self.assertLess(difference, self.TOLERANCE)
        print(f"largest relative difference {difference:.1e}")


if __name__ == "__main__":
    unittest.main()
