# shellcheck shell=bash
# say: what the person at the terminal reads; steps with elapsed time; what happens when one fails.
# Invariant: nothing secret passes through step(), because its output goes to the log.

exec 3>&1 # the terminal, also from inside a step whose output goes to the log
STARTED=$SECONDS
LOG=

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

# step TITLE ADVICE COMMAND...: runs the command with its output in the log. Must not be called in a condition: bash would
# then ignore errors inside the command.
step() {
    local title=$1 advice=$2 begin=$SECONDS status
    shift 2
    printf '  %s ...\n' "$title" >&3
    printf '\n== %s: %s\n' "$(date '+%F %T')" "$title" >>"$LOG"
    set +e
    (
        set -e
        "$@"
    ) >>"$LOG" 2>&1
    status=$?
    set -e
    end_step "$title" "$advice" $begin $status
}

end_step() { # TITLE ADVICE BEGIN STATUS
    local seconds=$((SECONDS - $3))
    if [ "$4" -ne 0 ]; then
        printf '\nThe last lines of the log:\n' >&2
        tail -n 12 "$LOG" | sed 's/^/    | /' >&2
        fail "\"$1\" did not work (after $seconds s)." \
            "$2" "Log: $LOG" "Then run ./up again: it goes on where it stopped."
    fi
    printf '    %s s\n' $seconds >&3
}

# begin_beside COMMAND...: starts a command that runs beside the steps that follow, with a log of its own; one at a time.
# step_beside TITLE ADVICE waits for it and ends as step() does. However this script ends, the command ends with it.
begin_beside() {
    BESIDE_BEGIN=$SECONDS
    set -m # a process group of its own, so that all of it can be ended
    (
        set -e
        "$@"
        printf '%s\n' $((SECONDS - BESIDE_BEGIN)) >"$LOG.beside-took"
    ) >"$LOG.beside" 2>&1 </dev/null &
    BESIDE=$!
    set +m
    trap 'kill -TERM -- "-$BESIDE" 2>/dev/null || true' EXIT
}

step_beside() {
    local status=0 begin=$BESIDE_BEGIN
    printf '  %s ...\n' "$1" >&3
    printf '\n== %s: %s\n' "$(date '+%F %T')" "$1" >>"$LOG"
    wait "$BESIDE" || status=$?
    trap - EXIT
    cat "$LOG.beside" >>"$LOG"
    if [ $status -eq 0 ]; then begin=$((SECONDS - $(cat "$LOG.beside-took"))); fi
    rm -f "$LOG.beside" "$LOG.beside-took"
    end_step "$1" "$2" $begin $status
}

version() { sed -n "s/^ *version: '\([^']*\)'.*/\1/p" "$SOURCE/meson.build" | head -1; }

# human KIB -> "3.4 GB"
human() { awk -v k="$1" 'BEGIN { printf "%.1f GB", k / 1048576 }'; }
