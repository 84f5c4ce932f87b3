# shellcheck shell=bash
# say: what the person at the terminal reads; steps with elapsed time; what happens when one fails.
# Invariant: nothing secret passes through step(), because its output goes to the log.

exec 3>&1 # the terminal, also from inside a step whose output goes to the log
STARTED=$SECONDS
LOG=
readonly DISK_IS_FULL_KIB=10240

say() { printf '%s\n' "$*" >&3; }
detail() { printf '    %s\n' "$*" >&3; }

# fail SENTENCE [WHAT TO DO]...
fail() {
    printf 'up: %s\n' "$1" >&2
    shift
    local line
    for line in "$@"; do printf '    %s\n' "$line" >&2; done
    exit 1
}

# Commands at work, each in a process group of its own: however this script ends, by Ctrl-C, by a signal or because a step failed, they end
# with it, and nothing of them goes on unseen.
WORKING=()
BEGINNING=no # a signal may come between the start of one and its noting

# set_to_work COMMAND...: $! is the process, and its group. Must not be called in a condition: bash would then ignore errors inside the
# command.
set_to_work() {
    trap end_work EXIT
    trap 'interrupted 130' INT
    trap 'interrupted 143' TERM
    trap 'interrupted 129' HUP
    BEFORE_IT=${!:-} BEGINNING=yes
    set -m
    (
        set -e
        "$@"
    ) </dev/null &
    set +m
    WORKING+=($!)
    BEGINNING=no
}

work_is_done() { # PROCESS
    local group left=()
    for group in "${WORKING[@]}"; do
        if [ "$group" != "$1" ]; then left+=("$group"); fi
    done
    WORKING=(${left[@]+"${left[@]}"})
    if [ ${#WORKING[@]} = 0 ]; then trap - EXIT INT TERM HUP; fi
}

interrupted() { # STATUS
    trap '' INT TERM HUP
    printf '\nup: Interrupted. Run it again: it goes on where it stopped.\n' >&2
    exit "$1"
}

end_work() {
    local group signal=TERM left end=$((SECONDS + 5))
    trap '' INT TERM HUP
    stop_watching
    if [ $BEGINNING = yes ] && [ "${!:-}" != "$BEFORE_IT" ]; then WORKING+=("$!"); fi
    while :; do
        left=0
        for group in ${WORKING[@]+"${WORKING[@]}"}; do
            if kill -s $signal -- "-$group" 2>/dev/null; then left=1; fi
        done
        if [ $left = 0 ] || [ $signal = KILL ]; then break; fi
        if [ $SECONDS -ge $end ]; then signal=KILL; fi
        sleep 0.1
    done
    keep_beside_log
}

# What a step is at, for who sits at a terminal: one line that is written over each second. WATCH names a function that prints it, in few words;
# where it fails or says nothing there are only the seconds. It runs beside the step, which does not depend on it in any way.
WATCH=
WATCHER=
WATCHED_LOG=0 # bytes of the log when the step began

watch_step() { # BEGIN
    if [ ! -t 3 ] || [ "${TERM:-dumb}" = dumb ]; then return 0; fi
    WATCHED_LOG=$(stat -c %s "$LOG" 2>/dev/null || echo 0)
    set -m # a group of its own, so that all of it ends
    watch_it "$1" "${WATCH:-:}" </dev/null >/dev/null 2>&1 &
    set +m
    WATCHER=$!
}

watch_it() { # BEGIN FUNCTION
    local text
    set +eu +o pipefail
    trap '' TTOU
    while sleep 1 3>&- && kill -0 $$; do
        text=$("$2")
        printf '\r    %s%s s\033[K' "${text:+$text, }" $((SECONDS - $1)) >&3
    done
}

# Also from a trap, where a bare return would give the status of what was interrupted.
stop_watching() {
    if [ -z "$WATCHER" ]; then return 0; fi
    { kill -- "-$WATCHER" && wait "$WATCHER"; } 2>/dev/null || true
    WATCHER=
    clear_line
}

clear_line() { if [ -t 3 ] && [ "${TERM:-dumb}" != dumb ]; then printf '\r\033[K' >&3 || true; fi; }

# step TITLE ADVICE COMMAND...: runs the command with its output in the log. Not in a condition, see set_to_work.
step() {
    local title=$1 advice=$2 begin=$SECONDS status=0 work
    shift 2
    if beside_has_failed; then step_beside; fi
    printf '  %s ...\n' "$title" >&3
    begin_log "$title"
    set_to_work "$@" >>"$LOG" 2>&1
    work=$!
    watch_step "$begin"
    wait "$work" || status=$?
    stop_watching
    work_is_done "$work"
    end_step "$title" "$advice" "$begin" $status
}

begin_log() { printf '\n== %s: %s\n' "$(date '+%F %T')" "$1" 2>/dev/null >>"$LOG" || true; } # a full disk is for the step itself to say

end_step() { # TITLE ADVICE BEGIN STATUS
    local seconds=$((SECONDS - $3)) room full=()
    if [ "$4" -ne 0 ]; then
        room=$(df -Pk "${LOG%/*}" 2>/dev/null | awk 'NR == 2 { print $4 }')
        if [ "${room:-$DISK_IS_FULL_KIB}" -lt $DISK_IS_FULL_KIB ]; then full=("The disk is full: $room KiB are free in ${LOG%/*}."); fi
        printf '\nThe last lines of the log:\n' >&2
        tail -n 12 "$LOG" | sed 's/^/    | /' >&2
        fail "\"$1\" did not work (after $seconds s)." \
            ${full[@]+"${full[@]}"} "$2" "Log: $LOG" "Then run ./up again: it goes on where it stopped."
    fi
    printf '    %s s\n' $seconds >&3
}

# begin_beside TITLE ADVICE COMMAND...: starts a command that runs beside the steps that follow, with a log of its own; one at a time.
# step_beside waits for it and ends as step() does. When it fails, that is said at once, and the next step does not begin.
BESIDE=
begin_beside() {
    BESIDE_TITLE=$1 BESIDE_ADVICE=$2 BESIDE_BEGIN=$SECONDS
    shift 2
    rm -f "$LOG.beside" "$LOG.beside-took"
    set_to_work work_beside "$@" >"$LOG.beside" 2>&1
    BESIDE=$!
}

# It says so from the background, which some terminals stop (stty tostop).
work_beside() {
    trap 'trap - EXIT; exit 143' TERM
    trap 'trap "" TTOU; clear_line; detail "Meanwhile, what runs beside has failed; why is said after this step: $BESIDE_TITLE"' EXIT
    "$@"
    trap - EXIT TERM
    printf '%s\n' $((SECONDS - BESIDE_BEGIN)) >"$LOG.beside-took"
}

beside_has_failed() { [ -n "$BESIDE" ] && [ ! -e "$LOG.beside-took" ] && ! kill -0 "$BESIDE" 2>/dev/null; }

step_beside() {
    local status=0 begin=$BESIDE_BEGIN
    printf '  %s ...\n' "$BESIDE_TITLE" >&3
    watch_step "$begin"
    wait "$BESIDE" || status=$?
    stop_watching
    work_is_done "$BESIDE"
    if [ $status -eq 0 ]; then begin=$((SECONDS - $(cat "$LOG.beside-took"))); fi
    keep_beside_log
    end_step "$BESIDE_TITLE" "$BESIDE_ADVICE" "$begin" $status
}

keep_beside_log() {
    if [ -z "$BESIDE" ]; then return 0; fi
    BESIDE=
    begin_log "$BESIDE_TITLE"
    cat "$LOG.beside" >>"$LOG" || true
    rm -f "$LOG.beside" "$LOG.beside-took"
}

version() { sed -n "s/^ *version: '\([^']*\)'.*/\1/p" "$SOURCE/meson.build" | head -1; }

# human KIB -> "3.4 GB"
human() { awk -v k="$1" 'BEGIN { printf "%.1f GB", k / 1048576 }'; }
