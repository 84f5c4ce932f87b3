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
    if [ ${#missing[@]} -eq 0 ]; then return; fi
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
    step "$title" "Is the network up, and does 'apt-get update' work? For a proxy see http_proxy, and use 'sudo -E ./up'." \
        apt_install "$@"
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

# haproxy's own service would start with an empty configuration: cratond runs HAProxy itself.
apt_get_install() {
    local had_haproxy=no policy=/usr/sbin/policy-rc.d made=no status=0
    if [ -e /lib/systemd/system/haproxy.service ]; then had_haproxy=yes; fi
    if [ "$had_haproxy" = no ] && [ ! -e $policy ]; then
        # shellcheck disable=SC2016  # \$1 belongs to the script that is written
        printf '#!/bin/sh\n[ "$1" = haproxy ] && exit 101\nexit 0\n' >$policy
        chmod 755 $policy
        made=yes
    fi
    dpkg --configure -a || true # after an interrupted run apt asks for it, and does nothing else
    apt-get install -y --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 \
        -o Dpkg::Options::=--force-unsafe-io "$@" || status=$?
    if [ $made = yes ]; then rm -f $policy; fi
    if [ "$had_haproxy" = no ] && command -v systemctl >/dev/null; then  # also in an image that is not running yet
        systemctl disable haproxy.service || true
    fi
    return $status
}
