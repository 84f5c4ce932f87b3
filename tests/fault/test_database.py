"""A database that another program holds, that is damaged, that is being copied when everything is killed; records of servers that are
damaged: what the hub says, and that nothing is lost."""
import os
import pwd
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest
from hub_client import Person, has_ended, request, running, wait_for
from test_session import Lab, server, server_pid, start, stop

SEED = int(os.environ.get("CRATON_SEED", "1"))
KILLS = 20 if os.environ.get("CRATON_LONG") else 5


@pytest.fixture(scope="module")
def platform():
    with running(prepared=False) as p:
        p.admin = p.administrator()
        yield p


def database(platform):
    return platform.folder / "state/hub/hub.sqlite"


def attempt_to_start(platform, words):
    """cratond on this state as it is, until it says this: its log since then; the process is ended afterwards."""
    before = len(platform.log.read_text())
    with open(platform.log, "ab") as log:
        process = subprocess.Popen(platform.cratond("--port", str(platform.port)), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: words in platform.log.read_text()[before:] or process.poll() is not None, 30)
        return platform.log.read_text()[before:]
    finally:
        process.terminate()
        process.wait(60)


def end(platform):
    platform.process.terminate()
    platform.process.wait(60)


def test_database_held_by_another_program(platform):
    """Writing is refused with 503 after a few seconds and works again when the other program lets go; reading goes on."""
    other = sqlite3.connect(database(platform), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        begin = time.monotonic()
        answer = platform.admin.post("/hub/admin/invite", {"username": ""}, "/hub/admin")
        assert answer.status == 503 and "used by another process" in answer.text, (answer.status, answer.text[-500:])
        assert time.monotonic() - begin < 40
        assert platform.admin.get("/hub/admin").status == 200
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert "/hub/join/" in platform.invite(platform.admin)


def test_damaged_database(platform):
    """Said with the file's name and what to do; the damaged file is left as it is, and a good copy brings everything back."""
    person = platform.add_person(platform.admin, "kept")
    backup = platform.ask(command="backup")["path"]
    end(platform)
    path = database(platform)
    # The last one to close the file has taken the log into it.
    good = path.read_bytes()
    damaged = bytearray(good)
    damaged[:4096] = random.Random(SEED).randbytes(4096)
    for extra in ("-wal", "-shm"):
        Path(f"{path}{extra}").unlink(missing_ok=True)
    path.write_bytes(damaged)
    log = attempt_to_start(platform, "restore the last backup")
    assert "hub.sqlite" in log and "damaged" in log and "restore the last backup" in log, log
    assert path.read_bytes() == bytes(damaged)
    owner = path.stat()
    for extra in ("-wal", "-shm"):
        Path(f"{path}{extra}").unlink(missing_ok=True)
    shutil.copyfile(backup, path)
    os.chown(path, 0, 0)         # as who copies it there without thinking
    assert "must belong to the user" in attempt_to_start(platform, "must belong to the user")
    os.chown(path, owner.st_uid, owner.st_gid)
    platform.start()
    assert person.get("/hub/home").status == 200
    assert Person(platform).sign_in("kept").status == 303


def test_a_database_that_is_moved_away(platform):
    """By somebody who restores a copy and does not stop the hub: said to administrators and in the log; a backup has what only the open file has."""
    path = database(platform)
    aside = path.with_name("aside.sqlite")
    copy = platform.ask(command="backup")["path"]
    owner = path.stat()
    path.rename(aside)
    shutil.copyfile(copy, path)
    try:
        assert "moved away or replaced" in platform.admin.get("/hub/admin").text
        assert platform.log.read_text().count("the database's file was moved away or replaced") == 1
        platform.add_person(platform.admin, "after")
        with sqlite3.connect(platform.ask(command="backup")["path"]) as db:
            assert db.execute("SELECT count(*) FROM users WHERE name = 'after'").fetchone() == (1,)
    finally:
        aside.rename(path)
        os.chown(path, owner.st_uid, owner.st_gid)
    assert "moved away or replaced" not in platform.admin.get("/hub/admin").text
    platform.kill_hub()
    assert Person(platform).sign_in("after").status == 303


def test_kills_during_backups(platform):
    """Every finished backup is whole and every account whose creation was confirmed exists, wherever the kill came."""
    rng = random.Random(SEED)
    print(f"seed {SEED}, {KILLS} kills")
    confirmed = []
    for n in range(KILLS):
        finished, go_on = [], True

        def backups():
            while go_on:
                try:
                    answer = platform.ask(command="backup")
                    if "path" in answer:
                        finished.append(answer["path"])
                except (OSError, ValueError):
                    time.sleep(0.02)

        thread = threading.Thread(target=backups)
        thread.start()
        name = f"during{n}"
        platform.add_person(platform.admin, name)
        confirmed.append(name)
        time.sleep(rng.uniform(0.01, 0.3))
        os.kill(platform.hub_pid(), signal.SIGKILL)
        if rng.random() < 0.5:
            platform.process.kill()
            platform.process.wait()
        go_on = False
        thread.join()
        for path in finished:
            with sqlite3.connect(path) as db:
                assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",), f"seed {SEED}"
            os.unlink(path)
        if platform.process.poll() is not None:
            platform.start()
        platform.wait_ready(30)
    with sqlite3.connect(database(platform), timeout=10) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        there = {row[0] for row in db.execute("SELECT name FROM users")}
    assert set(confirmed) <= there, f"seed {SEED}: lost {set(confirmed) - there}"


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "values"])
def test_damaged_record_of_a_server(platform, damage):
    """The helper finds a record it cannot use: put aside and said; the person is told that the server is gone and can start again,
    and no process of the old one is left to be confused with the new one."""
    name = f"rec-{damage}"
    person = platform.add_person(platform.admin, name)
    person.name = name
    start(person)
    old = server_pid(platform, name)
    account = platform.accounts + name
    folder = platform.folder / "state/runner/servers"
    platform.process.kill()
    platform.process.wait()
    records = [p for p in folder.iterdir() if name in p.name]
    assert len(records) == 1, [p.name for p in folder.iterdir()]
    text = records[0].read_bytes()
    records[0].write_bytes({"empty": b"", "cut": text[:len(text) // 2], "noise": random.Random(SEED).randbytes(3000),
                            "values": text.replace(b"generation ", b"generation -")}[damage])
    platform.start()
    wait_for(lambda: not server(person), 40)
    assert "put aside" in platform.log.read_text() and list(folder.glob(f"*{name}*.damaged"))
    wait_for(lambda: has_ended(old), 40)
    assert request("GET", f"http://{name}.localhost:{platform.port + 1}/user/{name}/api").status in (424, 503)
    page = person.get("/hub/home").text
    assert "Start" in page
    start(person)
    lab = Lab(person)
    assert lab.open().status == 200
    assert server_pid(platform, name) != old and pwd.getpwnam(account)
    stop(person)
