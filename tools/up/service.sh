# shellcheck shell=bash
# service: start, wait until ready, addresses. cratond itself makes system users, directories and sockets.

readonly UNIT=craton.service
readonly SERVERS_UNIT=craton-servers.service # holds the control groups of servers; cratond's unit starts it
readonly READY_SECONDS=60

cratond() {
    local where
    mapfile -t where < <(places)
    "$PREFIX/bin/cratond" "${where[@]}" "$@"
}

# service_answers [SECONDS]: a hub that hangs, or a socket that waits for one, is no answer.
service_answers() {
    local where
    [ -S "$RUN/control.sock" ] && [ -x "$PREFIX/bin/cratond" ] || return 1
    mapfile -t where < <(places)
    timeout "${1:-20}" "$PREFIX/bin/cratond" "${where[@]}" --status >/dev/null 2>&1
}

# systemd looks after the platform that lies in the default places; others are started directly.
by_systemd() { [ "$ROOT" = yes ] && [ -d /run/systemd/system ] && [ "$STATE" = /var/lib/craton ] && [ "$PREFIX" = /opt/craton ]; }

# What cratond reads at its start, and somebody has edited since: its pid file is as old as that start. The files of --tls are not among it, as a new
# pair is served without one.
edited_since_start() {
    local name
    for name in config profiles.yaml smtp.password signin services roles texts; do
        if [ -e "$STATE/$name" ] && [ -n "$(find "$STATE/$name" \( -newer "$RUN/cratond.pid" -o -type f -cnewer "$RUN/cratond.pid" \) -print -quit)" ]; then return 0; fi
    done
    return 1
}

start_service() {
    if service_answers && [ "$BUILT" = no ] && [ "$SETTINGS_CHANGED" = no ]; then
        if ! edited_since_start; then return; fi
        detail "settings in $STATE were edited since the hub was started"
    fi
    check_settings
    if service_answers; then
        step "Restarting the hub; user servers and the proxy go on" "See $STATE/log/cratond.log." stop_hub
    fi
    step "Starting" "See $STATE/log/cratond.log, or 'journalctl -u craton' where systemd runs." launch
    tell_moved
}

# Servers are told at their start where the hub is, and under which address they are reached.
tell_moved() {
    if [ "$ADDRESS_CHANGED" = no ] || [[ $(cratond --status) == *"servers: 0 running"* ]]; then return; fi
    detail "Servers that run now were started for the old address and are not reached at the new one. Stop and Start bring them here,"
    detail "which ends what they have in memory; until then ./up with the old address finds them as they are."
}

stop_hub() {
    if by_systemd && systemctl --quiet is-active $UNIT; then
        systemctl stop $UNIT
    else
        cratond --stop --keep-servers
    fi
}

# Ends what is left in the servers' unit, and the unit.
stop_servers_unit() {
    if by_systemd && [ -e /etc/systemd/system/$SERVERS_UNIT ]; then systemctl stop $SERVERS_UNIT; fi
}

launch() {
    local where
    mapfile -t where < <(places)
    if by_systemd; then
        install -m 644 "$SOURCE/recipes/systemd/$UNIT" "$SOURCE/recipes/systemd/$SERVERS_UNIT" /etc/systemd/system/
        systemctl daemon-reload
        systemctl enable --quiet $UNIT
        systemctl restart $UNIT
    else
        local log=$STATE/log/cratond.log
        touch "$log"
        chmod 600 "$log"
        LOG_BEGIN=$(($(stat -c %s "$log") + 1))
        setsid --fork "$PREFIX/bin/cratond" "${where[@]}" </dev/null >>"$log" 2>&1 3>&- 9>&-
    fi
    wait_ready
}

# The process of a cratond with this RUN among its arguments, or of setsid about to become it.
cratond_process() {
    local file
    for file in $(grep -slzxF -e "$RUN" /proc/[0-9]*/cmdline); do
        file=${file%/cmdline}
        case $(cat "$file/comm" 2>/dev/null) in cratond | setsid) echo "${file#/proc/}" ;; esac
    done
}

# What no waiting mends: cratond has ended, or its hub ends again and again. Says why, and leaves no cratond that tries on.
start_has_failed() {
    local log=$STATE/log/cratond.log process
    process=$(cratond_process)
    if [ -n "$process" ] && [ "$(tail -c "+$LOG_BEGIN" "$log" | grep -c ' cratond: hub ended ')" -lt 2 ]; then return 1; fi
    echo "cratond ended right after its start:"
    tail -c "+$LOG_BEGIN" "$log" | tail -n 5
    # shellcheck disable=SC2086  # several are several words
    if [ -n "$process" ]; then kill $process || true; fi
}

wait_ready() {
    local end=$((SECONDS + READY_SECONDS))
    while ! service_answers 3 || ! hub_answers; do
        if ! by_systemd && start_has_failed; then return 1; fi
        if [ $SECONDS -ge $end ]; then
            echo "cratond was not ready within $READY_SECONDS s"
            if ! by_systemd; then tail -n 10 "$STATE/log/cratond.log"; fi
            return 1
        fi
        sleep 0.1
    done
}

# The hub through the proxy: both are there. Asked where user servers ask: that is the same whatever the name of the hub, and whoever may
# come to its public port.
hub_answers() {
    local port status
    port=$(($(setting port 8000) + 2))
    status=$({
        exec 5<>"/dev/tcp/127.0.0.1/$port"
        printf 'GET /hub/api HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$port" >&5
        timeout 5 head -c 12 <&5
    } 2>/dev/null) || return 1
    [[ $status == "HTTP/1.1 200" || $status == "HTTP/1.1 429" ]] # somebody on this machine may be asking too much
}

# As the hub itself names it (src/platform/daemon/urls.c), and to no other name does it answer.
public_address() {
    local scheme=http host port base
    host=$(setting domain '')
    port=$(setting port 8000)
    if [ -z "$host" ]; then
        host=$(setting bind 127.0.0.1)
        case $host in *:*) host=[$host] ;; esac
    fi
    if [ -n "$(setting behind-proxy '')" ]; then
        scheme=https port=
    elif [ -n "$(setting tls '')$(setting acme '')" ]; then
        scheme=https
    fi
    case $scheme:$port in https: | https:443 | http:80) port= ;; *) port=:$port ;; esac
    base=$(setting base-url '')
    printf '%s://%s%s%s\n' "$scheme" "$host" "$port" "${base%/}"
}

tell_address() {
    say ""
    say "Craton is ready after $((SECONDS - STARTED)) s:  $(public_address)"
}

tell_link() {
    if [ "$(control_value administrators)" = 0 ]; then
        say ""
        say "There is no administrator yet. This link makes one; it works once, for one hour:"
        say "    $(cratond --admin-link)"
    fi
}

# One value of `cratond --status --json`.
control_value() {
    cratond --status --json | "$PREFIX/env/current/bin/python" -I -c \
        'import json, sys; print(json.load(sys.stdin).get(sys.argv[1], ""))' "$1"
}
