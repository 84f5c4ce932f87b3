# shellcheck shell=bash
# wheel: the one way in which Craton's wheel is built, for ./up and ./check as for tools/wheel.

# pip_wheel BUILD OUT [config settings...]: from SOURCE with the tools of TOOLS, without the network. BUILD is Meson's folder and may
# have been used before.
pip_wheel() {
    local build=$1 out=$2 settings=() setting
    shift 2
    for setting in build-dir="$build" "$@"; do settings+=("--config-settings=$setting"); done
    "$TOOLS/bin/python" -m pip wheel --disable-pip-version-check --no-index --no-build-isolation --no-deps --quiet \
        --wheel-dir "$out" "${settings[@]}" "$SOURCE"
}
