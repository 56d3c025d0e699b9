#!/usr/bin/env bash
# What configuring says: an oneDNN that is too old or not there is refused by name, and a compiler newer than those that
# were tried builds, its warnings being no errors.
# Usage: configure_test.sh SOURCE_FOLDER WORK_FOLDER
set -euo pipefail
source=$1 work=$2
rm -rf "$work"
mkdir -p "$work/old" "$work/bin"

# configure OPTIONS...: its output; the status does not matter.
configure() { cmake -G Ninja -S "$source" -B "$work/build" -DMD_CUDA=OFF -DMD_TESTS=OFF "$@" 2>&1 || true; }
# expect TEXT OUTPUT, line breaks being as good as blanks
expect() {
  local output
  output=$(tr -s '\n ' '  ' <<<"$2")
  [[ $output == *"$1"* ]] || { printf 'expected: %s\ngot: %s\n' "$1" "$2"; exit 1; }
}

cat >"$work/old/dnnl-config.cmake" <<'END'
add_library(DNNL::dnnl INTERFACE IMPORTED)
END
cat >"$work/old/dnnl-config-version.cmake" <<'END'
set(PACKAGE_VERSION 2.5.4)
END
expect "oneDNN 2.5.4 in $work/old is too old: 2.6 or later is wanted" "$(configure -Ddnnl_DIR="$work/old")"
rm -rf "$work/build"
expect "oneDNN 2.6 or later was not found (Debian and Ubuntu: libdnnl-dev" "$(configure -DCMAKE_DISABLE_FIND_PACKAGE_dnnl=ON)"
rm -rf "$work/build"

# The compiler says that it is GCC of this version.
gcc_that_says() {
  printf '#!/bin/sh\nexec g++ -U__GNUC__ -D__GNUC__=%s "$@"\n' "$1" >"$work/bin/g++-$1"
  chmod +x "$work/bin/g++-$1"
  rm -rf "$work/build"
  configure -DCMAKE_CXX_COMPILER="$work/bin/g++-$1"
}
expect "Warnings are errors: OFF (GNU 99." "$(gcc_that_says 99)"
output=$(gcc_that_says 12)
expect "Warnings are errors: ON (GNU 12." "$output"
expect "oneDNN: " "$output"
