# shellcheck shell=bash
# build: C code with Meson into PREFIX, the Python package into a new generation of the environment.
# Nothing is written into the clone: it may belong to somebody else.

# Meson's folder, and what it is told beside what the wheel needs. ./check has a folder of its own with its tests in it.
build_dir() { printf '%s\n' "${BUILD:-$PREFIX/build}"; }
BUILD=
BUILD_OPTIONS=()

source_files() { find meson.build meson.options pyproject.toml include src python web share recipes -type f -print 2>/dev/null || true; }

source_digest() {
    source_files | LC_ALL=C sort | tr '\n' '\0' | xargs -0 sha256sum | sha256sum | cut -c1-12
}

# Is what is installed made from this source?
is_built() {
    : "${SOURCE_HASH:=$(source_digest)}"
    [ "$(cat "$PREFIX/.built" 2>/dev/null)" = "$SOURCE_HASH" ]
}

build_craton() {
    build_beside
    put_in_place
}

# Touches nothing of what is installed, so that it may run while the Python environment is made.
build_beside() {
    BUILT=no
    if is_built; then return; fi
    BUILT=yes
    COMPILED_BEFORE=$(count_compiled)
    WATCH=compiled_so_far step "Building Craton (one to four minutes the first time)" "The log has the compiler's message. If the source is changed, is the change complete?" compile_craton
}

# What ninja has noted of objects, a line each; of a build from the beginning their number is known too.
count_compiled() { grep -c '\.o[[:space:]]' "$PREFIX/build/.ninja_log" 2>/dev/null || true; }

compiled_so_far() {
    local now all
    now=$(count_compiled)
    all=$(grep -c '^build [^ ]*\.o: ' "$PREFIX/build/build.ninja" 2>/dev/null || true)
    if [ "${COMPILED_BEFORE:-0}" = 0 ] && [ "${all:-0}" -gt 0 ]; then
        printf '%s of %s files compiled' "${now:-0}" "$all"
    elif [ "${now:-0}" -gt "${COMPILED_BEFORE:-0}" ]; then
        printf '%s files compiled' $((now - COMPILED_BEFORE))
    fi
}

put_in_place() {
    if [ $BUILT = no ]; then return; fi
    if service_answers; then before_upgrade; fi
    step "Installing Craton into $PREFIX" "Is there room on the disk?" copy_craton
}

compile_craton() {
    local build
    build=$(build_dir)
    export PATH=$TOOLS/bin:$PATH
    # A build directory of another clone or another compiler is of no use.
    if [ "$(cat "$build/.source" 2>/dev/null)" != "$SOURCE" ]; then rm -rf "$build"; fi
    if [ ! -e "$build/build.ninja" ]; then
        rm -rf "$build"
        mkdir -p "$build"
        printf '%s\n' "$SOURCE" >"$build/.source"
    fi
    rm -rf "$build/wheel"
    # The wheel's build has the daemon switched on too: one build makes everything, and compiles the engine once.
    # The command is not in it: it is installed beside the environment, with the machine's libraries.
    pip_wheel "$build" "$build/wheel" setup-args=-Dplatform=true "${BUILD_OPTIONS[@]/#/setup-args=}" install-args=--tags=python-runtime
    meson configure "$build" -Dprefix="$PREFIX" -Dlibdir=lib
    ninja -C "$build" # nothing to compile; takes the new places over
}

# Every file is put in place by rename: a running cratond keeps the one it was started from.
copy_craton() {
    local build staged file target
    build=$(build_dir)
    staged=$build/staged
    export PATH=$TOOLS/bin:$PATH
    rm -rf "$staged"
    meson install -C "$build" --no-rebuild --quiet --destdir "$staged" --tags runtime,devel,command
    mkdir -p "$staged$PREFIX/share/craton"
    cp -R "$SOURCE/share/acme" "$SOURCE/share/welcome" "$SOURCE/share/demo" "$SOURCE/share/start" "$SOURCE/web" "$staged$PREFIX/share/craton/"
    while IFS= read -r -d '' file; do
        target=${file#"$staged"}
        mkdir -p "$(dirname "$target")"
        rm -rf "$target.new"
        cp -P --preserve=mode,links "$file" "$target.new"
        mv -fT "$target.new" "$target"
    done < <(find "$staged" \( -type f -o -type l \) -print0)
    chmod -R go+rX,go-w "$PREFIX/share"
    rm -rf "$staged"
}

install_generation() {
    local name
    name=$(basename "$BASE" | sed 's/^base-//')-$SOURCE_HASH
    GENERATION=$PREFIX/env/$name
    if [ ! -e "$GENERATION/.complete" ]; then
        step "Adding Craton to the Python environment" "Is there room on the disk?" make_generation
    fi
    if [ "$(readlink "$PREFIX/env/current" || true)" != "$name" ]; then
        ln -sfn "$name" "$PREFIX/env/.current"
        mv -fT "$PREFIX/env/.current" "$PREFIX/env/current"
    fi
    printf '%s\n' "$SOURCE_HASH" >"$PREFIX/.built"
    remove_old_generations
}

# copy_environment NEW [PLACE]: users' environment by hard links in NEW, which will lie at PLACE.
copy_environment() {
    local new=$1 place=${2:-$1} script
    cp -al "$BASE" "$new"
    rm -f "$new/.complete"
    # Scripts name their interpreter by path. A hard link must not be written to, so each gets a new file.
    for script in "$new"/bin/*; do
        if [ ! -L "$script" ] && grep -qIF "$BASE" "$script"; then
            sed "s|$BASE|$place|g" "$script" >"$script.new"
            chmod 755 "$script.new"
            mv "$script.new" "$script"
        fi
    done
}

make_generation() {
    local page build
    build=$(build_dir)
    rm -rf "$GENERATION" "$GENERATION.new"
    copy_environment "$GENERATION.new" "$GENERATION"
    UV_CACHE_DIR=$PREFIX/env/.cache "$TOOLS/bin/uv" --no-progress pip install --offline --no-index --no-deps --no-config \
        --python "$GENERATION.new/bin/python" "$build"/wheel/craton-*.whl
    rm -rf "$PREFIX/env/.cache" "$GENERATION.new/.lock" # see make_environment
    compile_modules "$(site_packages "$GENERATION.new")"/craton{,_start.py,_environment.py}
    mkdir -p "$GENERATION.new/share" "$GENERATION.new/share/jupyter/lab/settings"
    # No question about news at the first start, and no request to the outside behind a user's back.
    # Dark where the browser prefers dark, as the hub's pages are.
    printf '%s\n' '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false},' \
        ' "@jupyterlab/apputils-extension:themes": {"adaptive-theme": true}}' \
        >"$GENERATION.new/share/jupyter/lab/settings/overrides.json"
    # `%pip install` says what to do instead; see python/craton_environment.py.
    mkdir -p "$GENERATION.new/etc/ipython"
    printf '%s\n' 'c.InteractiveShellApp.extensions.append("craton_environment")' >"$GENERATION.new/etc/ipython/ipython_config.py"
    ln -s "$PREFIX/share/craton" "$GENERATION.new/share/craton"
    ln -s "$PREFIX/bin/craton" "$GENERATION.new/bin/craton" # in the PATH of terminals and notebooks
    for page in "$build"/src/cli/craton*.[17]; do
        mkdir -p "$GENERATION.new/share/man/man${page##*.}"
        ln -s "$PREFIX/share/man/man${page##*.}/${page##*/}" "$GENERATION.new/share/man/man${page##*.}/"
    done
    mv "$GENERATION.new" "$GENERATION"
    "$GENERATION/bin/python" -c 'import craton'
    touch "$GENERATION/.complete"
}

# A generation that a running server has mapped stays; so does the last one before this, for going back.
remove_old_generations() {
    local directory keep
    keep=$(find "$PREFIX/env" -maxdepth 1 -type d -name '????????????-????????????' -printf '%C@ %p\n' | sort -rn | sed -n '1,2s/^[^ ]* //p')
    for directory in "$PREFIX"/env/????????????-????????????; do
        if [ "$directory" = "$GENERATION" ] || grep -qxF "$directory" <<<"$keep"; then continue; fi
        if grep -qsF "$directory/" /proc/[0-9]*/maps; then continue; fi # no pipe: its first half fails when the second has found enough
        rm -rf "$directory"
    done
    for directory in "$PREFIX"/env/base-* "$PREFIX"/env/tools-*; do
        if [ "$directory" != "$BASE" ] && [ "$directory" != "$TOOLS" ]; then rm -rf "$directory"; fi
    done
}
