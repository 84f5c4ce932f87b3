#!/usr/bin/env python3
"""Dask clusters on demand: Craton beside dask-gateway-server with its own proxy, the same client, scheduler and workers on both sides.

    ENV/bin/python3 bench/gateway/run.py [--small] [--prefix /opt/craton] [--build build] [--pairs 5] [--sides craton,dask-gateway]

As root, on a machine that does nothing else. ENV is the environment of the tests (./check makes it), which has dask-gateway-server; other
sides: craton-plain (no prepared parent). Each run starts its side from nothing and makes one cluster that is not counted; then it measures

  (a) one cluster: seconds from the request until its scheduler is there, until two workers are, and until the first result
  (b) many at once, each with a worker and a result: how many succeed, seconds until each has its result, CPU seconds of the machine
      without the client's
  (c) seconds that a submit takes: of those (the client, which sends all at once, is part of it), and of more that come one after the other
      while those start
  (d) proportional memory (PSS): before the first cluster, with the many there, and after they are gone; of the control plane (cratond, hub, HAProxy;
      the peer's server and proxy), of the prepared parents, which Craton has beside it, and of all schedulers and workers, whose pages
      the parents share

Sides alternate. Every run has a limit of time, and whatever happens nothing of it stays. One JSON object per run goes to bench/results/.

dask-gateway-server runs with its local backend (all processes under one user id, no control groups, no limits), its proxy, a password for
all, SQLite; and with `dask scheduler` and `dask worker`, since the commands that it has by default are gone from distributed. Workers have
a nanny there, as is its default. Craton runs as it is installed: all that its people run lies in one control group, which on a busy machine has
the weight of one process against all others, so that "many" says nothing there.
"""
import argparse
import asyncio
import contextlib
import json
import os
import platform as machine
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/wire"))
TICK = os.sysconf("SC_CLK_TCK")
PEOPLE = [f"guest{i}" for i in range(5)]
SMALL = {"worker_memory": 0.5}
RUN_LIMIT_S, WAIT_S = 900, 300


def cpu_seconds():
    """Of the whole machine since it started, all that is not idle."""
    fields = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:8])) / TICK


def own_cpu():
    t = os.times()
    return t.user + t.system


def processes():
    """(pid, parent, user id, arguments) of all."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            yield int(folder.name), parent, folder.stat().st_uid, (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")


def below(pid):
    """(pid, user id, arguments) of this process and those that came from it."""
    found, everything = {pid}, list(processes())
    while more := {p for p, parent, _, _ in everything if parent in found} - found:
        found |= more
    return [(p, uid, line) for p, _, uid, line in everything if p in found]


def pss_mib(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += sum(int(line.split()[1]) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))
    return total / 1024


def split(pid, kind):
    """Proportional memory of this process and those that came from it, by kind(user id, arguments)."""
    pids = {"control": [], "prepared": [], "clusters": []}
    for p, uid, line in below(pid):
        pids[kind(uid, line)].append(p)
    return {k: round(pss_mib(v), 1) for k, v in pids.items()}


class Craton:
    def __init__(self, options, folder, prepared=True):
        os.environ["CRATON_PREFIX"], os.environ["CRATON_BUILD"] = str(options.prefix), str(options.build)
        import hub_client
        self.platform, self.prepared = hub_client.Platform(), prepared
        self.wait_for = hub_client.wait_for

    def start(self):
        self.platform.start("--preimport", "yes" if self.prepared else "no", "--gateway-memory", "64G", "--gateway-clusters", "100")
        admin = self.platform.administrator()
        from gateway_client import Member
        self.members = {name: Member(self.platform, admin, name) for name in PEOPLE}
        self.address = self.members[PEOPLE[0]].address
        if self.prepared:
            self.platform.wait_prepared()

    def warm(self):
        """Its first cluster begins the parent."""
        if self.prepared:
            self.wait_for(lambda: "prepared parent is ready of=clusters" in self.platform.log.read_text(), 60)

    def password(self, name):
        return self.members[name].token

    def memory(self):
        first = self.platform.uid_first
        return split(self.platform.process.pid, lambda uid, line: "clusters" if first <= uid < first + 10000 else
                     "prepared" if "/share/craton/start/prepared.py " in line else "control")

    def stop(self):
        self.platform.stop()
        shutil.rmtree(self.platform.folder, ignore_errors=True)


class DaskGateway:
    def __init__(self, options, folder):
        import gateway_world
        import secrets
        self.secret = secrets.token_hex(16)
        self.server = gateway_world.RealServer(folder / "gateway", gateway_world.BY_PASSWORD % {"password": self.secret} +
                                               "c.ClusterConfig.cluster_max_workers = 4\n")
        self.address = self.server.url.removesuffix("/api")

    def start(self):
        self.server.wait()

    def warm(self):
        pass

    def password(self, name):
        return self.secret

    def memory(self):
        return split(self.server.process.pid, lambda uid, line: "clusters" if "/dask " in line or "multiprocessing" in line else "control")

    def stop(self):
        self.server.stop()
        mark = f"DASK_GATEWAY_API_URL={self.server.url}\0".encode()
        for pid, *_ in list(processes()):                  # what it has left running
            with contextlib.suppress(OSError):
                if mark in Path(f"/proc/{pid}/environ").read_bytes():
                    os.kill(pid, signal.SIGKILL)


def make(kind, options, folder):
    return DaskGateway(options, folder) if kind == "dask-gateway" else Craton(options, folder, prepared=kind == "craton")


def connect(side, name, **more):
    from dask_gateway import Gateway
    from dask_gateway.auth import BasicAuth
    return Gateway(side.address, auth=BasicAuth(name, side.password(name)), **more)


def one_cluster(gateway, workers, note):
    """From the request to the first result; note(word) at each step."""
    name = gateway.submit(**SMALL)
    note("submit")
    with gateway.connect(name, shutdown_on_close=False) as cluster:
        try:
            note("running")
            cluster.scale(workers)
            with cluster.get_client(set_as_default=False) as client:
                client.wait_for_workers(workers, timeout=WAIT_S)
                note("workers")
                result = client.submit(sum, [1, 2, 3]).result(WAIT_S)
                note("result")
                assert result == 6, result
        finally:
            gateway.stop_cluster(name)
    return name


def wait_gone(side, names=PEOPLE):
    """Nothing of the clusters is left."""
    end = time.monotonic() + WAIT_S
    for name in names:
        with connect(side, name) as gateway:
            while gateway.list_clusters(status=("pending", "running", "stopping")):
                if time.monotonic() > end:
                    raise TimeoutError("clusters do not stop")
                time.sleep(0.2)


class Stopwatch:
    def __init__(self):
        self.begin, self.seconds = time.monotonic(), {}

    def __call__(self, word):
        self.seconds[word] = time.monotonic() - self.begin


class Visitors(threading.Thread):
    """Many people with one cluster each, who ask at the same moment; all in one loop, since threads would wait for each other."""

    def __init__(self, side, n):
        super().__init__(daemon=True)
        self.side, self.names = side, [PEOPLE[i % len(PEOPLE)] for i in range(n)]
        self.watches, self.errors = [Stopwatch() for _ in self.names], {}
        self.known, self.go = threading.Barrier(2), threading.Event()

    def run(self):
        asyncio.run(self.all())

    async def all(self):
        async with contextlib.AsyncExitStack() as stack:
            gateways = [await stack.enter_async_context(connect(self.side, name, asynchronous=True)) for name in self.names]
            for gateway in gateways:
                await gateway.list_clusters()              # signs in
            self.known.wait(WAIT_S)
            self.go.wait(WAIT_S)
            await asyncio.gather(*(self.one(i, gateway) for i, gateway in enumerate(gateways)))

    async def one(self, i, gateway):
        note = self.watches[i] = Stopwatch()
        try:
            await asyncio.wait_for(self.cluster(gateway, note), WAIT_S)
        except Exception as e:  # noqa: BLE001
            self.errors[i] = repr(e)[:300]

    async def cluster(self, gateway, note):
        name = await gateway.submit(**SMALL)
        note("submit")
        try:
            async with gateway.connect(name, shutdown_on_close=False) as cluster:
                note("running")
                await cluster.scale(1)
                async with cluster.get_client(set_as_default=False) as client:
                    result = await client.submit(sum, [1, 2, 3]).result()
                    note("result")
                    assert result == 6, result
        finally:
            await gateway.stop_cluster(name)


def late_submits(side, visitors, n):
    """While the many start: after each of them was submitted, or has failed to be."""
    end, seconds = time.monotonic() + WAIT_S, []
    while not all(w.seconds or i in visitors.errors for i, w in enumerate(visitors.watches)) and time.monotonic() < end:
        time.sleep(0.01)
    with connect(side, PEOPLE[0]) as gateway:
        gateway.list_clusters()
        for _ in range(n):
            begin = time.monotonic()
            name = gateway.submit(**SMALL)
            seconds.append(time.monotonic() - begin)
            gateway.stop_cluster(name)
    return seconds


def spread(seconds):
    return {"median": statistics.median(seconds), "max": max(seconds)} if seconds else None


def many(side, n):
    visitors = Visitors(side, n)
    visitors.start()
    visitors.known.wait(WAIT_S)
    mark = cpu_seconds(), own_cpu(), time.monotonic()
    visitors.go.set()
    late = late_submits(side, visitors, max(2, n // 4))
    there = side.memory()
    visitors.join(WAIT_S + 60)
    own, wall = own_cpu() - mark[1], time.monotonic() - mark[2]
    cpu = cpu_seconds() - mark[0] - own
    wait_gone(side)
    times = [w.seconds for w in visitors.watches]
    result = {"clusters": n, "succeeded": sum("result" in t and i not in visitors.errors for i, t in enumerate(times)), "errors": list(visitors.errors.values()),
              "wall_s": wall, "cpu_s": cpu, "client_cpu_s": own, "late_submit_s": spread(late), "pss_mib": there}
    for word in ("submit", "running", "result"):
        result[f"{word}_s"] = spread([t[word] for t in times if word in t])
    return result


def measure(side, options):
    idle = side.memory()
    with connect(side, PEOPLE[0]) as gateway:
        one_cluster(gateway, 1, Stopwatch())
        side.warm()
        wait_gone(side, PEOPLE[:1])
        mark, watch = (cpu_seconds(), own_cpu()), Stopwatch()
        one_cluster(gateway, 2, watch)
        one = {f"{word}_s": s for word, s in watch.seconds.items()}
        one["cpu_s"] = cpu_seconds() - mark[0] - (own_cpu() - mark[1])
        wait_gone(side, PEOPLE[:1])
    burst = many(side, options.clusters)
    return {"one": one, "many": burst, "pss_mib": {"idle": idle, "many": burst.pop("pss_mib"), "after": side.memory()}}


def too_late(*_):
    raise TimeoutError(f"not done after {RUN_LIMIT_S} s")


def run_once(kind, options):
    import dask_gateway
    # It raises when its loop was stopped before (dask-gateway 2026.3); everything here is closed by hand.
    dask_gateway.Gateway.__del__ = lambda self: None
    folder, side = Path(tempfile.mkdtemp(prefix="craton-bench-", dir="/tmp")), None
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(RUN_LIMIT_S)
    try:
        side = make(kind, options, folder)
        side.start()
        return measure(side, options)
    except Exception as e:  # noqa: BLE001
        return {"failed": repr(e)[:500]}
    finally:
        signal.alarm(0)
        if side:
            side.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prefix", type=Path, default=Path(os.environ.get("CRATON_PREFIX", "/opt/craton")))
    parser.add_argument("--build", type=Path, default=Path(os.environ.get("CRATON_BUILD", ROOT / "build")))
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--clusters", type=int)
    parser.add_argument("--small", action="store_true", help="one pair, four clusters: to try it out")
    parser.add_argument("--sides", default="craton,dask-gateway")
    parser.add_argument("--output", type=Path, default=ROOT / "bench/results" / f"gateway-{time.strftime('%Y-%m-%d')}.jsonl")
    options = parser.parse_args()
    options.pairs = options.pairs or (1 if options.small else 5)
    options.clusters = options.clusters or (4 if options.small else 20)
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    about = {"cpus": os.cpu_count(), "cpu": model, "kernel": machine.release(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    failed = 0
    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, lambda *_: sys.exit(1))
    for pair in range(options.pairs):
        for kind in options.sides.split(","):
            result = {**about, "pair": pair, "side": kind, "load": os.getloadavg()[0], **run_once(kind, options)}
            failed += "failed" in result
            with options.output.open("a") as f:
                f.write(json.dumps(result) + "\n")
            print(json.dumps({k: v for k, v in result.items() if k not in about}), flush=True)
    sys.stdout.flush()
    os._exit(failed > 0)                                   # loops of clients that hang are nobody's any more


if __name__ == "__main__":
    main()
