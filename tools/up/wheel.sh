# shellcheck shell=bash
# wheel: the one way in which Craton's wheel is built, for ./up and ./check as for tools/wheel.

# pip_wheel BUILD OUT [config settings...]: from SOURCE with the tools of TOOLS, without the network. BUILD is Meson's folder and may
# have been used before. As pip asks the build backend for a wheel; but pip 23 passes on only the last of several settings of one name.
pip_wheel() {
    local build=$1 out=$2
    shift 2
    mkdir -p "$out"
    (
        cd "$SOURCE"
        "$TOOLS/bin/python" -c '
import sys

import mesonpy

settings = {}
for word in sys.argv[2:]:
    key, _, value = word.partition("=")
    settings[key] = [*settings.get(key, []), value] if key.endswith("-args") else value
mesonpy.build_wheel(sys.argv[1], settings)' "$out" build-dir="$build" "$@"
    )
}
