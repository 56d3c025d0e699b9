#!/usr/bin/env bash
# `cmake --install`, then a project of its own that finds the tree with find_package(MetricDepth): tests/tools/package. Its
# program loads a checkpoint that the installed mdtrain made, and must see what the installed mdeval sees. With the
# components that only packages have, the tree brings all libraries but the C library, and their licences.
# Usage: package_test.sh BUILD_FOLDER WORK_FOLDER
set -euo pipefail
build=$1 work=$2
source=$(cd "$(dirname "$0")/package" && pwd)
tree=$work/tree
rm -rf "$work"
mkdir -p "$work"
# What README.md shows of the program is what it is.
sed -n '/^```cpp$/,/^```$/p' "$source/../../../README.md" | grep -v '^```' | while IFS= read -r line; do
  grep -qF -- "$line" "$source/predict.cpp" || { echo "not in tests/tools/package/predict.cpp: $line"; exit 1; }
done
cmake --install "$build" --prefix "$tree" >"$work/install.log"
for component in onednn libraries; do
  cmake --install "$build" --prefix "$tree" --component "$component" >>"$work/install.log" 2>&1
done
if grep -A 3 'no licence' "$work/install.log"; then exit 1; fi
# Moved: nothing in the tree may know where it was made.
mv "$tree" "$work/moved"
tree=$work/moved
# MPI, where the build has it, is the machine's, with what it loads itself.
loads() { ldd "$1" | awk '$2 == "=>" { print $3 }'; }
mpi=$(loads "$tree/bin/mdtrain" | grep '/libmpi' || true)
for library in $mpi; do mpi+=$'\n'$(loads "$library"); done
for program in mdtrain mdeval mdsynth; do
  outside=$(loads "$tree/bin/$program" | grep -v "^$tree/bin/../lib/metricdepth/" | grep -vxF "$mpi" |
    grep -vE '/lib(c|m|dl|rt|pthread)\.so\.[0-9]+$' || true)
  [[ -z $outside ]] || { echo "$program loads from elsewhere: $outside"; exit 1; }
done

# The converters find their own modules, from any folder.
if command -v python3 >/dev/null; then
  (cd / && python3 "$tree/share/metricdepth/tools/convert_weights.py" --help) >"$work/convert.log"
fi

cmake -G Ninja -S "$source" -B "$work/project" -DCMAKE_PREFIX_PATH="$tree" -DCMAKE_BUILD_TYPE=Release >"$work/configure.log"
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
