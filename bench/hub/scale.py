#!/usr/bin/env python3
"""The control plane with 10,000 known people and 1,000 servers that run: Craton beside JupyterHub.

    ENV/bin/python3 bench/hub/scale.py [--prefix /opt/craton] [--build build] [--known 10000] [--servers 1000] [--sides craton,jupyterhub]

As root, on a machine that does nothing else. ENV is the environment of the tests (./check makes it), which has JupyterHub. User servers are
simulated on both sides: with Craton each is a process of its own that the product starts, watches and routes to (tests/simulated); with JupyterHub they are
addresses at one small program that answers for all, so that the hub does what it does with real ones and nothing else costs anything.

  start    seconds from the start of the program until it answers and knows what runs: everything anew, and the hub alone after a kill -9
  memory   peak (VmHWM) and proportional (PSS) of the hub; with Craton of helper and proxy, too
  lists    milliseconds of the administrator's page, and of GET /hub/api/users: first and last page of 200, those with a server
  mix      requests that programs make of a hub: 4 of 10 who a token is, 3 activity, 2 one person, 1 the version; each with the token of a user
           server. Requests for each CPU second of the hub, over connections that stay, at the hub's own socket; with Craton once more through
           HAProxy, its CPU counted
  signing  with Craton: eight people who sign in with a password, four at a time: peak of the hub meanwhile, and what it holds afterwards
  quiet    with Craton: every server says its activity again, unchanged, and a minute goes by, in which the hub would write what is new: does it commit
           anything (SQLite's data_version, as another connection sees it), or change the database's files in any way (size, time, blocks)

One JSON object per side goes to bench/results/, and the bars of the plan are printed with what was measured. --small tries it out.
"""
import argparse
import contextlib
import http.client
import json
import multiprocessing
import os
import platform as machine
import random
import secrets
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")
CLIENTS, SEED = 4, 20261124
MIX = (["who"] * 4, ["activity"] * 3, ["person"] * 2, ["version"])
ACTIVITY = "2026-01-01T00:00:00Z"


def cpu_of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_of(pid):
    peak = next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:"))
    pss = next(int(line.split()[1]) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))
    return {"peak_mib": round(peak / 1024, 1), "pss_mib": round(pss / 1024, 1)}


def timed(ask, times):
    """Milliseconds; the first is not counted."""
    seconds = []
    for _ in range(times + 1):
        begin = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - begin)
    return {"median_ms": round(statistics.median(seconds[1:]) * 1000, 2), "max_ms": round(max(seconds[1:]) * 1000, 2)}


class TcpConnection(http.client.HTTPConnection):
    def __init__(self, address):
        super().__init__(*address, timeout=120)


def send_mix(connect, host, base, people, n, seed, errors):
    """One process of those that ask: n requests of the mix, as the servers of these people, [(name, token)]."""
    rng, connection = random.Random(seed), connect()
    kinds = sum(MIX, [])
    for _ in range(n):
        name, token = rng.choice(people)
        kind, body = rng.choice(kinds), None
        headers = {"Host": host, "Authorization": f"token {token}"}
        method, path = "GET", f"{base}/user"
        if kind == "activity":
            method, path, body = "POST", f"{base}/users/{name}/activity", json.dumps({"servers": {"": {"last_activity": ACTIVITY}}, "last_activity": ACTIVITY})
            headers["Content-Type"] = "application/json"
        elif kind == "person":
            path = f"{base}/users/{name}"
        elif kind == "version":
            path = f"{base}/"
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200 or (kind == "who" and json.loads(text)["name"] != name):
            errors.put(f"{method} {path}: {answer.status} {text[:200]}")
            return


def mix(connect, host, base, people, n, pids):
    errors = multiprocessing.Queue()
    clients = [multiprocessing.Process(target=send_mix, args=(connect, host, base, people, n // CLIENTS, SEED + i, errors)) for i in range(CLIENTS)]
    before, begin = sum(map(cpu_of, pids)), time.monotonic()
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    wall, cpu = time.monotonic() - begin, sum(map(cpu_of, pids)) - before
    if not errors.empty():
        raise RuntimeError(errors.get())
    return {"requests": n, "cpu_s": round(cpu, 2), "wall_s": round(wall, 2), "per_cpu_s": round(n / cpu), "per_s": round(n / wall)}


# ---- Craton ----

def token_of(pid):
    for line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
        if line.startswith(b"JUPYTERHUB_API_TOKEN="):
            return line.partition(b"=")[2].decode()
    return None


def server_tokens(platform):
    found, begin = [], f"--ServerApp.sock={platform.run}/u/".encode()
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            word = next((w for w in line.read_bytes().split(b"\0") if w.startswith(begin)), None)
            if word:
                found.append((word.removeprefix(begin).split(b"/")[0].decode(), token_of(line.parent.name)))
        except OSError:
            pass
    return found


def seconds_to_ready(platform, begin):
    """Polled at the socket of the hub, quickly: the start itself is what is measured."""
    from simulated import UnixConnection
    while True:
        try:
            c = UnixConnection(platform.api_socket())
            c.request("GET", "/hub/health", headers={"Host": platform.hub.partition("://")[2]})
            answer = json.loads(c.getresponse().read())
            c.close()
            if not answer.get("recovering", True):
                return round(time.monotonic() - begin, 3)
        except (OSError, ValueError, http.client.HTTPException):
            pass
        if time.monotonic() - begin > 120:
            raise TimeoutError(platform.log.read_text()[-2000:])
        time.sleep(0.005)


def start_again(platform):
    platform.end("--keep-servers")
    log, begin = open(platform.log, "ab"), time.monotonic()
    from simulated import CONTROL
    platform.process = subprocess.Popen(platform.cratond("--port", str(platform.port), "--uid-first", str(platform.first), "--memory", "1G", *CONTROL),
                                        stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    whole = seconds_to_ready(platform, begin)
    begin = time.monotonic()
    os.kill(platform.hub_pid(), signal.SIGKILL)
    return {"anew_s": whole, "hub_s": seconds_to_ready(platform, begin)}


def lists_of_craton(platform):
    admin, last = platform.administrator_here(), len(platform.names) - 200
    paged = {"Accept": "application/jupyterhub-pagination+json"}
    from simulated import Client
    client = Client(platform)

    def users(query):
        status, text = client.ask("GET", f"/hub/api/users?{query}", headers=paged)
        assert status == 200 and json.loads(text)["items"], (status, text[:200])

    def page(path):
        assert admin.get(path).status == 200
    return {"page": timed(lambda: page("/hub/admin"), 20), "page_last": timed(lambda: page(f"/hub/admin?offset={last}"), 20),
            "users_first": timed(lambda: users("limit=200"), 20), "users_last": timed(lambda: users(f"limit=200&offset={last}"), 20),
            "users_50": timed(lambda: users("limit=50"), 20),
            "users_ready": timed(lambda: users("state=ready&limit=200"), 20), "users_sorted": timed(lambda: users("sort=-last_activity&limit=200"), 20)}


def files_of(database):
    """What a file system knows of the database and its log; not of the index beside them, which readers share in memory."""
    found = [os.stat(path) for path in (database, f"{database}-wal")]
    return [(st.st_size, st.st_mtime_ns, st.st_blocks) for st in found]


def quiet(platform, tokens):
    from simulated import Client
    say = json.dumps({"servers": {"": {"last_activity": ACTIVITY}}, "last_activity": ACTIVITY})
    with contextlib.closing(sqlite3.connect(f"file:{platform.database}?mode=ro", uri=True)) as db:
        def look():
            return db.execute("PRAGMA data_version").fetchone(), files_of(platform.database)
        time.sleep(65)                     # what was to be written has been
        version, files = look()
        for name, token in tokens:
            assert Client(platform, token).once("POST", f"/hub/api/users/{name}/activity", say)[0] == 200
        time.sleep(65)
        after = look()
    return {"posts": len(tokens), "commits": version != after[0], "written": (version, files) != after}


def signing(platform):
    from argon2 import PasswordHasher
    from hub_client import PASSWORD, Person
    names, stored = platform.names[:8], PasswordHasher(time_cost=3, memory_cost=65536, parallelism=1).hash(PASSWORD)
    with sqlite3.connect(platform.database, timeout=30) as db:
        db.executemany("UPDATE users SET password = ? WHERE name = ?", [(stored, name) for name in names])
    db.close()
    hub = platform.hub_pid()
    Path(f"/proc/{hub}/clear_refs").write_text("5")        # the peak begins anew
    begin, before = time.monotonic(), cpu_of(hub)
    with ThreadPoolExecutor(4) as four:
        assert {answer.status for answer in four.map(lambda name: Person(platform).sign_in(name), names)} == {303}
    wall, cpu, meanwhile = time.monotonic() - begin, cpu_of(hub) - before, memory_of(hub)
    return {"people": len(names), "wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "peak_mib": meanwhile["peak_mib"], "rest_pss_mib": memory_of(hub)["pss_mib"]}


class UnixTo:
    def __init__(self, path):
        self.path = path

    def __call__(self):
        from simulated import UnixConnection
        return UnixConnection(self.path)


class TcpTo:
    def __init__(self, host, port):
        self.address = host, port

    def __call__(self):
        return TcpConnection(self.address)


def craton(options):
    os.environ["CRATON_PREFIX"], os.environ["CRATON_BUILD"] = str(options.prefix), str(options.build)
    sys.path[:0] = [str(ROOT / "tests/simulated"), str(ROOT / "tests/wire")]
    from simulated import simulated
    with simulated(options.known, options.servers, period_s=3600) as platform:
        proxy = int((platform.run / "haproxy.pid").read_text().split()[0])
        before = cpu_of(platform.hub_pid()) + cpu_of(platform.process.pid) + cpu_of(proxy)
        begin = time.monotonic()
        platform.start_servers(platform.names[:options.servers])
        result = {"servers_wall_s": round(time.monotonic() - begin, 1),
                  "servers_cpu_s": round(cpu_of(platform.hub_pid()) + cpu_of(platform.process.pid) + cpu_of(proxy) - before, 1)}
        result["start"] = start_again(platform)
        assert platform.count_ready() == options.servers or time.sleep(3) or platform.count_ready() == options.servers
        result["lists"] = lists_of_craton(platform)
        tokens, hub, host = server_tokens(platform), platform.hub_pid(), platform.hub.partition("://")[2]
        assert len(tokens) == options.servers
        result["mix"] = mix(UnixTo(str(platform.api_socket())), host, "/hub/api", tokens, options.requests, [hub])
        proxy = int((platform.run / "haproxy.pid").read_text().split()[0])
        result["mix_through_haproxy"] = mix(TcpTo("127.0.0.1", platform.port + 2), f"127.0.0.1:{platform.port + 2}", "/hub/api", tokens, options.requests // 2, [hub, proxy])
        begin, marks = time.monotonic(), {"hub": cpu_of(hub), "helper": cpu_of(platform.process.pid), "proxy": cpu_of(proxy)}
        if not options.small:
            result["quiet"] = quiet(platform, tokens)
            now = {"hub": cpu_of(hub), "helper": cpu_of(platform.process.pid), "proxy": cpu_of(proxy)}
            result["idle_cpu_percent"] = {who: round(100 * (now[who] - marks[who]) / (time.monotonic() - begin), 2) for who in marks}
        result["memory"] = {"hub": memory_of(hub), "helper": memory_of(platform.process.pid), "proxy": memory_of(proxy)}
        result["signing"] = signing(platform)
        result["database_mib"] = round(platform.database.stat().st_size / 2**20, 1)
        return result


# ---- JupyterHub ----

CONFIG = """
import json
from jupyterhub.proxy import Proxy
from jupyterhub.spawner import Spawner

class NoProxy(Proxy):
    should_start = False
    routes = {}
    async def add_route(self, routespec, target, data): self.routes[routespec] = {"routespec": routespec, "target": target, "data": data}
    async def delete_route(self, routespec): self.routes.pop(routespec, None)
    async def get_all_routes(self): return dict(self.routes)

class Simulated(Spawner):
    on = False
    def load_state(self, state): self.on = state.get("on", False)
    def get_state(self): return {"on": self.on}
    def clear_state(self): self.on = False
    async def start(self):
        self.on = True
        with open("tokens", "a") as f:
            f.write(f"{self.user.name} {self.api_token}\\n")
        return ("127.0.0.1", %(stub)d)
    async def stop(self, now=False): self.on = False
    async def poll(self): return None if self.on else 0

c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.spawner_class = Simulated
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {"root1"}
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.bind_url = "http://127.0.0.1:%(public)d/"
c.JupyterHub.hub_ip = "127.0.0.1"
c.JupyterHub.hub_port = %(hub)d
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.cookie_secret_file = "cookie"
c.JupyterHub.api_tokens = {"%(token)s": "root1"}
c.JupyterHub.log_level = "WARN"
"""


class Stub(BaseHTTPRequestHandler):
    """All user servers of the peer."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("X-JupyterHub-Version", "6.1.1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


class JupyterHub:
    def __init__(self, folder):
        sys.path.insert(0, str(ROOT / "tests/wire"))
        from hub_client import free_ports
        self.folder, self.public = folder, free_ports()
        self.port, self.token = self.public + 1, secrets.token_hex(16)
        stub = ThreadingHTTPServer(("127.0.0.1", self.public + 2), Stub)
        threading.Thread(target=stub.serve_forever, daemon=True).start()
        (folder / "config.py").write_text(CONFIG % {"stub": self.public + 2, "public": self.public, "hub": self.port, "token": self.token})

    def start(self):
        begin = time.monotonic()
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([Path(sys.executable).parent / "jupyterhub", "-f", "config.py"], cwd=self.folder, stdout=log, stderr=log)
        while True:
            try:
                c = TcpConnection(("127.0.0.1", self.port))
                c.request("GET", "/hub/health")
                c.getresponse().read()
                return round(time.monotonic() - begin, 3)
            except OSError:
                if time.monotonic() - begin > 300 or self.process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()[-2000:]) from None
                time.sleep(0.02)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def people(self, known):
        with sqlite3.connect(self.folder / "hub.sqlite") as db:
            role = db.execute("SELECT id FROM roles WHERE name = 'user'").fetchone()[0]
            db.executemany("INSERT INTO users (name, admin, created, last_activity, cookie_id) VALUES (?, 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00', ?)",
                           [(f"u{n:05d}", secrets.token_hex(16)) for n in range(known)])
            db.execute("INSERT INTO user_role_map (user_id, role_id, managed_by_auth) SELECT id, ?, 0 FROM users WHERE name GLOB 'u[0-9]*'", (role,))
            db.execute("INSERT INTO spawners (user_id, name) SELECT id, '' FROM users WHERE name GLOB 'u[0-9]*'")
        db.close()

    def ask(self, method, path, headers=()):
        c = TcpConnection(("127.0.0.1", self.port))
        c.request(method, path, headers={"Authorization": f"token {self.token}", **dict(headers)})
        answer = c.getresponse()
        text = answer.read()
        c.close()
        return answer.status, text


def jupyterhub(options):
    folder = Path(tempfile.mkdtemp(prefix="craton-bench-", dir="/tmp"))
    hub = JupyterHub(folder)
    try:
        hub.start()
        hub.kill()
        hub.people(options.known)
        result, begin = {"start": {"without_servers_s": hub.start()}}, time.monotonic()
        before = cpu_of(hub.process.pid)
        for n in range(options.servers):
            status, text = hub.ask("POST", f"/hub/api/users/u{n:05d}/server")
            assert status in (201, 202), text
        result |= {"servers_wall_s": round(time.monotonic() - begin, 1), "servers_cpu_s": round(cpu_of(hub.process.pid) - before, 1)}
        hub.kill()
        result["start"]["anew_s"] = hub.start()
        paged, last = {"Accept": "application/jupyterhub-pagination+json"}, options.known - 200

        def users(query):
            status, text = hub.ask("GET", f"/hub/api/users?{query}", paged)
            assert status == 200 and json.loads(text)["items"], text[:200]
        result["lists"] = {"users_first": timed(lambda: users("limit=200"), 8), "users_last": timed(lambda: users(f"limit=200&offset={last}"), 8),
                           "users_50": timed(lambda: users("limit=50"), 8), "users_ready": timed(lambda: users("state=ready&limit=200"), 8)}
        tokens = [tuple(line.split()) for line in (folder / "tokens").read_text().splitlines()]
        result["mix"] = mix(TcpTo("127.0.0.1", hub.port), f"127.0.0.1:{hub.port}", "/hub/api", tokens, min(options.requests, 2000), [hub.process.pid])
        result["memory"] = {"hub": memory_of(hub.process.pid)}
        return result
    finally:
        hub.kill()
        shutil.rmtree(folder, ignore_errors=True)


def bars(results):
    """What the plan asks for, and what was measured."""
    c, j = results.get("craton"), results.get("jupyterhub")
    if not c:
        return
    slow = max(v["median_ms"] for v in c["lists"].values())
    rows = [("hub's peak memory under 40 MiB", c["memory"]["hub"]["peak_mib"], c["memory"]["hub"]["peak_mib"] < 40),
            ("hub's memory at rest after sign-ins under 40 MiB", c["signing"]["rest_pss_mib"], c["signing"]["rest_pss_mib"] < 40),
            ("ready within 1 s, everything anew", c["start"]["anew_s"], c["start"]["anew_s"] < 1),
            ("ready within 1 s, the hub after kill -9", c["start"]["hub_s"], c["start"]["hub_s"] < 1),
            ("lists under 20 ms", slow, slow < 20)]
    if "quiet" in c:
        rows.append(("no write for unchanged activity", "written" if c["quiet"]["written"] else "none", not c["quiet"]["written"]))
    if j:
        times = c["mix"]["per_cpu_s"] / j["mix"]["per_cpu_s"]
        rows.append(("20 times the peer's requests for a CPU second", round(times, 1), times >= 20))
    for what, value, good in rows:
        print(f"  {'good' if good else 'BAD '} {what}: {value}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prefix", type=Path, default=Path(os.environ.get("CRATON_PREFIX", "/opt/craton")))
    parser.add_argument("--build", type=Path, default=Path(os.environ.get("CRATON_BUILD", ROOT / "build")))
    parser.add_argument("--known", type=int)
    parser.add_argument("--servers", type=int)
    parser.add_argument("--requests", type=int)
    parser.add_argument("--small", action="store_true", help="500 people, 30 servers: to try it out")
    parser.add_argument("--sides", default="craton,jupyterhub")
    parser.add_argument("--output", type=Path, default=ROOT / "bench/results" / f"hub-scale-{time.strftime('%Y-%m-%d')}.jsonl")
    options = parser.parse_args()
    options.known = options.known or (500 if options.small else 10000)
    options.servers = options.servers or (30 if options.small else 1000)
    options.requests = options.requests or (2000 if options.small else 40000)
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    about = {"cpus": os.cpu_count(), "cpu": model, "kernel": machine.release(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
             "known": options.known, "servers": options.servers}
    results = {}
    for side in options.sides.split(","):
        results[side] = {"craton": craton, "jupyterhub": jupyterhub}[side](options)
        with options.output.open("a") as f:
            f.write(json.dumps({**about, "side": side, "load": os.getloadavg()[0], **results[side]}) + "\n")
        print(json.dumps({"side": side, **results[side]}), flush=True)
    bars(results)


if __name__ == "__main__":
    main()
