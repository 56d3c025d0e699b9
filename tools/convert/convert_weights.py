#!/usr/bin/env python3
"""Brings published PyTorch weights into the engine, and weights of the engine back to PyTorch.

    convert_weights.py IN OUT [--dataset NAME] [--layout NAME] [--key NAME] [--partial] [--manifests DIR]

IN is a .pth (.pt, .ckpt; zip or legacy) or a safetensors file, told apart by content. The weights in it are found by
their names, under any key and behind any prefix (find_weights.py). OUT ends in .safetensors (the engine's names)
or in .pth (the layout's names). What does not fit the net's manifest is listed and refused; --partial writes the rest.
Standard library only, and nothing in IN is executed: see weight_files.py. Exit codes: 0 ok, 2 usage, 65 bad data,
66 missing input, 70 out of memory, 73 cannot write.
"""
import argparse
import array
import collections
import fnmatch
import itertools
import json
import math
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from find_weights import beside, find_any, find_by_sign, is_counter
from weight_files import (CANNOT_WRITE, MISSING_INPUT, OUT_OF_MEMORY, USAGE, Failure, Tensor, cast, dense,
                          read_checkpoint, show, write_durably, write_pth, write_safetensors)

# ---- Names ---------------------------------------------------------------------------------------------------------

class Layout(NamedTuple):
    """How PyTorch code lays out a net, and where that stands in the engine's."""
    nets: tuple           # the manifests it can fill
    ours: str             # what the engine puts before its names
    sign: str             # a name by which it is known, and by whose shape its manifest is
    theirs: str = ""      # what PyTorch's code puts before the names that the engine has behind `ours`
    module: bool = False  # saved as {"model": ...} from a DistributedDataParallel, whose names begin with "module."
    leftovers: tuple = ()  # entries of PyTorch's net that the engine's net does not have
    absent: tuple = ()    # entries of the engine's net that PyTorch's does not have: they keep their initialisation


RESNETS, DENSENETS = ("bts_resnet50", "bts_resnet101"), ("bts_densenet121", "bts_densenet161")
NEWCRFS = ("newcrfs_tiny07", "newcrfs_base07", "newcrfs_large07")
LAYOUTS = {
    "lt": Layout(("lt",), "", "encoder.features.0.0.weight"),
    "mobilenetv3": Layout(("lt",), "encoder.", "features.0.0.weight", leftovers=("classifier.*",)),
    "bts": Layout(RESNETS, "", "encoder.base_model.conv1.weight", module=True),
    "bts_densenet": Layout(DENSENETS, "", "encoder.base_model.conv0.weight", module=True),
    "resnet": Layout(RESNETS, "encoder.base_model.", "layer1.0.conv1.weight"),
    "densenet": Layout(DENSENETS, "encoder.base_model.", "conv0.weight", theirs="features.",
                       leftovers=("classifier.*",)),
    "newcrfs": Layout(NEWCRFS, "", "backbone.patch_embed.proj.weight", module=True),
    "swin": Layout(NEWCRFS, "backbone.", "patch_embed.proj.weight", leftovers=("norm.*", "head.*", "*.attn_mask"),
                   absent=("norm[0-3].*",)),
}
DEEPER = {"bts_resnet101": "layer3.6.conv1.weight"}  # what tells it from the layout's other nets
RELATIVES = {"bts_resnet101": ("layer3.23.conv1.weight", "a ResNet-152"),  # which have the sign's shape, too
             "bts_densenet121": ("denseblock3.denselayer25.conv1.weight", "a DenseNet-169 or -201")}
ENGINE_NAMES = {"bts_resnet50": "bts"}  # where they are not the manifest's
LARGEST_DEPTH_M = {"nyu": 10.0, "kitti": 80.0}  # as all three nets were trained
MANIFESTS = Path(__file__).resolve().parent / "manifests"
MANIFEST_DTYPES = {"float32": "F32", "int64": "I64"}


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


class Report:
    """What became of every entry; printed whether the conversion succeeds or not."""

    def __init__(self):
        self.lines, self.misfits = [], 0

    def note(self, kind, name, detail=""):
        self.lines.append(f"{kind:<10} {show(name)}{detail and ' ' + detail}")

    def misfit(self, kind, name, detail=""):
        self.note(kind, name, detail)
        self.misfits += 1


def find(content, options, report):
    """The layout's name and the name -> Tensor part of a checkpoint; what is passed by is in the report."""
    if options.layout == "plain":
        layout, found = "plain", find_any(content, options.key)
    else:
        tried = {options.layout: LAYOUTS[options.layout]} if options.layout else LAYOUTS
        prefixed = "theirs" if options.target.endswith(".safetensors") else "ours"  # whose names IN has
        signs = {name: getattr(layout, prefixed) + layout.sign for name, layout in tried.items()}
        found = find_by_sign(content, signs, options.key)
        if found is None:
            raise Failure(f"no '{signs[options.layout]}': not this layout" if options.layout else
                          "none of the known nets' names; --layout plain keeps names as they are")
        layout, found = found
    for key in beside(content, found):
        report.note("dropped", key, "(beside the weights)")
    return layout, without_foreign(found, layout, report)


def without_foreign(found, layout, report):
    """The candidate's tensors, but for profilers' counters and for what is not behind its prefix."""
    for name, value in found.items.items():
        if type(name) is str and type(value) is Tensor and found.has(name):
            continue
        if layout == "plain":
            report.misfit("unexpected", name, "(not a tensor)")
        else:
            report.note("dropped", name, "(beside the weights)")
    state = found.state()
    for name in [name for name in state if is_counter(name)]:
        report.note("dropped", name, "(a profiler's counter)")
        del state[name]
    return state


def has_ending(state, ending):
    return any(("." + name).endswith("." + ending) for name in state)


def refuse_relatives(layout, state):
    """Of the same family and with many of the same names, but no net of the engine."""
    known = f"none of the known nets ({', '.join(layout.nets)})"
    for net, (ending, what) in RELATIVES.items():
        stem = state[layout.ours + layout.sign].shape[0]
        if net in layout.nets and has_ending(state, ending) and (net not in DENSENETS or stem == 64):
            raise Failure(f"{what}: {known}")
    for name, tensor in state.items():
        if layout.nets == RESNETS and ("." + name).endswith(".layer1.0.conv2.weight") and len(tensor.shape) == 4:
            if tensor.shape[0] != tensor.shape[1]:
                raise Failure(f"a ResNeXt (its '{name}' is {list(tensor.shape)}, a convolution in groups): {known}")


def read_manifest(layout, state, folder):
    """Name of the net and its entries under the engine's names: (dtype, shape)."""
    sign, tried = layout.ours + layout.sign, []
    if sign not in state:
        raise Failure(f"no '{sign}': not this layout")
    refuse_relatives(layout, state)
    deeper = [net for net in layout.nets if net in DEEPER and has_ending(state, DEEPER[net])]
    for net in deeper or [net for net in layout.nets if net not in DEEPER]:
        path = Path(folder) / f"{net}.json"
        try:
            manifest = json.loads(path.read_text())
            wanted = {e["name"]: (MANIFEST_DTYPES[e["dtype"]], tuple(e["shape"])) for e in manifest["entries"]}
        except OSError as error:
            raise Failure(f"{show(path)}: cannot open the manifest: {error.strerror}", MISSING_INPUT) from None
        except (ValueError, KeyError, TypeError):
            raise Failure(f"{show(path)}: not a manifest") from None
        if wanted.get(sign, (None, None))[1] == state[sign].shape:
            return net, {name: entry for name, entry in wanted.items() if name.startswith(layout.ours)}
        tried.append(f"{net} wants {list(wanted[sign][1]) if sign in wanted else 'none'}")
    raise Failure(f"'{sign}' is {list(state[sign].shape)}: {', '.join(tried)}")


def derived(name, shape):
    """Buffers that PyTorch derives, and that older or newer files lack. None for any other entry."""
    if name.endswith(".num_batches_tracked"):
        return dense("I64", shape, bytes(8))
    if name.endswith(".relative_position_index"):  # of a square window, as Swin and NeWCRFs number it
        side = math.isqrt(shape[0])
        cells = list(itertools.product(range(side), repeat=2))
        index = ((y - v + side - 1) * (2 * side - 1) + x - u + side - 1 for y, x in cells for v, u in cells)
        return dense("I64", shape, array.array("q", index).tobytes())
    return None


def fit(state, wanted, layout, report):
    """The entries of the net in the manifest's order; the report says what became of all others."""
    fitting = {}
    for name, (dtype, shape) in wanted.items():
        tensor = state.pop(name, None)
        if tensor is None and (tensor := derived(name, shape)):
            report.note("derived", name)
        if tensor is not None and tensor.shape == shape and (found := cast(tensor, dtype)):
            fitting[name] = found
        elif tensor is not None:
            report.misfit("misshapen", name, f"{tensor.dtype} {list(tensor.shape)}, wants {dtype} {list(shape)}")
        elif matches(name[len(layout.ours):], layout.absent):
            report.note("absent", name, "(keeps its initialisation: mdtrain --init-partial)")
        else:
            report.misfit("missing", name, f"{dtype} {list(shape)}")
    for name, tensor in state.items():
        if matches(name[len(layout.ours):], layout.leftovers):
            report.note("dropped", name, f"{list(tensor.shape)} (the net has none)")
        else:
            report.misfit("unexpected", name, f"{tensor.dtype} {list(tensor.shape)}")
    return fitting


def modern(name):
    """torchvision's published DenseNets have the names of its first version, "denselayer1.norm.1.weight"."""
    return re.sub(r"(\bdenselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", name)


def to_engine(state, layout, folder, report):
    ours = {layout.ours + modern(name.removeprefix(layout.theirs)): tensor for name, tensor in state.items()}
    net, wanted = read_manifest(layout, ours, folder)
    return net, fit(ours, wanted, layout, report)


def to_pytorch(state, layout, folder, report):
    """The reverse: of a checkpoint of the engine, the net or its encoder under the layout's names."""
    ours, outside = {}, collections.Counter()
    for name, tensor in state.items():
        if name.startswith("optimizer.") or not name.startswith(layout.ours):
            outside[name.split(".")[0] + ".*"] += 1
        else:
            ours[name] = tensor
    for part, count in outside.items():
        report.note("dropped", part, f"({count} entries, not of this layout)")
    net, wanted = read_manifest(layout, ours, folder)
    for name in [name for name in ours if matches(name[len(layout.ours):], layout.absent)]:
        report.note("dropped", name, "(PyTorch's net has none)")
        del ours[name]
    fitting = fit(ours, wanted, layout, report)
    before = ("module." if layout.module else "") + layout.theirs
    return net, {before + name[len(layout.ours):]: tensor for name, tensor in fitting.items()}


# ---- The command ---------------------------------------------------------------------------------------------------

class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Failure(f"{message} (see --help)", USAGE)


def parse_arguments(arguments):
    parser = Parser(prog="convert_weights", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="IN", help="a .pth or a safetensors file")
    parser.add_argument("target", metavar="OUT", help="ends in .safetensors or .pth")
    parser.add_argument("--layout", choices=[*LAYOUTS, "plain"], help="whose names the .pth has; plain: as they are"
                        " (default: known by the names in IN, the whole net before its encoder)")
    parser.add_argument("--dataset", choices=LARGEST_DEPTH_M, help="what a whole net was trained on: OUT is then a"
                        " checkpoint that mdeval takes")
    parser.add_argument("--key", help="which weights, where IN has several (a network and its moving average, say):"
                        " the key, or keys and prefix with dots between them, '.' for the top")
    parser.add_argument("--partial", action="store_true", help="write what fits, and list what does not")
    parser.add_argument("--manifests", default=MANIFESTS, metavar="DIR", help="the nets' names and shapes, in JSON")
    options = parser.parse_args(arguments)
    if not options.target.endswith((".safetensors", ".pth")):
        raise Failure(f"{show(options.target)}: OUT must end in .safetensors or .pth", USAGE)
    if options.dataset and not options.target.endswith(".safetensors"):
        raise Failure(f"--dataset: {show(options.target)} is no checkpoint of the engine", USAGE)
    return options


def check_plain(state):
    for name in state:
        if name == "__metadata__" or ascii(name).find("\\ud") >= 0:
            raise Failure(f"'{show(name)}' cannot be a tensor's name in a safetensors file")


def checkpoint_metadata(net, layout, dataset):
    """What mdeval asks of a checkpoint: how to build the net, and a run of no steps."""
    if layout == "plain" or LAYOUTS[layout].ours:
        raise Failure(f"--dataset: the layout {layout} is no whole net", USAGE)
    config = {"net": ENGINE_NAMES.get(net, net), "dataset": dataset, "max-depth": LARGEST_DEPTH_M[dataset],
              "focal-scaling": layout.startswith("bts") and dataset == "kitti"}
    counts = ("seed", "step", "epoch", "frames", "steps_per_epoch", "schedule_steps", "evaluated", "skipped")
    run = {**dict.fromkeys(counts, 0), "lr_factor": 1.0, "computed_on": "", "best": None}
    return {"config": json.dumps(config), "run": json.dumps(run)}


def convert(options, report):
    """Reads and maps IN; gives the state and how to write it."""
    layout, state = find(read_checkpoint(options.source), options, report)
    whole = os.path.getsize(options.source)
    if sum(tensor.nbytes for tensor in state.values()) > whole:
        raise Failure(f"its tensors claim more bytes than the file's {whole}")
    to_safetensors = options.target.endswith(".safetensors")
    if layout == "plain":
        net = "any"
        check_plain(state)
    else:
        net, state = (to_engine if to_safetensors else to_pytorch)(state, LAYOUTS[layout], options.manifests, report)
    report.note("layout", layout, f"of net {net}")
    if to_safetensors:
        metadata = {"format": "pt", "net": net, "layout": layout, "source": os.path.basename(options.source)}
        if options.dataset:
            metadata |= checkpoint_metadata(net, layout, options.dataset)
        return state, lambda file: write_safetensors(file, state, metadata)
    return state, lambda file: write_pth(file, state, wrapped=layout != "plain" and LAYOUTS[layout].module)


def run(options):
    report = Report()
    try:
        state, write = convert(options, report)
    except Failure as failure:
        raise Failure(f"{show(options.source)}: {failure}", failure.code) from None
    print(*report.lines, sep="\n", end="\n" if report.lines else "")
    if not state or (report.misfits and not options.partial):
        raise Failure(f"{show(options.source)}: {report.misfits} entries do not fit, listed above; nothing written"
                      " (--partial writes the others)")
    write_durably(options.target, write)
    print(f"{'wrote':<10} {show(options.target)}: {len(state)} tensors, {sum(t.count for t in state.values())} numbers")


def main(arguments=None):
    try:
        run(parse_arguments(arguments))
        sys.stdout.flush()
        return 0
    except Failure as failure:
        message, code = str(failure), failure.code
    except OSError as error:
        sys.stdout = None  # or the interpreter tries once more
        message, code = f"stdout: cannot write: {error.strerror}", CANNOT_WRITE
    except MemoryError:
        message, code = "out of memory", OUT_OF_MEMORY
    print(f"convert_weights: error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
