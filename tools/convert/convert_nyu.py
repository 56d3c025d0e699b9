#!/usr/bin/env python3
"""Makes the official NYU Depth V2 splits, as BTS and NeWCRFs evaluate on them, from the two files of the data set's page.

    convert_nyu.py nyu_depth_v2_labeled.mat splits.mat OUT

OUT/train/SCENE/rgb_00000.jpg and sync_depth_00000.png (millimetres, 16 bit), the same below OUT/test, and the lists
OUT/official_train.txt and OUT/official_test.txt. As BTS's conversion: raw depths (not the filled-in ones), numbered as
in the .mat from 0, truncated to millimetres; colours black outside rows 7 to 473 and columns 7 to 631, where the .mat
has a white frame. Wants Python's h5py, scipy and Pillow. Exit codes: 0 ok, 2 usage, 65 bad data, 66 missing input,
69 a package is missing, 73 cannot write.
"""
import argparse
import re
import sys
from pathlib import Path

from weight_files import CANNOT_WRITE, MISSING_INPUT, Failure, show

NO_PACKAGE = 69
ROWS, COLUMNS = 480, 640
INSIDE = slice(7, 474), slice(7, 632)  # rows and columns without the white frame
FOCAL_PX = 518.8579  # as the published lists have it
MILLIMETRES = 1000.0

try:
    import h5py
    import numpy as np
    import scipy.io
    from PIL import Image
except ImportError as error:
    print(f"convert_nyu: error: {error.name}: this Python package is missing (wanted: h5py scipy pillow)", file=sys.stderr)
    sys.exit(NO_PACKAGE)


class Labeled:
    """The frames of nyu_depth_v2_labeled.mat. MATLAB's axes are reversed in HDF5: frame, channel, column, row."""

    def __init__(self, path):
        self.path = path
        try:
            self.file = h5py.File(path, "r")
        except FileNotFoundError:
            raise Failure(f"{show(path)}: no such file", MISSING_INPUT) from None
        except OSError as error:
            raise Failure(f"{show(path)}: no MATLAB 7.3 file, or a damaged one ({first_line(error)})") from None
        self.count = self.variable("images", 4).shape[0]
        self.require("images", (self.count, 3, COLUMNS, ROWS), np.uint8)
        self.require("rawDepths", (self.count, COLUMNS, ROWS), np.float32)
        self.require("sceneTypes", (1, self.count), h5py.ref_dtype)

    def variable(self, name, dimensions):
        found = self.file.get(name)
        if not isinstance(found, h5py.Dataset) or found.ndim != dimensions:
            raise Failure(f"{show(self.path)}: no variable {name} of {dimensions} dimensions")
        return found

    def require(self, name, shape, dtype):
        found = self.variable(name, len(shape))
        if found.shape != shape or found.dtype != dtype:
            raise Failure(f"{show(self.path)}: {name} is {found.dtype} {found.shape}, wanted is {np.dtype(dtype)} {shape}")

    def scene(self, i):
        try:
            letters = self.file[self.file["sceneTypes"][0, i]][()]
            name = "".join(chr(int(code)) for code in letters.ravel())
        except (OSError, TypeError, ValueError, OverflowError) as error:
            raise Failure(f"{show(self.path)}: sceneTypes of frame {i}: {first_line(error)}") from None
        if not re.fullmatch(r"[A-Za-z0-9_]{1,64}", name):
            raise Failure(f"{show(self.path)}: sceneTypes of frame {i}: {show(name)} is no name for a folder")
        return name

    def frame(self, i):
        """rgb [480,640,3], raw depth [480,640] in metres."""
        try:
            return self.file["images"][i].T, self.file["rawDepths"][i].T
        except OSError as error:
            raise Failure(f"{show(self.path)}: frame {i}: {first_line(error)}") from None


def first_line(error):
    return show(str(error).splitlines()[0] if str(error) else type(error).__name__)


def read_splits(path, count):
    """The split of each frame, from MATLAB's indices, which begin at 1."""
    try:
        variables = scipy.io.loadmat(path)
    except FileNotFoundError:
        raise Failure(f"{show(path)}: no such file", MISSING_INPUT) from None
    except Exception as error:  # scipy raises whatever the bytes lead it to
        raise Failure(f"{show(path)}: no MATLAB 5 file, or a damaged one ({first_line(error)})") from None
    split_of = {}
    for split in ("train", "test"):
        if f"{split}Ndxs" not in variables:
            raise Failure(f"{show(path)}: no variable {split}Ndxs")
        for index in np.asarray(variables[f"{split}Ndxs"]).ravel().tolist():
            if index not in range(1, count + 1) or index in split_of:
                raise Failure(f"{show(path)}: {split}Ndxs: {index} is no frame of 1 to {count}, or there twice")
            split_of[index] = split
    if len(split_of) < count:
        missing = next(i for i in range(1, count + 1) if i not in split_of)
        raise Failure(f"{show(path)}: frame {missing} is in no split")
    return [split_of[i + 1] for i in range(count)]


def without_frame(rgb):
    inside = np.zeros_like(rgb)
    inside[INSIDE] = rgb[INSIDE]
    return inside


def in_millimetres(depth_m, name):
    depth_mm = depth_m * MILLIMETRES
    if not (depth_mm >= 0).all() or not (depth_mm < 65536).all():  # NaN is neither
        raise Failure(f"{name}: depths from {depth_m.min()} to {depth_m.max()} m do not fit into 16 bits of millimetres")
    return depth_mm.astype(np.uint16)


def make_output(path):
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise Failure(f"{show(path)}: is not empty", CANNOT_WRITE)
    except OSError as error:
        raise Failure(f"{show(path)}: cannot write: {error.strerror}", CANNOT_WRITE) from None


def convert(labeled, split_of, out):
    """Returns the lines of each split's list."""
    lines = {"train": [], "test": []}
    for i, split in enumerate(split_of):
        folder = f"{split}/{labeled.scene(i)}"
        rgb, depth_m = labeled.frame(i)
        depth_mm = in_millimetres(depth_m, f"{show(labeled.path)}: rawDepths of frame {i}")
        image, depth = f"{folder}/rgb_{i:05d}.jpg", f"{folder}/sync_depth_{i:05d}.png"
        (out / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(without_frame(rgb)).save(out / image, quality=95)  # OpenCV's, with which BTS writes
        Image.fromarray(depth_mm).save(out / depth)
        lines[split].append(f"{image} {depth} {FOCAL_PX}\n")
        if sys.stderr.isatty():
            print(f"\rframe {i + 1} of {len(split_of)}", end="", file=sys.stderr, flush=True)
    return lines


def run(options):
    labeled = Labeled(options.labeled)
    split_of = read_splits(options.splits, labeled.count)
    out = Path(options.out)
    make_output(out)
    try:
        lines = convert(labeled, split_of, out)
        for split in lines:  # last: a list names files that are there
            (out / f"official_{split}.txt").write_text("".join(lines[split]))
    except OSError as error:
        raise Failure(f"{show(out)}: cannot write: {error.strerror or first_line(error)}", CANNOT_WRITE) from None
    print(f"{out}: {len(lines['train'])} training frames, {len(lines['test'])} test frames")


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="convert_nyu", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("labeled", metavar="LABELED")
    parser.add_argument("splits", metavar="SPLITS")
    parser.add_argument("out", metavar="OUT")
    return parser.parse_args(arguments)


def main(arguments=None):
    try:
        run(parse_arguments(arguments))
        return 0
    except Failure as failure:
        print(f"{chr(10) if sys.stderr.isatty() else ''}convert_nyu: error: {failure}", file=sys.stderr)
        return failure.code


if __name__ == "__main__":
    sys.exit(main())
