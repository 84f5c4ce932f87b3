"""Thirty servers start while the database is held by another program, or while the disk fills: the hub goes on and says what is wrong, what runs can
be used and stopped, nothing is half there, and afterwards routes, rows and processes agree. With CRATON_LONG the database is held for 30 seconds.
"""
import http.client
import os
import random
import sqlite3
import subprocess
import threading
import time

from hub_client import request, wait_for
from simulated import Client, Simulated, simulated
from test_routes import agree

SEED = int(os.environ.get("CRATON_SEED", "1"))
HELD_S = 30 if os.environ.get("CRATON_LONG") else 8
STARTS = 30


class Starter(threading.Thread):
    """Asks for all of them, and notes what it is told."""

    def __init__(self, platform, names):
        super().__init__(daemon=True)
        self.platform, self.names, self.told = platform, names, []

    def run(self):
        client = Client(self.platform)
        for name in self.names:
            try:
                self.told.append(client.ask("POST", f"/hub/api/users/{name}/server"))
            except (OSError, http.client.HTTPException) as e:
                self.told.append((0, repr(e)))


def rows_that_run(platform):
    with sqlite3.connect(platform.database, timeout=30) as db:
        found = {row[0] for row in db.execute("SELECT u.name FROM servers s JOIN users u ON u.id = s.user_id WHERE s.running = 1")}
    db.close()
    return found


def settled(platform):
    """Nothing starts or stops any more."""
    return agree(platform) and rows_that_run(platform) == platform.processes()


def test_the_database_is_held_while_servers_start():
    with simulated(200, STARTS) as platform:
        names, admin = platform.names[:STARTS], platform.administrator_here()
        assert admin.get("/hub/home").status == 200      # the first visit makes the row of the person's server
        platform.start_servers(names[:5])
        other = sqlite3.connect(platform.database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        end = time.monotonic() + HELD_S
        try:
            starter = Starter(platform, names[5:])
            starter.start()
            status, _ = Client(platform).ask("DELETE", f"/hub/api/users/{names[0]}/server")
            assert status in (202, 204, 503), status
            slowest = 0
            while time.monotonic() < end or not any(told[0] == 503 for told in starter.told) and time.monotonic() < end + 60:
                begin = time.monotonic()
                assert admin.get("/hub/home").status == 200 and Client(platform).once("GET", "/hub/api/users?limit=50")[0] == 200
                slowest = max(slowest, time.monotonic() - begin)
                answer = request("GET", f"http://{names[1]}.localhost:{platform.port + 1}/user/{names[1]}/x")
                assert answer.status == 200 and answer.headers["X-Simulated"] == names[1]
                time.sleep(0.2)
        finally:
            other.execute("ROLLBACK")
            other.close()
        starter.join(120)
        refused = [told for told in starter.told if told[0] == 503]
        assert refused and all("used by another process" in text for _, text in refused), starter.told[:3]
        # Only the first one that meets it waits; the others do not wait in a row, one behind the other.
        assert slowest < 15, slowest
        print(f"{len(refused)} refused, the slowest page took {slowest:.1f} s")
        wait_for(lambda: not any(s["user"] == names[0] for s in platform.ask(command="status")["servers"]), 60)
        platform.start_servers(names)
        wait_for(lambda: settled(platform), 60, 0.5)


class SmallDisk(Simulated):
    """Its state lies on a file system of 48 MiB; without what keeps a disk from being quite full."""

    def __init__(self, period_s=300):
        super().__init__(period_s)
        self.options = ("--reserve", "0", "--disk-free", "0")
        self.state = self.folder / "state"
        self.state.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=0711", "tmpfs", self.state], check=True)

    def stop(self):
        try:
            super().stop()
        finally:
            subprocess.run(["umount", "-l", self.state], check=False)


def fill(path):
    with open(path, "ab", 0) as f:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    f.write(b"x" * size)
            except OSError:
                continue


def test_the_disk_fills_while_servers_start():
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    # Half of them have no account and no home yet: those are made on the way.
    with simulated(STARTS + 20, STARTS // 2, kind=SmallDisk) as platform:
        names, admin = platform.names[:STARTS], platform.administrator_here()
        assert admin.get("/hub/home").status == 200      # the first visit makes the row of the person's server
        rng.shuffle(names)
        starter = Starter(platform, names)
        starter.start()
        wait_for(lambda: len(starter.told) >= rng.randrange(2, 8), 30, 0.005)
        ballast = platform.state / "ballast"
        fill(ballast)
        starter.join(120)
        answered = {status for status, _ in starter.told}
        assert answered <= {201, 202, 507, 409, 503} and 0 not in answered, answered
        # What could be started is ready, the rest is over; reading goes on.
        wait_for(lambda: agree(platform), 120, 0.5)
        assert admin.get("/hub/home").status == 200 and admin.get("/hub/admin").status == 200
        ran = platform.processes()
        for name in list(ran)[:2]:
            assert request("GET", f"http://{name}.localhost:{platform.port + 1}/user/{name}/x").headers["X-Simulated"] == name
        platform.process.kill()
        platform.process.wait()
        ballast.unlink()
        platform.start()
        assert platform.processes() == ran
        wait_for(lambda: agree(platform), 60, 0.5)
        platform.start_servers(names)
        wait_for(lambda: settled(platform), 60, 0.5)
        assert not list((platform.state / "home").glob(".new-*"))
        db = sqlite3.connect(platform.database)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
