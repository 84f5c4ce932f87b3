"""Starts that wait for memory or for their turn, and starts that are cancelled: at every phase, and over kills of the hub."""
import contextlib
import http.client
import json
import os
import pwd
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from hub_client import running, wait_for, with_profiles
from test_admin_command import run
from test_session import server, start


@pytest.fixture(scope="module")
def narrow():
    """Room for two servers, and one start at a time."""
    with running("--room", "1G", "--guarantee", "512M", "--starts", "1") as p:
        yield p


def test_a_profile_says_its_guarantee():
    """It is counted with that: four fit where by the settings there is room for one, and still after a kill."""
    profiles = "profiles:\n- {slug: usual}\n- {slug: light, memory: 1G, guarantee: 64M, options: {size: {display_name: Size, choices: {small: {default: true}, " \
               "big: {memory: 2G, guarantee: 512M}}}}}\n"
    with running("--room", "512M", "--guarantee", "512M", kind=with_profiles(profiles)) as p:
        admin = p.administrator()
        made = []
        for i in range(3):
            made.append(p.add_person(admin, f"light{i}"))
            made[-1].name = f"light{i}"
            made[-1].post("/hub/spawn", {"profile": "light", "light--size": "small"}, "/hub/home")
        for person in made:
            wait_for(lambda: server(person).get("ready"), 120)
        p.kill_hub()
        big = p.add_person(admin, "big")
        big.name = "big"
        big.post("/hub/spawn", {"profile": "light", "light--size": "big"}, "/hub/home")
        wait_for(lambda: "all memory for servers is in use" in message(big), 20)
        for person in made[:2]:
            assert person.post("/hub/stop", {}, "/hub/home").status == 303
        time.sleep(2)
        assert not server(big).get("ready")
        assert made[2].post("/hub/stop", {}, "/hub/home").status == 303
        wait_for(lambda: server(big).get("ready"), 120)
        # A start ahead counts what is chosen now, and not what the last start took, for which there is no room beside another one.
        assert big.post("/hub/stop", {}, "/hub/home").status == 303
        wait_for(lambda: not server(big), 60)
        assert made[0].post("/hub/spawn", {"profile": "light", "light--size": "small"}, "/hub/home").status == 303
        assert big.api("PATCH", "/hub/api/users/big/server", {"user_options": {"profile": "light", "size": "small"}}).status == 200
        run(p, "group-add", "class")
        run(p, "group-join", "class", "big")
        run(p, "start-ahead", "--group", "class", "--hours", "1")
        wait_for(lambda: server(big).get("ready") and server(made[0]).get("ready"), 120)


def test_cleaning_up_waits_over_a_kill():
    """Who has too much on the disk waits with a server for cleaning up, and gets that one, whatever happens to the hub meanwhile."""
    with running("--room", "512M", "--guarantee", "512M", "--disk", "1G", prepared=False) as p:
        admin = p.administrator()
        ann, ben = (p.add_person(admin, name) for name in ("ann", "ben"))
        ann.name, ben.name = "ann", "ben"
        start(ben)
        with sqlite3.connect(p.folder / "state/hub/hub.sqlite", timeout=10) as db:
            db.execute("INSERT INTO disk_use (user_id, bytes, at_ms, top) SELECT id, 2000000000, ?, '' FROM users WHERE name = 'ann'", (int(time.time() * 1000),))
        assert ann.post("/hub/spawn", {}, "/hub/home").status == 409
        assert ann.post("/hub/spawn", {"cleaning": "yes"}, "/hub/home").location == "/hub/spawn-pending/ann"
        wait_for(lambda: "all memory for servers is in use" in message(ann), 20)
        p.kill_hub()
        wait_for(lambda: "all memory for servers is in use" in message(ann) and server(ben).get("ready"), 30)
        assert ben.post("/hub/stop", {}, "/hub/home").status == 303
        wait_for(lambda: server(ann).get("ready"), 120)
        assert "It runs for cleaning up" in ann.get("/hub/home").text


def test_a_stop_that_could_not_be_saved():
    """Another program held the database when the server ended. Who then waits has a place, also over a kill."""
    with running("--room", "512M", "--guarantee", "512M", prepared=False) as p:
        admin = p.administrator()
        ann, ben = (p.add_person(admin, name) for name in ("ann", "ben"))
        ann.name, ben.name = "ann", "ben"
        start(ann)
        with contextlib.closing(sqlite3.connect(p.folder / "state/hub/hub.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for folder in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    if folder.stat().st_uid == pwd.getpwnam(p.accounts + "ann").pw_uid:
                        os.kill(int(folder.name), signal.SIGKILL)
            wait_for(lambda: "noting a stop" in p.log.read_text(), 30)
            other.execute("ROLLBACK")
        start(ben)
        press_start(ann)
        wait_for(lambda: "all memory for servers is in use" in message(ann), 20)
        p.kill_hub()
        wait_for(lambda: "all memory for servers is in use" in message(ann) and server(ben).get("ready"), 30)
        assert ben.post("/hub/stop", {}, "/hub/home").status == 303
        wait_for(lambda: server(ann).get("ready"), 120)


@pytest.fixture(scope="module")
def people(narrow):
    admin = narrow.administrator()
    made = []
    for name in ("ann", "ben", "cid", "dot", "eve"):
        made.append(narrow.add_person(admin, name))
        made[-1].name = name
    return made


def press_start(person):
    assert person.post("/hub/spawn", {}, "/hub/home").location == f"/hub/spawn-pending/{person.name}"


def message(person):
    """As the progress page shows it without scripts; "" when there is nothing to wait for."""
    answer = person.get(f"/hub/spawn-pending/{person.name}")
    return answer.text if answer.status == 200 else ""


def event(person):
    """The first event of the stream."""
    port = person.platform.port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    connection.request("GET", f"/hub/api/users/{person.name}/server/progress", headers={
        "Host": f"127.0.0.1:{port}", "Cookie": person.cookie_header(), "Sec-Fetch-Site": "same-origin", "Accept": "text/event-stream"})
    response = connection.getresponse()
    assert response.status == 200, response.read()
    line = b""
    while not line.startswith(b"data:"):
        line = response.readline()
        assert line, "the stream has ended without an event"
    connection.close()
    return json.loads(line[5:])


def test_queue(narrow, people):
    ann, ben, cid, dot, eve = people
    for person in people:
        press_start(person)
    # One starts at a time; the order is that of asking.
    wait_for(lambda: server(ann).get("ready") and server(ben).get("ready"), 120)
    for n, person in enumerate((cid, dot, eve), 1):
        wait_for(lambda: f"number {n} of 3: all memory for servers is in use." in message(person), 20)
        told = event(person)
        assert told["progress"] == 5 and f"number {n} of 3" in told["message"] and "ready" not in told
        model = server(person)
        assert model["pending"] == "spawn" and not model["ready"] and not model["stopped"]
    assert eve.api("POST", "/hub/api/users/eve/server").status == 202  # asked again: it keeps its place
    assert "number 3 of 3" in event(eve)["message"]
    assert "number 3 of 3" in narrow.ask(command="status")["text"]

    # The hub is killed: everybody keeps the place, and what runs goes on.
    narrow.kill_hub()
    wait_for(lambda: "number 1 of 3" in message(cid) and "number 2 of 3" in message(dot) and "number 3 of 3" in message(eve), 20)
    wait_for(lambda: server(ann).get("ready") and server(ben).get("ready"), 20)

    # Who cancels is out at once, and the others move up.
    assert dot.api("DELETE", "/hub/api/users/dot/server").status == 204
    assert not server(dot) and "number 2 of 2" in message(eve)
    assert "Start" in dot.get("/hub/home").text

    # A place that becomes free is the next one's, also when the hub is killed just then.
    assert ann.post("/hub/stop", {}, "/hub/home").status == 303
    narrow.kill_hub()
    wait_for(lambda: server(cid).get("ready"), 120)
    assert "number 1 of 1" in message(eve) and not server(ann)
    assert eve.post("/hub/stop", {}, "/hub/home").status == 303
    assert not server(eve)
    narrow.kill_hub()
    assert not server(eve)
    wait_for(lambda: server(cid).get("ready"), 20)

    # Stopping the platform starts nobody who waits.
    press_start(ann)
    wait_for(lambda: "number 1 of 1" in message(ann), 60)
    owners = {pwd.getpwnam(narrow.accounts + name).pw_uid for name in ("ann", "ben", "cid")}
    assert processes_of(owners)
    narrow.stop()
    assert not processes_of(owners)


def test_what_is_larger_than_the_room_stops_nobody():
    """It runs alone: behind all that fit, however long it has waited."""
    with running("--room", "1G", "--guarantee", "512M", prepared=False, kind=with_profiles("profiles:\n- {slug: usual}\n- {slug: large, memory: 8G}\n")) as p:
        admin = p.administrator()
        ann, ben, cid = (p.add_person(admin, name) for name in ("ann", "ben", "cid"))
        for person, name in ((ann, "ann"), (ben, "ben"), (cid, "cid")):
            person.name = name
        press_start(ann)
        wait_for(lambda: server(ann).get("ready"), 120)
        assert ben.api("POST", "/hub/api/users/ben/server", {"profile": "large"}).status == 202
        assert "number 1 of 1: all memory" in message(ben)
        press_start(cid)
        wait_for(lambda: server(cid).get("ready"), 120)
        assert server(ben)["pending"] == "spawn"
        for person in (ann, cid):
            assert person.post("/hub/stop", {}, "/hub/home").status == 303
        wait_for(lambda: server(ben).get("ready"), 120)


def processes_of(owners):
    """The command lines of what runs; a process that has ended has none, also while nobody has taken it away yet."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid in owners and (line := (folder / "cmdline").read_bytes()):
                found.append(line)
        except OSError:
            continue
    return found


def traces(platform, name):
    """What is left of a server: processes of the account, control groups, sockets, rows."""
    try:
        found = processes_of({pwd.getpwnam(platform.accounts + name).pw_uid})
    except KeyError:
        found = []
    account = platform.accounts + name
    for tree in ("r", "route"):
        found += [p for p in (platform.run / tree).glob(f"*{account}*")]
    with sqlite3.connect(f"file:{platform.folder}/state/hub/hub.sqlite?mode=ro", uri=True) as db:
        found += db.execute("SELECT 'row' FROM servers s JOIN users u ON u.id = s.user_id WHERE u.name = ? AND (running = 1 OR waiting_ms > 0)",
                            (name,)).fetchall()
        found += db.execute("SELECT 'token' FROM tokens t JOIN users u ON u.id = t.user_id WHERE u.name = ? AND t.server_id IS NOT NULL",
                            (name,)).fetchall()
    return found


def groups_of(platform):
    """Control groups of servers of this platform's accounts."""
    found = []
    for root, folders, _ in os.walk("/sys/fs/cgroup"):
        found += [f for f in folders if platform.accounts in f]
    return found


@pytest.mark.parametrize("delay", [0, 0.1, 0.4, 1, 2])
def test_cancelled_at_any_moment(platform, person, delay):
    """From "asked for" (the account is not even made) to "almost ready"; by the page's button and by REST."""
    press_start(person)
    time.sleep(delay)
    if delay in (0, 0.4, 2):
        assert person.post("/hub/stop", {}, "/hub/home").status == 303
    else:
        assert person.api("DELETE", f"/hub/api/users/{person.name}/server").status in (202, 204)
    wait_for(lambda: not server(person), 40)
    wait_for(lambda: not traces(platform, person.name), 20)
    wait_for(lambda: not any(person.name in f for f in groups_of(platform)), 20)
    assert "failed" not in person.get("/hub/home").text


def test_start_behind_a_cancelled_one(platform, person):
    """Start, cancel, start without waiting: the last word counts."""
    press_start(person)
    assert person.post("/hub/stop", {}, "/hub/home").status == 303
    assert person.post("/hub/spawn", {}, "/hub/home").status == 303
    start(person)
    assert traces(platform, person.name)
    assert person.post("/hub/stop", {}, "/hub/home").status == 303
    wait_for(lambda: not server(person) and not traces(platform, person.name), 40)
