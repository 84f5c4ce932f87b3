"""The steps of ./up when they fail or are interrupted: what is said, what is kept, and that nothing goes on unseen."""
import fcntl
import os
import pty
import shutil
import re
import signal
import socket
import subprocess
import termios
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
BEGIN = "set -euo pipefail; source tools/up/say.sh; source tools/up/settings.sh; source tools/up/python.sh; source tools/up/service.sh; LOG=$PLACE/up.log\n"


def shell(script, tmp_path):
    return subprocess.Popen(["bash", "-c", BEGIN + script], cwd=SOURCE, env={**os.environ, "PLACE": str(tmp_path)}, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, start_new_session=True,
                            preexec_fn=hears_all)


def hears_all():
    """A shell's background job has SIGINT ignored, and what nohup starts SIGHUP; bash cannot take that back."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def run(script, tmp_path):
    process = shell(script, tmp_path)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def alive(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"still not so after {seconds} s"
        time.sleep(0.05)


def test_interruption_before_the_step_is_noted(tmp_path):
    """The signal comes between the start of a step's process and the note of its number."""
    process = shell("""
        work() { echo $BASHPID >$PLACE/work; while :; do sleep 0.2; done; }
        declare -f set_to_work | sed 's/WORKING+=(\\$!)/while [ ! -s $PLACE\\/work ]; do :; done; kill -TERM $$; &/' >$PLACE/slow
        grep -q 'kill -TERM' $PLACE/slow
        source $PLACE/slow
        step Step "No advice" work""", tmp_path)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 143, (out, err)
    assert "Interrupted" in (tmp_path / "up.log").read_text()   # what the step says goes there
    worker = int((tmp_path / "work").read_text())
    wait_for(lambda: not alive(worker))


@pytest.mark.parametrize("edited", ["config", "roles/tutor.conf", "profiles.yaml", "smtp.password", None])
def test_what_was_edited_is_used(tmp_path, edited):
    """./up beside a hub that runs restarts it when somebody has edited what it reads at its start, and only then."""
    state = tmp_path / "state"
    (state / "roles").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    long_ago = time.time() - 60
    for path in (state / "config", state / "smtp.password", state / "roles/user.conf", state / "roles", state):
        if not path.exists():
            path.write_text("x")
        os.utime(path, (long_ago, long_ago))
    (tmp_path / "run/cratond.pid").write_text("1\n")
    begun = (tmp_path / "run/cratond.pid").stat().st_mtime_ns
    if edited:
        path = state / edited
        path.write_text("y")
        while path.stat().st_mtime_ns <= begun:      # a file system may count in ticks of the clock
            path.write_text("y")
    code, out, err = run("""
        STATE=$PLACE/state RUN=$PLACE/run BUILT=no
        service_answers() { return 0; }
        check_settings() { :; }
        stop_hub() { touch $PLACE/stopped; }
        launch() { touch $PLACE/launched; }
        start_service""", tmp_path)
    assert code == 0, (out, err)
    assert ((tmp_path / "stopped").exists(), (tmp_path / "launched").exists()) == (bool(edited), bool(edited)), out
    assert ("were edited" in out + err) == bool(edited)


@pytest.mark.parametrize("sent, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("polite", [True, False])
def test_nothing_goes_on_after_an_interruption(tmp_path, sent, status, polite):
    """Both commands have children of their own; those of the impolite one do not listen to SIGTERM."""
    deaf = "" if polite else "trap '' TERM;"
    process = shell(f"""
        work() {{ echo "words of $1"; bash -c "{deaf} echo \\$\\$ >$PLACE/$1; while :; do sleep 0.2; done"; }}
        begin_beside Beside "No advice" work beside
        step Step "No advice" work step""", tmp_path)
    wait_for(lambda: all((tmp_path / name).exists() and (tmp_path / name).read_text().strip() for name in ("beside", "step")))
    workers = [int((tmp_path / name).read_text()) for name in ("beside", "step")]
    os.kill(process.pid, sent)
    out, err = process.communicate(timeout=120)
    assert process.returncode == status and "Interrupted. Run it again" in err
    wait_for(lambda: not any(map(alive, workers)))
    log = (tmp_path / "up.log").read_text()
    assert "words of step" in log and "words of beside" in log
    assert "has failed" not in out and "did not work" not in err
    assert not list(tmp_path.glob("up.log.*"))


def test_a_failed_step_ends_what_runs_beside(tmp_path):
    status, out, err = run("""
        begin_beside Beside "No advice" bash -c "echo \\$\\$ >$PLACE/beside; exec sleep 300"
        while [ ! -s "$PLACE/beside" ]; do sleep 0.05; done
        step Step "Ask the step." false""", tmp_path)
    assert status == 1 and '"Step" did not work' in err and "Ask the step." in err
    assert not alive(int((tmp_path / "beside").read_text()))


def test_what_has_failed_beside_is_said_before_the_next_step(tmp_path):
    """Nobody waits for minutes of building to read that the package index could not be reached."""
    status, out, err = run("""
        fails() { echo "no route"; touch "$PLACE/failed"; false; echo "not reached"; }
        begin_beside "The environment" "Is the index there?" fails
        step First "No advice" bash -c 'while [ ! -e "$PLACE/failed" ]; do sleep 0.05; done; sleep 1'
        step Second "No advice" touch "$PLACE/second" """, tmp_path)
    assert status == 1 and '"The environment" did not work' in err and "Is the index there?" in err and "| no route" in err
    assert "what runs beside has failed" in out
    assert "not reached" not in err and not (tmp_path / "second").exists() and "Second" not in out


def test_what_runs_beside_is_waited_for(tmp_path):
    status, out, err = run("""
        slow() { sleep 1; echo made; touch "$PLACE/made"; }
        begin_beside "The environment" "No advice" slow
        step First "No advice" true
        step_beside
        test -e "$PLACE/made"
        step Last "No advice" true""", tmp_path)
    assert (status, err) == (0, "")
    assert [line.strip() for line in out.splitlines() if "..." in line] == ["First ...", "The environment ...", "Last ..."]
    assert "\nmade\n" in (tmp_path / "up.log").read_text() and not list(tmp_path.glob("up.log.*"))


def test_half_an_environment_is_not_believed(tmp_path):
    """A package may have its entry and lack files when its installation was interrupted: it is made anew."""
    status, out, err = run("""
        PREFIX=$PLACE BASE=$PLACE/base SOURCE=$PWD
        lock_install() { :; }
        mkdir -p "$BASE/lib/left.dist-info"
        make_environment""", tmp_path)
    assert status == 0, err
    assert (tmp_path / "base/.complete").exists() and not (tmp_path / "base/lib/left.dist-info").exists()


def test_a_daemon_that_ends_at_once_is_not_waited_for(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/cratond").write_text("#!/bin/sh\necho 'cratond: the database is of a newer version' >&2\nexit 1\n")
    (tmp_path / "bin/cratond").chmod(0o755)
    (tmp_path / "log").mkdir()
    begin = time.monotonic()
    status, out, err = run('PREFIX=$PLACE STATE=$PLACE RUN=$PLACE/run; step Starting "See its log." launch', tmp_path)
    assert status == 1 and "ended right after its start" in err and "the database is of a newer version" in err
    assert time.monotonic() - begin < 20


def test_a_hub_that_ends_again_and_again_is_not_waited_for(tmp_path):
    """cratond starts it again each time; nothing of that goes on when ./up has said so."""
    (tmp_path / "bin").mkdir()
    # A program of that name, which a script is not.
    (tmp_path / "bin/cratond").symlink_to(shutil.which("bash"))
    (tmp_path / "log").mkdir()
    script = """PREFIX=$PLACE STATE=$PLACE RUN=$PLACE/run
        places() { printf '%s\\n' -c 'if [ "${1:-}" = --status ]; then sleep 60; fi; while :; do echo "x error hub: made by a newer Craton"; echo "x warning cratond: hub ended code=4"; sleep 0.2; done' "$RUN"; }
        step Starting "See its log." launch"""
    (tmp_path / "run").mkdir()
    begin = time.monotonic()
    with socket.socket(socket.AF_UNIX) as waiting:  # cratond listens there before its hub is up
        waiting.bind(os.path.relpath(tmp_path / "run/control.sock"))
        status, out, err = run(script, tmp_path)
    assert status == 1 and "made by a newer Craton" in err, err
    assert time.monotonic() - begin < 20
    mine = subprocess.run(["grep", "-slzxF", "-e", f"{tmp_path}/run", *map(str, Path("/proc").glob("[0-9]*/cmdline"))], capture_output=True, text=True).stdout
    assert mine == ""


@pytest.mark.parametrize("option, running, said", [("port=28123", 1, True), ("port=28123", 0, False), ("memory=1G", 1, False)])
def test_servers_of_an_old_address_are_mentioned(tmp_path, option, running, said):
    """They were started for it: the person who moves the hub should know before the first complaint."""
    status, out, err = run(f"""
        STATE=$PLACE GIVEN=({option}) BUILT=no
        is_built() {{ false; }}
        service_answers() {{ true; }}
        stop_hub() {{ :; }}
        launch() {{ :; }}
        cratond() {{ if [ "$1" = --status ]; then echo "  servers: {running} running"; fi; }}
        save_settings
        start_service""", tmp_path)
    assert status == 0, err
    assert ("old address" in out) == said


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes a file system that is full")
@pytest.mark.parametrize("beside", [False, True])
def test_a_full_disk_is_named_although_the_log_cannot(tmp_path, beside):
    (tmp_path / "full").mkdir()
    script = """mount -t tmpfs -o size=64k tmpfs "$PLACE/full"; LOG=$PLACE/full/up.log
        fills() { dd if=/dev/zero of="$PLACE/full/x" bs=1k count=100; }
        """ + ('begin_beside Making "No advice" fills; step Other "No advice" sleep 1; step_beside' if beside else 'step Making "No advice" fills')
    answer = subprocess.run(["unshare", "--mount", "bash", "-c", BEGIN + script], cwd=SOURCE, env={**os.environ, "PLACE": str(tmp_path)},
                            capture_output=True, text=True, timeout=60)
    assert answer.returncode == 1 and '"Making" did not work' in answer.stderr and "The disk is full: 0 KiB" in answer.stderr, answer.stderr
    assert "write error" not in answer.stderr.replace("dd: ", "")


@pytest.mark.parametrize("of_the_machine", [False, True])
def test_haproxy_may_start_again_after_an_interrupted_installation(tmp_path, of_the_machine):
    """It is kept from starting while it is installed; what a killed run has left of that is taken back by the next."""
    policy = tmp_path / "policy-rc.d"
    if of_the_machine:
        policy.write_text("#!/bin/sh\nexit 101\n")
    status, out, err = run("""
        source tools/up/system.sh
        POLICY=$PLACE/policy-rc.d HAPROXY_UNIT=$PLACE/haproxy.service ROOT=yes
        dpkg() { :; }
        systemctl() { echo "$@" >>"$PLACE/systemctl"; }
        missing_packages() { :; }
        apt-get() { touch "$HAPROXY_UNIT"; exit 143; }
        (apt_get_install haproxy) || echo "killed $?" >&3
        cp "$POLICY" "$PLACE/left"
        apt-get() { :; }
        (apt_get_install haproxy) >&3
        if [ -e "$POLICY" ]; then echo "still there" >&3; fi
        cp -p "$PLACE/left" "$POLICY"
        install_packages env/debian-packages
        if [ -e "$POLICY" ]; then echo "still there" >&3; fi""", tmp_path)
    assert status == 0, err
    assert out == ("killed 143\nstill there\nstill there\n" if of_the_machine else "killed 143\n")
    asked = (tmp_path / "systemctl").read_text() if (tmp_path / "systemctl").exists() else ""
    assert asked == ("" if of_the_machine else "disable haproxy.service\n" * 2)


@pytest.mark.parametrize("settings, address", [
    ("", "http://127.0.0.1:{port}"),
    ("bind = ::1", "http://[::1]:{port}"),
    ("domain = hub.example.org", "http://hub.example.org:{port}"),
    ("domain = hub.example.org\nbehind-proxy = 10.0.0.0/8\nbind = 0.0.0.0", "https://hub.example.org"),
    ("domain = hub.example.org\ntls = /x\nbind = 0.0.0.0", "https://hub.example.org:{port}"),
    ("domain = hub.example.org\ntls = /x\nport = 443", "https://hub.example.org"),
    ("port = 80", "http://127.0.0.1"),
    ("base-url = /earth/lab/", "http://127.0.0.1:{port}/earth/lab"),
    ("base-url = /", "http://127.0.0.1:{port}"),
    ("domain = hub.example.org\nacme-contact = a@example.org\nacme = letsencrypt\nbind = ::\nport = 443", "https://hub.example.org"),
])
def test_the_hub_is_asked_where_it_answers(tmp_path, settings, address):
    """Its public port answers to its own name only, and behind a proxy to that proxy only; to ./up it answers in every case."""
    with socket.socket() as hub:
        hub.bind(("127.0.0.1", 0))
        hub.listen()
        port = hub.getsockname()[1] - 2
        (tmp_path / "config").write_text(settings + "\n" + (f"port = {port}\n" if "port =" not in settings else ""))
        status, out, err = run("STATE=$PLACE; public_address >&3", tmp_path)
        assert (status, out.strip()) == (0, address.format(port=port)), err
        (tmp_path / "config").write_text(settings + f"\nport = {port}\n")  # the last one counts
        process = shell("STATE=$PLACE; hub_answers", tmp_path)
        hub.settimeout(120)
        with hub.accept()[0] as asked:
            asked.settimeout(120)
            request = b""
            while b"\r\n\r\n" not in request:  # bash sends line by line
                request += asked.recv(4096)
            assert f"\r\nHost: 127.0.0.1:{port + 2}\r\n".encode() in request
            asked.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        process.communicate(timeout=120)
        assert process.returncode == 0


def test_a_terminal_that_stops_what_writes_from_the_background(tmp_path):
    """stty tostop: what has failed beside the steps is said all the same, and is not stopped for it and waited for."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(["bash", "-c", "stty tostop; " + BEGIN + """
        begin_beside Beside "Ask beside." sh -c 'sleep 0.5; touch "$PLACE/failed"; exit 3'
        step Step "No advice" sh -c 'while [ ! -e "$PLACE/failed" ]; do sleep 0.05; done; sleep 1.5'
        step Other "No advice" touch "$PLACE/other" """], cwd=SOURCE, env={**os.environ, "PLACE": str(tmp_path)}, stdin=terminal, stdout=terminal,
                               stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(terminal)
    try:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 1 and '"Beside" did not work' in err and "Ask beside." in err, err
        assert b"Meanwhile" in os.read(master, 4096)
        assert not (tmp_path / "other").exists()
    finally:
        os.close(master)
        process.kill()


def take_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)    # a shell's background job has it ignored


def on_terminal(script, tmp_path, **env):
    """Status, what a terminal gets, and errors."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(["bash", "-c", BEGIN + script], cwd=SOURCE, env={**os.environ, "PLACE": str(tmp_path), "TERM": "xterm", **env}, stdin=terminal,
                               stdout=terminal, stderr=subprocess.PIPE, text=True, start_new_session=True,
                               preexec_fn=take_terminal)
    os.close(terminal)
    shown = b""
    try:
        while True:
            try:
                shown += os.read(master, 4096)
            except OSError:     # the last one that had the terminal has ended
                break
        return process.wait(timeout=120), shown.decode(), process.stderr.read()
    finally:
        os.close(master)
        process.kill()


COUNTED = """
    so_far() { printf '%s of 4 done' "$(cat "$PLACE/at")"; }
    works() { for i in 1 2 3 4; do echo $i >"$PLACE/at"; sleep 1.2; done; echo "words of the work"; }
    """


@pytest.mark.parametrize("how", ["WATCH=so_far step Counting No_advice works", 'begin_beside Counting No_advice works; WATCH=so_far step_beside'])
def test_a_terminal_shows_what_a_step_is_at(tmp_path, how):
    """One line, written over each second, gone when the step has ended; nothing of it in the log."""
    status, shown, err = on_terminal(COUNTED + how, tmp_path)
    assert (status, err) == (0, "")
    lines = re.findall(r"\r    (\d) of 4 done, \d+ s\x1b\[K", shown)
    assert len(lines) >= 2 and lines == sorted(lines), shown
    assert shown.startswith("  Counting ...\r\n\r    ") and re.search(r"\r\x1b\[K    \d+ s\r\n$", shown), shown
    assert "of 4" not in (tmp_path / "up.log").read_text() and "words of the work" in (tmp_path / "up.log").read_text()


@pytest.mark.parametrize("term", [None, "dumb"])
def test_nothing_is_written_over_where_that_cannot_be(tmp_path, term):
    script = COUNTED + "WATCH=so_far step Counting No_advice works"
    status, out, err = on_terminal(script, tmp_path, TERM=term) if term else run(script, tmp_path)
    assert (status, err) == (0, "") and re.fullmatch(r"  Counting \.\.\.\r?\n    \d+ s\r?\n", out), out


@pytest.mark.parametrize("watch", ["false", "no_such_command", "so_far() { echo $$NOT_SET; exit 7; }; so_far", "so_far() { kill $BASHPID; }; so_far",
                                   "so_far() { echo $BASHPID >$PLACE/slow; sleep 300; }; so_far"])
def test_a_step_does_not_depend_on_what_is_shown_of_it(tmp_path, watch):
    define, _, name = watch.rpartition("; ")
    status, shown, err = on_terminal(f"{define}\nWATCH={name} step Working No_advice sleep 3\nstep Failing No_advice sh -c 'sleep 2; exit 3'", tmp_path)
    assert status == 1 and re.search(r"Working \.\.\.\r\n.*    [34] s\r\n  Failing", shown, re.S) and '"Failing" did not work' in err, (shown, err)
    if (tmp_path / "slow").exists():
        assert not alive(int((tmp_path / "slow").read_text()))


def test_an_interruption_ends_what_is_shown(tmp_path):
    status, shown, err = on_terminal("so_far() { echo $BASHPID >$PLACE/watch; (sleep 1; kill -INT $$) & echo at it; sleep 300; }\n"
                                     "WATCH=so_far step Working No_advice sleep 300", tmp_path)
    assert status == 130 and "Interrupted" in err
    assert not alive(int((tmp_path / "watch").read_text()))


def test_files_that_are_compiled_are_counted(tmp_path):
    build = tmp_path / "build"
    build.mkdir()
    script = "source tools/up/build.sh; PREFIX=$PLACE; COMPILED_BEFORE=$(count_compiled); (eval \"$CHANGE\"); compiled_so_far >&3; echo . >&3"

    def shown(change):
        status, out, err = run(f"CHANGE='{change}'\n{script}", tmp_path)
        assert status == 0, err
        return out

    assert shown(":") == ".\n"
    (build / "build.ninja").write_text("rule cc\nbuild a.o: cc a.c\n deps = gcc\nbuild lib/b.c.o: cc b.c || x.h\nbuild x: link a.o lib/b.c.o\nbuild all: phony x\n")
    assert shown(":") == "0 of 2 files compiled.\n"
    note = 'printf "# ninja log v6\\n1\\t2\\t3\\ta.o\\t4f\\n1\\t2\\t3\\tx\\t4f\\n" >>$PLACE/build/.ninja_log'
    assert shown(note) == "1 of 2 files compiled.\n"
    assert shown(":") == ".\n" and shown(note) == "1 files compiled.\n"     # of a later build nobody knows how many it will be


def test_system_packages_are_counted(tmp_path):
    """From what apt says, of this step alone."""
    script = "source tools/up/system.sh; WATCHED_LOG={}; packages_so_far >&3; echo . >&3"
    log = tmp_path / "up.log"
    before = "0 upgraded, 9 newly installed, 0 to remove and 0 not upgraded.\nSetting up other (1) ...\n"
    said = ["", "1 upgraded, 2 newly installed, 0 to remove and 5 not upgraded.\nNeed to get 5 MB of archives.\n",
            "Get:1 http://deb.debian.org/debian bookworm/main amd64 libb amd64 1.0 [104 kB]\nGet:2 http://deb.debian.org/debian bookworm/main amd64 a amd64 1 [5,120 B]\n",
            "Unpacking libb (1.0) ...\n", "Setting up libb (1.0) ...\n"]
    want = ["", "0 of 3 packages fetched", "2 of 3 packages fetched", "1 of 3 packages unpacked", "1 of 3 packages set up"]
    for i, text in enumerate(want):
        log.write_text(before + "".join(said[:i + 1]))
        status, out, err = run(script.format(len(before)), tmp_path)
        assert (status, out, err) == (0, text + ".\n", "")


def test_python_packages_and_data_are_counted(tmp_path):
    script = "PREFIX=$PLACE SOURCE=$PLACE/source BASE=$(PREFIX=$PLACE SOURCE=$PLACE/source base_dir); mkdir -p $BASE; {}; environment_so_far >&3; echo . >&3"
    (tmp_path / "source/env").mkdir(parents=True)
    (tmp_path / "source/env/requirements.lock").write_text("a==1 \\\n    --hash=sha256:0\nb==2 \\\n    --hash=sha256:1\n")
    steps = [(":", r"0 of 2 packages fetched, \d+ MB"),
             ("mkdir -p $PLACE/env/.cache/archive-v0/x1/a", r"1 of 2 packages fetched, \d+ MB"),
             ("mkdir -p $BASE/lib/python3.11/site-packages/{a-1,b-2}.dist-info", r"2 of 2 packages installed"),
             ("touch $BASE/.complete; mkdir -p $PLACE/share/craton/.data-new.packages; head -c 3000000 /dev/urandom >$PLACE/share/craton/.data-new.packages/d",
              r"[34] MB of the data fetched")]
    for change, want in steps:
        status, out, err = run(script.format(change), tmp_path)
        assert status == 0 and re.fullmatch(want + r"\.\n", out), (out, err)
