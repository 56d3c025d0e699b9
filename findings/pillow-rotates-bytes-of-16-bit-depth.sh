#!/usr/bin/env bash
# Pillow's bilinear and bicubic rotate and transform of a 16-bit image interpolate bytes, not values.
#
# A good guess: an operation that a mode does not support raises ValueError("image has wrong mode"), as filter and
# thumbnail do; one that runs is right, as resize is, and nearest rotation. So a depth map that is 300 everywhere is
# still 300 inside after it was rotated by 5 degrees.
#
# What happens: in mode "I;16", which is how a 16-bit depth PNG opens, every pixel comes out as a mix of the high and
# the low bytes, at most 255: of 300 = 0x012C values between 1 and 44 are left. Mode "F" is right. No warning.
#
# Why it matters for depth: random rotation is the usual augmentation. Bilinear or bicubic on the depth that
# Image.open() gave trains on noise in a believable range of millimetres. Convert to "F" first, or rotate by nearest.
#
# Seen with Pillow 13.0.0 on Python 3.11 (2026-11). Pillow 9.5.0 does the same in mode "I;16", but opened 16-bit PNGs in
# mode "I", where it is right: the same loader changed its output when Pillow was upgraded. Output seen:
#
#   Pillow 13.0.0: a 16-bit PNG opens in mode I;16; 300 everywhere, turned by 5 degrees:
#     I;16 NEAREST   300 to 300, expected 300
#     I;16 BILINEAR  1 to 43, expected 300
#     I;16 BICUBIC   1 to 43, expected 300
#     F    NEAREST   300 to 300, expected 300
#     F    BILINEAR  300 to 300, expected 300
#     F    BICUBIC   300 to 300, expected 300
set -euo pipefail
# shellcheck source=findings/fresh_venv.bash
source "$(dirname "$0")/fresh_venv.bash"

in_fresh_venv pillow==13.0.0 <<'PY'
import sys

from PIL import Image, __version__

DEPTH_MM = 300
Image.new("I;16", (32, 24), DEPTH_MM).save("depth.png")
depth = Image.open("depth.png")
print(f"Pillow {__version__}: a 16-bit PNG opens in mode {depth.mode}; {DEPTH_MM} everywhere, turned by 5 degrees:")


def inner_range(image):
    """Smallest and largest value away from the corners that the rotation leaves empty."""
    values = [image.getpixel((x, y)) for x in range(6, 26) for y in range(6, 18)]
    return min(values), max(values)


seen = {}
for mode in ("I;16", "F"):
    for name in ("NEAREST", "BILINEAR", "BICUBIC"):
        turned = depth.convert(mode).rotate(5, Image.Resampling[name])
        seen[mode, name] = low, high = inner_range(turned)
        print(f"  {mode:4} {name:8}  {low:g} to {high:g}, expected {DEPTH_MM}")

right = [seen[key] == (DEPTH_MM, DEPTH_MM) for key in (("I;16", "NEAREST"), ("F", "BILINEAR"), ("F", "BICUBIC"))]
wrong = [seen["I;16", name][1] < 256 for name in ("BILINEAR", "BICUBIC")]
if depth.mode != "I;16" or not all(right + wrong):
    sys.exit("CHANGED: Pillow no longer interpolates the bytes of 16-bit images")
print("as stated: bytes were interpolated")
PY
