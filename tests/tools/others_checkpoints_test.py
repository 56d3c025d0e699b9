"""tools/convert/convert_weights.py on checkpoints as other trainers write them: objects of any class beside the
tensors, keys and prefixes of every kind, several networks in one file. Nothing of them is imported or run."""
import argparse
import collections
import datetime
import enum
import functools
import pathlib
import struct
import sys
import unittest
from pathlib import Path
from typing import Any, List

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "convert"))
import weight_files  # noqa: E402
from convert_weights_test import FORMATS, Folder, parse_safetensors, renamed, thin, weights  # noqa: E402
from torch_stand_in import Tensor, archive, stand_in, zeros_of_numpy, zipped  # noqa: E402


class Precision(enum.Enum):
    """As a trainer has it; pickled as a call of its class."""
    MIXED = "mixed"

    def __reduce_ex__(self, protocol):
        return Precision, (self.value,)


class Loud:
    """Of a trainer's own module; whoever imports or builds it is heard."""
    made = 0

    def __new__(cls, *_):
        Loud.made += 1
        return super().__new__(cls)

    def __setstate__(self, state):
        Loud.made += 1


class Outer:
    class Inner:
        pass


class Attributes(dict):
    """A dict with attributes, as easydict and Lightning have."""


class History(list):
    pass


def of_torch(name, arguments):
    """An object that pickles as a call of torch.NAME, and the same uncalled."""
    kind = stand_in("torch", name, type(name, (), {"__reduce__": lambda self: (type(self), arguments)}))
    return kind()


def beside():
    """What a trainer may keep beside the weights, one of each kind."""
    stand_in("omegaconf.dictconfig", "DictConfig", Loud)
    config = Loud()
    config.__dict__.update(_content={"lr": 1e-4}, _metadata=List[int], _parent=None, flags=Any)
    return {
        "args": argparse.Namespace(lr=1e-4, out=pathlib.PosixPath("runs/x"), gpus={0, 1}, when=datetime.datetime.now()),
        "windows": pathlib.PureWindowsPath("c:/runs"), "device": of_torch("device", ("cuda", 0)),
        "dtype": of_torch("float16", ()).__class__, "config": config, "precision": Precision.MIXED,
        "warmup": functools.partial(max, 3), "classes": {Outer.Inner: 1}, "seen": frozenset("ab"), "z": 1 + 2j,
        "hparams": Attributes(width=3, deep=Attributes(a=[1])), "history": History([1, 2]), "pairs": {(0, 1): 2.5},
        "elapsed": datetime.timedelta(3), "counts": collections.Counter("aab"), "last": collections.deque([1], 9),
        "losses": collections.defaultdict(list, {"train": [0.5]}), "best": zeros_of_numpy(), "rng": {1.5: None},
        "names": collections.OrderedDict(a=1), "raw": b"\x00\xff",
    }


class OthersCheckpoints(Folder):
    """The net is LT at a hundredth of its size, by name only."""

    def setUp(self):
        super().setUp()
        self.lt = weights(thin("lt"))
        self.other = weights(thin("lt"), seed=8)

    def taken(self, content, *arguments, code=0):
        """What the tool says of a file with `content`; the weights are self.lt's, or nothing is written."""
        self.path("in.ckpt", zipped(content))
        out = self.path("out.safetensors")
        out.unlink(missing_ok=True)
        said = self.convert(self.path("in.ckpt"), out, *self.manifests(lt=thin("lt")), *arguments, code=code)
        if code:
            self.assertFalse(out.exists())
        else:
            self.assertEqual(parse_safetensors(out)[0], self.lt)
        return said

    def test_objects_beside_the_weights(self):
        objects = beside()
        made = Loud.made
        for name, save in FORMATS.items():
            with self.subTest(name):
                self.path("in.pth", save({**objects, "model": self.lt}))
                said = self.convert(self.path("in.pth"), self.path("out.safetensors"), *self.manifests(lt=thin("lt")))
                self.assertEqual(parse_safetensors(self.path("out.safetensors"))[0], self.lt)
                for key in objects:
                    self.assertRegex(said, rf"dropped +{key} \(beside the weights\)\n")
        self.assertEqual(Loud.made, made, "something of the file was built")
        for key, value in objects.items():
            with self.subTest(key):
                self.taken({key: value, "state_dict": self.lt})

    def test_objects_among_the_weights(self):
        self.taken({**self.lt, **beside()})
        self.taken(collections.defaultdict(int, self.lt))
        self.taken(Attributes(state_dict=Attributes(self.lt)))

    def test_tensors_that_carry_more(self):
        """A parameter with its state, and a tensor that somebody set an attribute of."""
        with_state = stand_in("torch._utils", "_rebuild_parameter_with_state", lambda data, *_: data)
        of_type = stand_in("torch._tensor", "_rebuild_from_type_v2", lambda *_: None)
        kind = stand_in("torch.nn.parameter", "Parameter", type("Parameter", (), {}))

        class Carried:
            def __init__(self, call):
                self.call = call

            def __reduce__(self):
                return self.call

        names = iter(list(self.lt))
        first, second = next(names), next(names)
        function, arguments = self.lt[second].__reduce__()
        self.taken({**self.lt, first: Carried((with_state, (self.lt[first], True, None, {"tag": 1}))),
                    second: Carried((of_type, (function, kind, arguments, {"is_buffer": True})))})

    def test_prefixes(self):
        for prefix in ("module.", "model.", "net.", "_orig_mod.", "model._orig_mod.module.", "module.model.network.",
                       "student.", "lightning_module.depth_net."):
            with self.subTest(prefix):
                state = renamed(self.lt, "", prefix)
                self.taken({"state_dict": state})
                said = self.taken({"state_dict": {**state, "criterion.scale": Tensor("Float", [1], bytes(4))}})
                self.assertRegex(said, r"dropped +criterion\.scale \(beside the weights\)")

    def test_keys(self):
        for key in ("model", "state_dict", "ema", "model_ema", "params", "net", "weights", "shadow"):
            with self.subTest(key):
                self.taken({key: self.lt, "epoch": 3})
                self.taken({"checkpoint": {key: renamed(self.lt, "", "module.")}, "step": 1})

    def test_counters_of_profilers(self):
        counters = {f"{at}{name}": Tensor("Double", [1], bytes(8)) for name in ("total_ops", "total_params")
                    for at in ("", "encoder.", "encoder.features.3.block.0.")}
        self.taken({**self.lt, **counters})
        said = self.taken({"model": renamed({**self.lt, **counters}, "", "module.")})
        self.assertEqual(said.count("(a profiler's counter)"), 6)

    def test_several_networks_are_named_and_chosen_by_key(self):
        two = {"state_dict": self.other, "ema": {"shadow": self.lt}}
        self.taken(two, code=65)
        self.assertIn("'state_dict', 'ema.shadow'; --key NAME chooses", self.error)
        self.taken(two, "--key", "ema")
        self.taken(two, "--key", "ema.shadow")
        self.taken(two, "--key", "teacher", code=65)
        self.assertIn("no weights under 'teacher': there are 'state_dict', 'ema.shadow'", self.error)

        one_dict = {"state_dict": {**renamed(self.lt, "", "model."), **renamed(self.other, "", "model_ema.module.")}}
        self.taken(one_dict, code=65)
        self.assertIn("'state_dict.model', 'state_dict.model_ema.module'", self.error)
        self.taken(one_dict, "--key", "state_dict.model")

        nested = {**self.lt, **renamed(self.other, "", "teacher.")}
        self.taken(nested, code=65)
        self.assertIn("'.', 'teacher'", self.error)
        self.taken(nested, "--key", ".")

    def test_an_optimiser_is_no_candidate(self):
        moments = {"state": {0: {"exp_avg": Tensor("Float", [1], bytes(4))}}, "ema": self.other}
        for key in ("optimizer", "optim_states", "optimizer_states", "lr_schedulers"):
            self.taken({"model": self.lt, key: moments})

    def test_plain_names_ask_too(self):
        x, y = ({"x": Tensor("Float", [1], data)} for data in (b"1234", b"5678"))
        cases = [({"model": x, "ema": y}, ["--key", "ema"], y), ({"best": y["x"], "net": x}, [], x),
                 ({"a": {"b": y}}, [], y), ({"module._orig_mod.x": x["x"]}, [], x)]
        for content, arguments, want in cases:
            self.path("in.pth", zipped(content))
            self.convert(self.path("in.pth"), self.path("o.safetensors"), "--layout", "plain", *arguments)
            self.assertEqual(parse_safetensors(self.path("o.safetensors"))[0], want)
        self.refused(zipped({"model": x, "ema": y}), "there are 'model', 'ema'; --key NAME chooses")

    def test_a_whole_network_is_named(self):
        class Net:
            def __init__(self, state):
                self.__dict__.update(training=True, _modules=collections.OrderedDict(), _parameters=state)

        stand_in("models", "Net", Net)
        for content in (Net(self.lt), {"model": Net(self.lt), "epoch": 1}):
            self.taken(content, code=65)
            self.assertIn("holds a network as an object", self.error)
        self.taken({"state_dict": self.lt, "ema": Net(self.other)})

    def test_calls_that_would_run_code_are_refused_beside_weights_too(self):
        touched = self.path("touched")
        calls = {"os system": f"touch {touched}", "subprocess Popen": f"touch {touched}", "shutil rmtree": "/nowhere",
                 "importlib import_module": "antigravity", "runpy run_path": "x.py", "torch.hub load": "x"}
        for name, argument in calls.items():
            call = f"c{name.replace(' ', chr(10))}\n".encode() + b"X" + struct.pack("<L", len(argument))
            call += argument.encode() + b"\x85R"
            text = b"\x80\x02}(X\x04\x00\x00\x00argsX\x01\x00\x00\x00a" + b"X\x01\x00\x00\x00b" + call + b"u."
            with self.subTest(name):
                self.refused(archive({"archive/data.pkl": text}), f"'{name.replace(' ', '.')}'")
        attribute = b"\x80\x02c__builtin__\ngetattr\ncos\nsystem\nX\x01\x00\x00\x00a\x86R."
        self.refused(archive({"archive/data.pkl": attribute}), "would run code")
        self.assertFalse(touched.exists())

    def test_dicts_that_lead_into_themselves(self):
        """2^60 paths, or a circle, if anybody walked them all."""
        text = b"\x80\x02}q\x00" + b"".join(b"}(X\x01\x00\x00\x00ah%cX\x01\x00\x00\x00bh%cuq%c" % (i, i, i + 1)
                                           for i in range(60)) + b"."
        circle = b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s."
        for pickle in (text, circle):
            self.refused(archive({"archive/data.pkl": pickle}), "no dict")


if __name__ == "__main__":
    unittest.main()
