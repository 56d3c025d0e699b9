#!/usr/bin/env python3
"""Makes the goldens of single ops, layers/*.safetensors, with PyTorch: cases are data, ../golden/layer_cases.json.

Usage: generate.py [--check] [--out DIR] [CASE...]     (default: all cases, into the folder layers beside this file)
    --check   writes nothing; says of each case whether the file that is there is the same byte for byte, or by how much its
              numbers differ; exits with 1 if by more than rounding

Wants torch 2.13.0 on a CPU and NumPy (python3 -m venv V && V/bin/pip install torch==2.13.0 numpy); another version says so and
may differ in the last digits. A new case of an op that is here is an object more in tests/golden/layer_cases.json:

    {"case": "conv3x3", "op": "conv2d", "params": {...}, "train": false, "note": "",
     "tensors": {"input": {"shape": [2, 6, 9, 11], "scale": 1.5}, "weight": {...}}}

A tensor is offset + scale * t(salt + name) (README.md, section 1), `first` its first numbers instead, or "kept": what the file
in layers has. A new op is a function in OPS, from params and tensors to the output, and a case in tests/golden/golden_layers.cpp.
Blocks of BTS, NeWCRFs, Swin and torchvision are not made here: README.md says where they come from.
"""
import argparse
import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

FOLDER = Path(__file__).resolve().parent
TORCH = "2.13.0"
TYPES = {"F64": "<f8", "F32": "<f4", "U8": "|u1"}
ROUNDING = 1e-6  # relative L2: what another version of the library may differ by, in float
BUFFERS = ("running_mean", "running_var")


def noise(name, count):
    """t(name, i), i < count: uniform in [-1,1), by the formula of README.md."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return 2 * ((z >> np.uint64(40)).astype(np.float64) * 2.0**-24) - 1


def pointwise(function):
    return lambda p, t: function(t["input"])


def conv2d(p, t):
    return F.conv2d(t["input"], t["weight"], t.get("bias"), p["stride"], p["padding"], p["dilation"], p["groups"])


def batch_norm2d(p, t):
    return F.batch_norm(t["input"], t["param.running_mean"], t["param.running_var"], t["param.weight"], t["param.bias"],
                        p["training"], p["momentum"], p["eps"])


def local_planar_guidance(p, t):
    """Planes over cells of r x r pixels (Lee et al. 2019): depth = n4 / (n1 u + n2 v + n3), u and v from the cell's middle."""
    r = p["upratio"]
    n1, n2, n3, n4 = t["plane_eq"].repeat_interleave(r, 2).repeat_interleave(r, 3).unbind(1)
    place = (torch.arange(r, dtype=n1.dtype) - (r - 1) * 0.5) / r
    u = place.repeat(t["plane_eq"].shape[3])
    v = place.repeat(t["plane_eq"].shape[2])[:, None]
    return n4 / (n1 * u + n2 * v + n3)


def silog_loss(p, t):
    mask = t["mask"].bool()
    d = torch.log(t["depth_est"][mask]) - torch.log(t["depth_gt"][mask])
    return torch.sqrt((d**2).mean() - p["variance_focus"] * (d.mean()**2)) * p["factor"]


OPS = {
    "elu": pointwise(F.elu), "gelu": pointwise(F.gelu), "hardsigmoid": pointwise(F.hardsigmoid),
    "hardswish": pointwise(F.hardswish), "relu": pointwise(F.relu), "relu6": pointwise(F.relu6),
    "sigmoid": pointwise(torch.sigmoid), "leaky_relu_001": pointwise(lambda x: F.leaky_relu(x, 0.01)),
    "leaky_relu_02": pointwise(lambda x: F.leaky_relu(x, 0.2)), "softmax_last": pointwise(lambda x: x.softmax(-1)),
    "adaptive_avg_pool2d": lambda p, t: F.adaptive_avg_pool2d(t["input"], p["output_size"]),
    "max_pool2d": lambda p, t: F.max_pool2d(t["input"], p["kernel"], p["stride"], p["padding"]),
    "interpolate": lambda p, t: F.interpolate(t["input"], **{k: tuple(v) if isinstance(v, list) else v for k, v in p.items()}),
    "conv2d": conv2d, "batch_norm2d": batch_norm2d,
    "group_norm": lambda p, t: F.group_norm(t["input"], p["groups"], t["param.weight"], t["param.bias"], p["eps"]),
    "layer_norm": lambda p, t: F.layer_norm(t["input"], t["input"].shape[-1:], t["param.weight"], t["param.bias"], p["eps"]),
    "normalize": lambda p, t: F.normalize(t["input"], p=p["p"], dim=p["dim"], eps=p["eps"]),
    "linear": lambda p, t: F.linear(t["input"], t["weight"], t["bias"]),
    "pixel_shuffle": lambda p, t: F.pixel_shuffle(t["input"], p["r"]),
    "local_planar_guidance": local_planar_guidance, "silog_loss": silog_loss,
}


def read(path):
    """The tensors of a safetensors file, and its metadata."""
    data = path.read_bytes()
    size, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    meta = header.pop("__metadata__", {})
    return {name: np.frombuffer(data, TYPES[entry["dtype"]], offset=8 + size + entry["data_offsets"][0],
                                count=int(np.prod(entry["shape"]))).reshape(entry["shape"])
            for name, entry in header.items()}, meta


def as_bytes(tensors, meta):
    """A safetensors file as the library writes it: the widest types first, then by name."""
    header, data = {"__metadata__": meta}, []
    offset = 0
    for name in sorted(tensors, key=lambda name: (-tensors[name].itemsize, name)):
        kind = next(kind for kind, dtype in TYPES.items() if np.dtype(dtype) == tensors[name].dtype)
        size = tensors[name].nbytes
        header[name] = {"dtype": kind, "shape": list(tensors[name].shape), "data_offsets": [offset, offset + size]}
        data.append(np.ascontiguousarray(tensors[name]).tobytes())
        offset += size
    head = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + b"".join(data)


def given(case, salt):
    """The tensors that the case is computed from, in float32 (mask: uint8)."""
    kept = {}
    tensors = {}
    for name, what in case["tensors"].items():
        if what == "kept":
            kept = kept or read(FOLDER / "layers" / f"{case['case']}.safetensors")[0]
            tensors[name] = kept[name]
            continue
        values = what.get("offset", 0) + what["scale"] * noise(salt + name.removeprefix("param."), int(np.prod(what["shape"])))
        values[:len(what.get("first", []))] = what.get("first", [])
        tensors[name] = values.astype(np.float32).reshape(what["shape"])
    return tensors


def run(case, tensors, dtype, upstream):
    """Output, gradients and buffers after the step, in the order in which the metadata has them."""
    t = {name: torch.from_numpy(np.array(x)).to(dtype if x.dtype != np.uint8 else torch.uint8) for name, x in tensors.items()}
    learnt = [name for name in t if name.removeprefix("param.") not in BUFFERS and name not in ("mask", "depth_gt")]
    for name in learnt:
        t[name].requires_grad_()
    out = OPS[case["op"]](case["params"], t)
    dy = torch.ones_like(out) if out.dim() == 0 else torch.from_numpy(upstream(tuple(out.shape))).to(dtype)
    out.backward(dy)
    results = {"output": out.detach()}
    results.update({f"grad_{name}": t[name].grad for name in learnt})
    if case["train"]:
        results.update({f"after.{name}": t[f"param.{name}"] for name in BUFFERS if f"param.{name}" in t})
    return {name: value.numpy() for name, value in results.items()}, dy.numpy()


def errors(f32, f64):
    """How far float32 is from float64."""
    right = torch.from_numpy(np.array(f64))
    difference = torch.from_numpy(f32.astype(np.float64)) - right
    size = float(right.norm())
    return {"max_abs": float(difference.abs().max()),
            "rel_l2": float(difference.norm() / right.norm()) if size > 0 else float(difference.norm())}


def make(case):
    """The bytes of a case's file."""
    salt = f"layer/{case['case']}/"
    tensors = given(case, salt)

    def upstream(shape):
        return noise(salt + "grad_output", int(np.prod(shape))).astype(np.float32).reshape(shape)
    single, dy = run(case, tensors, torch.float32, upstream)
    double, _ = run(case, tensors, torch.float64, upstream)
    meta = {"case": case["case"], "op": case["op"], "params": case["params"], "salt": salt, "note": case["note"],
            "torch": torch.__version__, "train": case["train"],
            "f32_vs_f64": {name: errors(single[name], double[name]) for name in single}}
    everything = {**tensors, **single, "grad_output": dy, **{f"{name}.f64": value for name, value in double.items()}}
    return as_bytes(everything, {"meta": json.dumps(meta)})


def compare(path, made):
    """What is to be said of a file, and whether it is more than rounding."""
    if not path.exists():
        return "is not there", True
    if path.read_bytes() == made:
        return "the same byte for byte", False
    old, _ = read(path)
    new_path = path.with_suffix(".new")
    new_path.write_bytes(made)
    new, _ = read(new_path)
    new_path.unlink()
    if old.keys() != new.keys() or any(old[name].shape != new[name].shape for name in old):
        return f"has other tensors: {sorted(old.keys() ^ new.keys())}", True
    worst, name = max((errors(old[name], new[name].astype(np.float64))["rel_l2"], name) for name in old)
    return (f"differs by {worst:.1e} in {name}" if worst > 0 else "the same numbers, other metadata"), worst > ROUNDING


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n", 1)[1])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--out", type=Path, default=FOLDER / "layers")
    parser.add_argument("cases", nargs="*")
    words = parser.parse_args()
    torch.set_num_threads(1)
    if torch.__version__.split("+")[0] != TORCH:
        print(f"generate.py: torch {torch.__version__}; the files there are of {TORCH}")
    cases = json.loads((FOLDER.parent / "golden" / "layer_cases.json").read_text())
    unknown = set(words.cases) - {case["case"] for case in cases}
    if unknown:
        sys.exit(f"generate.py: no case {', '.join(sorted(unknown))}")
    wrong = False
    for case in cases:
        if words.cases and case["case"] not in words.cases:
            continue
        made, path = make(case), words.out / f"{case['case']}.safetensors"
        if words.check:
            said, bad = compare(path, made)
            wrong = wrong or bad
            print(f"{case['case']}: {said}")
        else:
            words.out.mkdir(parents=True, exist_ok=True)
            path.write_bytes(made)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
