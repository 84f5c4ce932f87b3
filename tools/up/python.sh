# shellcheck shell=bash
# python: three environments under PREFIX/env, all from locks with hashes, all made by the system's python3.
#
#   tools-HASH   what installs and builds: uv, meson, ninja (env/build.lock)
#   base-HASH    what users' programs import (env/requirements.lock)
#   HASH-HASH    a generation: base-HASH by hard links, plus the craton package of one version of the source
#   current      link to the newest generation; it is replaced, never changed, so running kernels keep theirs
#
# HASH comes from the content of the lock (or source), so a stamp inside says "complete": a second run opens no connection.

PYTHON=/usr/bin/python3
INDEX_ADVICE="Is the Python package index reachable (pip's settings and https_proxy are honoured), and is there disk left?"

digest() { cat -- "$@" | sha256sum | cut -c1-12; }

tools_dir() { printf '%s/env/tools-%s\n' "$PREFIX" "$(digest "$SOURCE/env/build.lock")"; }
base_dir() { printf '%s/env/base-%s\n' "$PREFIX" "$(digest "$SOURCE/env/requirements.lock")"; }
environment_is_ready() { [ -e "$(base_dir)/.complete" ]; }

# Certificates of a site's own authority: whichever of the usual variables is set serves all tools, else the system's store.
use_certificates() {
    local file
    for file in "${SSL_CERT_FILE:-}" "${PIP_CERT:-}" "${REQUESTS_CA_BUNDLE:-}" "${CURL_CA_BUNDLE:-}" \
        /etc/ssl/certs/ca-certificates.crt; do
        if [ -n "$file" ] && [ -r "$file" ]; then
            export SSL_CERT_FILE=$file PIP_CERT=${PIP_CERT:-$file}
            return
        fi
    done
}

pip_options() { printf '%s\n' --disable-pip-version-check --no-input --require-hashes --no-deps --only-binary :all:; }

install_tools() {
    TOOLS=$(tools_dir)
    if [ -e "$TOOLS/.complete" ]; then return; fi
    step "Preparing the installer and the build tools" "Is the Python package index reachable (pip's settings are honoured)?" \
        make_tools
}

make_tools() {
    local options
    use_certificates
    mapfile -t options < <(pip_options)
    rm -rf "$TOOLS" # see make_environment
    "$PYTHON" -m venv "$TOOLS"
    "$TOOLS/bin/python" -m pip install "${options[@]}" --no-compile -r "$SOURCE/env/build.lock"
    touch "$TOOLS/.complete"
}

# pip's configuration (files and PIP_* variables) in uv's terms; what is already set for uv stays.
use_pip_settings() {
    local line key value certificate='' proxy='' links='' link present=''
    while IFS= read -r line; do
        key=${line%%=*}
        key=${key##*.}
        value=${line#*=}
        value=${value#\'}
        value=${value%\'}
        value=${value//\\n/ }
        case $key in
        index-url) export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$value} ;;
        extra-index-url) export UV_INDEX=${UV_INDEX:-$value} ;;
        find-links) links=$value ;;
        no-index) case $value in 1 | [Tt]rue | yes | on) export UV_NO_INDEX=1 ;; esac ;;
        trusted-host) export UV_INSECURE_HOST=${UV_INSECURE_HOST:-$value} ;;
        timeout | default-timeout) export UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-$value} ;;
        cert) certificate=$value ;;
        proxy) proxy=$value ;;
        esac
    done < <("$TOOLS/bin/python" -m pip config list)
    for link in $links; do # pip passes over a folder that is not there, uv ends
        case $link in
        *://*) ;;
        *) [ -e "$link" ] || continue ;;
        esac
        present=$present${present:+,}$link
    done
    if [ -n "$present" ]; then export UV_FIND_LINKS=${UV_FIND_LINKS:-$present}; fi
    if [ -n "$certificate" ] && [ -z "${SSL_CERT_FILE:-}" ]; then export SSL_CERT_FILE=$certificate; fi
    if [ -n "$proxy" ]; then
        export https_proxy=${https_proxy:-$proxy} http_proxy=${http_proxy:-$proxy}
    fi
}

# lock_install PYTHON LOCK [extra options of both installers]: uv, which is several times faster, else pip.
lock_install() {
    local python=$1 lock=$2 options
    shift 2
    use_pip_settings
    use_certificates
    export UV_CACHE_DIR=$PREFIX/env/.cache UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=hardlink
    if "$TOOLS/bin/uv" --no-progress pip install --python "$python" --require-hashes --no-deps --only-binary :all: \
        "$@" -r "$lock"; then
        return
    fi
    echo "uv did not succeed; the same with pip"
    mapfile -t options < <(pip_options)
    "$TOOLS/bin/python" -m pip --python "$python" install "${options[@]}" --no-compile "$@" -r "$lock"
}

environment_text() {
    printf '%s packages, each verified by its hash (about a minute)' "$(grep -c '^[a-z0-9].*==' "$SOURCE/env/requirements.lock")"
}

# Environment and data need the network and one processor; system packages and the build go on beside them.
begin_environment() {
    BASE=$(base_dir)
    ENVIRONMENT=ready
    if environment_is_ready && data_is_ready; then return; fi
    ENVIRONMENT=begun
    say "  Beside the next steps: the Python environment, $(environment_text)"
    begin_beside "Python environment, and open data for the welcome notebooks (65 MB)" "$INDEX_ADVICE" make_environment_and_data
}

await_environment() {
    if [ $ENVIRONMENT = ready ]; then return; fi
    WATCH=environment_so_far step_beside
}

# The installer fetches all packages into its cache and then puts them in place; the data come after them.
environment_so_far() {
    local all fetched installed
    if environment_is_ready; then
        printf '%s of the data fetched' "$(megabytes "$PREFIX/env/.cache" "$PREFIX/share/craton/.data-new.packages")"
        return
    fi
    all=$(grep -c '^[a-z0-9].*==' "$SOURCE/env/requirements.lock")
    installed=$(find "$BASE"/lib/python*/site-packages -maxdepth 1 -name '*.dist-info' 2>/dev/null | wc -l) || true
    fetched=$(find "$PREFIX/env/.cache" -mindepth 2 -maxdepth 2 -path '*/archive-v*/*' 2>/dev/null | wc -l) || true
    if [ "$installed" -gt 0 ]; then
        printf '%s of %s packages installed' "$installed" "$all"
    else
        printf '%s of %s packages fetched, %s' "$fetched" "$all" "$(megabytes "$PREFIX/env/.cache")"
    fi
}

megabytes() { { du -scm "$@" 2>/dev/null || true; } | awk 'END { printf "%d MB", $1 }'; } # FOLDER...

make_environment_and_data() {
    if ! environment_is_ready; then make_environment; fi
    if ! data_is_ready; then make_data; fi
}

# What an interrupted run has left is not believed: a package whose entry is there may lack files. What it has fetched is kept in the
# installer's cache.
make_environment() {
    rm -rf "$BASE"
    "$PYTHON" -m venv --without-pip "$BASE"
    lock_install "$BASE/bin/python" "$SOURCE/env/requirements.lock"
    compile_modules "$(site_packages "$BASE")"
    rm -f "$BASE/.lock" # the installer's, which everybody may write to: users must not keep anything below PREFIX
    touch "$BASE/.complete"
    rm -rf "$PREFIX/env/.cache"
}

site_packages() { printf '%s/lib/python%s/site-packages\n' "$1" "$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"; }

# Users cannot write below PREFIX, so modules are compiled once, here. Test suites inside packages are left out.
compile_modules() {
    "$PYTHON" -m compileall -q -j 0 -x '/(tests?|testing/tests)/' "$@" || true # templates that are no Python are reported
}

data_stamp() { digest "$SOURCE/env/data.lock" "$SOURCE/env/data.files"; }
data_is_ready() { [ "$(cat "$PREFIX/share/craton/data/.complete" 2>/dev/null)" = "$(data_stamp)" ]; }

make_data() {
    local target=$PREFIX/share/craton/data new=$PREFIX/share/craton/.data-new file folder _
    rm -rf "$new" "$new.packages"
    mkdir -p "$new"
    lock_install "$BASE/bin/python" "$SOURCE/env/data.lock" --target "$new.packages"
    fetch_debian_data "$new.packages" || echo "ferret-datasets could not be fetched: the third notebook shows two views fewer"
    while read -r file folder _; do
        case $file in '' | \#*) continue ;; esac
        if [ "${file:0:1}" = / ] && [ ! -e "$new.packages$file" ]; then continue; fi
        mkdir -p "$new/$folder"
        install -m 644 "$new.packages/$file" "$new/$folder/"
    done <"$SOURCE/env/data.files"
    rm -rf "$new.packages" "$PREFIX/env/.cache" "$target"
    data_stamp >"$new/.complete"
    mv "$new" "$target"
}

# Two climatologies lie in a Debian package that is not installed: its files alone are taken. A machine whose lists of packages are
# gone does without them; a welcome notebook is no reason not to start.
fetch_debian_data() { # DIRECTORY
    local files
    mapfile -t files < <(sed -n 's#^/\([^ ]*\) .*#./\1#p' "$SOURCE/env/data.files")
    (cd "$1" && apt-get download ferret-datasets) &&
        dpkg-deb --fsys-tarfile "$1"/ferret-datasets_*.deb | tar --extract --directory "$1" "${files[@]}" &&
        (cd "$1" && sed -n 's#^/\([^ ]*\) .* \([0-9a-f]\{64\}\)$#\2  \1#p' "$SOURCE/env/data.files" | sha256sum --check --strict) && return
    rm -rf "$1/usr"
    return 1
}
