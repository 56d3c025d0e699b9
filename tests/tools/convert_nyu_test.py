"""tools/convert/convert_nyu.py on small files of the official ones' structure: the layout and numbers of BTS's conversion, and one
line for whatever is wrong. BTS's steps stand here as loops over the file's own axes."""
import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "tools" / "convert" / "convert_nyu.py"
sys.path.insert(0, str(TOOL.parent))
try:
    import h5py
    import numpy as np
    import scipy.io
    from PIL import Image
    import convert_nyu
    MISSING = None
except ImportError as error:
    MISSING = f"{error.name} is not installed"

SCENES = ["kitchen", "living_room", "kitchen"]


@unittest.skipIf(MISSING, MISSING)
class ConvertNyu(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        random = np.random.default_rng(1)
        # Smooth, since a JPEG is compared; frame, channel, column, row.
        ramp = np.linspace(0, 255, 640)[None, None, :, None] * np.ones((3, 3, 1, 480))
        self.images = (ramp * np.array([1, 0.5, 0.25])[None, :, None, None]).astype(np.uint8)
        self.images[1] = 255 - self.images[1]
        self.depths = random.uniform(0.7, 9.99, (3, 640, 480)).astype(np.float32)
        self.depths[:, ::3] = 0
        self.write_labeled()
        self.write_splits([1, 3], [2])

    def write_labeled(self, scenes=SCENES, **changed):
        with h5py.File(self.folder / "labeled.mat", "w") as file:
            variables = {"images": self.images, "rawDepths": self.depths, **changed}
            for name, values in variables.items():
                if values is not None:
                    file[name] = values
            references = np.empty((1, 3), h5py.ref_dtype)
            for i, scene in enumerate(scenes):
                letters = np.array([ord(c) for c in scene], np.uint16)[:, None]
                letters = file.create_dataset(f"#refs#/{i}", data=letters)
                references[0, i] = letters.ref
            file["sceneTypes"] = references

    def write_splits(self, train, test):
        column = lambda indices: np.array(indices, np.uint16)[:, None]  # noqa: E731
        scipy.io.savemat(self.folder / "splits.mat", {"trainNdxs": column(train), "testNdxs": column(test)})

    def convert(self):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = convert_nyu.main([str(self.folder / name) for name in ("labeled.mat", "splits.mat", "out")])
        return code, out.getvalue(), err.getvalue()

    def expect_refusal(self, code, part):
        got, out, err = self.convert()
        self.assertEqual((got, out), (code, ""), err)
        self.assertEqual(err.count("\n"), 1, err)
        self.assertIn(part, err)
        self.assertFalse((self.folder / "out" / "official_test.txt").exists())

    def test_layout_and_lists(self):
        code, out, err = self.convert()
        self.assertEqual((code, err), (0, ""))
        self.assertIn("2 training frames, 1 test frames", out)
        target = self.folder / "out"
        files = sorted(str(p.relative_to(target)) for p in target.rglob("*") if p.is_file())
        self.assertEqual(files, ["official_test.txt", "official_train.txt",
                                 "test/living_room/rgb_00001.jpg", "test/living_room/sync_depth_00001.png",
                                 "train/kitchen/rgb_00000.jpg", "train/kitchen/rgb_00002.jpg",
                                 "train/kitchen/sync_depth_00000.png", "train/kitchen/sync_depth_00002.png"])
        self.assertEqual((target / "official_test.txt").read_text(),
                         "test/living_room/rgb_00001.jpg test/living_room/sync_depth_00001.png 518.8579\n")
        self.assertEqual((target / "official_train.txt").read_text().count("\n"), 2)

    def test_depth_is_truncated_to_millimetres(self):
        self.assertEqual(self.convert()[0], 0)
        with Image.open(self.folder / "out/train/kitchen/sync_depth_00002.png") as image:
            self.assertEqual((image.size, image.mode), ((640, 480), "I;16"))
            depth = np.asarray(image)
        for row, column in [(0, 0), (0, 1), (479, 638), (100, 301), (474, 632)]:  # the depth keeps its border
            self.assertEqual(int(depth[row, column]), int(self.depths[2, column, row] * np.float32(1000)))

    def test_colours_are_black_outside_the_frame(self):
        self.assertEqual(self.convert()[0], 0)
        with Image.open(self.folder / "out/test/living_room/rgb_00001.jpg") as image:
            self.assertEqual((image.size, image.format), ((640, 480), "JPEG"))
            rgb = np.asarray(image).astype(int)
        # Where a JPEG block of 16x16 holds the edge it rings; farther away it is exact to a few steps.
        for border in (rgb[:5], rgb[477:], rgb[:, :5], rgb[:, 635:]):
            self.assertLess(border.max(), 60)
        for row, column in [(30, 40), (240, 320), (440, 600)]:
            for channel in range(3):
                self.assertAlmostEqual(rgb[row, column, channel], int(self.images[1, channel, column, row]), delta=6)

    def test_what_is_wrong_is_named(self):
        cases = [
            ({"rawDepths": None}, "no variable rawDepths of 3 dimensions"),
            ({"images": self.images[:, :, :, :100]}, "images is uint8 (3, 3, 640, 100), wanted is uint8 (3, 3, 640, 480)"),
            ({"rawDepths": self.depths.astype(np.float64)}, "rawDepths is float64"),
            ({"rawDepths": self.depths + 60}, "rawDepths of frame 0: depths from 60"),
            ({"rawDepths": self.depths * np.float32("nan")}, "rawDepths of frame 0: depths from nan"),
        ]
        for changed, part in cases:
            with self.subTest(part):
                self.write_labeled(**changed)
                self.expect_refusal(65, f"labeled.mat: {part}")
                self.remove_empty_output()
        for scene in ("../../etc", "", "a/b", "x" * 65):
            with self.subTest(scene=scene):
                self.write_labeled(scenes=[scene] * 3)
                self.expect_refusal(65, "labeled.mat: sceneTypes of frame 0: ")
                self.remove_empty_output()

    def remove_empty_output(self):
        for path in sorted((self.folder / "out").rglob("*"), reverse=True):
            path.rmdir()  # fails if a file was written

    def test_splits_that_are_wrong_are_named(self):
        for train, test, part in [([1, 2], [2, 3], "testNdxs: 2 is no frame of 1 to 3, or there twice"),
                                  ([1, 4], [2, 3], "trainNdxs: 4 is no frame of 1 to 3"),
                                  ([1], [2], "frame 3 is in no split")]:
            with self.subTest(part):
                self.write_splits(train, test)
                self.expect_refusal(65, f"splits.mat: {part}")
        scipy.io.savemat(self.folder / "splits.mat", {"trainNdxs": [1]})
        self.expect_refusal(65, "splits.mat: no variable testNdxs")

    def test_other_files_are_refused(self):
        whole = (self.folder / "labeled.mat").read_bytes()
        splits = (self.folder / "splits.mat").read_bytes()
        for name, content in [("labeled.mat", whole[:len(whole) // 2]), ("labeled.mat", splits), ("labeled.mat", b""),
                              ("splits.mat", whole), ("splits.mat", splits[:150]), ("splits.mat", b"text")]:
            with self.subTest(name, size=len(content)):
                (self.folder / "labeled.mat").write_bytes(whole)
                (self.folder / "splits.mat").write_bytes(splits)
                (self.folder / name).write_bytes(content)
                self.expect_refusal(65, f"{name}: no MATLAB ")
        (self.folder / "labeled.mat").unlink()
        self.expect_refusal(66, "labeled.mat: no such file")

    def test_a_folder_that_is_not_empty_is_left_alone(self):
        (self.folder / "out").mkdir()
        (self.folder / "out" / "precious").write_text("x")
        self.expect_refusal(73, "out: is not empty")
        self.assertEqual([p.name for p in (self.folder / "out").iterdir()], ["precious"])


if __name__ == "__main__":
    unittest.main()
