#!/usr/bin/env bash
# OpenCV divides the values of a PFM file by the header's scale factor; Pillow and Middlebury's rules do not.
#
# A good guess: the third line of a PFM file gives the byte order by its sign, and its size is ignored, as the
# Middlebury stereo benchmark's rules for uploads say. So all readers give the same disparity or depth.
#
# What happens: cv2.imread returns stored / |scale|. Pillow returns what is stored and keeps the scale in Image.info.
# With a scale of -0.003922, which is 1/255, OpenCV's disparities are 255 times Pillow's; with -2 they are half. A scale
# of +-1, what both write themselves, hides it: a round trip through either library shows nothing.
#
# Why it matters for depth: PFM holds float disparity and depth in stereo and multi-view data sets. An evaluation that
# median-scales hides the factor; a metric one does not.
#
# Seen with OpenCV 5.0.0 and 4.12.0, Pillow 13.0.0, on Python 3.11 (2026-11). Output seen:
#
#   OpenCV 5.0.0, Pillow 13.0.0; first row stored: [1. 2. 4.]
#     scale -1         OpenCV [1. 2. 4.]   Pillow [1. 2. 4.]
#     scale -0.003922  OpenCV [ 254.97195  509.9439  1019.8878 ]   Pillow [1. 2. 4.]
#     scale -2         OpenCV [0.5 1.  2. ]   Pillow [1. 2. 4.]
#     scale 2          OpenCV [0.5 1.  2. ]   Pillow [1. 2. 4.]
set -euo pipefail
# shellcheck source=findings/fresh_venv.bash
source "$(dirname "$0")/fresh_venv.bash"

in_fresh_venv numpy==2.4.6 opencv-python-headless==5.0.0.93 pillow==13.0.0 <<'PY'
import sys

import cv2
import numpy as np
import PIL
from PIL import Image

STORED = np.float32([[1, 2, 4], [8, 16, 32]])
print(f"OpenCV {cv2.__version__}, Pillow {PIL.__version__}; first row stored: {STORED[0]}")

as_stated = True
for scale in ("-1", "-0.003922", "-2", "2"):
    order = "<f4" if scale.startswith("-") else ">f4"
    with open("disparity.pfm", "wb") as file:
        file.write(f"Pf\n3 2\n{scale}\n".encode() + STORED[::-1].astype(order).tobytes())
    by_opencv = cv2.imread("disparity.pfm", cv2.IMREAD_UNCHANGED)
    by_pillow = np.asarray(Image.open("disparity.pfm"))
    print(f"  scale {scale:9}  OpenCV {by_opencv[0]}   Pillow {by_pillow[0]}")
    as_stated &= np.allclose(by_opencv, STORED / abs(float(scale)), rtol=1e-5) and np.array_equal(by_pillow, STORED)

if not as_stated:
    sys.exit("CHANGED: OpenCV no longer divides by the scale, or Pillow no longer ignores it")
print("as stated: OpenCV divides by |scale|, Pillow ignores it")
PY
