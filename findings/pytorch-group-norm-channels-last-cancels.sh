#!/usr/bin/env bash
# PyTorch's group_norm on a CPU loses its digits to the mean of the input, but only in channels_last: the layout that is
# recommended there for speed.
#
# A good guess: a memory format changes the speed and no numbers, as for convolution and batch norm; and the variance by
# E[x^2] - E[x]^2, which cancels where the mean is large, has been gone from PyTorch's norms since 2021 (pull request
# 54921: Welford's way).
#
# What happens: the channels_last kernel still takes the difference of the two sums, in f32. On values of deviation 1
# around 100 the contiguous result is off by 1e-5, the channels_last one by 1e-2 to 1e-1 of values that reach 5; around
# 1000 it has nothing to do with the input any more (values in the thousands where the variance came out as 0). The
# layer says nothing. batch_norm of the same tensor in channels_last is off by 2e-3 at 1000.
#
# Why it matters for depth: group norm stands where batches are small (pyramid pooling heads, depth completion, ViT
# adapters), and maps in metres or millimetres have just such a mean. A network checked in one format and deployed in
# the other differs, and nobody looks at the norm.
#
# Installs 3 GB: the PyTorch of PyPI does not load without its CUDA libraries.
# Seen with torch 2.15.0 on Python 3.11, x86-64 (2026-11). Output seen:
#
#   torch 2.15.0: largest error of group_norm(x [1,64,120,160], 32 groups), deviation 1; results reach 5
#     mean     0   contiguous 7e-07   channels_last 4e-06
#     mean   100   contiguous 1e-05   channels_last 9e-02
#     mean  1000   contiguous 5e-05   channels_last 1e+03
#     batch_norm at mean 1000, channels_last: 2e-03
set -euo pipefail
# shellcheck source=findings/fresh_venv.bash
source "$(dirname "$0")/fresh_venv.bash"

in_fresh_venv torch==2.15.0 cuda-bindings==13.5.0 cuda-pathfinder==1.9.1 cuda-toolkit==13.2.2 \
    nvidia-cublas==13.4.1.3 nvidia-cuda-cupti==13.2.86 nvidia-cuda-nvrtc==13.2.86 nvidia-cuda-runtime==13.2.86 \
    nvidia-cudnn-cu13==9.26.0.51 nvidia-cufft==12.2.0.57 nvidia-cufile==1.17.1.22 nvidia-cusolver==12.2.0.11 \
    nvidia-cusparse==12.7.10.12 nvidia-cusparselt-cu13==0.8.1 nvidia-nccl-cu13==2.30.7 nvidia-nvjitlink==13.5.37 \
    nvidia-nvshmem-cu13==3.7.2 nvidia-nvtx==13.2.86 filelock==4.3.1 fsspec==2026.9.0 Jinja2==3.1.6 MarkupSafe==3.0.4 \
    mpmath==1.3.0 networkx==3.6.1 sympy==1.14.0 typing_extensions==4.16.0 numpy==2.4.6 setuptools==84.2.1 <<'PY'
import sys

import torch
from torch.nn.functional import batch_norm, group_norm

GROUPS = 32
torch.manual_seed(0)
noise = torch.randn(1, 64, 120, 160)


def error(norm, mean, memory_format):
    """The largest difference from the same norm in double precision."""
    x = (noise + mean).contiguous(memory_format=memory_format)
    return (norm(x).double() - norm(x.double().contiguous())).abs().max().item()


def by_groups(x):
    return group_norm(x, GROUPS)


def by_channels(x):
    return batch_norm(x, None, None, training=True)


print(f"torch {torch.__version__.split('+')[0]}: largest error of group_norm(x {list(noise.shape)}, {GROUPS} groups), "
      f"deviation 1; results reach {by_groups(noise).abs().max():.0f}")
errors = {}
for mean in (0, 100, 1000):
    errors[mean] = [error(by_groups, mean, f) for f in (torch.contiguous_format, torch.channels_last)]
    print("  mean {:5d}   contiguous {:.0e}   channels_last {:.0e}".format(mean, *errors[mean]))
of_batch_norm = error(by_channels, 1000, torch.channels_last)
print(f"  batch_norm at mean 1000, channels_last: {of_batch_norm:.0e}")

contiguous, channels_last = zip(*errors.values())
as_stated = (max(contiguous) < 1e-3 and of_batch_norm < 1e-2 and channels_last[0] < 1e-4 and channels_last[1] > 1e-3
             and channels_last[2] > 0.1)
if not as_stated:
    sys.exit("CHANGED: group_norm no longer cancels in channels_last alone")
print("as stated: only channels_last cancels")
PY
