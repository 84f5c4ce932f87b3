"""A platform with thousands of known people and up to a thousand user servers that run, on one small machine.

Everything is the product as it is installed, with one difference that lies in the prefix it is given: env/current/bin/python3, with which it starts
jupyterhub-singleuser, is the small program of singleuser.c. Servers are started, watched, limited and routed to as always, with a user id and a home for each person.

The people are written into the database, into the helper's list and into a copy of /etc that only this platform sees (a mount namespace):
a thousand useradd would take a minute, and leave a thousand accounts behind after a kill.
"""
import contextlib
import hashlib
import http.client
import os
import secrets
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "wire"))
from hub_client import BUILD, PREFIX, OwnEtc, Person, running, wait_for  # noqa: E402

WEEK_MS = 7 * 86400 * 1000
CONTROL = ("--preimport", "no", "--room", "1000G", "--guarantee", "1M", "--starts", "100", "--disk-period", "0")


def sha256(text):
    return hashlib.sha256(text.encode()).digest()


class Simulated(OwnEtc):
    def __init__(self, period_s=300):
        super().__init__()
        prefix, environment = self.folder / "prefix", self.folder / "prefix/env/current"
        (environment / "bin").mkdir(parents=True)
        for entry in os.listdir(PREFIX):
            if entry != "env":
                (prefix / entry).symlink_to(PREFIX / entry)
        shutil.copy(BUILD / "tests/simulated_singleuser", environment / "bin/python3")
        (environment / "simulated.conf").write_text(f"{period_s}\n")
        self.common[self.common.index("--prefix") + 1] = str(prefix)
        self.token, self.session = secrets.token_hex(32), secrets.token_hex(32)
        self.admin_name = "root1"
        self.first = 200000 + self.port % 500 * 20000     # of the user ids, which no other platform of the tests has

    def start(self, *more):
        super().start(*CONTROL, "--uid-first", str(self.first), *more)

    @property
    def database(self):
        return self.folder / "state/hub/hub.sqlite"

    def api_socket(self):
        return self.run / "route/api"

    def end(self, *how):
        """cratond ends; what HAProxy and the servers do then, how says (--keep-servers)."""
        subprocess.run(self.cratond("--stop", *how), check=True, capture_output=True, timeout=300)
        self.process.wait(60)

    def people(self, known, ready=0):
        """While cratond does not run: the administrator root1 and that many people, the first `ready` of them with an account of the machine and a
        home, so that their servers start at once. Each has what months leave behind: a server, a group, a session, tokens, rows in the logs."""
        names, now = [f"u{n:05d}" for n in range(known)], int(time.time() * 1000)
        listed = [f"next {self.first + known}"] + [f"{name} {self.first + n}" for n, name in enumerate(names)]
        (self.folder / "state/runner/accounts").write_text("\n".join(listed) + "\n")
        self.add_accounts(names[:ready])
        with sqlite3.connect(self.database) as db:
            db.execute("PRAGMA foreign_keys = ON")
            self.add_rows(db, names, now)
        db.close()
        self.names = names
        return names

    def add_accounts(self, names):
        lines = {"passwd": [], "group": [], "shadow": [], "gshadow": []}
        home = self.folder / "state/home"
        for n, name in enumerate(names):
            account, uid = self.accounts + name, self.first + n
            lines["passwd"].append(f"{account}:x:{uid}:{uid}::{home / name}:/bin/bash")
            lines["group"].append(f"{account}:x:{uid}:")
            lines["shadow"].append(f"{account}:!:20000:0:99999:7:::")
            lines["gshadow"].append(f"{account}:!::")
            (home / name).mkdir(mode=0o700)
            os.chown(home / name, uid, uid)
        for file, added in lines.items():
            with open(self.etc / file, "a") as f:
                f.writelines(line + "\n" for line in added)

    def add_rows(self, db, names, now):
        admin = db.execute("INSERT INTO users (name, account, admin, created_ms) VALUES (?, ?, 1, ?)", (self.admin_name, self.admin_name, now)).lastrowid
        db.execute("INSERT INTO sessions (hash, user_id, created_ms, expires_ms, proved_ms) VALUES (?, ?, ?, ?, ?)",
                   (sha256(self.session), admin, now, now + WEEK_MS, now))
        db.execute("INSERT INTO tokens (hash, kind, user_id, note, created_ms) VALUES (?, 'api', ?, 'of the test', ?)", (sha256(self.token), admin, now))
        db.executemany("INSERT INTO users (name, account, created_ms, last_activity_ms) VALUES (?, ?, ?, ?)",
                       [(name, name, now - WEEK_MS, now - n * 60000) for n, name in enumerate(names)])
        db.executemany("INSERT INTO groups (name) VALUES (?)", [(f"course{n}",) for n in range(50)])
        db.execute("INSERT INTO group_members (group_id, user_id) SELECT 1 + id % 50, id FROM users WHERE admin = 0")
        db.execute("INSERT INTO servers (user_id, name, generation, running, started_ms, stopped_ms, last_activity_ms, stop_reason, stop_text, ready_after_ms) "
                   "SELECT id, '', 0, 0, ?1, ?2, ?2, 'idle', 'It was not used for an hour.', 2500 FROM users WHERE admin = 0", (now - WEEK_MS, now - WEEK_MS // 2))
        db.execute("INSERT INTO sessions (hash, user_id, created_ms, expires_ms, proved_ms) SELECT randomblob(32), id, ?1, ?2, ?1 FROM users",
                   (now, now + WEEK_MS))
        db.execute("INSERT INTO tokens (hash, kind, user_id, note, created_ms, expires_ms) SELECT randomblob(32), 'api', id, 'notebook', ?1, ?2 FROM users "
                   "WHERE id % 2", (now, now + WEEK_MS))
        db.execute("INSERT INTO disk_use (user_id, bytes, at_ms, top) SELECT id, id * 1000000, ?, '' FROM users", (now,))
        db.executemany("INSERT INTO audit (at_ms, kind, result, who, via, source, whom, detail) VALUES (?, 'sign-in', 'done', ?, 'password', '', '', '')",
                       [(now - WEEK_MS + n, names[n % len(names)]) for n in range(3 * len(names))])

    def administrator_here(self):
        person = Person(self)
        person.jar["__Host-craton-login"] = self.session
        return person

    def api(self, method, path, body=None):
        """A request at the hub's own socket, with the administrator's token."""
        return Client(self).once(method, path, body)

    def start_servers(self, names, threads=8, seconds=600):
        """Asks for a server for each, and waits until all are ready."""
        waiting, problems = list(reversed(names)), []

        def work():
            client = Client(self)
            while waiting:
                try:
                    name = waiting.pop()
                except IndexError:
                    return
                status, text = client.ask("POST", f"/hub/api/users/{name}/server")
                if status not in (201, 202) and "is already running" not in text:
                    problems.append((name, status, text))
        workers = [threading.Thread(target=work) for _ in range(threads)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        assert not problems, problems[:3]
        wait_for(lambda: self.count_ready() >= len(names), seconds, 0.5)

    def count_ready(self):
        text = self.api("GET", "/hub/api/metrics")[1]
        return int(float(next(line for line in text.splitlines() if line.startswith("jupyterhub_running_servers ")).split()[1]))

    def processes(self):
        """Whose servers have a process."""
        found, begin = set(), f"--ServerApp.sock={self.run}/u/".encode()
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                for word in line.read_bytes().split(b"\0"):
                    if word.startswith(begin):
                        found.add(word.removeprefix(begin).split(b"/")[0].decode())
        return found

    def wait_ready(self, seconds=60):
        super().wait_ready(seconds)


class Client:
    """One connection to the hub's socket that stays, as the proxy has it."""

    def __init__(self, platform, token=None):
        self.platform, self.token, self.connection = platform, token or platform.token, None

    def ask(self, method, path, body=None, headers=()):
        given = {"Host": self.platform.hub.partition("://")[2], "Authorization": f"token {self.token}", **dict(headers)}
        if body is not None:
            given["Content-Type"] = "application/json"
        for attempt in range(2):
            try:
                if not self.connection:
                    self.connection = UnixConnection(self.platform.api_socket())
                self.connection.request(method, path, body, given)
                answer = self.connection.getresponse()
                return answer.status, answer.read().decode()
            except (OSError, http.client.HTTPException):
                if self.connection:
                    self.connection.close()
                self.connection = None
                if attempt or method != "GET":
                    raise
        return None

    def once(self, *request):
        answer = self.ask(*request)
        self.close()
        return answer

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Timed(Simulated):
    """And with a clock that can be set, for all that runs on it."""

    def __init__(self, period_s=300):
        super().__init__(period_s)
        module = self.folder / "prefix/simulated_clock.so"
        shutil.copy(BUILD / "tests/simulated_clock.so", module)
        (self.etc / "ld.so.preload").write_text(f"{module}\n")
        self.clock = self.etc / "craton-test-clock"
        self.step_s = 0
        self.set_clock(0)

    def set_clock(self, step_s):
        """So many seconds before or behind the machine's own."""
        with open(self.clock, "r+b" if self.clock.exists() else "wb") as f:
            f.write(struct.pack("=q", step_s * 10**9))
        self.step_s = step_s

    def now(self):
        return time.time() + self.step_s


@contextlib.contextmanager
def simulated(known, ready, *options, period_s=300, kind=Simulated):
    """A platform that has known people, of whom the first `ready` can start at once; nothing runs yet."""
    with running(*options, kind=lambda: kind(period_s)) as p:
        p.end()
        p.people(known, ready)
        p.start(*options)
        yield p
