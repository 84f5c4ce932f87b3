"""A state directory whose file system is full, has no inodes, or takes no writes: what was committed stays, the hub says what is wrong, and goes on when that is over."""
import contextlib
import http.client
import itertools
import os
import re
import shutil
import sqlite3
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hub_client import Person, Platform, wait_for
from test_session import server, server_pid, start, stop

SIZE_MIB, INODES = 24, 4000
LOOP_PROBE = "test -w /dev/loop-control && losetup --find >/dev/null && command -v mkfs.ext4 >/dev/null"


@pytest.fixture
def small(request):
    """A platform whose state lies on a file system of SIZE_MIB; without the reserve and the limit that keep a disk from being quite full."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a file system of its own")
    p = Platform()
    p.preimport = False
    p.options = getattr(request, "param", ("--reserve", "0", "--disk-free", "0"))
    state = p.folder / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,nr_inodes={INODES},mode=0711", "tmpfs", state], check=True)
    try:
        p.start()
        yield p
    finally:
        p.stop()
        subprocess.run(["umount", "-l", state], check=False)
        shutil.rmtree(p.folder, ignore_errors=True)


def fill(platform):
    ballast = platform.folder / "state/ballast"
    with open(ballast, "ab", 0) as f:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    f.write(b"x" * size)
            except OSError:
                continue
    return ballast


def test_full_disk(small):
    admin = small.administrator()
    small.add_person(admin, "early")
    assert admin.get("/hub/home").status == 200  # the first visit makes the row of the person's server
    link = small.invite(admin)
    ballast = fill(small)
    late = Person(small)
    answers = [late.join(link, "late")] + [admin.post("/hub/admin/invite", {"username": ""}, "/hub/admin") for _ in range(5)]
    refused = [a for a in answers if a.status not in (200, 303)]
    assert refused, "the disk was not full"
    for a in refused:
        assert a.status == 507 and "space" in a.text, (a.status, a.text[-400:])
    # Reading goes on: the page, the list of people.
    home = admin.get("/hub/home")
    assert home.status == 200, home.text[-600:]
    assert "early" in admin.get("/hub/admin").text
    # kill -9 now, and start again on the full disk: nothing that was committed is lost, reading goes on, writing is refused.
    small.process.kill()
    small.process.wait()
    small.start()
    fill(small)  # the fresh log of HAProxy has left a little room
    assert admin.get("/hub/home").status == 200
    assert "early" in admin.get("/hub/admin").text
    refused = [a for a in (admin.post("/hub/admin/invite", {"username": ""}, "/hub/admin") for _ in range(5)) if a.status != 200]
    assert refused and all(a.status == 507 and "space" in a.text for a in refused), [a.status for a in refused]
    ballast.unlink()
    again = Person(small)
    assert again.sign_in("early").status == 303
    assert admin.get("/hub/home").status == 200
    wait_for(lambda: small.add_person(admin, "later") is not None, 20)


@pytest.mark.parametrize("small", [("--reserve", "6M", "--disk-free", "1M")], indirect=True)
def test_the_hub_has_a_reserve(small):
    """On a disk that others have filled the hub writes on, and says so; nothing starts. Also after a kill."""
    admin = small.administrator()
    ada = small.add_person(admin, "ada")
    ada.name = "ada"
    assert ada.get("/hub/home").status == 200
    ballast = fill(small)
    for _ in range(40):
        small.invite(admin)
    late = small.add_person(admin, "late")  # a hundred rows, here and in the audit log
    assert "The disk of the platform is nearly full" in admin.get("/hub/admin").text
    assert "NO SERVER STARTS" in small.ask(command="status")["text"]
    answer = ada.post("/hub/spawn", {}, "/hub/home")
    assert answer.status == 409 and "nearly full" in answer.text, answer.text[-600:]
    small.process.kill()
    small.process.wait()
    ballast.open("ab", 0).close()
    small.start()
    assert Person(small).sign_in("late").status == 303 and late.get("/hub/home").status == 200
    ballast.unlink()
    assert "nearly full" not in admin.get("/hub/admin").text
    start(ada)
    stop(ada)


@pytest.mark.parametrize("small", [("--disk-free", "1M")], indirect=True)
def test_no_inodes(small):
    """There is space, and no file can be made: said before it is tried, and what runs is stopped and noted."""
    admin = small.administrator()
    ada, bob = small.add_person(admin, "ada"), small.add_person(admin, "bob")
    ada.name = "ada"
    start(ada)
    assert bob.get("/hub/home").status == 200
    folder = small.folder / "state/ballast"
    folder.mkdir()
    with contextlib.suppress(OSError):
        for n in itertools.count():
            (folder / str(n)).touch()
    assert "inodes, see df -i" in admin.get("/hub/admin").text and "hardly an inode" in small.ask(command="status")["text"]
    answer = bob.post("/hub/spawn", {}, "/hub/home")
    assert answer.status == 409 and "nearly full" in answer.text, answer.text[-600:]
    small.add_person(admin, "late")
    stop(ada)
    small.process.kill()
    small.process.wait()
    shutil.rmtree(folder)
    small.start()
    assert not server(ada) and "inodes" not in admin.get("/hub/admin").text


@contextlib.contextmanager
def mounted(platform):
    """A real file system for the state, which becomes read-only at its first error, as most machines have it. Gives what makes that error."""
    image, state = platform.folder / "image", platform.folder / "state"
    state.mkdir()
    subprocess.run(["truncate", "-s", "64M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    loop = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True).stdout.strip()
    error = Path("/sys/fs/ext4") / Path(loop).name / "trigger_fs_error"
    try:
        subprocess.run(["mount", "-o", "errors=remount-ro", loop, state], check=True)
        state.chmod(0o711)
        yield lambda: error.write_text("an error")
    finally:
        subprocess.run(["umount", "-l", state], check=False)
        subprocess.run(["losetup", "--detach", loop], check=False)


def mend(platform):
    """As an operator does, with the platform stopped."""
    state = platform.folder / "state"
    loop = subprocess.run(["findmnt", "-n", "-o", "SOURCE", state], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(["umount", state], check=True)
    assert subprocess.run(["e2fsck", "-fy", loop], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode < 4
    subprocess.run(["mount", loop, state], check=True)


def test_a_disk_that_takes_no_writes():
    """Everybody reads what it is and nothing is lost; what runs goes on. The operator mends the file system, and all is there."""
    if subprocess.run(["sh", "-c", LOOP_PROBE]).returncode:
        pytest.skip("needs loop: a file system in a file")
    p = Platform()
    p.preimport = False
    try:
        with mounted(p) as break_it:
            p.start("--disk-free", "1M", "--reserve", "1M")
            admin = p.administrator()
            ada, bob = p.add_person(admin, "ada"), p.add_person(admin, "bob")
            ada.name = "ada"
            start(ada)
            pid = server_pid(p, "ada")
            subprocess.run(["sync", "-f", p.folder / "state"], check=True)       # what is in memory only is lost with such an error, as with a power cut
            break_it()
            for answer in (bob.get("/hub/home"), admin.post("/hub/admin/invite", {"username": ""}, "/hub/admin"), Person(p).sign_in("bob")):
                assert answer.status == 507 and "takes no writes" in answer.text, (answer.status, answer.text[-400:])
            assert "dmesg says which" in admin.get("/hub/admin").text and "TAKES NO WRITES" in p.ask(command="status")["text"]
            assert p.log.read_text().count("the disk takes no writes") == 1
            assert ada.get("/hub/home").status == 200 and server(ada).get("ready") and server_pid(p, "ada") == pid
            p.stop()
            mend(p)
            p.start("--disk-free", "1M", "--reserve", "1M")
            assert Person(p).sign_in("bob").status == 303 and admin.get("/hub/admin").status == 200
            p.stop()
    finally:
        p.stop()
        shutil.rmtree(p.folder, ignore_errors=True)


def test_start_on_a_full_disk_after_an_orderly_end(small):
    """Then the database's side files are not there: they need space that there is not."""
    admin = small.administrator()
    small.add_person(admin, "early")
    small.process.terminate()
    small.process.wait(30)
    ballast = fill(small)
    small.process = subprocess.Popen(small.cratond("--port", str(small.port)), stdout=subprocess.DEVNULL, stderr=open(small.log, "ab"),
                                     stdin=subprocess.DEVNULL)
    wait_for(lambda: "space" in small.log.read_text(), 30)
    assert small.process.poll() is None  # the helper stays and tries again
    ballast.unlink()
    small.wait_ready(40)
    assert admin.get("/hub/home").status == 200
    assert Person(small).sign_in("early").status == 303


def test_servers_on_a_full_disk(small):
    """What runs is found again and can be stopped; a start is refused and says why; no account is half made."""
    admin = small.administrator()
    ada, bob = small.add_person(admin, "ada"), small.add_person(admin, "bob")
    ada.name, bob.name = "ada", "bob"
    start(ada)
    pid = server_pid(small, "ada")
    assert bob.get("/hub/home").status == 200
    ballast = fill(small)
    small.process.kill()
    small.process.wait()
    small.start()
    fill(small)
    wait_for(lambda: server(ada).get("ready"), 30)
    assert server_pid(small, "ada") == pid
    listed = (small.folder / "state/runner/accounts").read_text()
    bob.post("/hub/spawn", {}, "/hub/home")
    wait_for(lambda: not server(bob), 30)
    assert (small.folder / "state/runner/accounts").read_text() == listed
    assert not (small.folder / "state/home/bob").exists()
    # Room for the hub's row, too little for a home: what was begun of it does not stay and take the rest.
    os.truncate(ballast, ballast.stat().st_size - 40960)
    bob.post("/hub/spawn", {}, "/hub/home")
    wait_for(lambda: "server not started" in small.log.read_text() and not server(bob), 30)
    assert "space" in small.log.read_text().split("server not started")[1].splitlines()[0]
    assert not list((small.folder / "state/home").glob("*bob*")) + list((small.folder / "state/home").glob(".*bob*"))
    fill(small)
    assert ada.post("/hub/stop", {}, "/hub/home").status == 303
    wait_for(lambda: not server(ada), 40)
    # The helper and the hub know of the stop, though they could not write it down.
    small.process.kill()
    small.process.wait()
    ballast.unlink()
    small.start()
    assert not server(ada)
    for person in (ada, bob):
        start(person)
        stop(person)


def test_state_of_a_newer_version(small):
    import sqlite3
    path = next((small.folder / "state/hub").glob("*.sqlite"))
    small.process.terminate()
    small.process.wait()
    with sqlite3.connect(path) as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        assert version >= 1
        db.execute(f"PRAGMA user_version = {version + 100}")
    small.process = subprocess.Popen(small.cratond("--port", str(small.port)), stdout=subprocess.DEVNULL, stderr=open(small.log, "ab"),
                                     stdin=subprocess.DEVNULL)
    wait_for(lambda: "newer" in small.log.read_text(), 20)
    small.process.terminate()
    small.process.wait()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == version + 100  # left as it was
        db.execute(f"PRAGMA user_version = {version}")
    small.start()


def counted(platform):
    """Links for one person; seats that are taken; people in the group of the room."""
    with sqlite3.connect(f"file:{platform.folder}/state/hub/hub.sqlite?mode=ro", uri=True, timeout=30) as db:
        return db.execute("SELECT (SELECT count(*) FROM links WHERE seats = 1), (SELECT sum(used) FROM links WHERE seats > 1), "
                          "(SELECT count(*) FROM group_members gm JOIN groups g ON g.id = gm.group_id WHERE g.name = 'room')").fetchone()


def test_a_course_on_a_full_disk_and_over_kills(small):
    """Lists are invited whole or not at all, and nobody takes a seat without the group, or the group without a seat."""
    admin = small.administrator()
    page = admin.post("/hub/admin/invitations/room", {"seats": "30", "hours": "1", "group": "room", "note": ""}, "/hub/admin/invitations").text
    path = urlsplit(re.search(r'id="link"[^>]*value="([^"]*)"', page).group(1)).path
    people = [small.add_person(admin, f"p{i}") for i in range(12)]
    tokens = [p.csrf("/hub/home") for p in people]

    def click(i):
        try:
            return people[i].send(path + "/seat", {"_csrf": tokens[i]}).status
        except (OSError, http.client.HTTPException):
            return 0          # the hub was killed under it

    def invite(letter):
        form = {"people": "\n".join(f"{letter}{i}" for i in range(150)), "hours": "1", "group": "list-" + letter}
        return admin.post("/hub/admin/invitations/several", form, "/hub/admin/invitations").status
    links = counted(small)[0]
    ballast = fill(small)
    refused = 0
    for letter in "abcdefgh":
        status = invite(letter)
        links += 150 * (status == 200)
        refused += status == 507
        assert status in (200, 507) and counted(small)[0] == links
    assert refused, "the disk was not full"
    for i in range(4):
        assert click(i) in (200, 507)
        assert counted(small)[1] == counted(small)[2] <= i + 1
    ballast.unlink()
    # Killed with -9 while everybody clicks, and clicked once more afterwards: each has one seat.
    threads = [threading.Thread(target=click, args=(i,)) for i in range(12)]
    for t in threads:
        t.start()
    small.kill_hub()
    for t in threads:
        t.join()
    assert counted(small)[1] == counted(small)[2]
    assert [wait_for(lambda n=i: click(n)) for i in range(12)] == [200] * 12
    assert counted(small)[1:] == (12, 12)
    assert invite("z") == 200
