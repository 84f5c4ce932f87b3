#!/bin/bash
# From nothing to both answers: ./up in a clean Debian 12 root with a limit on memory, timed. As root, needs mmdebstrap.
#
#   bench/up/run.sh [--memory MIB] [--keep] [FOLDER]       FOLDER: where roots are made (/var/tmp/craton-bench)
#
# The clean root (apt, git, certificates; nothing else) is made once and copied for each run. The run shares the machine's network and
# sees its processes; files, packages and mounts are its own. One JSON line goes to bench/results/: seconds of the first ./up with the demo,
# of the second one, the peak of memory including the page cache, and the size of what was installed.
set -euo pipefail

SOURCE=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
MEMORY=1500 KEEP=no FOLDER=/var/tmp/craton-bench
while [ $# -gt 0 ]; do
    case $1 in
    --memory) MEMORY=$2; shift ;;
    --keep) KEEP=yes ;;
    *) FOLDER=$1 ;;
    esac
    shift
done
CLEAN=$FOLDER/clean-root ROOT=$FOLDER/root-$$
GROUP=/sys/fs/cgroup/memory/craton-bench-$$

if [ ! -d "$CLEAN" ]; then
    mkdir -p "$FOLDER"
    sources=(/etc/apt/sources.list.d/*.sources)
    mmdebstrap --variant=apt --include=git,ca-certificates bookworm "$CLEAN.new" "${sources[@]}"
    mv "$CLEAN.new" "$CLEAN"
fi
cp -a "$CLEAN" "$ROOT"
git clone --quiet "$SOURCE" "$ROOT/root/craton"
# How this machine reaches package registries.
cp -L /etc/resolv.conf "$ROOT/etc/resolv.conf"
for file in /etc/pip.conf "$HOME/.config/pip/pip.conf" /etc/apt/apt.conf.d/* /etc/apt/sources.list.d/* /etc/ssl/certs/ca-certificates.crt; do
    if [ -f "$file" ]; then mkdir -p "$ROOT$(dirname "$file")" && cp -L "$file" "$ROOT$file"; fi
done

mkdir "$GROUP"
echo $((MEMORY << 20)) >"$GROUP/memory.limit_in_bytes"
cat >"$ROOT/root/run.sh" <<'END'
cd /root/craton
begin=$(date +%s%3N); ./up >/root/first.log 2>&1; echo "first_exit=$? first_ms=$(($(date +%s%3N) - begin))" >/root/result
begin=$(date +%s%3N); ./up >/root/second.log 2>&1; echo "second_exit=$? second_ms=$(($(date +%s%3N) - begin))" >>/root/result
du -sm /opt/craton | sed 's/\t.*//; s/^/installed_mib=/' >>/root/result
./up --uninstall --purge >/root/uninstall.log 2>&1
END
unshare --mount bash -euc "
    mount -t proc proc '$ROOT/proc'; mount --rbind /sys '$ROOT/sys'; mount --rbind /dev '$ROOT/dev'; mount -t tmpfs tmpfs '$ROOT/run'
    mkdir -p '$ROOT/run/lock'
    echo \$\$ >'$GROUP/cgroup.procs'
    chroot '$ROOT' /bin/bash -l /root/run.sh" || true
# shellcheck disable=SC1091
first_exit=- first_ms=0 second_exit=- second_ms=0 installed_mib=0
# shellcheck disable=SC1090,SC1091
source "$ROOT/root/result"
sed -n '/^Demo/,$p' "$ROOT/root/first.log"
printf '{"time": "%s", "cpus": %s, "memory_limit_mib": %s, "first_exit": %s, "first_s": %s.%03d, "second_exit": %s, "second_s": %s.%03d, "memory_peak_mib": %s, "installed_mib": %s}\n' \
    "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(nproc)" "$MEMORY" "$first_exit" $((first_ms / 1000)) $((first_ms % 1000)) \
    "$second_exit" $((second_ms / 1000)) $((second_ms % 1000)) $(($(cat "$GROUP/memory.max_usage_in_bytes") >> 20)) "$installed_mib" |
    tee -a "$SOURCE/bench/results/up-$(date +%Y-%m-%d).jsonl"
find "$GROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
if [ "$KEEP" = no ]; then rm -rf "$ROOT"; fi
