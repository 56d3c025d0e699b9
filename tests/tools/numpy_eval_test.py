#!/usr/bin/env python3
"""mdeval on real frames against an evaluation in NumPy that shares nothing with it: own PNG reader, own crops, own
measures in float64. Skipped without NumPy or the real frames. The programs: env MD_BIN, else build/cpu/bin.
"""
import functools
import json
import os
import struct
import subprocess
import tempfile
import unittest
import zlib
from pathlib import Path

try:
    import numpy as np
except ImportError:
    np = None

SOURCE = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("MD_BIN", SOURCE / "build/cpu/bin"))
REAL = Path(os.environ.get("MD_SHARED", SOURCE.parent / "shared")) / "real"
TOLERANCE = 1e-6
METRICS = "abs_rel sq_rel rmse rmse_log log10 silog d1 d2 d3 sq_err_rel irmse".split()
LISTS = {"nyu": ["nyu_all_list.txt", "nyu_png_rgb_list.txt"], "kitti": ["kitti_all_list.txt", "kitti_jpg_list.txt"]}
SCALE = {"nyu": 1000.0, "kitti": 256.0}


def png_chunks(data):
    at = 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        yield kind, data[at + 8:at + 8 + size]
        at += 12 + size


def unfilter(raw, height, row_bytes, step):
    """PNG's five filters: the bytes [height, row_bytes] of an image whose pixels have `step` bytes."""
    above, out = bytes(step + row_bytes), bytearray()  # a row and a pixel of zeros before
    for y in range(height):
        kind, *line = raw[y * (row_bytes + 1):(y + 1) * (row_bytes + 1)]
        here = bytearray(step)
        for x, value in enumerate(line):
            left, up, corner = here[x], above[x + step], above[x]
            near = left + up - corner
            paeth = min((abs(near - left), 0, left), (abs(near - up), 1, up), (abs(near - corner), 2, corner))[2] \
                if kind == 4 else 0
            here.append((value + (0, left, up, (left + up) // 2, paeth)[kind]) & 255)
        out += here[step:]
        above = here
    return out


def read_depth(path):
    """A 16-bit grey PNG as uint16 [H,W]."""
    chunks = list(png_chunks(path.read_bytes()))
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    assert (depth, colour, interlaced) == (16, 0, 0), path
    raw = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    pixels = np.frombuffer(unfilter(raw, height, 2 * width, 2), ">u2")
    return pixels.reshape(height, width).astype(np.uint16)


def write_depth(path, units):
    height, width = units.shape
    rows = np.zeros((height, 1 + 2 * width), np.uint8)
    rows[:, 1:] = units.astype(">u2").view(np.uint8).reshape(height, 2 * width)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows.tobytes(), 1)) + chunk(b"IEND", b""))


@functools.cache
def frames_of(dataset, name):
    return Frames(dataset, name)


class Frames:
    """The ground truth of a list, and predictions that are wrong in a way of their own."""

    def __init__(self, dataset, name):
        root = REAL / dataset
        rows = [line.split() for line in (root / name).read_text().splitlines() if line.strip()]
        self.images = [row[0].lstrip("/") for row in rows]
        self.truth = [read_depth(self.find(root, row[1].lstrip("/"))) for row in rows]
        self.scale = SCALE[dataset]
        random = np.random.default_rng(7)
        self.predictions = []  # units of the file, uint16
        for units in self.truth:
            noise = np.exp(random.normal(0.05, 0.2, units.shape))
            holes = np.where(units > 0, units, random.uniform(1, 9, units.shape) * self.scale)
            self.predictions.append(np.clip(holes * noise, 0, 65535).astype(np.uint16))

    @staticmethod
    def find(root, path):
        return next(p for p in (root / path, root / path[:10] / path) if p.exists())


def crop_box(protocol, height, width):
    """Rows and columns that are scored, as the official code writes them."""
    if protocol == "nyu_eigen":
        return slice(45, 471), slice(41, 601)
    if protocol.startswith("kitti_eigen_garg"):
        return (slice(int(0.40810811 * height), int(0.99189189 * height)),
                slice(int(0.03594771 * width), int(0.96405229 * width)))
    if protocol.startswith("kitti_eigen_eigen"):
        return (slice(int(0.3324324 * height), int(0.91351351 * height)),
                slice(int(0.0359477 * width), int(0.96405229 * width)))
    return slice(0, height), slice(0, width)


def scored_pairs(pred, gt, protocol, cap, kb_crop=False, gt_kb_crop=False, outside=1e-3, median=False):
    """Prediction and ground truth of the scored pixels, float64 from float32 metres."""
    low = np.float64(np.float32(1e-3))
    height, width = gt.shape
    top, left = height - 352, int((width - 1216) / 2)
    if kb_crop:
        part = pred[top:top + 352, left:left + 1216]
        if gt_kb_crop:
            pred, gt = part, gt[top:top + 352, left:left + 1216]
        else:
            pred = np.full(gt.shape, outside)
            pred[top:top + 352, left:left + 1216] = part
    rows, columns = crop_box(protocol, *gt.shape)
    mask = np.zeros(gt.shape, bool)
    mask[rows, columns] = True
    mask &= (gt > low) & (gt < cap)
    p, g = pred[mask], gt[mask]
    if median and p.size:
        p = (p * (np.median(g) / np.median(p))).astype(np.float32).astype(np.float64)
    return np.clip(p, low, cap), g


def measures(p, g):
    e, ratio = np.log(p) - np.log(g), np.maximum(p / g, g / p)
    return {"abs_rel": np.mean(abs(p - g) / g), "sq_rel": np.mean((p - g)**2 / g), "rmse": np.sqrt(np.mean((p - g)**2)),
            "rmse_log": np.sqrt(np.mean(e**2)), "log10": np.mean(abs(np.log10(p) - np.log10(g))),
            "silog": 100 * np.std(e), "d1": np.mean(ratio < 1.25), "d2": np.mean(ratio < 1.25**2),
            "d3": np.mean(ratio < 1.25**3), "sq_err_rel": np.mean(((p - g) / g)**2),
            "irmse": 1000 * np.sqrt(np.mean((1 / p - 1 / g)**2))}


def evaluate(frames, predictions, protocol, cap, pooled=False, **how):
    """Means by name, and the number of images with a scored pixel."""
    pairs = [scored_pairs(p, units.astype(np.float32) / np.float32(frames.scale) * np.float64(1), protocol, cap, **how)
             for p, units in zip(predictions, frames.truth)]
    pairs = [pair for pair in pairs if pair[0].size]
    if pooled:
        return measures(*(np.concatenate(side) for side in zip(*pairs))), len(pairs)
    each = [measures(*pair) for pair in pairs]
    return {key: np.mean([m[key] for m in each]) for key in METRICS}, len(each)


def mdeval(folder, *arguments):
    out = folder / "out.json"
    run_tool("mdeval", *arguments, "--json", out)
    return json.loads(out.read_text())


def run_tool(name, *arguments):
    run = subprocess.run([BIN / name, *arguments], capture_output=True, text=True)
    if run.returncode != 0:
        raise AssertionError(f"{name} {arguments}\n{run.stderr}")


@unittest.skipIf(np is None, "NumPy is not here")
@unittest.skipUnless(REAL.is_dir(), f"the real frames are not here: {REAL}")
class NumpyEvaluation(unittest.TestCase):
    def agree(self, got, want, images, what):
        self.assertEqual(got["images"], images, what)
        for key in METRICS:
            # irmse is in 1/km, silog in percent: 1e-6 of their size.
            self.assertAlmostEqual(got[key] / max(1, abs(want[key])), want[key] / max(1, abs(want[key])),
                                   delta=TOLERANCE, msg=f"{what}: {key}")

    def arguments(self, dataset, name, protocol):
        return ["--data", REAL / dataset, "--list", name, "--protocol", protocol, "--arithmetic", "f64"]

    def check(self, dataset, protocol, cap, options=(), **how):
        for name in LISTS[dataset] if not options else LISTS[dataset][:1]:
            frames = frames_of(dataset, name)
            metres = [units.astype(np.float32) / np.float32(frames.scale) for units in frames.predictions]
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                for image, units in zip(frames.images, frames.predictions):
                    write_depth((folder / image.replace("/", "_")).with_suffix(".png"), units)
                got = mdeval(folder, "--predictions", folder, *self.arguments(dataset, name, protocol), *options)
            want, images = evaluate(frames, [m.astype(np.float64) for m in metres], protocol, cap, **how)
            self.agree(got, want, images, f"{name} {protocol} {' '.join(options)}")

    def test_nyu(self):
        self.check("nyu", "nyu_eigen", 10)
        self.check("nyu", "nyu_eigen", 5, ["--cap", "5"])
        self.check("nyu", "nyu_eigen", 10, ["--averaging", "pooled"], pooled=True)
        self.check("nyu", "nyu_eigen", 10, ["--median-scaling"], median=True)
        self.check("nyu", "nyu_eigen", 10, ["--compat", "bts"])

    def test_kitti(self):
        self.check("kitti", "kitti_eigen_garg", 80, kb_crop=True)
        self.check("kitti", "kitti_eigen_eigen", 50, ["--cap", "50"], kb_crop=True)
        self.check("kitti", "kitti_official", 256)
        self.check("kitti", "kitti_eigen_garg", 80, ["--compat", "newcrfs"], kb_crop=True, gt_kb_crop=True)
        self.check("kitti", "kitti_eigen_garg", 80, ["--compat", "bts"], kb_crop=True, outside=0.0)

    def test_a_network(self):
        """What `mdeval predict` writes, scored by NumPy, is what `mdeval` says of the checkpoint."""
        name, root = "nyu_test_list.txt", REAL / "nyu"
        frames = frames_of("nyu", name)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            run_tool("mdtrain", "--data", root, "--list", name, "--out", folder / "run", "--batch", "1", "--height", "64",
                     "--width", "96", "--max-steps", "1")
            checkpoint = folder / "run" / "last.safetensors"
            run_tool("mdeval", "predict", checkpoint, *(root / image for image in frames.images), "--npy", "--out",
                     folder / "maps")
            maps = [np.load(folder / "maps" / (Path(image).stem + ".npy")) for image in frames.images]
            got = mdeval(folder, checkpoint, *self.arguments("nyu", name, "nyu_eigen"))
        want, count = evaluate(frames, [m.astype(np.float64) for m in maps], "nyu_eigen", 10)
        self.agree(got, want, count, "LT after a step")


if __name__ == "__main__":
    unittest.main()
