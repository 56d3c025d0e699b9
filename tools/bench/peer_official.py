"""The official code of BTS and NeWCRFs as peers of mdbench. FOLDER is a checkout of github.com/cleinc/bts or of
github.com/aliyun/NeWCRFs. Of what NeWCRFs imports beside PyTorch (mmcv, timm) it uses a handful of small things; where a
package is missing, they are stood in for here.
"""
import os
import sys
import types

import torch
from torch import nn

def train(net, optimizer, loss, image, target):
    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(net(image), target).backward()
        optimizer.step()

    return step


# BTS


def bts(folder):
    """ResNet-50 on NYU, without downloads, with the freezing of the official recipe."""
    import torchvision.models

    resnet50 = torchvision.models.resnet50
    torchvision.models.resnet50 = lambda pretrained: resnet50(weights=None)
    if torch.get_default_device().type == "cpu":  # its forward says .cuda()
        torch.Tensor.cuda = lambda self, *args, **kwargs: self
    sys.path[:0] = [folder, os.path.join(folder, "pytorch")]
    from bts import BtsModel, weights_init_xavier

    net = BtsModel(types.SimpleNamespace(encoder="resnet50_bts", bts_size=512, max_depth=10.0, dataset="nyu"))
    net.decoder.apply(weights_init_xavier)
    for name, parameter in net.encoder.named_parameters():
        parameter.requires_grad = not ("base_model.conv1" in name or ".bn" in name)
    return net


def bts_train(folder, loss, memory):
    """Two images of 416x544, with the optimiser of the official recipe."""
    net, focal = bts(folder).to(memory_format=memory), torch.full((2,), 518.8579)
    groups = [{"params": net.encoder.parameters(), "weight_decay": 1e-2},
              {"params": net.decoder.parameters(), "weight_decay": 0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, eps=1e-3)
    image, target = torch.randn(2, 3, 416, 544).to(memory_format=memory), torch.rand(2, 1, 416, 544) * 10
    return train(lambda image: net(image, focal)[-1], optimizer, loss, image, target)


# NeWCRFs


class ConvModule(nn.Module):
    """mmcv.cnn.ConvModule: convolution without bias, norm, ReLU."""

    def __init__(self, i, o, k, padding=0, conv_cfg=None, norm_cfg=None, act_cfg=None):
        super().__init__()
        self.conv = nn.Conv2d(i, o, k, padding=padding, bias=False)
        self.norm = nn.GroupNorm(norm_cfg["num_groups"], o) if norm_cfg["type"] == "GN" else nn.BatchNorm2d(o)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))


class DropPath(nn.Module):
    """timm.models.layers.DropPath: drops whole samples."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.rand(x.shape[0], *[1] * (x.dim() - 1), device=x.device) >= self.rate
        return x * (kept / (1 - self.rate))


def provide(name, **contents):
    """A module `name` with these contents, unless there is a real one."""
    try:
        __import__(name)
    except ImportError:
        parts = name.split(".")
        for n in range(1, len(parts) + 1):
            sys.modules.setdefault(".".join(parts[:n]), types.ModuleType(parts[n - 1]))
        vars(sys.modules[name]).update(contents)


def newcrfs(folder, version):
    provide("mmcv.cnn", ConvModule=ConvModule)
    provide("timm.models.layers", DropPath=DropPath, to_2tuple=lambda x: (x, x), trunc_normal_=nn.init.trunc_normal_)
    sys.path[:0] = [folder, os.path.join(folder, "newcrfs")]
    from networks.NewCRFDepth import NewCRFDepth

    stdout, sys.stdout = sys.stdout, sys.stderr  # it prints what it loads
    net = NewCRFDepth(version=version, inv_depth=False, max_depth=10.0, pretrained=None)
    sys.stdout = stdout
    return net


def newcrfs_train(folder, loss, memory):
    """tiny07, one image of 480x640, with the optimiser of the official recipe."""
    net = newcrfs(folder, "tiny07").to(memory_format=memory)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-5)
    image, target = torch.randn(1, 3, 480, 640).to(memory_format=memory), torch.rand(1, 1, 480, 640) * 10
    return train(net, optimizer, loss, image, target)


def newcrfs_infer(folder, memory):
    """large07, one image of 480x640."""
    net = newcrfs(folder, "large07").eval().to(memory_format=memory)
    image = torch.randn(1, 3, 480, 640).to(memory_format=memory)

    def step():
        with torch.inference_mode():
            net(image)

    return step
