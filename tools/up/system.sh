# shellcheck shell=bash
# system: Debian packages (env/debian-packages). Only missing ones, without recommendations.

missing_packages() { # FILE...
    local wanted name
    wanted=$(sed -n 's/^\([a-z0-9][^[:space:]]*\).*/\1/p' "$@")
    for name in $wanted; do
        if [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" != installed ]; then printf '%s\n' "$name"; fi
    done
}

install_packages() { # FILE...
    local missing
    mapfile -t missing < <(missing_packages "$@")
    if [ ${#missing[@]} -eq 0 ]; then
        if haproxy_is_held; then release_haproxy >>"$LOG" 2>&1; fi
        return
    fi
    if [ "$ROOT" = no ]; then
        fail "These system packages are missing, and installing them needs root:" \
            "sudo apt-get install --no-install-recommends ${missing[*]}" "Then run ./up again."
    fi
    apt_step "Installing ${#missing[@]} system packages" "${missing[@]}"
}

# What the Python environment needs comes first: then its download need not wait for the compiler.
install_first_packages() { # FILE
    command -v dpkg-query >/dev/null || fail "This is not a Debian system: there is no dpkg." \
        "Craton is installed by ./up on Debian 12."
    local missing
    mapfile -t missing < <(missing_packages "$1" | grep -xE 'ca-certificates|python3|python3-venv')
    if [ ${#missing[@]} -eq 0 ] || [ "$ROOT" = no ]; then return; fi # install_packages names them all
    apt_step "Installing the system's Python" "${missing[@]}"
}

apt_step() { # TITLE PACKAGE...
    local title=$1
    shift
    WATCH=packages_so_far step "$title" "Is the network up, and does 'apt-get update' work? For a proxy see http_proxy, and use 'sudo -E ./up'." \
        apt_install "$@"
}

# From what apt says since the step began: each package is fetched, unpacked and set up.
packages_so_far() {
    tail -c "+$((WATCHED_LOG + 1))" "$LOG" | awk '
        / newly installed/ { all = $1 + $3; fetched = 0 } # before it were lists
        /^Get:[0-9]+ .*\[[0-9.,]+ [kMG]?B\]$/ { fetched++ }
        /^Unpacking / { unpacked++ }
        /^Setting up / { ready++ }
        END {
            if (ready) printf "%d of %d packages set up", ready, all
            else if (unpacked) printf "%d of %d packages unpacked", unpacked, all
            else if (all) printf "%d of %d packages fetched", fetched, all
        }'
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    # A first try with the lists that are there saves a download; fresh lists when they are missing or too old.
    if ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then apt-get update; fi
    apt_get_install "$@" || {
        apt-get update
        apt_get_install "$@"
    }
}

# haproxy's own service would start with an empty configuration: cratond runs HAProxy itself. So its start is forbidden while it is
# installed. A run that is killed meanwhile leaves that behind, and the next one knows it by its words.
POLICY=/usr/sbin/policy-rc.d
HAPROXY_UNIT=/lib/systemd/system/haproxy.service
readonly POLICY_TEXT=$'#!/bin/sh\n[ "$1" = haproxy ] && exit 101\nexit 0'

haproxy_is_held() { [ -w "$POLICY" ] && [ "$(cat "$POLICY" 2>/dev/null)" = "$POLICY_TEXT" ]; }

hold_haproxy() {
    if haproxy_is_held; then return; fi
    if [ -e "$HAPROXY_UNIT" ] || [ -e "$POLICY" ]; then return; fi # it was there before, or the machine has a policy of its own
    printf '%s\n' "$POLICY_TEXT" >"$POLICY"
    chmod 755 "$POLICY"
}

release_haproxy() {
    rm -f "$POLICY"
    disable_haproxy
}

disable_haproxy() {
    if command -v systemctl >/dev/null; then systemctl disable haproxy.service || true; fi # also in an image that is not running yet
}

apt_get_install() {
    local is_new=no status=0
    if [ ! -e "$HAPROXY_UNIT" ]; then is_new=yes; fi
    hold_haproxy
    dpkg --configure -a || true # after an interrupted run apt asks for it, and does nothing else
    apt-get install -y --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 \
        -o Dpkg::Options::=--force-unsafe-io "$@" || status=$?
    if haproxy_is_held; then
        release_haproxy
    elif [ $is_new = yes ]; then
        disable_haproxy
    fi
    return $status
}
