#!/usr/bin/env bash
# The script `run` of the GPU bundle (tools/gpu_bundle/run) on a folder of programs that only pretend: what passes, fails,
# hangs, crashes or finds no GPU is reported by name, stops nothing else, and decides the exit status.
# Usage: gpu_bundle_test.sh
# shellcheck disable=SC2016  # what the programs expand
set -uo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
bundle=$(mktemp -d)
trap 'rm -rf "$bundle"' EXIT
mkdir -p "$bundle"/{bin,lib,stand-ins,tools,goldens/networks}
cp "$source/tools/gpu_bundle/run" "$source/tools/report.sh" "$bundle"
touch "$bundle/goldens/networks/lt.safetensors"
echo "commit of the test" >"$bundle/BUILD"

program() { printf '#!/bin/bash\n%s\n' "$2" >"$bundle/bin/$1"; chmod +x "$bundle/bin/$1"; }
# A machine without a GPU, on which everything else works. The suite, and the programs' way of saying that they need one:
no_gpu='echo "${0##*/}: error: device cuda: no NVIDIA driver is installed" >&2; exit 69'
program cuda_versions 'echo "cuDNN         none (libcudnn.so.9)"'
program mdsynth 'echo "AbsRel of predicting the training median there: 0.5"'
program mdbench "$no_gpu"
program mdeval 'echo fine'
program mdtrain "[[ \$* != *cuda* ]] || { $no_gpu; }; echo 'device        cpu, 2 threads'"
program gpu_suite 'case $* in
  *list_tests*) printf "Running main() from x.cc\nGood.\n  One\nNets/Params.\n  Two/lt  # GetParam() = lt\n" ;;
  *Good.*) echo "[ RUN      ] Good.One"; echo "skipped on cuda: Good.One (device cuda: no driver (none))"
    echo "[       OK ] Good.One (1 ms)" ;;
  *) name=${*#*=}; echo "[ RUN      ] ${name/\*/Two/lt}"; echo "x.cpp:3: Skipped"; echo "no driver"; echo
    echo "[  SKIPPED ] ${name/\*/Two/lt} (0 ms)" ;;
esac'

wrong=0
# run_says STATUS LINE...: of its end, and of its report.
run_says() {
  local status=$1 line code
  shift
  "$bundle/run" --python "$python" --out "$bundle/out" >"$bundle/said" 2>&1
  code=$?
  ((code == status)) || { echo "exit $code, wanted $status"; wrong=1; cat "$bundle/said"; }
  for line in "$@"; do
    grep -qF -- "$line" "$bundle/out/gpu-report.md" || { echo "not in the report: $line"; wrong=1; cat "$bundle/out/gpu-report.md"; }
  done
}

python=$bundle/no-python
echo "== without a GPU, and without Python"
run_says 0 "commit of the test" "- GPU in use: none" "- PyTorch: none" "cuDNN         none (libcudnn.so.9)" \
  "- Good.One on the GPU: device cuda: no driver (none)" "- Good.One" "- Nets/Params.Two/lt: no driver" \
  "- Golden.Layers: no driver" "- Golden.Networks networks/lt: no driver" "- training on the CPU" "- evaluation on the CPU" \
  "- mdbench f32: no GPU (mdbench: error: device cuda: no NVIDIA driver is installed)" "- evaluation on the GPU: no GPU" \
  "- profile f32: no CUPTI" "- rendering rooms"

echo "== with one, where some of it goes wrong"
python=$bundle/python
printf '#!/bin/bash\n[[ "$*" != *torch.__version__* ]] || echo 2.11.0\n' >"$python"
chmod +x "$python"
program cuda_versions 'echo "CUPTI         130001 /x/libcupti.so.13"'
program mdbench '[[ $* == *bts* || $* == *--peer*--python*/python*--peer-script*peer_bench.py* ]] || exit 2
  [[ $* != *--tf32* ]] || exit 70; echo "lt_train 1.00 ms"'
program mdtrain '[[ $* != *"--height 416"* ]] || echo "1.000 ms a step" >"${KERNEL_TIMES:-/dev/null}"; echo "device        cuda, cuda:0 Double"'
program mdeval 'while (($#)); do [[ $1 != --json ]] || echo "{\"abs_rel\": 0.3}" >"$2"; shift; done'
program gpu_suite 'case $* in
  *list_tests*) printf "Good.\n  One\nCrash.\n  One\nBad.\n  One\n" ;;
  *Good.*) echo "[ RUN      ] Good.One"; echo "[       OK ] Good.One (1 ms)" ;;
  *Crash.*) echo "[ RUN      ] Crash.One"; kill -SEGV $$ ;;
  *Bad.*) printf "[ RUN      ] Bad.One\nwanted 1, got 2\n[  FAILED  ] Bad.One, where GetParam() = 1 (1 ms)\n[  FAILED  ] Bad.One\n"; exit 1 ;;
  *Layers*) echo "[ RUN      ] Golden.Layers"; echo "pass layers/conv1x1"; echo "FAIL layers/relu"; exit 1 ;;
esac'
run_says 1 "- GPU in use: cuda:0 Double" "- PyTorch: 2.11.0" "- Good.One" "- Crash.One: the program ended with 139" "- Bad.One" \
  "wanted 1, got 2" "- golden layers/conv1x1" "- golden layers/relu" "lt_train 1.00 ms" "1.000 ms a step" "- mdbench f32" \
  "- mdbench TF32: ended with 70" "- 200 steps: AbsRel 0.3; a constant has 0.5" "- plans for profile f32" "- profile f32"
[[ $(sed -n '/^## Passed/,$p' "$bundle/out/gpu-report.md") != *Bad.One* ]] || { echo "Bad.One passed"; wrong=1; }

echo "== again, with a network that learns nothing and an evaluation that hangs"
program mdeval '[[ $* != *"device cpu"* ]] || sleep 100
  while (($#)); do [[ $1 != --json ]] || echo "{\"abs_rel\": 0.5}" >"$2"; shift; done'
run_says 1 "- 200 steps: AbsRel 0.5, and a constant has 0.5" "- evaluation on the CPU: not done in 15 s"
((wrong == 0)) && echo "all as it should be"
exit "$wrong"
