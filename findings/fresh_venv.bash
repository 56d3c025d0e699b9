# Sourced by findings/*.sh, runs nothing by itself.
#
#   in_fresh_venv PACKAGE==VERSION... < PROGRAM.py
#
# makes a temporary folder with a virtual environment that holds exactly the wheels named, without their dependencies,
# runs the Python program on standard input there and returns its exit status: 0 the surprise is still there, 1 the
# behaviour changed, 77 it cannot be seen here. PYTHON names another interpreter than python3; it needs venv and pip
# 22.3 or later.

in_fresh_venv() {
    local folder status=0
    folder=$(mktemp -d)
    # shellcheck disable=SC2064  # the folder is fixed here
    trap "rm -rf '$folder'" EXIT
    if ! "${PYTHON:-python3}" -m venv --without-pip "$folder/venv" ||
        ! "${PYTHON:-python3}" -m pip --python "$folder/venv/bin/python" --quiet --disable-pip-version-check \
            install --only-binary :all: --no-deps "$@" </dev/null; then
        echo "skipped: $("${PYTHON:-python3}" --version) cannot install $*" >&2
        status=77
    else
        (cd "$folder" && PATH="$folder/venv/bin:$PATH" venv/bin/python -) || status=$?
    fi
    rm -rf "$folder"
    return "$status"
}
