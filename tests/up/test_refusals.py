"""What ./up refuses before it changes anything, and how it says so. Installs nothing."""
import contextlib
import fcntl
import http.server
import io
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]


@pytest.fixture
def place(tmp_path):
    run = f"/tmp/craton-refusals-{os.getpid()}"  # short: sockets lie there
    return ["--state", str(tmp_path / "state"), "--prefix", str(tmp_path / "prefix"), "--run", run]


def up(*arguments, path=None, **environment):
    env = {**os.environ, **environment}
    if path:
        env["PATH"] = f"{path}:{env['PATH']}"
    return subprocess.run([SOURCE / "up", *map(str, arguments)], capture_output=True, text=True, env=env, timeout=60)


def fake(folder, name, script):
    """A program that stands before the real one on the PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n" + script + "\n")
    (folder / name).chmod(0o755)
    return folder


def test_help_names_every_option():
    text = up("--help").stdout
    accepted = set(re.findall(r"--[a-z-]+", (SOURCE / "tools/up/settings.sh").read_text().split("done")[0]))
    for option in ("--port", "--bind", "--state", "--tls", "--base-url", "--acme", "--acme-hook", "--behind-proxy", "--demo", "--admin-link", "--status", "--stop",
                   "--keep-servers", "--backup", "--restore", "--uninstall", "--purge", "--with"):
        assert option in text and option in accepted


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--nonsense"], "'--nonsense' is not understood"),
        (["--port"], "--port needs a value"),
        (["--tls", "one"], "--tls needs two files"),
        (["--keep-servers"], "--keep-servers belongs to --stop"),
        (["--stop", "--status"], "--stop and --status are two things to do"),
        (["--restore", "/nowhere", "--uninstall"], "--restore and --uninstall are two things to do"),
        (["--purge"], "--purge belongs to --uninstall"),
        (["--with", "cobol"], "--with knows r, and not 'cobol'"),
    ],
)
def test_arguments(arguments, words):
    answer = up(*arguments)
    assert answer.returncode != 0 and words in answer.stderr


def test_address_from_outside_needs_tls(place, tmp_path):
    answer = up(*place, "--bind", "0.0.0.0")
    assert answer.returncode != 0 and "--tls" in answer.stderr and "--behind-proxy" in answer.stderr
    assert not (tmp_path / "state").exists() and not (tmp_path / "prefix").exists()


def test_path_that_no_configuration_can_hold(tmp_path):
    answer = up("--state", tmp_path / "with space")
    assert answer.returncode != 0 and "with space" in answer.stderr


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_port_in_use_is_named(place, offset):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        answer = up(*place, "--port", port - offset)
        assert answer.returncode != 0
        assert f"Port {port} is in use by {Path('/proc/self/comm').read_text().strip()} (process {os.getpid()})" in answer.stderr
        assert "--port" in answer.stderr


def test_port_that_is_taken_does_not_wait_for_the_next_start(place, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state/config").write_text("port = 28123\n")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        answer = up(*place, "--port", s.getsockname()[1])
    assert answer.returncode != 0 and "is in use" in answer.stderr
    assert (tmp_path / "state/config").read_text() == "port = 28123\n"


@pytest.mark.parametrize("port", ["abc", "0", "65534", "-1", "8000 9000", "123456"])
def test_port_that_is_none(place, port):
    answer = up(*place, "--port", port)
    assert answer.returncode == 1 and f"'{port}' is not a port from 1 to 65533" in answer.stderr


def test_without_root_no_low_port(place, tmp_path):
    least = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if least < 2:
        return  # here every port is for everybody
    stubs = fake(tmp_path / "bin", "id", '[ "$1" = -u ] && echo 1000 || exec /usr/bin/id "$@"')
    answer = up(*place, "--port", least - 1, path=stubs)
    assert answer.returncode == 1 and f"Without root a program cannot listen on port {least - 1}" in answer.stderr


def test_settings_that_cratond_refuses_change_nothing(place, tmp_path):
    """An installed cratond is asked before anything is stopped, and what was set before stands again."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state/config").write_text("port = 28123\nmemory = 1G\n")
    digest = subprocess.run(["bash", "-c", "source tools/up/build.sh; source_digest"], cwd=SOURCE, capture_output=True, text=True, check=True).stdout
    fake(tmp_path / "prefix", ".built", "").joinpath(".built").write_text(digest)
    fake(tmp_path / "prefix/bin", "cratond", f"""echo "$*" >>{tmp_path}/asked
        case " $* " in *" --check "*) grep -q nonsense {tmp_path}/state/config && {{ echo "cratond: {tmp_path}/state/config line 2: memory: 'nonsense' is not a size" >&2; exit 2; }};; esac""")
    answer = up(*place, "--memory", "nonsense", "--cpu", "2")
    assert answer.returncode == 1 and "up: --memory: 'nonsense' is not a size" in answer.stderr  # what was typed, not where it was kept
    assert (tmp_path / "state/config").read_text() == "port = 28123\nmemory = 1G\n"
    assert not list((tmp_path / "state").glob("config.*"))
    assert "--stop" not in (tmp_path / "asked").read_text()


def test_without_root_missing_packages_are_named(place, tmp_path):
    stubs = fake(tmp_path / "bin", "id", '[ "$1" = -u ] && echo 1000 || exec /usr/bin/id "$@"')
    fake(stubs, "dpkg-query", 'for last; do :; done\ncase $last in haproxy|libzstd-dev) exit 1;; *) printf installed;; esac')
    answer = up(*place, "--port", 28123, path=stubs)
    assert answer.returncode != 0
    line = next(line for line in answer.stderr.splitlines() if "apt-get install" in line)
    assert set(line.split("--no-install-recommends ")[1].split()) == {"haproxy", "libzstd-dev"}
    assert "one account" in answer.stdout


def test_without_root_loopback_only(place, tmp_path):
    stubs = fake(tmp_path / "bin", "id", '[ "$1" = -u ] && echo 1000 || exec /usr/bin/id "$@"')
    answer = up(*place, "--bind", "192.0.2.1", path=stubs)
    assert answer.returncode != 0 and "Without root" in answer.stderr


def test_small_disk_and_memory(place, tmp_path):
    stubs = fake(tmp_path / "bin", "df", 'echo "Filesystem 1024-blocks Used Available"; echo "/dev/x 1000000 900000 100000"')
    answer = up(*place, "--port", 28123, path=stubs)
    assert answer.returncode != 0 and "1.5 GB of disk" in answer.stderr


def test_a_second_up_at_the_same_time(place, tmp_path):
    (tmp_path / "state/log").mkdir(parents=True)
    holder = subprocess.Popen(["flock", tmp_path / "state/.up.lock", sys.executable, "-c", "print('held', flush=True); input()"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        answer = up(*place)
        assert answer.returncode != 0 and "Another ./up is at work" in answer.stderr
    finally:
        holder.communicate("\n", timeout=60)


def test_demo_as_the_first_command_installs(place):
    """As far as a port that is taken."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        answer = up(*place, "--demo", "--port", s.getsockname()[1])
    assert answer.returncode != 0 and "Checking this machine" in answer.stdout and "is in use" in answer.stderr


def test_commands_without_a_running_platform(place, tmp_path):
    (tmp_path / "prefix/bin").mkdir(parents=True)
    fake(tmp_path / "prefix/bin", "cratond", "exit 1")     # installed, and stopped
    for command in ("--demo", "--admin-link"):
        answer = up(*place, command)
        assert answer.returncode != 0 and "not running" in answer.stderr
    assert up(*place, "--status").returncode == 3
    assert up(*place, "--stop").returncode == 0


def test_restore_of_something_else(place, tmp_path):
    (tmp_path / "junk").write_bytes(b"not an archive" * 1000)
    answer = up(*place, "--restore", tmp_path / "junk")
    assert answer.returncode != 0 and "not a backup" in answer.stderr
    (tmp_path / "outside").write_text("x")
    subprocess.run(["tar", "-cPf", tmp_path / "evil.tar", tmp_path / "outside"], check=True)
    answer = up(*place, "--restore", tmp_path / "evil.tar")
    assert answer.returncode != 0 and "not a backup" in answer.stderr


@pytest.mark.parametrize("kind", ["hard link", "link", "device", "set-uid"])
def test_restore_of_what_root_must_not_unpack(place, tmp_path, kind):
    """A link leads to files outside, a device to the disk, a set-uid program to root; the names alone do not show it."""
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        for name in ("config", "hub/hub.sqlite", "runner/accounts"):
            archive.addfile(tarfile.TarInfo(name))
        odd = tarfile.TarInfo("hub/odd")
        odd.type = {"hard link": tarfile.LNKTYPE, "link": tarfile.SYMTYPE, "device": tarfile.BLKTYPE}.get(kind, tarfile.REGTYPE)
        odd.mode = 0o4755 if kind == "set-uid" else 0o644
        odd.linkname = "home/alice/file" if kind in ("hard link", "link") else ""
        archive.addfile(odd)
    answer = up(*place, "--restore", tmp_path / "evil.tar")
    assert answer.returncode != 0 and "links, devices or set-uid" in answer.stderr


def test_restore_beside_another_up(place, tmp_path):
    """Nothing is moved before it is known that nobody else is at work."""
    (tmp_path / "prefix/bin").mkdir(parents=True)
    (tmp_path / "prefix/bin/cratond").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "prefix/bin/cratond").chmod(0o755)
    (tmp_path / "state").mkdir()
    (tmp_path / "state/config").write_text("port = 8000\n")
    with tarfile.open(tmp_path / "good.tar", "w") as archive:
        for name in ("config", "hub/hub.sqlite"):
            member = tarfile.TarInfo(name)
            member.mode = 0o600
            archive.addfile(member)
    with open(tmp_path / "state/.up.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        answer = up(*place, "--restore", tmp_path / "good.tar")
    assert answer.returncode != 0 and "Another ./up is at work" in answer.stderr
    assert sorted(p.name for p in (tmp_path / "state").iterdir()) == [".up.lock", "config"]


def test_uninstall_where_nothing_is(place, tmp_path):
    (tmp_path / "prefix").mkdir()
    (tmp_path / "prefix/mine").write_text("keep")
    (tmp_path / "state").mkdir()
    (tmp_path / "state/mine").write_text("keep")
    answer = up(*place, "--uninstall", "--purge")
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "prefix/mine").exists() and (tmp_path / "state/mine").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives folders to others")
@pytest.mark.parametrize("option", ["--state", "--prefix", "--run"])
@pytest.mark.parametrize("owner, mode, below, words", [
    (65534, 0o755, "deep/er", "belongs to nobody"),  # could rename what is below
    (65534, 0o755, "", "belongs to nobody"),
    (0, 0o777, "er", "others may write to"),
    (0, 0o1777, "", "others may write to"),          # /tmp itself would get the mode of a state directory
])
def test_places_that_others_could_exchange(place, tmp_path, option, owner, mode, below, words):
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, owner, 0)
    folder.chmod(mode)
    arguments = list(place)
    arguments[arguments.index(option) + 1] = folder / below
    answer = up(*arguments, "--port", 28124)
    assert answer.returncode != 0 and "is no place for Craton as root" in answer.stderr and words in answer.stderr
    assert list(folder.iterdir()) == [] and folder.stat().st_mode & 0o7777 == mode


def test_purge_takes_only_what_is_ours(place, tmp_path):
    """--state, --prefix and --run may name folders in which other things lie, and homes hold links."""
    state, prefix, run, outside = tmp_path / "state", tmp_path / "prefix", Path(place[-1]), tmp_path / "outside"
    ours = [state / "config", state / "hub/hub.sqlite", state / "home/ada/file", state / "log/up.log", state / "runner/accounts",
            state / "services/culler.token", state / "roles/user.conf", state / "texts/de.po", state / "profiles.yaml", state / "smtp.password", state / "before-restore-20260101-000000/config",
            prefix / "bin/cratond", prefix / "lib/libcraton.so.0.1.0", prefix / ".built", prefix / "share/craton/x", prefix / "share/man/man1/craton-plot.1", run / "route/x", run / "errors/429.http", run / "cratond.pid"]
    others = [state / "mine", prefix / "bin/mine", prefix / "share/man/mine", prefix / "include/mine.h", run / "mine", outside / "kept"]
    try:
        for path in ours + others:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
        (state / "home/ada/link").symlink_to(outside)
        (state / "home/bob").symlink_to(outside)
        answer = up(*place, "--uninstall", "--purge")
        assert answer.returncode == 0, answer.stderr
        assert [path for path in ours if path.exists()] == [] and [path for path in others if not path.exists()] == []
    finally:
        shutil.rmtree(run)


@pytest.mark.parametrize("name", ["backup-20260101-000000-0123abcd.sqlite", "backup-1.sqlite", "other.sqlite", "/etc/passwd", "hub/../../secret"])
def test_hub_cannot_name_files_to_root(tmp_path, name):
    """What the hub says is its copy of the database is moved and removed by root: only such a file is believed."""
    (tmp_path / "state/hub").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    (tmp_path / "state/hub/other.sqlite").write_text("x")
    (tmp_path / "state/hub/backup-1.sqlite").symlink_to("../../secret")
    good = tmp_path / "state/hub/backup-20260101-000000-0123abcd.sqlite"
    good.write_text("x")
    (tmp_path / "python").write_text("#!/bin/sh\ncat\n")
    (tmp_path / "prefix/env/current/bin").mkdir(parents=True)
    (tmp_path / "python").chmod(0o755)
    (tmp_path / "python").rename(tmp_path / "prefix/env/current/bin/python")
    script = f"""source tools/up/say.sh; source tools/up/upkeep.sh
STATE={tmp_path}/state PREFIX={tmp_path}/prefix
cratond() {{ printf '%s\\n' "$STATE/hub/$NAME"; }}
database_copy"""
    answer = subprocess.run(["bash", "-c", script], cwd=SOURCE, capture_output=True, text=True, env={**os.environ, "NAME": name})
    assert (answer.returncode, answer.stdout) == ((0, f"{good}\n") if name == good.name else (1, "")), answer.stderr


@pytest.mark.parametrize("planted", ["file", "link"])
def test_backup_into_a_folder_of_somebody_else(tmp_path, planted):
    """What others have put there beforehand neither receives the keys nor leads root to another file."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a folder of somebody else")
    for name in ("config", "smtp.password", "hub/backup-20260101-000000-0123abcd.sqlite", "runner/accounts", "log/up.log"):
        (tmp_path / "state" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "state" / name).write_text("secret")
    shared, victim = tmp_path / "shared", tmp_path / "victim"
    shared.mkdir(mode=0o777)
    victim.write_text("precious")
    trap = shared / "b.tar.new"
    if planted == "link":
        trap.symlink_to(victim)
    else:
        trap.write_text("")
        trap.chmod(0o666)
        os.chown(trap, 65534, 65534)
    script = f"""set -euo pipefail; source tools/up/say.sh; source tools/up/upkeep.sh
STATE={tmp_path}/state FILE={shared}/b.tar
service_answers() {{ true; }}
database_copy() {{ printf '%s\\n' "$STATE/hub/backup-20260101-000000-0123abcd.sqlite"; }}
action_backup"""
    answer = subprocess.run(["bash", "-c", script], cwd=SOURCE, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert victim.read_text() == "precious"
    assert planted == "link" or (trap.read_bytes() == b"" and trap.stat().st_uid == 65534)
    made = (shared / "b.tar").stat()
    assert (made.st_uid, made.st_mode & 0o777) == (0, 0o600)
    with tarfile.open(shared / "b.tar") as archive:
        assert {"config", "smtp.password", "hub/hub.sqlite", "runner/accounts"} <= set(archive.getnames())
    assert [p.name for p in (tmp_path / "state/log").iterdir()] == ["up.log"]
    assert not list((tmp_path / "state/hub").iterdir())


def test_restore_of_an_archive_that_is_exchanged_meanwhile(place, tmp_path):
    """Judged and unpacked is the same archive, although somebody else can write to it."""
    for name, text in (("good", b"good"), ("evil", b"evil")):
        with tarfile.open(tmp_path / f"{name}.tar", "w") as archive:
            for member in ("config", "hub/hub.sqlite", "runner/accounts"):
                entry = tarfile.TarInfo(member)
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text))
    (tmp_path / "prefix/bin").mkdir(parents=True)
    (tmp_path / "prefix/bin/cratond").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "prefix/bin/cratond").chmod(0o755)
    stubs = fake(tmp_path / "bin", "dpkg-query", "printf installed")
    fake(stubs, "tar", f'cat {tmp_path}/evil.tar >{tmp_path}/good.tar; exec {shutil.which("tar")} "$@"')
    answer = up(*place, "--restore", tmp_path / "good.tar", path=stubs, PIP_INDEX_URL="http://127.0.0.1:1/simple", PIP_RETRIES="0")
    assert (tmp_path / "good.tar").read_bytes() == (tmp_path / "evil.tar").read_bytes()
    assert (tmp_path / "state/hub/hub.sqlite").read_text() == "good", answer.stderr


def test_failed_step_says_what_where_and_what_next(place, tmp_path):
    """A package index that cannot be reached: the step, the log and the way on are named, and nothing is marked complete."""
    stubs = fake(tmp_path / "bin", "dpkg-query", "printf installed")
    answer = up(*place, "--port", 28123, path=stubs, PIP_INDEX_URL="http://127.0.0.1:1/simple", PIP_RETRIES="0")
    assert answer.returncode != 0
    assert "did not work" in answer.stderr and "up.log" in answer.stderr and "run ./up again" in answer.stderr
    assert not list((tmp_path / "prefix").rglob(".complete"))


class Answering(http.server.BaseHTTPRequestHandler):
    """Notes what it is asked and has nothing."""

    def refuse(self):
        self.server.seen.append(f"{self.command} {self.path}")
        self.send_error(404)

    do_GET = do_CONNECT = do_HEAD = refuse

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def answering(context=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.seen = []
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


NO_PROXY = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"), "")


def test_a_proxy_is_used(place, tmp_path):
    """The name of the package index is one that only the proxy could know."""
    stubs = fake(tmp_path / "bin", "dpkg-query", "printf installed")
    with answering() as proxy:
        address = f"http://127.0.0.1:{proxy.server_port}"
        answer = up(*place, "--port", 28123, path=stubs, PIP_INDEX_URL="https://packages.invalid/simple", PIP_RETRIES="0",
                    **{**NO_PROXY, "https_proxy": address, "HTTPS_PROXY": address, "no_proxy": "", "NO_PROXY": ""})
    assert answer.returncode != 0 and "did not work" in answer.stderr
    assert any(line.startswith("CONNECT packages.invalid:443") for line in proxy.seen), proxy.seen


@pytest.mark.parametrize("known", [False, True])
def test_an_authority_of_ones_own(place, tmp_path, known):
    """A package index whose certificate only the given authority vouches for: asked when it is given, and otherwise not."""
    stubs = fake(tmp_path / "bin", "dpkg-query", "printf installed")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    authority = str(tmp_path / "cert.pem") if known else "/etc/ssl/certs/ca-certificates.crt"
    with answering(context) as index:
        answer = up(*place, "--port", 28123, path=stubs, PIP_INDEX_URL=f"https://localhost:{index.server_port}/simple", PIP_RETRIES="0",
                    PIP_CERT=authority, SSL_CERT_FILE=authority, REQUESTS_CA_BUNDLE=authority, **NO_PROXY)
    assert answer.returncode != 0  # the index is empty
    assert bool(index.seen) == known, (index.seen, answer.stderr)
