#!/usr/bin/env bash
# IREE shuffles the pixels of DepthToSpace mode=CRD wrongly, except when the channels are the cube of the block size.
#
# A good guess: DepthToSpace in mode CRD is what PyTorch's PixelShuffle is exported as, it only moves values, and one
# test with distinct values settles it: IREE gives what ONNX states.
#
# What happens: the values come out permuted, without a message, whenever C != blocksize**3: 56 of 60 are in a wrong
# place for 4 channels and blocks of 2. With 8 channels and blocks of 2 the wrong and the right
# permutation coincide, so a test of that shape passes. (Issue 24179 of iree-org/iree reports it for blocks of 3 and
# larger only.) Reshaping to [N, r, r, C / r**2, H, W] instead of [N, C / r**2, r, r, H, W], in NumPy, misplaces the
# same numbers of values. Mode DCR is right.
#
# Why it matters for depth: decoders (NeWCRFs' among them) upsample by PixelShuffle. The depth map keeps its range and
# its coarse shape, and is scrambled within blocks. Writing Reshape, Transpose, Reshape in its place avoids it.
#
# Seen with iree-base-compiler and iree-base-runtime 3.13.0, onnx 1.23.2 on Python 3.11 (2026-11). Output seen:
#
#     DCR   4 channels, blocks of 2: 0 of 60 values in a wrong place
#     CRD   8 channels, blocks of 2: 0 of 48 values in a wrong place
#     CRD   4 channels, blocks of 2: 56 of 60 values in a wrong place
#     CRD   9 channels, blocks of 3: 32 of 36 values in a wrong place
set -euo pipefail
# shellcheck source=findings/fresh_venv.bash
source "$(dirname "$0")/fresh_venv.bash"

in_fresh_venv iree-base-compiler==3.13.0 iree-base-runtime==3.13.0 onnx==1.23.2 numpy==2.4.6 ml_dtypes==0.6.0 \
    protobuf==7.36.2 typing_extensions==4.16.0 sympy==1.14.0 mpmath==1.3.0 <<'PY'
import subprocess
import sys

import iree.compiler
import iree.runtime
import numpy as np
import onnx
from onnx import TensorProto, helper


def expected(x, r, mode):
    """The operator as the ONNX specification defines it."""
    n, c, h, w = x.shape
    if mode == "CRD":
        blocks = x.reshape(n, c // r**2, r, r, h, w).transpose(0, 1, 4, 2, 5, 3)
    else:
        blocks = x.reshape(n, r, r, c // r**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    return blocks.reshape(n, c // r**2, h * r, w * r)


def by_iree(x, r, mode):
    """The operator alone in a model, through IREE's ONNX importer and CPU code generator."""
    n, c, h, w = x.shape
    node = helper.make_node("DepthToSpace", ["x"], ["y"], blocksize=r, mode=mode)
    ins = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
    outs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [n, c // r**2, h * r, w * r])]
    model = helper.make_model(helper.make_graph([node], "main", ins, outs), ir_version=8,
                              opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, "m.onnx")
    subprocess.run([sys.executable, "-m", "iree.compiler.tools.import_onnx", "m.onnx", "-o", "m.mlir"], check=True)
    code = iree.compiler.compile_file("m.mlir", target_backends=["llvm-cpu"], input_type="onnx",
                                      extra_args=["--iree-llvmcpu-target-cpu=generic"])
    context = iree.runtime.SystemContext(config=iree.runtime.Config("local-task"))
    context.add_vm_module(iree.runtime.VmModule.copy_buffer(context.instance, code))
    return context.modules["module"]["main"](x).to_host()


as_stated = True
for mode, c, h, w, r in (("DCR", 4, 3, 5, 2), ("CRD", 8, 2, 3, 2), ("CRD", 4, 3, 5, 2),
                         ("CRD", 9, 2, 2, 3)):
    x = np.arange(c * h * w, dtype=np.float32).reshape(1, c, h, w)
    wrong = int((by_iree(x, r, mode) != expected(x, r, mode)).sum())
    print(f"  {mode}  {c:2} channels, blocks of {r}: {wrong} of {x.size} values in a wrong place")
    as_stated &= (wrong > 0) == (mode == "CRD" and c != r**3)

if not as_stated:
    sys.exit("CHANGED: IREE's DepthToSpace differs from ONNX for other shapes than C != blocksize**3 in mode CRD")
print("as stated: CRD is wrong unless C = blocksize**3")
PY
