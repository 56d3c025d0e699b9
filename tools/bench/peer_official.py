"""The official code of BTS and NeWCRFs as peers of mdbench. FOLDER is a checkout of github.com/cleinc/bts or of
github.com/aliyun/NeWCRFs. Of what NeWCRFs imports beside PyTorch (mmcv, timm) it uses a handful of small things; where a
package is missing, they are stood in for here.
"""
import os
import sys
import types

import torch
from torch import nn

from peer_torch import depths, images, infer, train

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


def finest_of(n):
    """The last of five maps, for n images from NYU's camera."""
    focal = torch.full((n,), 518.8579)
    return lambda net, image: net(image, focal)[-1]


def bts_train(how, folder):
    """Two images of 416x544, with the optimiser of the official recipe."""
    net = bts(folder)
    groups = [{"params": net.encoder.parameters(), "weight_decay": 1e-2},
              {"params": net.decoder.parameters(), "weight_decay": 0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, eps=1e-3)
    return train(how, net, finest_of(2), optimizer, images(2, 416, 544), depths(2, 416, 544))


def bts_infer(how, folder):
    return infer(how, bts(folder), finest_of(1), images(1, 480, 640))


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


def only(net, image):
    return net(image)


def newcrfs_train(how, folder):
    """tiny07, one image of 480x640, with the optimiser of the official recipe."""
    net = newcrfs(folder, "tiny07")
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-5)
    return train(how, net, only, optimizer, images(1, 480, 640), depths(1, 480, 640))


def newcrfs_infer(how, folder):
    """large07, one image of 480x640."""
    return infer(how, newcrfs(folder, "large07"), only, images(1, 480, 640))
