# shellcheck shell=bash
# settings: arguments, where things lie, and STATE/config, the file of settings that cratond reads.

ACTION=up
DEMO=yes
KEEP_SERVERS=no
PURGE=no
FILE=
PREFIX=
STATE=
RUN=
ROOT=no
WITH=()  # what is installed besides: env/debian-packages-NAME
GIVEN=() # KEY=VALUE of settings on the command line

need_value() {
    if [ $# -lt 2 ] || [ -z "$2" ]; then fail "$1 needs a value." "See ./up --help"; fi
}

one_action() {
    if [ "$ACTION" != up ] && [ "--$ACTION" != "$1" ]; then fail "--$ACTION and $1 are two things to do: one at a time."; fi
    ACTION=${1#--}
}

parse_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
        --help | -h) usage; exit 0 ;;
        --demo | --admin-link | --status | --stop | --uninstall) one_action "$1" ;;
        --backup | --restore) need_value "$@"; one_action "$1"; FILE=$(readlink -m -- "$2"); shift ;;
        --keep-servers) KEEP_SERVERS=yes ;;
        --purge) PURGE=yes ;;
        --no-demo) DEMO=no ;;
        --port | --bind | --domain | --base-url | --acme | --acme-contact | --acme-hook | --behind-proxy | --memory | --cpu)
            need_value "$@"; GIVEN+=("${1#--}=$2"); shift ;;
        --with)
            need_value "$@"
            [ "$2" = r ] || fail "--with knows r, and not '$2'."
            WITH+=("$2"); shift ;;
        --tls)
            [ $# -ge 3 ] || fail "--tls needs two files: certificate and key."
            GIVEN+=("tls=$(readlink -m -- "$2")" "tls-key=$(readlink -m -- "$3")"); shift 2 ;;
        --state) need_value "$@"; STATE=$(readlink -m -- "$2"); shift ;;
        --prefix) need_value "$@"; PREFIX=$(readlink -m -- "$2"); shift ;;
        --run) need_value "$@"; RUN=$(readlink -m -- "$2"); shift ;;
        *) fail "'$1' is not understood." "See ./up --help" ;;
        esac
        shift
    done
    [ "$KEEP_SERVERS" = no ] || [ "$ACTION" = stop ] || fail "--keep-servers belongs to --stop."
    [ "$PURGE" = no ] || [ "$ACTION" = uninstall ] || fail "--purge belongs to --uninstall."
}

# The same defaults as cratond's own (src/platform/daemon/config.c). A state directory that is not the default one is a
# second platform beside the first, so its sockets lie apart too.
find_places() {
    local default_state default_run
    if [ "$(id -u)" = 0 ]; then
        ROOT=yes
        : "${PREFIX:=/opt/craton}"
        default_state=/var/lib/craton
        default_run=/run/craton
    else
        : "${HOME:?HOME is not set}"
        : "${PREFIX:=$HOME/.local/share/craton}"
        default_state=$HOME/.local/share/craton/state
        default_run=/tmp/craton-$(id -u)
        if [ -d "${XDG_RUNTIME_DIR:-}" ] && [ ${#XDG_RUNTIME_DIR} -le 33 ]; then default_run=$XDG_RUNTIME_DIR/craton; fi
    fi
    : "${STATE:=$default_state}"
    if [ -z "$RUN" ]; then
        RUN=$default_run
        if [ "$STATE" != "$default_state" ]; then RUN+=-$(printf %s "$STATE" | sha256sum | cut -c1-6); fi
    fi
    local path
    for path in "$PREFIX" "$STATE" "$RUN"; do
        if [[ ! $path =~ ^/[A-Za-z0-9/._+@,=-]+$ ]]; then
            fail "'$path' has characters that a configuration file of the proxy cannot hold." \
                "Use --state, --prefix and --run with plain paths."
        fi
    done
    if [ "$ROOT" = yes ] && [[ $ACTION = up || $ACTION = demo || $ACTION = restore || $ACTION = backup ]]; then
        for path in "$PREFIX" "$STATE" "$RUN"; do check_place "$path"; done
    fi
    [ ${#RUN} -le 40 ] || fail "The directory of sockets, $RUN, is longer than 40 characters." "Give a shorter one: --run DIR"
    LOG=$STATE/log/up.log
}

# Root writes there, and runs what lies there: nobody else may exchange it. So the folder, when it is there, and all above it belong to
# root, and others may write to none of them, except to folders like /tmp, where they cannot rename what is root's, above it.
check_place() {
    local path=$1 root owner group mode first=yes
    root=$(stat -c %u /) # not 0 in some containers
    while :; do
        if [ -e "$path" ]; then
            read -r owner group mode < <(stat -c '%u %g %a' "$path")
            mode=$((8#$mode))
            if [ "$owner" != 0 ] && [ "$owner" != "$root" ]; then
                fail "$1 is no place for Craton as root: $path belongs to $(stat -c %U "$path"), who could exchange what root keeps and runs there." \
                    "Choose a place below folders of root with --state, --prefix and --run."
            fi
            if ((mode & 8#002 || (mode & 8#020 && group != 0))) && { [ $first = yes ] || ! ((mode & 8#1000)); }; then
                fail "$1 is no place for Craton as root: others may write to $path (mode $(stat -c %a "$path")) and could exchange what root keeps and runs there." \
                    "Choose a place of its own below folders of root with --state, --prefix and --run."
            fi
        fi
        if [ "$path" = / ]; then return; fi
        path=$(dirname "$path")
        first=no
    done
}

# Where cratond finds the three places.
places() { printf '%s\n' --state "$STATE" --run "$RUN" --prefix "$PREFIX"; }

# setting KEY DEFAULT: what the next start of cratond will use.
setting() {
    local value=
    if [ -f "$STATE/config" ]; then
        value=$(sed -n "s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*\(.*[^[:space:]]\)[[:space:]]*$/\1/p" "$STATE/config" | tail -1)
    fi
    printf '%s\n' "${value:-$2}"
}

# Puts the settings of the command line into STATE/config; other lines stay. SETTINGS_CHANGED and ADDRESS_CHANGED tell start_service.
# Where the cratond that will read them is installed already, it is asked first; else start_service asks it.
SETTINGS_CHANGED=no
ADDRESS_CHANGED=no
save_settings() {
    local pair key value
    if [ ! -e "$STATE/config" ]; then
        printf '# Settings of cratond, one KEY = VALUE a line; see cratond --help. Written by ./up, yours to edit.\n' \
            >"$STATE/config"
    fi
    for pair in ${GIVEN[@]+"${GIVEN[@]}"}; do
        key=${pair%%=*}
        value=${pair#*=}
        if [[ $value == *$'\n'* ]]; then fail "--$key: a line break is not allowed."; fi
        [ "$(setting "$key" '')" != "$value" ] || continue
        if [ $SETTINGS_CHANGED = no ]; then cp "$STATE/config" "$STATE/config.before"; fi
        SETTINGS_CHANGED=yes
        case $key in port | bind | domain | base-url | tls | acme | behind-proxy) ADDRESS_CHANGED=yes ;; esac
        {
            grep -v "^[[:space:]]*${key}[[:space:]]*=" "$STATE/config" || true
            printf '%s = %s\n' "$key" "$value"
        } >"$STATE/config.new"
        mv "$STATE/config.new" "$STATE/config"
    done
    if [ $SETTINGS_CHANGED = yes ] && is_built; then check_settings; fi
}

# What cratond would refuse is refused before anything is stopped, and does not wait there for the next start.
check_settings() {
    local problem
    if problem=$(cratond --check 2>&1); then
        rm -f "$STATE/config.before"
        return
    fi
    if [ $SETTINGS_CHANGED = no ]; then fail "${problem#cratond: }" "Correct it there, then run ./up again. What runs goes on."; fi
    mv "$STATE/config.before" "$STATE/config"
    fail "$(in_words_of_options "${problem#cratond: }")" "The settings are as before; what runs goes on."
}

# "STATE/config line 2: memory: '2X': ...", where the command line had --memory: the person reads "--memory: '2X': ...".
in_words_of_options() {
    local pair key rest
    for pair in ${GIVEN[@]+"${GIVEN[@]}"}; do
        key=${pair%%=*}
        rest=${1#"$STATE/config line "}
        if [ "$rest" != "$1" ] && [[ $rest == [0-9]*": $key: "* ]]; then
            printf '%s\n' "--$key: ${rest#*": $key: "}"
            return
        fi
    done
    printf '%s\n' "$1"
}

prepare_state() {
    if [ "$ROOT" = no ]; then
        local bind
        bind=$(given_or_setting bind 127.0.0.1)
        case $bind in
        127.* | ::1) ;;
        *) fail "Without root Craton serves one account on this machine only; it does not listen on $bind." \
            "Run ./up as root for a platform for many users." ;;
        esac
        detail "not root: one account, reachable from this machine only. As root it is a platform for many."
    fi
    check_exposure
    mkdir -p "$PREFIX" "$STATE/log" || fail "Cannot make $PREFIX and $STATE." "Choose others with --prefix and --state."
    take_lock
}

LOCKED=no
take_lock() {
    if [ $LOCKED = yes ]; then return; fi
    exec 9>"$STATE/.up.lock"
    flock -n 9 || fail "Another ./up is at work on $STATE."
    LOCKED=yes
}

given_or_setting() {
    local pair
    for pair in ${GIVEN[@]+"${GIVEN[@]}"}; do
        if [ "${pair%%=*}" = "$1" ]; then printf '%s\n' "${pair#*=}"; return; fi
    done
    setting "$1" "$2"
}

# cratond refuses the same; here it is said before minutes of installing.
check_exposure() {
    local bind
    bind=$(given_or_setting bind 127.0.0.1)
    case $bind in 127.* | ::1) return ;; esac
    if [ -z "$(given_or_setting tls '')$(given_or_setting acme '')$(given_or_setting behind-proxy '')" ]; then
        fail "The address $bind is reachable from outside: passwords would cross the network in the clear." \
            "Add --acme letsencrypt or --tls CERT KEY, or --behind-proxy CIDR when a proxy in front does TLS." \
            "It also needs --domain NAME, with NAME and *.NAME in DNS for this machine. docs/operating.md goes through it."
    fi
    if [ -z "$(given_or_setting domain '')" ]; then
        fail "For an address that is reachable from outside each user needs an origin of their own." \
            "Point NAME and *.NAME to this machine and add --domain NAME."
    fi
}
