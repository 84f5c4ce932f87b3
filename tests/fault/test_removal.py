"""Removing people, while the helper or the hub is killed, the deletion cannot succeed, or takes long: nothing of the person is left in
the end, the administrator sees what is not done yet, and everybody else goes on working."""
import os
import pwd
import random
import re
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest
from hub_client import Person, running, wait_for
from test_session import start, stop

SEED = int(os.environ.get("CRATON_SEED", "1"))
KILLS = 60 if os.environ.get("CRATON_LONG") else 8


@pytest.fixture(scope="module")
def platform():
    with running() as p:
        p.admin = p.administrator()
        yield p


@pytest.fixture
def worker(platform, request):
    """Somebody whose account exists on the machine, with a few files."""
    name = re.sub("[^a-z0-9]", "", request.node.name.lower())[4:20]
    return make(platform, name)


def make(platform, name):
    person = platform.add_person(platform.admin, name)
    person.name = name
    start(person)
    stop(person)
    person.home = platform.folder / "state/home" / name
    person.uid = person.home.stat().st_uid
    return person


def fill(person, n=300):
    """Many names of one file: quickly made, and no quicker to delete than many files."""
    folder = person.home / "many"
    folder.mkdir()
    (folder / "0").write_text("private")
    for i in range(1, n):
        os.link(folder / "0", folder / str(i))
    for path in (folder, folder / "0"):
        os.chown(path, person.uid, person.uid)


def remove(platform, name, confirm=True):
    fields = {"user": name, "action": "remove", **({"confirm": name} if confirm else {})}
    assert platform.admin.post("/hub/admin/act", fields, "/hub/admin").status == 303


def accounts(platform):
    return [line.split()[0] for line in (platform.folder / "state/runner/accounts").read_text().splitlines()[1:]]


def database(platform, question):
    with sqlite3.connect(f"file:{platform.folder / 'state/hub/hub.sqlite'}?mode=ro", uri=True) as db:
        return [row[0] for row in db.execute(question)]


def traces(platform, person):
    """What is left of a person, by place."""
    state, left = platform.folder / "state", []
    left += [str(p) for at in (f".removed/{person.name}.*", f".new-{person.name}", person.name) for p in state.glob(f"home/{at}")]
    left += [str(p) for p in state.glob(f"log/{person.name}.*")] + [str(p) for p in (platform.run / "r").glob(str(person.uid))]
    left += [str(p) for p in (platform.run / "u").glob(person.name)]
    left += [a for a in accounts(platform) if a == person.name]
    left += [u.pw_name for u in pwd.getpwall() if u.pw_uid == person.uid]
    left += database(platform, f"SELECT name FROM users WHERE name = '{person.name}'")
    return left


def gone(platform, person, seconds=120):
    end = time.monotonic() + seconds
    while left := traces(platform, person):
        assert time.monotonic() < end, f"left of {person.name}: {left}\n" + platform.log.read_text()[-3000:]
        time.sleep(0.1)
    assert not database(platform, "SELECT user_id FROM removals")


def rm_of(person):
    """The rm that runs with the person's uid, also a stopped one; not one that has ended and that init has not seen yet."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == person.uid and (folder / "comm").read_text().strip() == "rm":
                if (folder / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                    return int(folder.name)
        except OSError:
            continue
    return None


def stopped(pid):
    """Stops a process; false when it ended before."""
    try:
        os.kill(pid, signal.SIGSTOP)
        while (state := Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]) not in "TZX":
            time.sleep(0.001)
        return state == "T"
    except OSError:
        return False


def held(platform, person):
    """The person's removal, with its rm stopped in the middle: how it looks when a home is large."""
    for attempt in range(10):
        fill(person, 60000)  # ext4 permits 65,000 names of one file
        # Looked for while the removal is asked for: on a quick disk rm has ended before the answer is here.
        asked = threading.Thread(target=remove, args=(platform, person.name))
        asked.start()
        pid = wait_for(lambda: rm_of(person) or not asked.is_alive() and not traces(platform, person) and -1, 20, 0)
        met = pid > 0 and stopped(pid)
        asked.join()
        if met and traces(platform, person):
            return pid
        gone(platform, person)
        vars(person).update(vars(make(platform, f"{person.name}{attempt}")))
    raise AssertionError("no removal was met in its middle")


def again(platform):
    platform.process.wait(30)
    platform.start()


def test_helper_killed_during_the_deletion(platform, worker):
    unfinished = worker.home.with_name(f".new-{worker.name}")    # what a helper leaves that was killed while it made the home
    unfinished.mkdir()
    os.chown(unfinished, worker.uid, worker.uid)
    pid = held(platform, worker)
    platform.process.kill()
    again(platform)
    gone(platform, worker)
    assert rm_of(worker) is None, f"the rm of before, {pid}, is still there"
    assert platform.add_person(platform.admin, worker.name)  # the name is free, the account is another one
    assert database(platform, f"SELECT account FROM users WHERE name = '{worker.name}'") != [worker.name]


def test_hub_killed_during_the_deletion(platform, worker):
    pid = held(platform, worker)
    platform.kill_hub()
    page = platform.admin.get("/hub/admin").text
    assert "being removed" in page
    os.kill(pid, signal.SIGCONT)
    gone(platform, worker)
    assert "being removed" not in platform.admin.get("/hub/admin").text


def test_killed_before_the_server_was_asked_to_stop(platform, worker):
    """The promise is in the database, and the hub that gave it was killed at once: the next one stops the server, which else would run on for ever."""
    start(worker)
    platform.process.kill()
    platform.process.wait(30)
    with sqlite3.connect(platform.folder / "state/hub/hub.sqlite", timeout=30) as db:
        db.execute("UPDATE users SET disabled = 1 WHERE name = ?", (worker.name,))
        db.execute("INSERT INTO removals (user_id) SELECT id FROM users WHERE name = ?", (worker.name,))
    db.close()
    platform.start()
    gone(platform, worker)


def test_what_cannot_be_deleted_is_shown_and_tried_again(platform, worker):
    """Root has put something into the home that its owner cannot delete."""
    fill(worker)
    other = worker.home / "of-root"
    other.mkdir()
    (other / "kept").write_text("by root")
    remove(platform, worker.name)
    page = wait_for(lambda: (text := platform.admin.get("/hub/admin").text) and "Not removed yet" in text and text, 20)
    assert "cannot empty" in page
    assert f"{worker.name} NOT removed yet" in platform.ask(command="status")["text"]
    assert worker.sign_in(worker.name).status == 403
    for action in ("enable", "link"):
        answer = platform.admin.post("/hub/admin/act", {"user": worker.name, "action": action}, "/hub/admin")
        assert answer.status == 409 and "being removed" in answer.text, action
    # Both processes start again: the reason is still known, or already found again.
    platform.process.kill()
    again(platform)
    assert "NOT removed yet" in platform.ask(command="status")["text"]
    moved = next((platform.folder / "state/home/.removed").glob(worker.name + ".*"))
    (moved / "of-root/kept").unlink()
    (moved / "of-root").rmdir()
    remove(platform, worker.name, confirm=False)
    gone(platform, worker)


def test_it_is_tried_again_by_itself(platform, worker):
    other = worker.home / "of-root"
    other.mkdir()
    (other / "kept").write_text("by root")
    remove(platform, worker.name)
    wait_for(lambda: "NOT removed yet" in platform.ask(command="status")["text"], 20)
    moved = next((platform.folder / "state/home/.removed").glob(worker.name + ".*"))
    (moved / "of-root/kept").unlink()
    (moved / "of-root").rmdir()
    gone(platform, worker)


def test_folders_that_their_owner_closed(platform, worker):
    fill(worker)
    os.chmod(worker.home / "many", 0)
    remove(platform, worker.name)
    gone(platform, worker)


def test_what_still_runs_of_the_person(platform, worker):
    sleeper = subprocess.Popen(["setpriv", f"--reuid={worker.uid}", f"--regid={worker.uid}", "--clear-groups", "sleep", "1000"])
    wait_for(lambda: Path(f"/proc/{sleeper.pid}").stat().st_uid == worker.uid, 10)
    threading.Thread(target=sleeper.wait).start()  # its parent takes it away
    remove(platform, worker.name)
    gone(platform, worker)
    assert sleeper.wait(10) == -signal.SIGKILL


def test_demo_account_of_a_demo_that_was_killed(platform):
    made = platform.ask(command="demo-create")
    person = Person(platform)
    assert person.sign_in(made["name"], made["password"]).status == 303
    person.name = made["name"]
    start(person)
    person.uid = (platform.folder / "state/home" / made["account"]).stat().st_uid
    person.name = made["account"]
    platform.process.kill()
    again(platform)
    gone(platform, person)
    assert not database(platform, "SELECT name FROM users WHERE demo = 1")


def test_kills_at_any_instant(platform):
    rng = random.Random(SEED)
    done = []
    for i in range(KILLS):
        person = make(platform, f"any{i}")
        fill(person, 2000)
        remove(platform, person.name)
        time.sleep(rng.uniform(0, 0.25))
        if rng.random() < 0.7:
            platform.process.kill()
            again(platform)
            done.append("helper")
        else:
            platform.kill_hub()
            done.append("hub")
        gone(platform, person)
    print(f"seed {SEED}: {done}")

