"""The peer of mdbench: the same work in PyTorch, in its best mode. Where it can be done in more ways than one, each is
timed in a process of its own and the fastest reported, by name, with its peak memory: of the process, on a GPU of the
tensors there. Prints one JSON line.

    python peer_bench.py lt_train|metric_depth|metric_depth_sparse|augment [--threads N] [--seconds S]
    python peer_bench.py bts_train|newcrfs_train|newcrfs_infer --official FOLDER [--threads N] [--seconds S]
    either: [--device cuda:N [--tf32]]
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

import peer_official

NYU = [(0.5, 1.0, 3.0), (1.0, 1.5, 6.0), (1.5, 2.0, 8.0)]  # low and high in metres, margin
KITTI = [(1.0, 5.0, 2.0), (5.0, 10.0, 3.0), (10.0, 15.0, 3.5)]

# MobileNetV3-Large: kernel, expanded, out, squeeze-excite, hard-swish, stride
BLOCKS = [
    (3, 16, 16, False, False, 1), (3, 64, 24, False, False, 2), (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2), (5, 120, 40, True, False, 1), (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2), (3, 200, 80, False, True, 1), (3, 184, 80, False, True, 1), (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1), (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2), (5, 960, 160, True, True, 1), (5, 960, 160, True, True, 1),
]


def conv_bn(i, o, k, stride=1, groups=1, act=None):
    layers = [nn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(o, eps=1e-3, momentum=0.01)]
    return nn.Sequential(*layers, *([act(inplace=True)] if act else []))


class SqueezeExcite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        squeezed = (channels // 4 + 4) // 8 * 8  # to the nearest multiple of 8, at most 10 % down
        squeezed += 8 if squeezed < 0.9 * (channels // 4) else 0
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        return x * F.hardsigmoid(self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1)))))


class InvertedResidual(nn.Module):
    def __init__(self, i, k, expanded, o, squeeze, hardswish, stride):
        super().__init__()
        act = nn.Hardswish if hardswish else nn.ReLU
        layers = [conv_bn(i, expanded, 1, act=act)] if expanded != i else []
        layers.append(conv_bn(expanded, expanded, k, stride, expanded, act))
        layers += [SqueezeExcite(expanded)] if squeeze else []
        self.block, self.residual = nn.Sequential(*layers, conv_bn(expanded, o, 1)), stride == 1 and i == o

    def forward(self, x):
        return x + self.block(x) if self.residual else self.block(x)


class Up(nn.Module):
    def __init__(self, i, skip, o):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(i + skip, o, 3, padding=1), nn.Conv2d(o, o, 3, padding=1)

    def forward(self, x, skip):
        x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear")
        return F.leaky_relu(self.conv2(F.leaky_relu(self.conv1(torch.cat([x, skip], 1)), 0.2)), 0.2)


class LT(nn.Module):
    """image [N,3,H,W] -> depth [N,1,H,W] in metres, features [N,32,H/2,W/2]."""

    def __init__(self, max_depth=10.0):
        super().__init__()
        self.max_depth = max_depth
        layers, i = [conv_bn(3, 16, 3, 2, act=nn.Hardswish)], 16
        for k, expanded, o, squeeze, hardswish, stride in BLOCKS:
            layers.append(InvertedResidual(i, k, expanded, o, squeeze, hardswish, stride))
            i = o
        self.encoder = nn.ModuleList(layers + [conv_bn(160, 960, 1, act=nn.Hardswish)])
        self.bottleneck = nn.Conv2d(960, 256, 1)
        self.ups = nn.ModuleList([Up(256, 112, 128), Up(128, 40, 64), Up(64, 24, 48), Up(48, 16, 32)])
        self.predict = nn.Conv2d(32, 1, 3, padding=1)
        assert sum(p.numel() for p in self.parameters()) == 4_010_225

    def forward(self, x):
        maps = []
        for layer in self.encoder:
            x = layer(x)
            maps.append(x)
        f = F.leaky_relu(self.bottleneck(x), 0.2)
        for up, tap in zip(self.ups, (12, 6, 3, 1)):
            f = up(f, maps[tap])
        depth = torch.sigmoid(self.predict(f)) * self.max_depth
        return F.interpolate(depth, scale_factor=2, mode="bilinear"), f


def silog(depth, target, min_depth=0.1):
    mask = target > min_depth
    d = torch.log(depth[mask]) - torch.log(target[mask])
    return 10 * torch.sqrt((d**2).mean() - 0.85 * d.mean() ** 2)


def masked_terms(square, apart, measured, ranges, r_p):
    """Sum of the pairs' terms and their number; terms times masks."""
    l = square.clamp_min(1e-24).sqrt()  # gradient 0 at l = 0
    positive = measured & (apart < r_p)
    total, count = (l * positive).sum(), positive.sum()
    for low, high, margin in ranges:
        negative = measured & (apart > low) & (apart < high)
        total, count = total + ((margin - l).clamp_min(0) * negative).sum(), count + negative.sum()
    return total, count


def selected_terms(square, apart, measured, ranges, r_p):
    """The same as a formula is usually written down: terms selected by torch.where, pairs marked by their kind."""
    l = torch.where(square > 0, torch.where(square > 0, square, torch.ones_like(square)).sqrt(), torch.zeros_like(square))
    kind = torch.full_like(apart, -1)
    kind[measured & (apart < r_p)] = 0
    term = torch.where(measured & (apart < r_p), l, torch.zeros_like(l))
    for j, (low, high, margin) in enumerate(ranges, 1):
        hit = measured & (apart > low) & (apart < high)
        kind[hit] = j
        term = torch.where(hit, (margin - l).clamp_min(0), term)
    return term.sum(), (kind >= 0).sum()


def metric_depth(terms, feature, depth, within, across, ranges, r_p=0.1):
    """Mean over the identified pairs, one rolled copy of feature [K,C,h,w] and depth [K,1,h,w] per sample."""
    total, count = feature.new_zeros(()), 0
    for shift, dims in [(s, (2, 3)) for s in within] + [(s, 0) for s in across]:
        sample, other = torch.roll(feature, shift, dims), torch.roll(depth, shift, dims)
        square = (feature - sample).square().sum(1, keepdim=True)
        one = terms(square, (depth - other).abs(), (depth > 0) & (other > 0), ranges, r_p)
        total, count = total + one[0], count + one[1]
    return total / max(int(count), 1)


def lt_train():
    net = LT().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, eps=1e-6, weight_decay=1e-2)
    image = torch.randn(4, 3, 416, 544).to(memory_format=torch.channels_last)
    target = torch.rand(4, 1, 416, 544) * 10

    def step():
        optimizer.zero_grad(set_to_none=True)
        silog(net(image)[0], target).backward()
        optimizer.step()

    return step


def metric_depth_step(terms, K, h, w, C, max_depth, measured, ranges):
    feature = torch.randn(K, C, h, w).to(memory_format=torch.channels_last).requires_grad_()
    depth = torch.rand(K, 1, h, w) * max_depth * (torch.rand(K, 1, h, w) < measured)
    within = [(random.randint(1, h - 1), random.randint(1, w - 1)) for _ in range(10)]
    across = [random.randint(1, K - 1) for _ in range(4)]

    def step():
        feature.grad = None
        metric_depth(terms, feature, depth, within, across, ranges).backward()

    return step


def augment_frames():
    """The steps of BTS's loader on NYU, in Pillow and NumPy: eight frames of 640x480 to 416x544."""
    import numpy as np  # nothing else wants these
    from PIL import Image

    noise = np.random.default_rng(0)
    smooth = [Image.fromarray(noise.integers(0, 256, (15, 20, 3), dtype=np.uint8)).resize((640, 480)) for _ in range(8)]
    depths = [Image.fromarray(noise.integers(500, 9999, (480, 640), dtype=np.uint16).astype(np.int32)) for _ in range(8)]
    mean, deviation = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)

    def augment(image, depth):
        image, depth = image.crop((43, 45, 608, 472)), depth.crop((43, 45, 608, 472))
        angle = (random.random() - 0.5) * 2 * 2.5
        image, depth = image.rotate(angle, resample=Image.BILINEAR), depth.rotate(angle, resample=Image.NEAREST)
        image = np.asarray(image, dtype=np.float32) / 255
        depth = np.asarray(depth, dtype=np.float32) / 1000
        x, y = random.randint(0, image.shape[1] - 544), random.randint(0, image.shape[0] - 416)
        image, depth = image[y:y + 416, x:x + 544], depth[y:y + 416, x:x + 544]
        if random.random() > 0.5:
            image, depth = image[:, ::-1].copy(), depth[:, ::-1].copy()
        if random.random() > 0.5:
            image = image ** random.uniform(0.9, 1.1) * random.uniform(0.75, 1.25)
            image = np.clip(image * np.random.uniform(0.9, 1.1, 3).astype(np.float32), 0, 1)
        return (image - mean) / deviation, np.ascontiguousarray(depth)

    return lambda: [augment(*frame) for frame in zip(smooth, depths)]


def warm_up(step):
    for _ in range(2):
        step()


def median_s(step, at_least_s):
    times = []
    while len(times) < 3 or sum(times) < at_least_s:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


TERMS = {"masks": masked_terms, "torch.where": selected_terms}
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
WORK = {  # its ways by name, and what makes the step of a way
    "lt_train": ({"channels_last": None}, lambda way, official: lt_train()),
    "bts_train": (FORMATS, lambda way, official: peer_official.bts_train(official, silog, way)),
    "newcrfs_train": (FORMATS, lambda way, official: peer_official.newcrfs_train(official, silog, way)),
    "newcrfs_infer": (FORMATS, lambda way, official: peer_official.newcrfs_infer(official, way)),
    "metric_depth": (TERMS, lambda way, official: metric_depth_step(way, 4, 208, 272, 32, 10.0, 1.0, NYU)),
    "metric_depth_sparse": (TERMS, lambda way, official: metric_depth_step(way, 4, 176, 352, 32, 80.0, 0.05, KITTI)),
    "augment": ({"Pillow, NumPy": None}, lambda way, official: augment_frames()),
}


def timed_here(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    random.seed(0)
    ways, prepare = WORK[args.work]
    on_gpu = torch.device(args.device).type == "cuda"
    if on_gpu:
        torch.cuda.set_device(args.device)
        torch.backends.cudnn.benchmark = True  # its best mode
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = args.tf32
    with torch.device(args.device):
        step = prepare(ways[args.way], args.official)
    if not on_gpu:
        warm_up(step)
        return {"seconds": median_s(step, args.seconds), "way": args.way}

    def until_done():
        step()
        torch.cuda.synchronize()

    warm_up(until_done)
    torch.cuda.reset_peak_memory_stats()  # the search for the best convolutions takes more
    return {"seconds": median_s(until_done, args.seconds), "way": f"{args.way}, {torch.cuda.get_device_name()}",
            "peak_mb": torch.cuda.max_memory_allocated() / 1e6}


def timed_in_a_process(way):
    child = subprocess.Popen([sys.executable, __file__, *sys.argv[1:], "--way", way], stdout=subprocess.PIPE)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"peer_bench.py: {way} failed")
    return {"peak_mb": usage.ru_maxrss * 1024 / 1e6, **json.loads(output)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", choices=WORK)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="repeat each way for at least this long")
    parser.add_argument("--official", metavar="FOLDER", help="a checkout of the official code of BTS or NeWCRFs")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--tf32", action="store_true", help="let a GPU round factors to TF32")
    parser.add_argument("--way", help="only this one, in this process")
    args = parser.parse_args()
    runs = [timed_here(args)] if args.way else [timed_in_a_process(way) for way in WORK[args.work][0]]
    print(json.dumps(min(runs, key=lambda run: run["seconds"])))


if __name__ == "__main__":
    main()
