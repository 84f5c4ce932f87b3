# shellcheck shell=bash
# upkeep: what ./up does besides bringing up: demo, link, status, stop, backup, restore, uninstall.

need_running() { service_answers || fail "Craton is not running on $STATE." "Start it: ./up"; }

action_demo() { # [--first]
    # Who types this first has nothing yet. What was stopped stays stopped.
    if [ ! -x "$PREFIX/bin/cratond" ] && ! service_answers; then
        DEMO=all ACTION=up
        bring_up
        return
    fi
    need_running
    say ""
    "$PREFIX/env/current/bin/python" -I "$PREFIX/share/craton/demo/demo.py" \
        --control "$RUN/control.sock" --address "$(public_address)" --output "$STATE/demo" "$@" 3>&- 9>&-
}

action_admin_link() {
    need_running
    cratond --admin-link
    printf 'It makes an administrator; it works once, for one hour.\n' >&2
}

action_status() {
    local left
    if ! service_answers; then
        left=$(left_processes | wc -l)
        say "Craton is not running on $STATE."
        if [ "$left" -gt 0 ]; then say "$left processes of it go on (user servers, the proxy). ./up finds them again, ./up --stop ends them."; fi
        exit 3
    fi
    say "Craton $(version) at $(public_address)"
    cratond --status
}

action_stop() {
    local left
    if ! service_answers; then
        left=$(left_processes | wc -l)
        if [ "$left" = 0 ] || [ "$KEEP_SERVERS" = yes ]; then
            say "Craton is not running on $STATE."
            if [ "$left" != 0 ]; then say "$left processes of it go on, as asked."; fi
            return
        fi
        if by_systemd && systemctl --quiet is-active $UNIT; then systemctl stop $UNIT || true; fi
        end_processes
        stop_servers_unit
        say "The hub was not running; the $left processes that went on without it have ended."
        return
    fi
    if [ "$KEEP_SERVERS" = yes ]; then
        stop_hub
        say "The hub has ended; user servers and the proxy go on. ./up finds them again."
    else
        cratond --stop
        stop_servers_unit
        say "Craton has ended, and all user servers with it."
    fi
}

# Prints the path of a consistent copy of the database, made while it is in use; it lies in STATE/hub.
# The hub, which is not root, makes and names it, and root then moves and removes it: nothing but such a file may be named.
database_copy() {
    local path
    path=$(cratond --backup "$STATE/hub/backup.sqlite" --json | "$PREFIX/env/current/bin/python" -I -c \
        'import json, sys; print(json.load(sys.stdin)["path"])') || return 1
    is_database_copy "$path" || return 1
    printf '%s\n' "$STATE/hub/${path##*/}"
}

is_database_copy() {
    local path=$STATE/hub/${1##*/}
    if [[ ${1##*/} =~ ^backup-[0-9a-f-]+\.sqlite$ && $1 -ef $path && -f $path && ! -L $path ]]; then return; fi
    printf 'The hub names a file that is not its copy of the database: %q\n' "$1" >&2
    return 1
}

# A backup is a tar archive of STATE without homes and logs.
action_backup() {
    need_running
    local copy name private
    if [ -e "$FILE" ]; then fail "$FILE exists." "Give another name."; fi
    copy=$(database_copy) || fail "The database could not be copied." "See $STATE/log/cratond.log."
    name=$(basename "$copy")
    # Written where nobody else can have put a file or a link in its place, and moved: FILE may lie in a folder of somebody else.
    private=$(mktemp -d "$STATE/log/.backup-XXXXXX")
    # shellcheck disable=SC2064  # the names as they are now
    trap "rm -rf -- $(printf '%q %q' "$private" "$copy")" EXIT
    if ! (umask 077 && write_backup "$name" "$private/backup.tar" && mv -T -- "$private/backup.tar" "$FILE"); then
        rm -f "$FILE"
        fail "The backup could not be written to $FILE." "Is there room, there and in $STATE, and may you write there?"
    fi
    say "Backup written to $FILE ($(du -h "$FILE" | cut -f1)). It holds keys and password hashes: keep it private."
    say "Homes and folders of groups are not in it; they lie in $STATE/home and $STATE/groups."
}

write_backup() { # NAME OF THE COPY, ARCHIVE
    local parts=(config hub runner) part
    for part in signin services roles texts acme/private/key.pem tls profiles.yaml smtp.password; do
        if [ -e "$STATE/$part" ]; then parts+=("$part"); fi
    done
    tar --create --file "$2" --directory "$STATE" --exclude='hub/*.sqlite*' "${parts[@]}" &&
        tar --append --file "$2" --directory "$STATE" --transform "s|^hub/$1\$|hub/hub.sqlite|" "hub/$1"
}

action_restore() {
    local aside listed private archive
    aside=$STATE/before-restore-$(date +%Y%m%d-%H%M%S)
    [[ -f $FILE && -r $FILE ]] || fail "Cannot read $FILE."
    # Judged and unpacked from a copy that nobody else can change in between.
    private=$(mktemp -d)
    # shellcheck disable=SC2064  # the name as it is now
    trap "rm -rf -- $(printf %q "$private")" EXIT
    archive=$private/backup.tar
    cp -- "$FILE" "$archive" || fail "Cannot read $FILE, or there is no room for a copy in ${TMPDIR:-/tmp}."
    # Only what --backup writes, nothing that leads elsewhere.
    # Listed once, without a pipe: the end of grep must not look like the end of tar.
    listed=$(tar --list --file "$archive" 2>/dev/null) || listed=
    if ! grep -qx hub/hub.sqlite <<<"$listed" || grep -qvE '^(config$|profiles\.yaml$|smtp\.password$|hub/|runner/|signin/|services/|roles/|texts/|acme/|tls/)' <<<"$listed" || grep -qE '(^|/)\.\.(/|$)' <<<"$listed"; then
        fail "$FILE is not a backup made by ./up --backup, or it is damaged."
    fi
    # Root unpacks it: plain files and folders only, no links, devices or set-uid programs.
    listed=$(LC_ALL=C tar --list --verbose --file "$archive" 2>/dev/null) || listed=
    if LC_ALL=C grep -qvE '^[-d]([r-][w-][x-]){3} ' <<<"$listed"; then
        fail "$FILE is not a backup made by ./up --backup: it holds links, devices or set-uid programs."
    fi
    [ -x "$PREFIX/bin/cratond" ] || fail "Craton is not installed here." "Run ./up first, then ./up --restore."
    mkdir -p "$STATE"
    take_lock
    if service_answers; then cratond --stop; fi
    mkdir -p "$aside"
    local part
    for part in config hub runner signin services roles texts acme tls profiles.yaml smtp.password; do
        if [ -e "$STATE/$part" ]; then mv "$STATE/$part" "$aside/"; fi
    done
    tar --extract --file "$archive" --directory "$STATE" --same-permissions --no-same-owner
    rm -rf "$private"
    if [ "$ROOT" = yes ]; then chown -R craton:craton "$STATE/hub"; fi
    say "Restored from $FILE; what was there before is in $aside."
    ACTION=up
    DEMO=no
    bring_up
}

# A database of before an upgrade, next to the live one; the last five are kept.
before_upgrade() {
    local copy
    copy=$(database_copy 2>>"$LOG") || fail "The database could not be backed up, so nothing was replaced." "See $LOG and $STATE/log/cratond.log."
    mv -T "$copy" "$STATE/hub/before-upgrade-$(date +%Y%m%d-%H%M%S).sqlite"
    detail "database backed up to $STATE/hub/before-upgrade-*.sqlite"
    find "$STATE/hub" -maxdepth 1 -type f -name 'before-upgrade-*.sqlite' -printf '%T@ %p\0' | sort -zrn | sed -zn '6,$s/^[^ ]* //p' | xargs -0r rm -f --
}

# Linux accounts of this platform: a home below its STATE, and its prefix, or the usual one from before another was set.
accounts() {
    getent passwd | awk -F: -v prefix="$(setting account-prefix cr-)" -v home="$STATE/home/" \
        '(index($1, prefix) == 1 || index($1, "cr-") == 1) && index($6, home) == 1 { print $1 }'
}

# What ./up and cratond put into these folders, which may hold other things too: --state, --run and --prefix can name any.
readonly STATE_NAMES=(config profiles.yaml smtp.password hub home groups log runner signin services roles texts acme tls demo before-restore-20 .up.lock)
readonly RUN_NAMES=(route u r g f errors control.sock fetch.sock proxy.sock schedulers.sock routes.map clusters.map haproxy.cfg haproxy.pid
    cratond.pid tls.pem tls-new.pem tls-check.cfg acme-answer owner-rules.nft)

# remove_ours FOLDER NAME...: these, their versions and temporary files (NAME.*, before-restore-20*), then the folder when it is empty.
# No link is followed, and nothing on another file system is touched.
remove_ours() {
    local folder=$1 name
    shift
    for name; do
        case $name in
        before-restore-20) rm -rf --one-file-system -- "$folder/$name"[0-9][0-9]* || true ;;
        *) rm -rf --one-file-system -- "$folder/$name" "$folder/$name".* || true ;; # rm says what it leaves
        esac
    done
    rmdir --ignore-fail-on-non-empty "$folder" 2>/dev/null || true
}

action_uninstall() {
    local name
    if service_answers; then cratond --stop || true; fi
    if by_systemd && [ -e /etc/systemd/system/$UNIT ]; then
        systemctl disable --now --quiet $UNIT || true
        stop_servers_unit || true
        rm -f /etc/systemd/system/{$UNIT,$SERVERS_UNIT}
        systemctl daemon-reload
    fi
    end_processes
    if [ "$ROOT" = yes ]; then
        remove_cgroups
        nft delete table inet "$(tree_name)" 2>/dev/null || true
        for name in $(accounts); do userdel "$name"; done
        remove_system_users
    fi
    say "Everything has ended. Removing the software in $PREFIX, which can take a minute ..."
    remove_ours "$RUN" "${RUN_NAMES[@]}"
    if [ -e "$PREFIX/.built" ] || [ -d "$PREFIX/env" ]; then
        remove_ours "$PREFIX/bin" craton craton-fetch cratond haproxy
        remove_ours "$PREFIX/lib/pkgconfig" craton.pc
        remove_ours "$PREFIX/lib" libcraton.so libcraton.so.0 libcraton.a
        remove_ours "$PREFIX/include" craton
        remove_ours "$PREFIX/share/man/man1" craton craton-{admin,calc,convert,diff,explain,info,plot,rechunk}
        remove_ours "$PREFIX/share/man/man7" craton-expression
        remove_ours "$PREFIX/share/man"
        remove_ours "$PREFIX/share/bash-completion/completions" craton
        remove_ours "$PREFIX/share/bash-completion"
        remove_ours "$PREFIX/share/zsh/site-functions" _craton
        remove_ours "$PREFIX/share/zsh"
        remove_ours "$PREFIX/share" craton
        remove_ours "$PREFIX" env build .built
    fi
    if [ "$PURGE" = yes ]; then
        say "Removing homes and state in $STATE ..."
        if [ -e "$STATE/config" ] || [ -d "$STATE/hub" ]; then remove_ours "$STATE" "${STATE_NAMES[@]}"; fi
        rmdir "$PREFIX" 2>/dev/null || true
        if [ -d "$STATE/home" ]; then fail "Not everything below $STATE/home could be removed." "Is another file system mounted there? What lies on it is untouched."; fi
        say "Craton is gone, with all homes and accounts."
        if [ -d "$STATE" ]; then say "What else lies in $STATE is kept: it is not Craton's."; fi
    else
        say "Craton is gone. Homes and accounts are kept in $STATE; ./up finds them again, ./up --uninstall --purge removes them."
    fi
    say "System packages stay; apt-get autoremove does not remove them: they were asked for by name (env/debian-packages)."
}

# The users are shared by all Cratons of a machine: they stay while another one is installed or has state.
remove_system_users() {
    local name
    if [ "$PREFIX" != /opt/craton ] && [ -x /opt/craton/bin/cratond ]; then return; fi
    if [ "$STATE" != /var/lib/craton ] && [ -d /var/lib/craton/hub ]; then return; fi
    for name in craton craton-proxy craton-start craton-fetch craton-acme; do
        if getent passwd "$name" >/dev/null && [ -z "$(processes_of "$name")" ]; then userdel "$name"; fi
        if ! getent passwd "$name" >/dev/null && getent group "$name" >/dev/null; then groupdel "$name"; fi
    done
}

processes_of() {
    local uid directory
    uid=$(id -u "$1")
    for directory in /proc/[0-9]*; do
        if [ "$(stat -c %u "$directory" 2>/dev/null)" != "$uid" ]; then continue; fi
        # One that has ended, and only waits for its parent to notice, is beyond every signal.
        if ! grep -q '^State:[[:space:]]*Z' "$directory/status" 2>/dev/null; then echo "${directory#/proc/}"; fi
    done
}

# cratond, the proxy, a user server. A process may end while it is looked at: errors are no.
is_ours() {
    local words
    words=$(tr '\0' '\n' <"/proc/$1/cmdline") || return 1
    case $(cat "/proc/$1/comm") in
    cratond | haproxy) grep -qxF -e "$RUN" -e "$RUN/haproxy.cfg" <<<"$words" ;;
    *) grep -qF -e "--ServerApp.sock=$RUN/" <<<"$words" ;;
    esac
}

# What a killed or unreachable cratond may have left: processes with this RUN among their arguments (cratond, the proxy), and
# those of this platform's accounts. The hub ends with cratond.
left_processes() {
    local pid name
    {
        for pid in /proc/[0-9]*; do
            pid=${pid#/proc/}
            if is_ours "$pid" 2>/dev/null; then echo "$pid"; fi
        done
        if [ "$ROOT" = yes ]; then
            for name in $(accounts); do processes_of "$name"; done
        fi
    } | sort -u
}

end_processes() {
    local end=$((SECONDS + 10)) left signal=TERM
    while :; do
        mapfile -t left < <(left_processes)
        if [ ${#left[@]} -eq 0 ]; then return; fi
        kill -s "$signal" "${left[@]}" 2>/dev/null || true
        if [ $SECONDS -ge $end ]; then signal=KILL; fi
        if [ $SECONDS -ge $((end + 10)) ]; then fail "These processes do not end: ${left[*]}"; fi
        sleep 0.2
    done
}

# The name of this platform's tree of control groups and of its table of packet filter rules, as src/platform/runner/servers.c makes it.
tree_name() {
    local hash=2166136261 i code
    if [ "$RUN" = /run/craton ]; then
        echo craton
        return
    fi
    for ((i = 0; i < ${#RUN}; i++)); do
        printf -v code %d "'${RUN:i:1}"
        hash=$((((hash ^ code) * 16777619) & 0xffffffff))
    done
    printf 'craton-%08x\n' "$hash"
}

# Empty groups that cratond made, deepest first; a group with a process in it cannot be removed.
remove_cgroups() {
    local tree
    tree=$(tree_name)
    find /sys/fs/cgroup -depth -type d \( -name "$tree" -o -path "*/$tree/*" \) 2>/dev/null | while read -r group; do
        rmdir "$group" 2>/dev/null || true
    done
}
