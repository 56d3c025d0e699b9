#!/usr/bin/env bash
# `cmake --install`, then a project of its own that finds the tree with find_package(MetricDepth): tests/package. Its
# program loads a checkpoint that the installed mdtrain made, and must see what the installed mdeval sees.
# Usage: package_test.sh BUILD_FOLDER WORK_FOLDER
set -euo pipefail
build=$1 work=$2
source=$(cd "$(dirname "$0")/package" && pwd)
tree=$work/tree
rm -rf "$work"
mkdir -p "$work"
cmake --install "$build" --prefix "$tree" >"$work/install.log"
# Moved: nothing in the tree may know where it was made.
mv "$tree" "$work/moved"
tree=$work/moved

cmake -S "$source" -B "$work/project" -DCMAKE_PREFIX_PATH="$tree" -DCMAKE_BUILD_TYPE=Release >"$work/configure.log"
cmake --build "$work/project" >"$work/build.log"

"$tree/bin/mdsynth" nyu --out "$work/data" --frames 2 --test-frames 1 --height 64 --width 96 --seed 1 >/dev/null
"$tree/bin/mdtrain" --config "$tree/share/metricdepth/configs/quickstart_lt_metricdepth.toml" --data "$work/data" \
  --out "$work/run" --batch 2 --height 64 --width 96 --max-steps 1 >/dev/null
image=$(find "$work/data" -name '*.jpg' | sort | head -n 1)
"$tree/bin/mdeval" predict "$work/run/last.safetensors" "$image" --out "$work/depth" --npy >/dev/null

theirs=$("$work/project/predict" "$work/run/last.safetensors" "$image")
npy=$work/depth/$(basename "${image%.*}").npy
# float32 [64,96] behind a header of 128 bytes; the middle is element 32 * 96 + 48.
ours=$(od -A n -t f4 -j $((128 + 4 * (32 * 96 + 48))) -N 4 "$npy")
echo "predict: $theirs m, mdeval predict: $ours m"
awk -v a="$theirs" -v b="$ours" 'BEGIN { d = a - b; exit !(a > 0 && d < 2e-6 && d > -2e-6) }'
