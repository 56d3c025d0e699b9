# shellcheck shell=bash
# Sourced by quickstart and check: installs the Debian or Ubuntu packages of the build, if any is missing.
# Works offline once they are there.

packages=(g++ cmake ninja-build libdnnl-dev libpng-dev libjpeg-dev libwebp-dev libtiff-dev libopenexr-dev libstb-dev
  libssl-dev libcli11-dev nlohmann-json3-dev libgtest-dev
  ocl-icd-opencl-dev)  # the package file of Debian 12's oneDNN looks for OpenCL

# What a build takes besides where it finds it: MPI, for training on several devices (tools/train/SCALING.md).
mpi_packages=(libopenmpi-dev openmpi-bin)

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    [[ $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) == *"ok installed" ]] || echo "$package"
  done
}

# install_packages yes|ask: prints the apt line before it runs it; asks first on a terminal, unless told `yes`.
install_packages() {
  local missing root="" answer=y install
  if ! command -v dpkg-query >/dev/null; then
    echo "Not a Debian or Ubuntu system: the build needs what these packages hold: ${packages[*]}" >&2
    return 0
  fi
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  ((EUID == 0)) || root="sudo "
  install="apt-get install -y --no-install-recommends ${missing[*]}"
  echo "+ ${root}apt-get update && $root$install"
  if [[ $1 == ask && -t 0 ]]; then
    read -r -p "Install these packages? [Y/n] " answer
    [[ ${answer:-y} == [Yy]* ]] || { echo "Nothing installed." >&2; return 1; }
  fi
  # shellcheck disable=SC2086  # words are wanted
  ${root}apt-get update -qq && ${root}env DEBIAN_FRONTEND=noninteractive $install -qq >/dev/null
}

# install_optional PACKAGE: without a question and without an error; what it is for works without it as well.
install_optional() {
  local root=""
  ((EUID == 0)) || root="sudo -n"
  command -v apt-get >/dev/null && $root apt-get update -qq &&
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -qq "$1"
} >/dev/null 2>&1 </dev/null
