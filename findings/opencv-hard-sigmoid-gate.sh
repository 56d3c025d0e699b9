#!/usr/bin/env bash
# OpenCV's DNN module takes every HardSigmoid(q) * x for HardSwish(q), whatever x is: MobileNetV3's gates are lost.
#
# A good guess: a reader that fuses x * HardSigmoid(x) into HardSwish checks that both factors are the same tensor, so
# that a squeeze-and-excitation gate, HardSigmoid(q) * x with q of one value per channel, stays a product; and a model
# that it misreads fails to load, or at least keeps its shapes.
#
# What happens: the product becomes q * HardSigmoid(q). x is dropped, and the output is [1,C,1,1] where the model
# declares [1,C,H,W]: no exception, no warning, in either order of the factors, in version 4's reader and 5's.
# The same gate written as Clip(q / 6 + 0.5, 0, 1) is read rightly.
#
# Why it matters for depth: this is the gate of torchvision's and timm's MobileNetV3 encoders, which PyTorch exports
# as HardSigmoid. The layers behind it take the 1 x 1 map, so a network may run to the end with no picture left.
#
# Seen with opencv-python-headless 5.0.0.93 and 4.12.0.88, onnx 1.23.2 on Python 3.11 (2026-11). Output seen:
#
#   OpenCV 5.0.0: squeeze and excitation of x (1, 4, 8, 8), expected (1, 4, 8, 8)
#     HardSigmoid(q) * x     (1, 4, 1, 1), equals the gated x: False, equals HardSwish(q): True
#     x * HardSigmoid(q)     (1, 4, 1, 1), equals the gated x: False, equals HardSwish(q): True
#     Clip(q / 6 + 0.5) * x  (1, 4, 8, 8), equals the gated x: True, equals HardSwish(q): False
set -euo pipefail
# shellcheck source=findings/fresh_venv.bash
source "$(dirname "$0")/fresh_venv.bash"

in_fresh_venv opencv-python-headless==5.0.0.93 onnx==1.23.2 numpy==2.4.6 ml_dtypes==0.6.0 \
    protobuf==7.36.2 typing_extensions==4.16.0 <<'PY'
import sys

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(0)
SHAPE = [1, 4, 8, 8]
x = rng.standard_normal(SHAPE).astype(np.float32)
weight = rng.standard_normal((4, 4, 1, 1)).astype(np.float32)
constants = {"weight": weight, "sixth": np.float32(1 / 6), "half": np.float32(0.5), "zero": np.float32(0),
             "one": np.float32(1)}
q = np.einsum("oi,ni->no", weight[:, :, 0, 0], x.mean((2, 3)))[:, :, None, None]
gated = x * np.clip(q / 6 + 0.5, 0, 1)
swish = q * np.clip(q / 6 + 0.5, 0, 1)

hard_sigmoid = [helper.make_node("HardSigmoid", ["q"], ["gate"], alpha=1 / 6, beta=0.5)]
clip = [helper.make_node("Mul", ["q", "sixth"], ["s"]), helper.make_node("Add", ["s", "half"], ["t"]),
        helper.make_node("Clip", ["t", "zero", "one"], ["gate"])]


def by_opencv(gate, factors):
    """Squeeze and excitation of x with the gate given as ONNX nodes."""
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
             helper.make_node("Conv", ["mean", "weight"], ["q"], kernel_shape=[1, 1]), *gate,
             helper.make_node("Mul", factors, ["y"])]
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in "xy"]
    graph = helper.make_graph(nodes, "gate", info[:1], info[1:],
                              [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model, full_check=True)
    net = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))
    net.setInput(x)
    return net.forward()


def same(a, b):
    return a.shape == b.shape and np.abs(a - b).max() < 1e-5


print(f"OpenCV {cv2.__version__}: squeeze and excitation of x {x.shape}, expected {gated.shape}")
as_stated = True
for name, gate, factors, dropped in (("HardSigmoid(q) * x", hard_sigmoid, ["gate", "x"], True),
                                     ("x * HardSigmoid(q)", hard_sigmoid, ["x", "gate"], True),
                                     ("Clip(q / 6 + 0.5) * x", clip, ["gate", "x"], False)):
    y = by_opencv(gate, factors)
    print(f"  {name:21}  {y.shape}, equals the gated x: {same(y, gated)}, equals HardSwish(q): {same(y, swish)}")
    as_stated &= same(y, swish) if dropped else same(y, gated)

if not as_stated:
    sys.exit("CHANGED: OpenCV no longer reads HardSigmoid(q) * x as HardSwish(q)")
print("as stated: x was dropped")
PY
