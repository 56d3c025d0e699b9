"""LT and MetricDepth in PyTorch, written for mdbench: peers of what nobody has published code for. BTS and
NeWCRFs are run from the official code (peer_official.py).
"""
import contextlib
import random
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn


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
    total, count = feature.new_zeros(()), torch.zeros((), dtype=torch.long, device=feature.device)
    for shift, dims in [(s, (2, 3)) for s in within] + [(s, 0) for s in across]:
        sample, other = torch.roll(feature, shift, dims), torch.roll(depth, shift, dims)
        square = (feature - sample).square().sum(1, keepdim=True)
        one = terms(square, (depth - other).abs(), (depth > 0) & (other > 0), ranges, r_p)
        total, count = total + one[0], count + one[1]
    return total / count.clamp(min=1)


class How(NamedTuple):
    """A mode of PyTorch: what is prepared in it runs in it."""
    compiled: bool
    variant: str  # "contiguous" or "channels_last"; of MetricDepth the way it is written
    precision: str  # "bf16": under autocast

    def format(self, x):
        """A network, or images, in this mode's memory format."""
        return x.to(memory_format=torch.channels_last if self.variant == "channels_last" else torch.contiguous_format)

    def compile(self, function):
        return torch.compile(function) if self.compiled else function

    def autocast(self):
        if self.precision != "bf16":
            return contextlib.nullcontext()
        return torch.autocast(torch.get_default_device().type, torch.bfloat16)


def train(how, net, depth_of, optimizer, image, target):
    """A step on silog; depth_of(net, image) is the map that it trains."""
    compiled, image = how.compile(how.format(net)), how.format(image)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with how.autocast():
            depth = depth_of(compiled, image)
        silog(depth.float(), target).backward()
        optimizer.step()

    return step


def infer(how, net, depth_of, image):
    if how.compiled:  # batch norm folded, weights prepacked
        torch._inductor.config.freezing = True
    compiled, image = how.compile(how.format(net.eval())), how.format(image)

    def step():
        with torch.no_grad(), how.autocast():
            depth_of(compiled, image)

    return step


def images(n, h, w):
    return torch.randn(n, 3, h, w)


def depths(n, h, w):
    return torch.rand(n, 1, h, w) * 10


def first_of_two(net, image):
    return net(image)[0]


def lt_train(how):
    net = LT()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, eps=1e-6, weight_decay=1e-2)
    return train(how, net, first_of_two, optimizer, images(4, 416, 544), depths(4, 416, 544))


def lt_infer(how, n=1):
    return infer(how, LT(), first_of_two, images(n, 480, 640))


def metric_depth_step(how, K, h, w, C, max_depth, measured, ranges):
    feature = torch.randn(K, C, h, w).to(memory_format=torch.channels_last).requires_grad_()
    depth = torch.rand(K, 1, h, w) * max_depth * (torch.rand(K, 1, h, w) < measured)
    within = [(random.randint(1, h - 1), random.randint(1, w - 1)) for _ in range(10)]
    across = [random.randint(1, K - 1) for _ in range(4)]
    loss = how.compile(metric_depth)

    def step():
        feature.grad = None
        loss(WRITTEN[how.variant], feature, depth, within, across, ranges).backward()

    return step


WRITTEN = {"masks": masked_terms, "torch.where": selected_terms}
