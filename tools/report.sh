# shellcheck shell=bash
# Sourced by tools/check and by the GPU bundle's `run`: what passed, failed and was skipped, by name, and its lists in
# Markdown.

passes=() failures=() skips=()
step() { printf '\n== %s\n' "$1"; }
pass() { passes+=("$1"); }
failed() { failures+=("$1"); }
skip() { skips+=("$1"); }

result() { echo "${#passes[@]} passed, ${#failures[@]} failed, ${#skips[@]} skipped"; }

# section TITLE ITEM...
section() {
  printf '\n## %s\n\n' "$1"
  if (($# > 1)); then printf -- '- %s\n' "${@:2}"; else echo none; fi
}

# All checks by name.
sections() {
  section Failed "${failures[@]}"
  section Skipped "${skips[@]}"
  section Passed "${passes[@]}"
}

# On the terminal: what did not pass, and the count. The status says whether anything failed.
conclude() {
  step "Result"
  ((${#skips[@]} == 0)) || printf 'skipped  %s\n' "${skips[@]}"
  ((${#failures[@]} == 0)) || printf 'FAILED   %s\n' "${failures[@]}"
  result
  ((${#failures[@]} == 0))
}
