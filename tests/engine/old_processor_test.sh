#!/usr/bin/env bash
# What a portable program says on processors that have less than this one, as qemu emulates them.
# Usage: tests/engine/old_processor_test.sh MDTRAIN      exit 0: as promised; 1: not; 77: no qemu that can do it
set -uo pipefail
qemu=$(command -v qemu-x86_64-static || command -v qemu-x86_64) || { echo "skipped: no qemu-x86_64"; exit 77; }
"$qemu" -cpu max /bin/true 2>/dev/null || { echo "skipped: qemu-x86_64 cannot run a program"; exit 77; }

# on CPU [NAME=VALUE] : `mdtrain doctor` there; its exit code, then what it said.
on() { env "${@:2}" "$qemu" -cpu "$1" "$mdtrain" doctor 2>&1 || echo "exit $?"; }
expect() {  # WHAT SAID PATTERN
  # shellcheck disable=SC2053  # a pattern is wanted
  [[ $2 == $3 ]] || { printf '%s:\n%s\nwanted: %s\n' "$1" "$2" "$3"; wrong=1; }
}

mdtrain=$1 wrong=0
without_avx512=max,avx512f=off
expect "AVX2" "$(on $without_avx512)" "mdtrain "*$'\n'"kernels       avx2 of avx2, avx512, avx512_bf16"$'\n'*
expect "more than it has" "$(on $without_avx512 MD_ISA=avx512)" \
  "mdtrain: error: MD_ISA=avx512: this processor can run avx2"$'\n'"exit 69"
expect "below x86-64-v3" "$(on Westmere)" "this program needs a processor with AVX2"*$'\n'"exit 69"
exit "$wrong"
