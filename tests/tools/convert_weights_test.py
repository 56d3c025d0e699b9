"""tools/convert/convert_weights.py: names and numbers both ways, and every kind of hostile file refused in one line."""
import array
import collections
import contextlib
import hashlib
import io
import itertools
import json
import math
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("MD_SHARED", SOURCE.parent / "shared"))
TOOL = SOURCE / "tools" / "convert" / "convert_weights.py"
MDEVAL = Path(os.environ.get("MD_BIN", SOURCE / "build" / "cpu" / "bin")) / "mdeval"
sys.path.insert(0, str(TOOL.parent))
import convert_weights  # noqa: E402
import weight_files  # noqa: E402
from torch_stand_in import (ITEM_BYTES, Storage, Tensor, archive, legacy, load_zipped, pickled,  # noqa: E402
                            zeros_of_numpy, zipped)

FORMATS = {"zip": zipped, "legacy": legacy}
SAFETENSORS_NAMES = {"Float": "F32", "Long": "I64"}


def read_manifest(net):
    entries = json.loads((convert_weights.MANIFESTS / f"{net}.json").read_text())["entries"]
    return {e["name"]: ({"float32": "Float", "int64": "Long"}[e["dtype"]], e["shape"]) for e in entries}


def thin(net):
    """The manifest with every width divided by 16: all the names at a hundredth of the bytes."""
    return {name: (kind, shape if name.endswith("_index") else [-(-n // 16) for n in shape])
            for name, (kind, shape) in read_manifest(net).items()}


def weights(manifest, seed=7):
    """Random bits, NaNs and all: a conversion may change none."""
    bits = random.Random(seed)
    return {name: Tensor(kind, shape, bits.randbytes(math.prod(shape) * ITEM_BYTES[kind]))
            for name, (kind, shape) in manifest.items()}


def renamed(state, old, new):
    return {new + name[len(old):]: tensor for name, tensor in state.items() if name.startswith(old)}


def parse_safetensors(path):
    """Name -> Tensor and the metadata, straight from the format."""
    data = Path(path).read_bytes()
    length, = struct.unpack_from("<Q", data)
    header, body = json.loads(data[8:8 + length]), data[8 + length:]
    kinds = {name: kind for kind, name in SAFETENSORS_NAMES.items()}
    metadata = header.pop("__metadata__", {})
    assert metadata.pop("sha256") == hashlib.sha256(body).hexdigest()
    return {name: Tensor(kinds[e["dtype"]], e["shape"], body[slice(*e["data_offsets"])])
            for name, e in header.items()}, metadata


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


class Folder(unittest.TestCase):
    """A temporary folder, and the tool run in it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def path(self, name, data=None):
        path = self.folder / name
        if data is not None:
            path.unlink(missing_ok=True)  # ext4 waits for the disk when a file is emptied and written again
            path.write_bytes(data)
        return path

    def manifests(self, **nets):
        """A folder of manifests, for --manifests."""
        folder = self.path("manifests")
        folder.mkdir(exist_ok=True)
        dtypes = {"Float": "float32", "Long": "int64"}
        for net, manifest in nets.items():
            entries = [{"name": n, "dtype": dtypes[kind], "shape": shape} for n, (kind, shape) in manifest.items()]
            (folder / f"{net}.json").write_text(json.dumps({"entries": entries}))
        return "--manifests", folder

    def convert(self, *arguments, code=0):
        """The tool's stdout; stderr must be empty, or one line if it fails."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            got = convert_weights.main([str(argument) for argument in arguments])
        self.assertEqual(got, code, out.getvalue() + err.getvalue())
        self.error = err.getvalue()
        if code:
            self.assertRegex(self.error, r"\Aconvert_weights: error: [^\n]*\n\Z")
            self.assertTrue(self.error[:-1].isprintable(), self.error)
        else:
            self.assertEqual(self.error, "")
        return out.getvalue()

    def refused(self, data, says, name="hostile.pth", code=65):
        source = self.path(name, data)
        self.convert(source, self.path("out.safetensors"), "--layout", "plain", code=code)
        self.assertIn(f"{source}: ", self.error)
        self.assertIn(says, self.error)
        self.assertEqual([p for p in self.folder.iterdir() if "out" in p.name], [], "something was written")


class ConvertWeights(Folder):
    def test_lt_in_true_size_both_ways(self):
        state = weights(read_manifest("lt"))
        for name, save in FORMATS.items():
            with self.subTest(name):
                self.path("lt.pth", save(collections.OrderedDict(state)))
                said = self.convert(self.path("lt.pth"), self.path("lt.safetensors"))
                self.assertIn("328 tensors", said)
                got, metadata = parse_safetensors(self.path("lt.safetensors"))
                self.assertEqual(got, state)
                self.assertEqual(metadata, {"format": "pt", "net": "lt", "layout": "lt", "source": "lt.pth"})
                self.convert(self.path("lt.safetensors"), self.path("back.pth"))
                self.assertEqual(load_zipped(self.path("back.pth")), state)

    def test_a_whole_net_becomes_a_checkpoint(self):
        manifest = read_manifest("lt")
        counters = {name: Tensor(kind, shape, bytes(8)) for name, (kind, shape) in manifest.items() if kind == "Long"}
        self.path("lt.pth", zipped({**weights(manifest), **counters}))
        self.convert(self.path("lt.pth"), self.path("lt.safetensors"), "--dataset", "kitti")
        _, metadata = parse_safetensors(self.path("lt.safetensors"))
        self.assertEqual(json.loads(metadata["config"]),
                         {"net": "lt", "dataset": "kitti", "max-depth": 80, "focal-scaling": False})
        export = [MDEVAL, "export", "--onnx", self.path("lt.onnx"), self.path("lt.safetensors"), "--size", "32x32"]
        taken = subprocess.run(export, capture_output=True, text=True)
        self.assertEqual(taken.returncode, 0, taken.stderr)
        self.convert(self.path("lt.pth"), self.path("x.pth"), "--dataset", "kitti", code=2)
        self.convert(self.path("lt.pth"), self.path("x.safetensors"), "--layout", "plain", "--dataset", "kitti", code=2)

    def test_mobilenetv3_fills_the_encoder_and_comes_out_of_a_checkpoint(self):
        lt = weights(read_manifest("lt"))
        encoder = renamed(lt, "encoder.", "")
        classifier = weights({f"classifier.{part}": ("Float", [4, 2]) for part in ("0.weight", "0.bias", "3.weight")})
        self.path("v3.pth", zipped(collections.OrderedDict({**encoder, **classifier})))
        said = self.convert(self.path("v3.pth"), self.path("v3.safetensors"))
        self.assertRegex(said, r"layout +mobilenetv3 of net lt\n")
        self.assertEqual(said.count("dropped    encoder.classifier."), 3)
        self.assertEqual(parse_safetensors(self.path("v3.safetensors"))[0], renamed(encoder, "", "encoder."))

        self.path("run.pth", zipped({**lt, "optimizer.exp_avg.0": Tensor("Float", [1], bytes(4))}))
        self.convert(self.path("run.pth"), self.path("run.safetensors"), "--layout", "plain")
        said = self.convert(self.path("run.safetensors"), self.path("back.pth"), "--layout", "mobilenetv3")
        self.assertRegex(said, r"dropped +optimizer\.\* \(1 entries")
        self.assertRegex(said, r"dropped +up1\.\* \(4 entries")
        self.assertEqual(load_zipped(self.path("back.pth")), encoder)

    def test_resnet50_before_batches_were_counted(self):
        bts = thin("bts_resnet50")
        encoder = renamed(weights(bts), "encoder.base_model.", "")
        old = {name: tensor for name, tensor in encoder.items() if not name.endswith("num_batches_tracked")}
        self.path("resnet50.pth", legacy(old))
        said = self.convert(self.path("resnet50.pth"), self.path("r.safetensors"), *self.manifests(bts_resnet50=bts))
        self.assertEqual(said.count("derived    encoder.base_model."), 53)
        got = renamed(parse_safetensors(self.path("r.safetensors"))[0], "encoder.base_model.", "")
        self.assertEqual({name: got.pop(name) for name in old}, old)
        self.assertEqual(set(got), set(encoder) - set(old))
        self.assertEqual({tensor.storage.data for tensor in got.values()}, {bytes(8)})

    def test_encoders_of_every_depth(self):
        """Each is taken for itself, whole and alone, and comes out again."""
        nets = {net: thin(net) for net in (*convert_weights.RESNETS, *convert_weights.DENSENETS)}
        for net, manifest in nets.items():
            with self.subTest(net):
                dense = net in convert_weights.DENSENETS
                encoder = renamed(weights(manifest), "encoder.base_model.", "features." if dense else "")
                head = {"classifier.weight": Tensor("Float", [1, 2], bytes(8))} if dense else {}
                self.path("encoder.pth", zipped({**encoder, **head}))
                said = self.convert(self.path("encoder.pth"), self.path("e.safetensors"), *self.manifests(**nets))
                self.assertIn(f"of net {net}\n", said)
                got = parse_safetensors(self.path("e.safetensors"))[0]
                self.assertEqual(got, renamed(weights(manifest), "encoder.", "encoder."))
                self.convert(self.path("e.safetensors"), self.path("back.pth"), *self.manifests(**nets), "--layout",
                             "densenet" if dense else "resnet")
                self.assertEqual(load_zipped(self.path("back.pth")), encoder)

    def test_densenets_as_published_have_old_names(self):
        nets = {net: thin(net) for net in convert_weights.DENSENETS}
        state = weights(nets["bts_densenet161"])
        old = {re.sub(r"(denselayer\d+\.(norm|conv))([12])", r"\1.\3", name): tensor
               for name, tensor in renamed(state, "encoder.base_model.", "features.").items()}
        self.assertIn("features.denseblock4.denselayer24.conv.2.weight", old)
        self.path("d.pth", zipped(old))
        self.convert(self.path("d.pth"), self.path("d.safetensors"), *self.manifests(**nets))
        self.assertEqual(parse_safetensors(self.path("d.safetensors"))[0], renamed(state, "encoder.", "encoder."))

    def test_relatives_are_named_and_not_cut(self):
        def encoder(net, **more):
            state = renamed(weights(thin(net)), "encoder.base_model.", "features." if "dense" in net else "")
            more = {name: Tensor("Float", shape, bytes(4 * math.prod(shape))) for name, shape in more.items()}
            return {**state, **more}

        nets = {net: thin(net) for net in (*convert_weights.RESNETS, *convert_weights.DENSENETS)}
        stem = {"features.conv0.weight": [64, 3, 1, 1]}
        cases = [("ResNeXt", encoder("bts_resnet50", **{"layer1.0.conv2.weight": [8, 1, 3, 3]})),
                 ("ResNeXt", encoder("bts_resnet101", **{"layer1.0.conv2.weight": [16, 2, 3, 3]})),
                 ("a ResNet-152", encoder("bts_resnet101", **{"layer3.23.conv1.weight": [2]})),
                 ("a DenseNet-169 or -201",
                  encoder("bts_densenet121", **stem, **{"features.denseblock3.denselayer25.conv1.weight": [2]}))]
        for says, state in cases:
            for prefix in ("", "module.encoder.base_model.") if "Dense" not in says else ("",):
                self.path("x.pth", zipped({"model": renamed(state, "", prefix)}))
                arguments = self.path("x.pth"), self.path("x.safetensors"), "--partial", *self.manifests(**nets)
                self.convert(*arguments, code=65)
                self.assertIn(says, self.error)

    def test_official_bts_and_newcrfs_checkpoints(self):
        bts = (*convert_weights.RESNETS, *convert_weights.DENSENETS)
        nets = {net: thin(net) for net in (*bts, *convert_weights.NEWCRFS)}
        for (net, manifest), (name, save) in itertools.product(nets.items(), FORMATS.items()):
            with self.subTest(f"{net}, {name}"):
                state = weights(manifest)
                model = collections.OrderedDict(renamed(state, "", "module."))
                model._metadata = collections.OrderedDict({"": {"version": 1}})
                moments = {0: {"step": 3, "exp_avg": Tensor("Float", [2], bytes(8))}}
                groups = [{"lr": 1e-4, "betas": (0.9, 0.999), "params": [0]}]
                self.path("net.pth", save({
                    "global_step": 5, "optimizer": {"state": moments, "param_groups": groups},
                    "best_eval_measures_higher_better": Tensor("Float", [3], bytes(12)),
                    "best_eval_steps": zeros_of_numpy(), "model": model}))
                said = self.convert(self.path("net.pth"), self.path("net.safetensors"), *self.manifests(**nets))
                self.assertIn(f"of net {net}\n", said)
                self.assertEqual(said.count("(beside the weights)"), 4)
                self.assertEqual(parse_safetensors(self.path("net.safetensors"))[0], state)
                self.convert(self.path("net.safetensors"), self.path("back.pth"), *self.manifests(**nets))
                self.assertEqual(load_zipped(self.path("back.pth")), {"model": model})

    def test_swin_leaves_out_its_head_and_masks(self):
        newcrfs = thin("newcrfs_large07")
        swin = renamed(weights(newcrfs), "backbone.", "")
        norms = {name: swin.pop(name) for name in list(swin) if name.startswith("norm")}
        self.assertEqual(len(norms), 8)
        extra = weights({"norm.weight": ("Float", [3]), "norm.bias": ("Float", [3]), "head.weight": ("Float", [2, 3]),
                         "head.bias": ("Float", [2]), "layers.0.blocks.1.attn_mask": ("Float", [4, 49, 49])})
        index = "layers.0.blocks.0.attn.relative_position_index"
        del swin[index]  # newer code does not save it
        self.path("swin.pth", zipped({"model": {**swin, **extra}}))
        arguments = self.manifests(**{net: thin(net) for net in convert_weights.NEWCRFS})
        said = self.convert(self.path("swin.pth"), self.path("swin.safetensors"), *arguments)
        for name in extra:
            self.assertIn(f"dropped    backbone.{name} ", said)
        for name in norms:
            self.assertIn(f"absent     backbone.{name} ", said)
        self.assertIn(f"derived    backbone.{index}\n", said)
        got = renamed(parse_safetensors(self.path("swin.safetensors"))[0], "backbone.", "")
        numbers = array.array("q", got.pop(index).storage.data)
        # Swin: rows of cells (y, x), index (y - v + 6) * 13 + x - u + 6
        self.assertEqual([numbers[i] for i in (0, 1, 7, 48, 48 * 49, 48 * 49 + 48)], [84, 83, 71, 0, 168, 84])
        self.assertEqual(got, swin)

    def test_lists_what_does_not_fit_and_writes_the_rest_only_if_told(self):
        state = weights(read_manifest("lt"))
        del state["up1.conv1.bias"]
        state["encoder.features.0.1.bias"] = Tensor("Float", [2], bytes(8))
        state["encoder.features.0.1.weight"] = Tensor("Long", [16], bytes(128))
        state["sur\nprise"] = Tensor("Float", [2], bytes(8))
        arguments = self.path("odd.pth", zipped(state)), self.path("odd.safetensors")
        said = self.convert(*arguments, code=65)
        self.assertIn("4 entries do not fit", self.error)
        self.assertFalse(self.path("odd.safetensors").exists())
        self.assertEqual(self.convert(*arguments, "--partial").replace(said, "")[:5], "wrote")
        for line in ("missing    up1.conv1.bias F32 [128]\n",
                     "misshapen  encoder.features.0.1.bias F32 [2], wants F32 [16]\n",
                     "misshapen  encoder.features.0.1.weight I64 [16], wants F32 [16]\n",
                     "unexpected 'sur\\nprise' F32 [2]\n"):
            self.assertIn(line, said)
        self.assertEqual(len(parse_safetensors(self.path("odd.safetensors"))[0]), 328 - 3)

    def test_names_the_net_that_nothing_fits(self):
        unknown = {"x": Tensor("Float", [1], bytes(4))}
        self.convert(self.path("a.pth", zipped(unknown)), self.path("a.safetensors"), code=65)
        self.assertIn("--layout plain", self.error)
        swin = {"patch_embed.proj.weight": Tensor("Float", [7, 3, 4, 4], bytes(7 * 48 * 4))}
        self.convert(self.path("b.pth", zipped(swin)), self.path("b.safetensors"), code=65)
        self.assertIn("newcrfs_tiny07 wants [96, 3, 4, 4]", self.error)

    def test_widens_what_the_engine_does_not_read(self):
        manifest = {"encoder.features.0.0.weight": ("Float", [3])}
        kinds = {"Half": "<3e", "Double": "<3d", "BFloat16": None}
        for kind, code in kinds.items():
            values = (1.5, -2.0, 0.0078125)
            data = struct.pack(code, *values) if code else b"".join(struct.pack("<f", v)[2:] for v in values)
            self.path("a.pth", zipped({"encoder.features.0.0.weight": Tensor(kind, [3], data)}))
            self.convert(self.path("a.pth"), self.path("a.safetensors"), *self.manifests(lt=manifest))
            got = parse_safetensors(self.path("a.safetensors"))[0]["encoder.features.0.0.weight"]
            self.assertEqual(struct.unpack("<3f", got.storage.data), values, kind)

    def test_reads_views(self):
        storage = Storage("Long", array.array("q", range(24)).tobytes())
        views = {"dense": ((2, 3, 4), (12, 4, 1), 0, list(range(24))),
                 "part": ((2, 2), (4, 1), 9, [9, 10, 13, 14]),
                 "transposed": ((4, 3), (1, 4), 0, [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]),
                 "repeated": ((2, 3), (1, 0), 5, [5, 5, 5, 6, 6, 6]),
                 "scalar": ((), (), 23, [23]), "none": ((0, 4), (4, 1), 24, [])}
        for name, (shape, stride, offset, numbers) in views.items():
            self.path("v.pth", legacy({"x": Tensor("Long", shape, storage, stride, offset)}))
            self.convert(self.path("v.pth"), self.path("v.safetensors"), "--layout", "plain")
            got = parse_safetensors(self.path("v.safetensors"))[0]["x"]
            self.assertEqual((got.shape, array.array("q", got.storage.data).tolist()), (shape, numbers), name)

    def test_equal_weights_give_equal_files(self):
        state = {name: Tensor("Float", [n], bytes(4 * n)) for name, n in (("b", 3), ("a", 1))}
        for suffix in ("safetensors", "pth"):
            for copy, save in enumerate((zipped, legacy)):
                self.convert(self.path("in.pth", save(state)), self.path(f"{copy}.{suffix}"), "--layout", "plain")
        # the metadata names the file they come from, which is the same here
        self.assertEqual(self.path("0.safetensors").read_bytes(), self.path("1.safetensors").read_bytes())
        self.assertEqual(self.path("0.pth").read_bytes(), self.path("1.pth").read_bytes())

    def test_archives_without_checksums(self):
        """torch.serialization.set_crc32_options(False) writes zeros; a single zero among others is damage."""
        good = zipped({"x": Tensor("Float", [2], b"12345678")})
        places = [e.header_offset for e in zipfile.ZipFile(io.BytesIO(good)).infolist()]
        directory = [i for i in range(len(good)) if good[i:i + 4] == b"PK\1\2"]
        none, one = bytearray(good), bytearray(good)
        for local, central in zip(places, directory):
            none[local + 14:local + 18] = none[central + 16:central + 20] = bytes(4)
        one[directory[2] + 16:directory[2] + 20] = bytes(4)
        self.convert(self.path("a.pth", none), self.path("a.safetensors"), "--layout", "plain")
        self.assertEqual(parse_safetensors(self.path("a.safetensors"))[0]["x"].storage.data, b"12345678")
        self.refused(one, "wrong CRC-32")


class ConvertWeightsCommand(Folder):
    """As a user runs it."""

    def tool(self, *arguments, **options):
        return subprocess.run([sys.executable, TOOL, *arguments], capture_output="stdout" not in options, text=True,
                              timeout=60, **options)

    def test_exit_codes(self):
        good = self.path("good.pth", zipped({"x": Tensor("Float", [2], bytes(8))}))
        (self.path("taken.safetensors")).mkdir()
        os.mkfifo(self.path("pipe.safetensors"))
        cases = [
            (0, "", [good, self.path("out.safetensors"), "--layout", "plain"]),
            (2, "required", [good]),
            (2, "--layout", [good, "out.safetensors", "--layout", "vgg"]),
            (2, "must end in", [good, "out.bin"]),
            (2, "unrecognized", [good, "out.pth", "--force"]),
            (65, "not a regular file", [self.folder, "out.pth"]),
            (65, "not a regular file", [self.path("pipe.safetensors"), "out.pth"]),
            (65, "an empty file", [self.path("empty.pth", b""), "out.pth"]),
            (65, "neither", [self.path("text.pth", b"hello, world"), "out.pth"]),
            (65, "under 'weights'", [good, "out.pth", "--key", "weights"]),
            (66, "no such file", [self.path("absent.pth"), "out.pth"]),
            (66, "cannot open the manifest", [good, "out.safetensors", "--layout", "lt", "--manifests", self.folder]),
            (73, "cannot write", [good, self.path("absent/out.safetensors"), "--layout", "plain"]),
            (73, "not a regular file", [good, self.path("taken.safetensors"), "--layout", "plain"]),
            (73, "not a regular file", [good, self.path("pipe.safetensors"), "--layout", "plain"]),
        ]
        good_lt = {"encoder.features.0.0.weight": Tensor("Float", [2], bytes(8))}
        cases[11][2][0] = self.path("lt.pth", zipped(good_lt))
        for code, says, arguments in cases:
            with self.subTest(says):
                ran = self.tool(*arguments, cwd=self.folder)
                self.assertEqual(ran.returncode, code, ran.stderr)
                self.assertEqual(ran.stderr.count("\n"), int(code != 0), ran.stderr)
                self.assertIn(says, ran.stderr)
        left = [path.name for path in self.folder.iterdir() if "out" in path.name or "tmp" in path.name]
        self.assertEqual(left, ["out.safetensors"])

    def test_a_full_disk_keeps_the_old_file(self):
        """The disk's stand-in: a limit on the size of files, which every write past it meets."""
        good = self.path("good.pth", zipped({"x": Tensor("Float", [100_000], bytes(400_000))}))
        old = self.path("out.safetensors", b"old")
        limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);" \
                "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        run = f"{limit} import sys; sys.path.insert(0, {str(TOOL.parent)!r}); import convert_weights;" \
              "sys.exit(convert_weights.main(sys.argv[1:]))"
        ran = subprocess.run([sys.executable, "-c", run, good, old, "--layout", "plain"], capture_output=True,
                             text=True, timeout=60)
        self.assertEqual((ran.returncode, ran.stderr.count("\n")), (73, 1), ran.stderr)
        self.assertEqual(old.read_bytes(), b"old")
        self.assertEqual(len(list(self.folder.iterdir())), 2, "a temporary file was left behind")

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_a_report_that_cannot_be_written(self):
        good = self.path("good.pth", zipped({"x": Tensor("Float", [2], bytes(8))}))
        with open("/dev/full", "w") as full:
            ran = self.tool(good, self.path("out.safetensors"), "--layout", "plain", stdout=full,
                            stderr=subprocess.PIPE)
        self.assertEqual((ran.returncode, ran.stderr.count("\n")), (73, 1), ran.stderr)
        self.assertIn("stdout", ran.stderr)


class HostileWeights(Folder):
    def pickle_refused(self, text, says):
        """The pickle as the object of both formats."""
        self.refused(archive({"archive/data.pkl": text}), says)
        head = legacy({}).index(pickle.dumps({}, 2), 20)  # after magic number, protocol and machine
        self.refused(legacy({})[:head] + text + pickle.dumps([], 2), says)

    def test_code_is_refused_and_not_run(self):
        touched = self.path("touched")
        call = f"cposix\nsystem\n(X{{}}touch {touched}tR.".encode()
        call = b"\x80\x02" + call.replace(b"{}", struct.pack("<L", len(f"touch {touched}")))
        self.assertEqual(pickle.loads(b"\x80\x02cposix\nsystem\n."), os.system)  # a true exploit: it would load
        self.pickle_refused(call, "'posix.system'")
        self.refused(call, "'posix.system'")
        for name in ("builtins eval", "builtins exec", "__builtin__ getattr", "os system", "torch load", "numpy load",
                     "torch.hub load", "torch.storage _load_from_bytes", "collections namedtuple", "torch.nn Linear"):
            self.pickle_refused(b"\x80\x02c" + name.replace(" ", "\n").encode() + b"\n)R.", name.replace(" ", "."))
        self.assertFalse(touched.exists())

    def test_pickles_that_build_no_weights(self):
        od = b"ccollections\nOrderedDict\n)R"
        tensor = b"ctorch._utils\n_rebuild_tensor_v2\n"
        cases = {
            b"\x80\x02(i__main__\nX\n.": "opcode INST",
            b"\x80\x02ccollections\nOrderedDict\n)\x81.": "opcode NEWOBJ",
            b"\x80\x04\x8c\x02os\x8c\x06system\x93.": "opcode SHORT_BINUNICODE",
            b"\x80\x02\x82\x01.": "opcode EXT1",
            b"\x80\x02]K\x01K\x02s.": "sets an item",        # SETITEM on a list
            b"\x80\x02}K\x01a.": "appends",                  # APPEND to a dict
            b"\x80\x02}(K\x01u.": "without a value",
            b"\x80\x02})K\x01s.": "sets an item",            # a tuple as key
            b"\x80\x02}K\x01K\x02sK\x01K\x03s.": "twice",
            b"\x80\x02K\x01)R.": "calls what is no function",
            b"\x80\x02U\x00U\x00\x86)R.": "calls what is no function",
            b"\x80\x02ctorch\nFloatStorage\n)R.": "calls 'FloatStorage'",
            b"\x80\x02K\x01}b.": "state of an object",
            b"\x80\x02h\x05.": "damaged", b"\x80\x02j\xff\xff\xff\xff.": "damaged",  # memo entries not there
            b"\x80\x02R.": "damaged", b"\x80\x02u.": "damaged", b"\x80\x02.": "damaged", b"\x80\x02\x86.": "damaged",
            b"\x80\x02": "damaged", b"\x80\x02\xff": "damaged", b"": "damaged",
            b"\x80\x02X\xff\xff\xff\xffabc.": "damaged", b"\x80\x02\x8a\xff1.": "damaged",
            b"\x80\x02" + tensor + b")R.": "damaged",
            b"\x80\x02" + tensor + b"(K\x00K\x00))tR.": "malformed",
            b"\x80\x02U\x07storageQ.": "is no storage",
            b"\x80\x02(U\x07storageU\x01xU\x010U\x03cpuK\x01tQ.": "malformed",
            b"\x80\x02(U\x06modulector\n.": "damaged",
            b"\x80\x02K\x01.": "no dict", b"\x80\x02N.": "no dict", b"\x80\x02" + od + b".": "no dict",
            b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".": "no dict",   # depth
            b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".": "no dict",
            b"\x80\x02)" + b"q\x00h\x00\x86" * 200 + b".": "no dict",          # 2^200 leaves if anybody walked it
            b"\x80\x02}" + b"(" + b"X\x01\x00\x00\x00a)" + b"q\x00h\x00\x86" * 200 + b"u.": "no dict",
        }
        for text, says in cases.items():
            with self.subTest(text[:40]):
                self.pickle_refused(text, says)

    @unittest.mock.patch.object(weight_files, "MOST_OPCODES", 1000)
    def test_a_pickle_without_end(self):
        self.pickle_refused(b"\x80\x02" + b"N" * 1000 + b".", "more than 1000 opcodes")

    def test_tensors_that_claim_what_is_not_there(self):
        eight = Storage("Float", bytes(32))
        views = [((9,), (1,), 0), ((2, 4), (5, 1), 0), ((8,), (1,), 1), ((1,), (1,), 8), ((3,), (4,), 0),
                 ((2, 8), (0, 1), 0), ((1 << 40,), (0,), 0), ((1 << 62, 4), (1, 1), 0), ((1 << 200,), (1,), 0)]
        for (shape, stride, offset), save in itertools.product(views, FORMATS.values()):
            with self.subTest(shape):
                self.refused(save({"x": Tensor("Float", shape, eight, stride, offset)}), "reaches past its storage")
        for shape, stride, offset in [((-1,), (1,), 0), ((1,), (-1,), 0), ((1,), (1,), -1), ((1.0,), (1,), 0),
                                      ((True,), (1,), 0), ((1,), (1, 1), 0), ((1,) * 9, (1,) * 9, 0)]:
            self.refused(zipped({"x": Tensor("Float", shape, eight, stride, offset)}), "malformed")
        for data, count in [(bytes(28), 8), (bytes(36), 8), (bytes(0), 1), (bytes(4), 1 << 62)]:
            lying = {"x": Tensor("Float", [1], Storage("Float", data, count))}
            self.refused(zipped(lying), "bytes, its")
            self.refused(legacy(lying), "")
        self.refused(zipped({"x": Tensor("Float", [1], Storage("Float", b"", -1))}), "malformed")
        shared = Storage("Float", bytes(1 << 20))
        self.refused(zipped({str(i): Tensor("Float", [1 << 18], shared) for i in range(64)}), "claim more bytes")

    def test_zip_traps(self):
        text, _ = pickled({"x": Tensor("Float", [2], bytes(8))})
        entries = {"a/data.pkl": text, "a/data/0": b"12345678"}
        good = archive(entries)
        self.convert(self.path("good.pth", good), self.path("good.safetensors"), "--layout", "plain")
        end = len(good) - 22
        second = good.rindex(b"PK\1\2")

        def patched(at, value):
            return good[:at] + value + good[at + len(value):]

        self.refused(archive(entries, zipfile.ZIP_DEFLATED), "compressed")
        self.refused(archive({**entries, "a/../../x": b""}), "leaves the archive")
        self.refused(archive({**entries, "/etc/x": b""}), "leaves the archive")
        self.refused(archive({"a/data.pkl": text}), "no 'a/data/0'")
        self.refused(archive({"a/data/0": b"12345678"}), "no data.pkl")
        self.refused(archive({**entries, "b/data.pkl": text}), "no data.pkl")
        self.refused(archive({**entries, "a/byteorder": b"big"}), "big-endian")
        self.refused(archive({**entries, "a/data/0": b"1234567"}), "7 bytes")
        self.refused(good + b"x", "does not end")
        self.refused(good + good, "")                                  # two archives, two directories
        self.refused(good[:4] + b"junk" + good[4:], "")
        self.refused(patched(second + 46 + 7, b"9"), "not what the directory says")
        self.refused(patched(good.index(b"12345678"), b"2"), "wrong CRC-32")
        self.refused(patched(second + 8, b"\x01"), "encrypted")
        self.refused(patched(second + 42, bytes(4)), "overlaps")
        self.refused(patched(second + 42, b"\xf0\xff\xff\x7f"), "overlaps")
        self.refused(patched(second + 20, struct.pack("<2L", 1 << 30, 1 << 30)), "not what")
        self.refused(patched(second + 20, b"\xff" * 8), "")            # sizes in a zip64 field that is not there
        self.refused(patched(second + 28, b"\xff\xff"), "")            # a name longer than the file
        self.refused(patched(end + 10, b"\x09\x00"), "contradicts")    # entries
        self.refused(patched(end + 16, bytes(4)), "contradicts")       # offset
        self.refused(patched(end - 20 + 8, bytes(8)), "zip64 locator")
        self.refused(patched(end - 76 + 48, struct.pack("<Q", 1 << 62)), "contradicts")
        twice = patched(end - 76 + 24, struct.pack("<2Q", 3, 3))
        self.refused(twice[:end + 8] + struct.pack("<2H", 3, 3) + twice[end + 12:], "cut short")

    def test_safetensors_traps(self):
        x = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
        four = bytes(4)
        self.convert(self.path("x", safetensors({"x": x}, four)), self.path("x.pth"), "--layout", "plain")
        cases = [
            b"\x02", bytes(8), b"\xff" * 8 + b"{}", struct.pack("<Q", 1 << 63) + b"{}",
            struct.pack("<Q", 100_000_001) + b"{}", safetensors(b"[]"), safetensors(b"{"), safetensors(b'{"x":1}'),
            safetensors(b"{\xff}"), safetensors(b"{}", b"!"), safetensors(b'{"x":' + b"9" * 9999 + b"}"),
            safetensors(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
            safetensors({"x": x, "__metadata__": {"sha256": hashlib.sha256(b"four").hexdigest()}}, four),
            safetensors({"x": x}, four + b"!"), safetensors({"x": x}, bytes(3)), safetensors({"x": x, "y": x}, four),
            safetensors({"__metadata__": []}),
            safetensors({"x": {**x, "data_offsets": [4, 8]}}, bytes(8)), safetensors({"x": {**x, "more": 1}}, four),
            safetensors(json.dumps({"x": x}).replace("}}", '},"x":{}}').encode(), four),
        ]
        wrong = [("dtype", value) for value in ("F31", ["F32"])]
        wrong += [("shape", value) for value in ([-1], [1.0], [True], "1", [2], [1 << 62, 4], [1] * 9)]
        wrong += [("data_offsets", value) for value in ([4, 0], [0])]
        cases += [safetensors({"x": {**x, key: value}}, four) for key, value in wrong]
        for data in cases:
            with self.subTest(data[:60]):
                self.refused(data, "", "hostile.safetensors")

    def test_names_cannot_forge_lines(self):
        for name in ("a\nconvert_weights: error: b", "\x1b[31m", "x" * 5000, "\u202e"):
            said = self.convert(self.path("a.pth", zipped({name: 3, "w": Tensor("Float", [1], bytes(4))})),
                                self.path("a.safetensors"), "--layout", "plain", code=65)
            self.assertEqual(len(said.splitlines()), 2)
            self.assertTrue(all(line.isprintable() and len(line) < 300 for line in said.splitlines()), said)

    def survives(self, data):
        """Whatever happened to a file, the answer is tensors of its size or one line with exit code 65."""
        self.path("a.pth", data)
        try:
            state, _ = convert_weights.convert(self.options, convert_weights.Report())
            self.assertLessEqual(sum(len(b"".join(t.chunks())) for t in state.values()), len(data))
            return True
        except weight_files.Failure as failure:
            self.assertEqual((failure.code, str(failure).isprintable()), (65, True), str(failure))
            return False

    def test_truncated_and_flipped(self):
        self.options = convert_weights.parse_arguments([str(self.path("a.pth")), "a.safetensors", "--layout", "plain"])
        state = {"a": Tensor("Float", [3, 2], b"0123456789" * 2 + b"abcd"), "b": Tensor("Long", [1], bytes(8))}
        flips = random.Random(3)
        for save in FORMATS.values():
            good = save({"model": state})
            self.assertTrue(self.survives(good))
            for size in range(1, len(good)):
                self.assertFalse(self.survives(good[:size]), f"cut to {size} bytes")
            for _ in range(1000):
                bad = bytearray(good)
                bad[flips.randrange(len(bad))] ^= 1 << flips.randrange(8)
                self.survives(bad)


@unittest.skipUnless((SHARED / "real" / "weights").is_dir(), f"no {SHARED}/real/weights")
class RealWeights(Folder):
    """Published files; oracle.json says what PyTorch found in them."""
    FOLDER = SHARED / "real" / "weights"

    def walk(self, value, path=""):
        """(path, Tensor or plain value) as the oracle names them."""
        if type(value) is dict:
            for key, item in value.items():
                yield from self.walk(item, f"{path}/{key}" if path else str(key))
        elif type(value) in (list, tuple):
            for i, item in enumerate(value):
                yield from self.walk(item, f"{path}[{i}]")
        else:
            yield path, value

    def check_tensor(self, tensor, wanted, name):
        size, code = {"F32": (4, "f"), "I64": (8, "q")}[tensor.dtype]
        self.assertEqual({"F32": "float32", "I64": "int64"}[tensor.dtype], wanted["dtype"], name)
        self.assertEqual((list(tensor.shape), list(tensor.stride), tensor.offset),
                         (wanted["shape"], wanted["stride"], wanted["storage_offset"]), name)
        numbers = array.array(code, b"".join(tensor.chunks()))
        self.assertEqual(len(numbers), math.prod(tensor.shape))
        self.assertEqual(numbers[:len(wanted["first"])].tolist(), wanted["first"], name)
        # the oracle's sums were made in double in another order
        scale = max(1.0, wanted["abs_sum"])
        self.assertAlmostEqual(math.fsum(numbers), wanted["sum"], delta=1e-12 * scale, msg=name)
        self.assertAlmostEqual(math.fsum(map(abs, numbers)), wanted["abs_sum"], delta=1e-12 * scale, msg=name)

    def test_every_file_reads_as_the_oracle_says(self):
        oracle = json.loads((self.FOLDER / "oracle.json").read_text())
        self.assertEqual(set(oracle) | {"oracle.json"}, {path.name for path in self.FOLDER.iterdir()})
        for name, wanted in oracle.items():
            with self.subTest(name):
                arguments = self.FOLDER / name, self.path("out.safetensors"), "--layout", "plain"
                if "error" in wanted:
                    self.convert(*arguments, code=65)
                    self.assertIn("would run code", self.error)
                    continue
                found = dict(self.walk(weight_files.read_checkpoint(self.FOLDER / name)))
                tensors = {path: value for path, value in found.items() if type(value) is weight_files.Tensor}
                self.assertEqual(set(tensors), set(wanted["tensors"]))
                for path, tensor in tensors.items():
                    self.check_tensor(tensor, wanted["tensors"][path], path)
                self.assertEqual({path: repr(value) for path, value in found.items() if path not in tensors},
                                 wanted["non_tensor"])
                self.convert(*arguments)
                for path, got in parse_safetensors(self.path("out.safetensors"))[0].items():
                    match = [t for p, t in tensors.items() if p.split("/")[-1] == path]
                    self.assertEqual([got.storage.data], [b"".join(t.chunks()) for t in match], path)


if __name__ == "__main__":
    unittest.main()
