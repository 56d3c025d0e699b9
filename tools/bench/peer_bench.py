"""The peers of mdbench: the same work in PyTorch and, of a network that only infers, in ONNX Runtime and OpenVINO. Prints
one JSON line, a list of all modes it was asked for: each with its precision, seconds a run and peak memory (of a process
of its own; on a GPU of the tensors there), or with the reason why there is no time: "failed" or "absent".

    python peer_bench.py lt_train [--precisions f32,bf16] [--modes eager,...] [--threads N] [--seconds S]
                         [--official FOLDER] [--onnx FILE] [--device cuda:N]
"""
import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Callable, NamedTuple

FORMATS = ("contiguous", "channels_last")
WRITTEN = ("masks", "torch.where")  # two ways of writing MetricDepth down


class Mode(NamedTuple):
    name: str
    precision: str  # what is asked for; the one that is computed in comes with the time
    prepare: Callable  # args -> a run of the work as a function, and its precision
    first: bool = False  # timed is the first run, from the start of the process on


# The imports stand inside: a process holds the libraries of its own mode and no others.


def pytorch(work, compiled, variant, precision):
    """A mode of the function that `work(args)` names; it takes how to run, and official code where it needs that."""

    def prepare(args):
        import torch
        import peer_torch
        torch.set_num_threads(args.threads)
        torch.manual_seed(0)
        torch.set_default_device(args.device)
        if on_gpu(args):
            torch.cuda.set_device(args.device)
            torch.backends.cudnn.benchmark = True
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        return work(peer_torch.How(compiled, variant, precision), args), precision

    name = f"PyTorch {'compiled' if compiled else 'eager'} {variant} {precision}"
    return Mode(name, precision, prepare)


def modes_of_pytorch(work, variants=FORMATS, precisions=("f32", "tf32", "bf16"), compiled=(False, True)):
    return [pytorch(work, c, v, p) for p in precisions for c in compiled for v in variants]


def own(name, *numbers):
    """A function of peer_torch.py."""

    def work(how, args):
        import peer_torch
        return getattr(peer_torch, name)(how, *numbers)

    return work


def official(name):
    """A function of peer_official.py, which runs code of other people from a folder."""

    def work(how, args):
        if not args.official:
            raise ImportError("no checkout of its official code was given")
        import peer_official
        return getattr(peer_official, name)(how, args.official)

    return work


def modes_of_onnx():
    def engine(function):
        def prepare(args):
            if not args.onnx:
                raise ImportError("no ONNX file was given")
            import peer_onnx
            return getattr(peer_onnx, function)(args.onnx, args.threads)

        return prepare

    return [Mode("ONNX Runtime f32", "f32", engine("onnx_runtime")), Mode("OpenVINO f32", "f32", engine("openvino_f32")),
            Mode("OpenVINO default", "bf16", engine("openvino_default"))]


def modes_of_metric_depth(*size):
    def work(how, args):
        import peer_torch
        return peer_torch.metric_depth_step(how, *size)

    return modes_of_pytorch(work, WRITTEN, ("f32", "tf32"))


def starting(work):
    """Import, network and the first run; compiling would take longer than the rest."""
    return [mode._replace(first=True) for mode in modes_of_pytorch(work, compiled=(False,))]


def augmentation():
    def prepare(args):
        import peer_augment
        return peer_augment.augment_frames(), "f32"

    return [Mode("Pillow, NumPy", "f32", prepare)]


NYU = [(0.5, 1.0, 3.0), (1.0, 1.5, 6.0), (1.5, 2.0, 8.0)]  # low and high in metres, margin
KITTI = [(1.0, 5.0, 2.0), (5.0, 10.0, 3.0), (10.0, 15.0, 3.5)]
WORK = {
    "lt_train": modes_of_pytorch(own("lt_train")),
    "lt_infer": modes_of_pytorch(own("lt_infer")) + modes_of_onnx(),
    "lt_infer_b8": modes_of_pytorch(own("lt_infer", 8)) + modes_of_onnx(),
    "bts_train": modes_of_pytorch(official("bts_train")),
    "bts_infer": modes_of_pytorch(official("bts_infer")) + modes_of_onnx(),
    "newcrfs_train": modes_of_pytorch(official("newcrfs_train")),
    "newcrfs_infer": modes_of_pytorch(official("newcrfs_infer")) + modes_of_onnx(),
    "metric_depth": modes_of_metric_depth(4, 208, 272, 32, 10.0, 1.0, NYU),
    "metric_depth_sparse": modes_of_metric_depth(4, 176, 352, 32, 80.0, 0.05, KITTI),
    "startup_train": starting(own("lt_train")),
    "startup_predict": starting(own("lt_infer")),
    "augment": augmentation(),
}


def on_gpu(args):
    return args.device != "cpu"


def timed_here(mode, args):
    random.seed(0)
    run, precision = mode.prepare(args)
    report = {"precision": precision}
    if mode.first:
        run()
        return {**report, "seconds": time.monotonic() - args.started}
    if on_gpu(args):
        import torch
        step, run = run, lambda: (step(), torch.cuda.synchronize())
    for _ in range(2):  # the first compiles, and searches for the best convolutions, which takes more memory
        run()
    if on_gpu(args):
        torch.cuda.reset_peak_memory_stats()
    times = []
    while len(times) < 3 or sum(times) < args.seconds:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    report["seconds"] = statistics.median(times)
    if on_gpu(args):
        report["peak_mb"] = torch.cuda.max_memory_allocated() / 1e6
    return report


def child(args):
    """Prints the report of the one mode that has this name."""
    mode, = (m for m in WORK[args.work] if m.name == args.child)
    signal.alarm(args.limit)
    sys.stdout, report_to = sys.stderr, sys.stdout  # official code prints what it does
    try:
        report = timed_here(mode, args)
    except ImportError as error:
        report = {"precision": mode.precision, "absent": str(error)}
    print(json.dumps(report), file=report_to)


def timed_in_a_process(mode, args):
    report = {"mode": mode.name, "precision": mode.precision}
    with tempfile.TemporaryFile("w+") as said:
        command = [sys.executable, __file__, *sys.argv[1:], "--child", mode.name, "--started", str(time.monotonic())]
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said)
        output = run.stdout.read()
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = status  # it has been waited for
        said.seek(0)
        last_words = [line.strip() for line in said if line.strip()][-1:]
    if status == signal.SIGALRM:
        return {**report, "failed": f"took more than {args.limit} s"}
    if status != 0:
        return {**report, "failed": (last_words or [f"status {status}"])[0]}
    return {**report, "peak_mb": usage.ru_maxrss * 1024 / 1e6, **json.loads(output)}


def chosen(args):
    """Those of the precisions, on a GPU PyTorch's, whose names have one of the parts asked for."""
    return [m for m in WORK[args.work]
            if m.precision in args.precisions.split(",") and (not on_gpu(args) or m.name.startswith("PyTorch"))
            and (not args.modes or any(part in m.name for part in args.modes.split(",")))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", choices=WORK)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="repeat each mode for at least this long")
    parser.add_argument("--precisions", default="f32", help="of f32, bf16 and, on a GPU, tf32: modes of these")
    parser.add_argument("--modes", help="those whose names have one of these parts (all)")
    parser.add_argument("--official", metavar="FOLDER", help="a checkout of the official code of BTS or NeWCRFs")
    parser.add_argument("--onnx", metavar="FILE", help="the network for ONNX Runtime and OpenVINO")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--limit", type=int, default=900, help="seconds after which a mode has failed")
    parser.add_argument("--child", help="only this mode, in this process")
    parser.add_argument("--started", type=float, help="when that process was started, on the clock of time.monotonic")
    args = parser.parse_args()
    if args.child:
        child(args)
    else:
        print(json.dumps([timed_in_a_process(mode, args) for mode in chosen(args)]))


if __name__ == "__main__":
    main()
