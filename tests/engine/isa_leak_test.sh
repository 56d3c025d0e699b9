#!/usr/bin/env bash
# A portable program runs on processors without AVX-512: only what engine/cpu/kernel_choice.cpp chooses may use it. Reads
# the program's own code and names every function with an instruction of AVX-512 (encoded by EVEX, whose first byte is
# 62, or on a mask register) that belongs to no set of kernels for it (engine/cpu/kernel_set.h).
# Usage: tests/engine/isa_leak_test.sh PROGRAM      exit 0: none; 1: some, or no kernels for AVX-512 at all; 77: no objdump
set -euo pipefail
command -v objdump >/dev/null || { echo "skipped: no objdump"; exit 77; }

users=$(objdump --disassemble --demangle --insn-width=15 "$1" | awk -F '\t' '
  /^[0-9a-f]+ <.*>:$/ { name = $0 }
  $2 ~ /^((26|2e|36|3e|64|65|67) )*62 / || $3 ~ /%k[0-7]/ { if (!seen[name]++) print name }')
leaks=$(grep -vE 'md::avx512(_bf16)?::' <<<"$users" || true)
if [[ -n $leaks ]]; then
  echo "compiled for AVX-512, and not in a set of kernels for it:"
  echo "$leaks"
  exit 1
fi
# And what was wanted is there: in the kernel itself, or in the function that has its loops.
wanted=('CpuBackend::batch_norm' '(CpuBackend::layer_norm|forward<float>)' 'CpuBackend::layer_norm_backward'
  'CpuBackend::metric_depth' 'CpuBackend::reduce_sum' '(CpuBackend::window_attention|attend<float>)'
  '(CpuBackend::window_attention_backward|attend_backward<float>)')
for set in avx512 avx512_bf16; do
  for kernel in "${wanted[@]}"; do
    grep -qE "md::${set}::(\\(anonymous namespace\\)::)?${kernel}\\(" <<<"$users" ||
      { echo "no AVX-512 in $kernel of $set"; exit 1; }
  done
done
