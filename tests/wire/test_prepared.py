"""Servers forked from the prepared parent: real sessions in which nothing of the parent, and nothing of another user, is left; and
the parent's death, which costs nobody anything."""
import json
import os
import pwd
import re
import signal
from pathlib import Path

import pytest
import websocket
from hub_client import has_ended, running, targets, wait_for
from test_session import Lab, server, server_pid, start, stop

LIBRARYS_SIGNALS = 3 << 31      # 32 and 33: the C library keeps them for itself and lets no program set them; they are what whoever began the tests left


@pytest.fixture(scope="module")
def prepared():
    with running(prepared=True) as p:
        p.admin = p.administrator()
        yield p


def begin(platform, name):
    """A person with a running server; its Lab with one kernel."""
    person = platform.add_person(platform.admin, name)
    person.name = name
    start(person)
    lab = Lab(person)
    assert lab.open().status == 200
    lab.kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
    return lab


@pytest.fixture(scope="module")
def pair(prepared):
    """Two people whose servers come from the same parent."""
    labs = [begin(prepared, name) for name in ("emmy", "sofia")]
    yield labs
    for lab in labs:
        stop(lab.person)


def status_of(pid):
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def parent_pid(platform):
    return int(re.findall(r"prepared parent is ready of=servers pid=(\d+)", platform.log.read_text())[-1])


def started_prepared(platform, person):
    record = next(iter((platform.folder / "state/runner/servers").glob(f"{person.name}.*"))).read_text()
    return "preimported 1" in record


def test_servers_are_forked(prepared, pair):
    assert all(started_prepared(prepared, lab.person) for lab in pair)
    shared = [server_pid(prepared, lab.person.name) for lab in pair]
    assert {status_of(pid)["PPid"] for pid in shared} == {str(prepared.process.pid)}  # the helper, not the parent
    for pid in shared:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        assert line[1].endswith(b"/bin/jupyterhub-singleuser") and b"prepared.py" not in b" ".join(line)


def test_a_start_runs_no_program(prepared, pair):
    """Neither R to look for its language server, nor node, nor uname: each costs thirty people at once as much as a good part of their servers (0041).
    A kernel is another process's child."""
    for lab in pair:
        log = prepared.folder / f"state/log/{lab.person.name}.log"
        wait_for(lambda: "Skipped non-installed server(s)" in log.read_text())
        fields = Path(f"/proc/{server_pid(prepared, lab.person.name)}/stat").read_text().rpartition(")")[2].split()
        assert fields[8] == "0", f"page faults of programs that {lab.person.name}'s server has run"


def test_rights_of_a_server(prepared, pair):
    for lab in pair:
        pid = server_pid(prepared, lab.person.name)
        owner = pwd.getpwnam(prepared.accounts + lab.person.name)
        status = status_of(pid)
        assert status["Uid"].split() == [str(owner.pw_uid)] * 4 and status["Gid"].split() == [str(owner.pw_gid)] * 4
        assert status["Groups"].strip() == ""
        for caps in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[caps], 16) == 0, caps
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        assert int(status["SigBlk"], 16) == 0 and int(status["SigIgn"], 16) & ~LIBRARYS_SIGNALS == 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)
        assert int(status["Threads"]) < 10 and os.getsid(pid) == pid
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max core file size\s+0\s+0", limits) and re.search(r"Max open files\s+16384\s+16384", limits)
        assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "500"
        assert str(Path(f"/proc/{pid}/cwd").readlink()) == owner.pw_dir
        group = Path(f"/proc/{pid}/cgroup").read_text()
        if "memory" in group:
            assert f"/{lab.person.name}." in group
        for target in targets(pid):  # nothing of the helper or the parent
            assert "control" not in target and "hub" not in target and ".sqlite" not in target, target


def test_parent_is_powerless(prepared, pair):
    pid = parent_pid(prepared)
    status = status_of(pid)
    nobody = pwd.getpwnam("craton-start")
    assert status["Uid"].split() == [str(nobody.pw_uid)] * 4 and status["Threads"] == "1"
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2" and status["Groups"].strip() == ""
    assert os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")
    extents = [line.split() for line in Path(f"/proc/{pid}/uid_map").read_text().splitlines()]
    assert extents[0] == ["0", str(nobody.pw_uid), "1"] and len(extents) == 2 and int(extents[1][1]) >= 20000
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"TOKEN" not in environment and b"SECRET" not in environment


def test_no_token_stays_in_the_parent(prepared, pair):
    """The parent forks before it reads, so neither user's token is in its memory, nor the first one's in the second one's server."""
    tokens = [lab.run(lab.kernel, "import os; os.environ['JUPYTERHUB_API_TOKEN']").strip("'").encode() for lab in pair]
    assert len(set(tokens)) == 2

    def found(pid, token):
        hits = 0
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in maps:
                span, rights = line.split()[:2]
                if not rights.startswith("r") or "[v" in line:
                    continue
                begin, end = (int(x, 16) for x in span.split("-"))
                try:
                    memory.seek(begin)
                    hits += memory.read(end - begin).count(token)
                except (OSError, ValueError):
                    continue
        return hits

    pids = [server_pid(prepared, lab.person.name) for lab in pair]
    assert found(pids[0], tokens[0]) and found(pids[1], tokens[1])  # the search finds what is there
    assert found(parent_pid(prepared), tokens[0]) == found(parent_pid(prepared), tokens[1]) == 0
    assert found(pids[1], tokens[0]) == found(pids[0], tokens[1]) == 0


def path_in_terminal(lab):
    terminal = lab.api("POST", "terminals")
    assert terminal.status == 200, terminal.text
    address = f"ws://127.0.0.1:{lab.platform.port + 1}/user/{lab.person.name}/terminals/websocket/{terminal.json()['name']}"
    ws = websocket.create_connection(address, host=lab.host, cookie="; ".join(f"{k}={v}" for k, v in lab.jar.items()),
                                     origin=f"http://{lab.host}", timeout=30)
    ws.send(json.dumps(["stdin", "echo \"PATH is <$PATH>\"\r"]))
    shown = ""
    while not (found := re.search(r"PATH is <(/[^>$]*)>", shown)):
        kind, *text = json.loads(ws.recv())
        shown += text[0] if kind == "stdout" else ""
    ws.close()
    return found.group(1)


def keep(lab, what, content):
    """What JupyterLab keeps for its user."""
    return lab.get(f"{lab.base}lab/api/{what}", "PUT", json.dumps(content),
                   {"X-XSRFToken": lab.jar.get("_xsrf", "").strip('"'), "Content-Type": "application/json"})


def test_a_session_is_the_users(prepared, pair):
    for lab in pair:
        owner = pwd.getpwnam(prepared.accounts + lab.person.name)
        facts = json.loads(lab.run(lab.kernel, """
import getpass, json, os, subprocess, tempfile
from pathlib import Path
json.dumps(dict(user=getpass.getuser(), home=str(Path.home()), cwd=os.getcwd(), uid=os.getuid(), umask=os.umask(0o22),
                shell=subprocess.run(["id", "-u"], capture_output=True, text=True).stdout.strip(),
                session=get_ipython().kernel.session.username, temporary=tempfile.gettempdir()))""").strip("'"))
        assert facts["user"] == facts["session"] == owner.pw_name and facts["home"] == facts["cwd"] == owner.pw_dir
        assert facts["uid"] == owner.pw_uid and facts["shell"] == str(owner.pw_uid) and facts["umask"] == 0o22
        saved = lab.api("PUT", "contents/note.txt", {"type": "file", "format": "text", "content": lab.person.name})
        assert saved.status in (200, 201), saved.text
        note = Path(owner.pw_dir) / "note.txt"
        assert note.read_text() == lab.person.name and note.stat().st_uid == owner.pw_uid
        kept = keep(lab, "workspaces/of-a-test", {"data": {}, "metadata": {"id": "of-a-test"}})
        assert kept.status == 204, kept.text
        assert list(Path(owner.pw_dir).glob(".jupyter/lab/workspaces/of-a-test*"))
        kept = keep(lab, "settings/@jupyterlab/apputils-extension:themes", {"raw": "{}"})
        assert kept.status == 204, kept.text
        assert list(Path(owner.pw_dir).glob(".jupyter/lab/user-settings/@jupyterlab/apputils-extension/themes*"))
        assert lab.run(lab.kernel, "__import__('os').environ['PATH']").strip("'") == path_in_terminal(lab)
        ids = lab.api("GET", "sessions").status
        assert ids == 200 and lab.api("GET", "kernelspecs").json()["default"] == "python3"


def test_children_draw_different_numbers(prepared, pair):
    drawn = {lab.run(lab.kernel, "import secrets, random; (random.random(), __import__('numpy').random.rand())") for lab in pair}
    assert len(drawn) == 2


def test_start_is_told_to_the_user(prepared, pair):
    events = pair[0].person.get("/hub/api/users/emmy/server/progress").text
    assert '"ready": true' in events or '"ready":true' in events


def test_death_of_the_parent(prepared, pair):
    """Running servers do not notice; the next start is plain; a new parent follows."""
    ready = prepared.log.read_text().count("prepared parent is ready of=servers")
    old = parent_pid(prepared)
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: has_ended(old))
    lab = begin(prepared, "hedy")
    assert not started_prepared(prepared, lab.person)
    assert lab.run(lab.kernel, "6 * 7") == "42"
    stop(lab.person)
    assert pair[0].run(pair[0].kernel, "6 * 7") == "42"
    prepared.wait_prepared(times=ready + 1)
    start(lab.person)
    assert started_prepared(prepared, lab.person)
    stop(lab.person)


def test_a_hanging_parent(prepared):
    """A start that gets no answer is made plainly, and the parent is replaced."""
    ready = prepared.log.read_text().count("prepared parent is ready of=servers")
    os.kill(parent_pid(prepared), signal.SIGSTOP)
    lab = begin(prepared, "mary")
    assert not started_prepared(prepared, lab.person)
    assert lab.run(lab.kernel, "6 * 7") == "42"  # the attempt has left no limits behind
    prepared.wait_prepared(times=ready + 1)
    stop(lab.person)


def test_a_hanging_parent_holds_nobody_up(prepared):
    """The helper has one loop: while a start waits for the parent, servers are stopped and starts given up, and what was asked of the parent comes to nothing.
    It waits for ten seconds: a machine that has too much to do for all of it in them gets them again."""
    waiting, stopped = (prepared.add_person(prepared.admin, name) for name in ("wanda", "stan"))
    waiting.name, stopped.name = "wanda", "stan"
    for _ in range(3):
        start(stopped)
        log = prepared.log.read_text()
        failed, ready, parent = log.count("prepared start failed"), log.count("prepared parent is ready of=servers"), parent_pid(prepared)
        os.kill(parent, signal.SIGSTOP)
        try:
            assert waiting.post("/hub/spawn", {}, "/hub/home").status == 303
            wait_for(lambda: list((prepared.folder / "state/runner/servers").glob("wanda.*")))       # written just before the process
            stop(stopped)
            was = server(waiting).get("pending")
            assert waiting.post("/hub/stop", {}, "/hub/home").status == 303
            wait_for(lambda: not server(waiting), 20)
            in_time = prepared.log.read_text().count("prepared start failed") == failed     # nobody had given up by then
        finally:
            os.kill(parent, signal.SIGCONT)
        if in_time:
            break
        prepared.wait_prepared(times=ready + 1)
    else:
        raise AssertionError("a start waited too long for the parent each time")
    assert was == "spawn"
    start(waiting)
    assert started_prepared(prepared, waiting) and parent_pid(prepared) == parent
    stop(waiting)


def test_kill_of_the_helper(prepared, pair):
    """The parent goes with the helper; servers stay, and the next helper finds them and makes a new parent."""
    lab, old = pair[0], parent_pid(prepared)
    lab.run(lab.kernel, "x = 'kept'")
    ready = prepared.log.read_text().count("prepared parent is ready of=servers")
    prepared.process.kill()
    prepared.process.wait()
    wait_for(lambda: has_ended(old), 10)
    prepared.start()
    assert lab.run(lab.kernel, "x") == "'kept'"
    wait_for(lambda: server(lab.person).get("ready"), 60)    # the new hub asks the servers that it finds
    prepared.wait_prepared(times=ready + 1)
