"""People come and go at about fifty times the natural rate, and nothing grows: memory, descriptors and threads of hub, helper and proxy, the
database and its log.

A class of a hundred people with two visits a day each is a visit in seven minutes; here one begins every few seconds for three minutes, or for as many
seconds as CRATON_SOAK says (an hour, by hand: CRATON_SOAK=3600 ./check soak). A visit is a sign-in with the password, the home page, a start, use, a
token that is used and ends, now and then a cluster that fails and a person who is made and removed, and then a stop, a sign-out, or nothing, and
the rule about idle servers ends it. The servers are simulated (tests/simulated); all else is the product.

What is measured is compared between the second and the last quarter, so that what fills once (caches, the audit log, which is short here) does not count.
Memory is that at rest, when nobody is in the middle of a visit, at half of the time and at the end: a password is hashed in 64 MiB, which are given back.
"""
import http.client
import json
import os
import random
import re
import socket
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from hub_client import Person, wait_for
from simulated import Client, simulated

SECONDS = int(os.environ.get("CRATON_SOAK", "180"))
SEED = int(os.environ.get("CRATON_SEED", "1"))
KNOWN, PEOPLE, VISITORS, SAMPLE_S = 2000, 40, 4, 3
IDLE_S, AUDIT_ROWS = 12, 400
OPTIONS = ("--idle", str(IDLE_S), "--idle-warning", "3", "--audit-rows", str(AUDIT_ROWS), "--reserve", "0", "--breaker", "0")
# How much more in the last quarter than in the second one, at most.
GROWTH = {"memory_kib": 2048, "files": 24, "threads": 1}
DATABASE_BYTES, WAL_BYTES = 512 << 10, 8 << 20
# HAProxy keeps who a token is for a day, for 100,000 of them (34 MiB); each visit here makes one. What one takes, as measured over 20,000.
TOKEN_BYTES = 352
# libmicrohttpd, HAProxy and SQLite keep what they need at most; these are the ceilings whatever the growth.
HUB_MOST_KIB = 40 << 10


class Visitor(threading.Thread):
    """One after the other, its people come, work and go."""

    def __init__(self, platform, names, seed, end, gate):
        super().__init__(daemon=True)
        self.gate, self.busy = gate, False
        self.platform, self.names, self.rng, self.end = platform, names, random.Random(seed), end
        self.visits, self.errors, self.culled = 0, [], 0

    def run(self):
        while time.monotonic() < self.end and len(self.errors) < 3:
            self.gate.wait(300)
            self.busy = True
            name = self.rng.choice(self.names)
            try:
                self.visit(name)
                self.visits += 1
            except Exception as e:  # noqa: BLE001
                self.errors.append(f"{name}: {e!r}"[:600])
            self.busy = False

    def visit(self, name):
        person = Person(self.platform)
        assert person.sign_in(name).status == 303
        person.name = name
        assert person.get("/hub/home").status == 200
        self.start_server(person)
        self.use(person)
        self.tokens(person)
        if self.rng.random() < 0.1:
            self.cluster(person)
        if self.rng.random() < 0.1:
            self.newcomer()
        how = self.rng.random()
        if how < 0.6:
            assert person.post("/hub/stop", {}, "/hub/home").status == 303
            wait_for(lambda: not self.servers(person), 60)
        else:
            self.culled += 1          # the rule ends it while others come
        # Some never sign out: a person has at most a hundred sessions.
        if name not in self.names[:2]:
            assert person.post("/hub/logout", {}, "/hub/home").status in (200, 303)

    def servers(self, person):
        return person.api("GET", f"/hub/api/users/{person.name}").json()["servers"]

    def start_server(self, person):
        def ready():
            server = self.servers(person).get("", {})
            if not server:
                person.post("/hub/spawn", {}, "/hub/home")
            return server.get("ready")
        wait_for(ready, 60, 0.2)

    def use(self, person):
        """On a slow machine the rule about idle servers can be quicker than its person, who then starts it again."""
        for _ in range(3):
            if self.used(person):
                return
            self.start_server(person)
        raise AssertionError("its server was stopped three times before it could be used")

    def used(self, person):
        """False: it does not run any more."""
        c = http.client.HTTPConnection("127.0.0.1", self.platform.port + 1, timeout=30)
        for _ in range(3):
            c.request("GET", f"/user/{person.name}/simulated/use", headers={"Host": f"{person.name}.localhost:{self.platform.port + 1}"})
            answer = c.getresponse()
            answer.read()
            if answer.status == 424:
                c.close()
                return False
            assert answer.status == 200 and answer.headers["X-Simulated"] == person.name
        c.close()
        return True

    def tokens(self, person):
        made = person.api("POST", f"/hub/api/users/{person.name}/tokens", {"expires_in": 2, "note": "soak"})
        assert made.status == 201, made.text
        assert Client(self.platform, made.json()["token"]).once("GET", "/hub/api/user")[0] == 200

    def cluster(self, person):
        """There is no dask in the prefix: it fails, and stands in the history with its log."""
        made = person.api("POST", f"/hub/api/users/{person.name}/tokens", {"expires_in": 60})
        client = Client(self.platform, made.json()["token"])
        status, text = client.once("POST", "/services/dask-gateway/api/v1/clusters/", json.dumps({"cluster_options": {}}))
        assert status in (201, 429, 409, 422), (status, text)

    def newcomer(self):
        name = f"new{self.rng.randrange(10**9)}"
        assert self.platform.api("POST", f"/hub/api/users/{name}")[0] == 201
        assert self.platform.api("DELETE", f"/hub/api/users/{name}")[0] == 204


def number(text, key):
    return int(re.search(rf"^{key}:\s+(\d+)", text, re.M).group(1))


def tokens_at_the_proxy(platform):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(str(platform.run / "proxy.sock"))
        s.sendall(b"show table api_tokens\n")
        return int(re.search(r"used:(\d+)", s.makefile().readline()).group(1))


def sample(pids):
    row = {}
    for who, pid in pids.items():
        status = Path(f"/proc/{pid}/status").read_text()
        row[who] = {"memory_kib": number(status, "VmRSS"), "threads": number(status, "Threads"), "files": len(os.listdir(f"/proc/{pid}/fd"))}
    return row


def quarter(rows, which):
    n = len(rows) // 4
    return rows[n * which:n * (which + 1)]


@pytest.mark.timeout(SECONDS + 900)
def test_soak():
    print(f"seed {SEED}, {SECONDS} s")
    with simulated(KNOWN, PEOPLE, *OPTIONS, period_s=5) as platform:
        give_passwords(platform)
        pids = {"hub": platform.hub_pid(), "helper": platform.process.pid, "proxy": int((platform.run / "haproxy.pid").read_text().split()[0])}
        gate, end, half = threading.Event(), time.monotonic() + SECONDS, time.monotonic() + SECONDS / 2
        gate.set()
        shares = [platform.names[n:PEOPLE:VISITORS] for n in range(VISITORS)]
        visitors = [Visitor(platform, share, f"{SEED} {n}", end, gate) for n, share in enumerate(shares)]
        for v in visitors:
            v.start()
        rows, sizes, rest = [], [], []
        while time.monotonic() < end and not any(len(v.errors) >= 3 for v in visitors):
            time.sleep(SAMPLE_S)
            rows.append(sample(pids))
            if not rest and time.monotonic() > half:
                gate.clear()
                wait_for(lambda: not any(v.busy for v in visitors), 200)
                rest.append({**sample(pids), "tokens": tokens_at_the_proxy(platform)})
                gate.set()
            sizes.append([Path(f"{platform.database}{suffix}").stat().st_size for suffix in ("", "-wal")])
        for v in visitors:
            v.join(200)
        visits = sum(v.visits for v in visitors)
        errors = [e for v in visitors for e in v.errors]
        print(f"{visits} visits, {sum(v.culled for v in visitors)} left to the rule, {platform.log.read_text().count('why=idle')} ended by it")
        assert not errors, f"seed {SEED}: {errors}"
        assert {who: platform_pid(platform, who) for who in pids} == pids, "something was started again"
        rest.append({**sample(pids), "tokens": tokens_at_the_proxy(platform)})
        judge(rows, rest, sizes, visits)
        wait_for(lambda: not platform.processes(), 120, 0.5)       # the last ones end by the rule


def judge(rows, rest, sizes, visits):
    problems = []
    for who in rows[0]:
        for what, allowed in GROWTH.items():
            early, late = (max(r[who][what] for r in quarter(rows, q)) for q in (1, 3))
            if what == "memory_kib":
                early, late = rest[0][who][what], rest[-1][who][what]
                if who == "proxy":
                    tokens = rest[-1]["tokens"] - rest[0]["tokens"]
                    print(f"{tokens} tokens more at the proxy")
                    allowed += tokens * TOKEN_BYTES // 1024
            print(f"{who:7s} {what:11s} {early:8d} -> {late:8d}")
            if late > early + allowed:
                problems.append(f"{what} of {who}: {early} then, {late} at the end")
    if rest[-1]["hub"]["memory_kib"] > HUB_MOST_KIB:
        problems.append("the hub needs more than 40 MiB at rest")
    early, late = (max(s[0] for s in quarter(sizes, q)) for q in (1, 3))
    wal = max(s[1] for s in sizes)
    print(f"database {early} -> {late}, its log at most {wal}")
    if late > early + DATABASE_BYTES:
        problems.append(f"the database: {early} bytes in the second quarter, {late} in the last one")
    if wal > WAL_BYTES:
        problems.append(f"the database's log has grown to {wal} bytes")
    if visits < len(rows) * SAMPLE_S / 30:
        problems.append(f"only {visits} visits: this shows nothing")
    assert not problems, f"seed {SEED}: {problems}"


def platform_pid(platform, who):
    if who == "hub":
        return platform.hub_pid()
    return platform.process.pid if who == "helper" else int((platform.run / "haproxy.pid").read_text().split()[0])


def give_passwords(platform):
    """The people who come have the one that somebody has chosen, hashed as the hub does it."""
    admin = platform.administrator_here()
    platform.add_person(admin, "chooser")
    with sqlite3.connect(platform.database, timeout=30) as db:
        hashed = db.execute("SELECT password FROM users WHERE name = 'chooser'").fetchone()[0]
        db.executemany("UPDATE users SET password = ? WHERE name = ?", [(hashed, name) for name in platform.names[:PEOPLE]])
    db.close()
