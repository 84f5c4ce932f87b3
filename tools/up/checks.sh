# shellcheck shell=bash
# checks: is this machine fit? Everything that can be known before anything is changed.

readonly NEED_DISK_KIB=$((3 * 1048576 / 2)) # environment, build and system packages, measured: 1.2 GB
readonly NEED_MEMORY_KIB=$((900 * 1024))
readonly GOOD_MEMORY_KIB=$((1400 * 1024))

check_machine() {
    say "  Checking this machine"
    check_system
    check_memory
    check_disk
    check_ports
}

check_system() {
    local name=unknown id='' version=''
    if [ -r /etc/os-release ]; then
        name=$(. /etc/os-release && printf %s "${PRETTY_NAME:-unknown}")
        id=$(. /etc/os-release && printf %s "${ID:-}")
        version=$(. /etc/os-release && printf %s "${VERSION_ID:-}")
    fi
    detail "system: $name, $(uname -m), $(nproc) cores"
    if [ "$id" != debian ] || [ "${version%%.*}" != 12 ]; then
        detail "Craton is made and tested on Debian 12; on another system package names may differ."
    fi
}

# The least of what the machine has free and what the control groups of this process allow (containers).
check_memory() {
    local free limit=0 file
    free=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
    for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
        if [ -r "$file" ] && limit=$(cat "$file") && [[ $limit =~ ^[0-9]+$ ]]; then
            limit=$((limit / 1024))
            if [ "$limit" -lt "$free" ]; then free=$limit; fi
        fi
    done
    detail "memory: $(human "$free") available"
    if [ "$free" -lt $NEED_MEMORY_KIB ]; then
        fail "Less than $(human $NEED_MEMORY_KIB) of memory is available." \
            "A notebook server with one scientific kernel takes about 0.4 GB, building a little more." \
            "End other programs or use a larger machine."
    fi
    if [ "$free" -lt $GOOD_MEMORY_KIB ]; then detail "that is enough to try it; each further user takes about 0.4 GB."; fi
}

check_disk() {
    local free
    free=$(df -Pk "$PREFIX" | awk 'NR == 2 { print $4 }')
    detail "disk: $(human "$free") free below $PREFIX"
    if environment_is_ready || [ "$free" -ge $NEED_DISK_KIB ]; then return; fi
    fail "The first installation needs $(human $NEED_DISK_KIB) of disk." "Make room, or choose another place with --prefix DIR."
}

# Also when Craton runs: it may be asked to move to other ports.
check_ports() {
    local port p holder least ours=0
    port=$(given_or_setting port 8000)
    if [[ ! $port =~ ^[1-9][0-9]{0,4}$ ]] || [ "$port" -gt 65533 ]; then fail "'$port' is not a port from 1 to 65533." "See ./up --help"; fi
    least=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null || echo 1024)
    if [ "$ROOT" = no ] && [ "$port" -lt "$least" ]; then
        fail "Without root a program cannot listen on port $port." "Choose one from $least up: ./up --port N"
    fi
    for p in "$port" "$((port + 1))" "$((port + 2))"; do
        holder=$(port_holder "$p")
        [ -n "$holder" ] || continue
        if [ "$holder" = ours ]; then
            ours=$((ours + 1))
            continue
        fi
        fail "Port $p is in use by $holder." \
            "End that program, or choose other ports: ./up --port N (N, N + 1 and N + 2 must be free)."
    done
    if [ $ours -eq 3 ]; then
        detail "ports: $port, $((port + 1)) and $((port + 2)) are Craton's"
    else
        detail "ports: $port, $((port + 1)) and $((port + 2)) are free"
    fi
}

# Who listens on a TCP port: empty, "ours" (the proxy of this installation, which outlives cratond) or words about a process.
port_holder() {
    local hex inode link pid
    hex=$(printf %04X "$1")
    inode=$(awk -v p=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == p { print $10; exit }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null || true)
    [ -n "$inode" ] || return 0
    link=$(find /proc/[0-9]*/fd -maxdepth 1 -lname "socket:\[$inode\]" 2>/dev/null | head -1 || true)
    if [ -z "$link" ]; then
        echo "a process of another user"
        return 0
    fi
    pid=${link#/proc/}
    pid=${pid%%/*}
    if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$RUN/haproxy.cfg"; then
        echo ours
    else
        echo "$(cat "/proc/$pid/comm" 2>/dev/null || echo unknown) (process $pid)"
    fi
}
