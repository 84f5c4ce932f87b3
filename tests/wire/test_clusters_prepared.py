"""Schedulers and workers of Dask clusters forked from a prepared parent: they are as those that start plainly, nothing of the parent or of
another process is in them, their ends are told as before, and whatever cannot be forked starts plainly."""
import os
import pwd
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gateway_client import SMALL, Member
from hub_client import has_ended, request, running, targets, wait_for
from test_clusters_owned import Upgradable
from test_prepared import status_of

LIMITS = ("--gateway-memory", "8G", "--gateway-cores", "8", "--gateway-workers", "8", "--gateway-clusters", "6")
READY = "prepared parent is ready of=clusters"
PLAIN = {"PANDAS_OF_NOBODY": "1"}  # nothing reads it, but it begins as names do that only a new process reads


@pytest.fixture(scope="module")
def platform():
    """The first cluster begins the parent."""
    with running(prepared=True, *LIMITS) as p:
        p.admin = p.administrator()
        p.ada = Member(p, p.admin, "ada")
        assert READY not in p.log.read_text()
        with p.ada.gateway() as gateway:
            gateway.new_cluster(**SMALL).close()
        wait_parent(p)
        wait_for(lambda: not p.ada.processes(), 40)
        yield p


def wait_parent(platform, times=1):
    wait_for(lambda: platform.log.read_text().count(READY) >= times, 60)


def parent_pid(platform):
    return int(re.findall(READY + r" pid=(\d+)", platform.log.read_text())[-1])


def forked(platform, pid):
    """Says the helper's record; it is written when the process exists."""
    def look():
        for path in (platform.folder / "state/runner/servers").iterdir():
            try:
                text = path.read_text()
            except FileNotFoundError:       # of one that has just ended
                continue
            if re.search(rf"^pid {pid}$", text, re.M):
                return "1" if re.search(r"^preimported 1$", text, re.M) else "0"
    return wait_for(look, 10) == "1"


class Running:
    """A cluster with its workers and a client."""

    def __init__(self, member, workers=1, **options):
        self.gateway = member.gateway()
        self.cluster = self.gateway.new_cluster(**{**SMALL, **options})
        self.cluster.scale(workers)
        self.client = self.cluster.get_client(set_as_default=False)
        self.client.wait_for_workers(workers, timeout=90)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.client.close()
        self.cluster.close()
        self.gateway.close()

    def worker(self, function, *args):
        return next(iter(self.client.run(function, *args).values()))

    def pids(self):
        return [self.client.run_on_scheduler(os.getpid), *self.client.run(os.getpid).values()]


@pytest.fixture(scope="module")
def people(platform):
    return [Member(platform, platform.admin, name) for name in ("pia", "rosa", "vera", "zoe")]


def test_twenty_at_once(platform, people):
    """All come, each with an answer; and who asks for a cluster does not wait for those that start."""
    def one(member):
        begin = time.monotonic()
        answer = member.ask("POST", "/v1/clusters/", {"cluster_options": SMALL})
        assert answer.status == 201, answer.text
        return member, answer.json()["name"], time.monotonic() - begin

    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(one, people * 5))
    try:
        def states():
            answers = [member.ask("GET", "/v1/clusters/?status=pending,running,stopping,stopped,failed").json() for member in people]
            return [cluster["status"] for answer in answers for cluster in answer.values()]
        assert wait_for(lambda: "PENDING" not in (s := states()) and s, 90, pause=0.5) == ["RUNNING"] * 20
        print("submit, seconds:", sorted(round(took, 3) for _, _, took in made))
        assert all(forked(platform, pid) for member in people for pid in member.processes())
    finally:
        for member, name, _ in made:
            assert member.ask("DELETE", f"/v1/clusters/{name}").status == 204
    wait_for(lambda: not any(member.processes() for member in people), 60)


@pytest.fixture(scope="module")
def pair(platform):
    """The same cluster twice, of one person: forked and plain."""
    home = Path(pwd.getpwnam(platform.accounts + "ada").pw_dir)
    (home / ".config/dask").mkdir(parents=True, exist_ok=True)
    (home / ".config/dask/mine.yaml").write_text("distributed:\n  worker:\n    profile:\n      interval: 37ms\n  logging:\n    distributed.nanny: error\n")
    given = {"DASK_DISTRIBUTED__ADMIN__LOG_LENGTH": "123", "DASK_DISTRIBUTED__ADMIN__TICK__LIMIT": "7s", "GDAL_CACHEMAX": "64", "TZ": "Asia/Tokyo"}
    with Running(platform.ada, 2, environment=given) as a, Running(platform.ada, 2, environment={**given, **PLAIN}) as b:
        yield a, b


def test_which_are_forked(platform, pair):
    ours, plain = (r.pids() for r in pair)
    assert len(ours) == len(plain) == 3
    assert all(forked(platform, pid) for pid in ours) and not any(forked(platform, pid) for pid in plain)
    assert {status_of(pid)["PPid"] for pid in ours} == {str(platform.process.pid)}  # the helper, not the parent
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in ours]
    assert [line[2] for line in lines] == [b"scheduler", b"worker", b"worker"]
    assert all(line[1].endswith(b"/bin/dask") and b"prepared.py" not in b" ".join(line) for line in lines)


ABOUT = """
import ctypes, getpass, json, logging, os, resource, signal, sys, tempfile, time
import bokeh.settings, cftime, fsspec.config, netCDF4, numpy, pandas, scipy.linalg, xarray, zarr, dask.config, distributed, distributed.system

def threads():
    found = []
    for path in sorted({l.split(None, 5)[5].strip() for l in open('/proc/self/maps') if 'openblas' in l}):
        library = ctypes.CDLL(path)
        for name in ('scipy_openblas_get_num_threads64_', 'scipy_openblas_get_num_threads', 'openblas_get_num_threads'):
            if hasattr(library, name):
                found.append(getattr(library, name)())
                break
    return found

def constants(module):
    simple = (bool, int, float, str, bytes, tuple, type(None))
    return {k: repr(v) for k, v in vars(module).items() if isinstance(v, simple) and not k.startswith('__')}

def logger(name):
    one = logging.getLogger(name)
    return [one.level, one.propagate, one.disabled, [type(h).__name__ + str(h.level) + str(h.formatter and h.formatter._fmt) for h in one.handlers]]

found = dict(
    constants={name: constants(m) for name, m in sorted(sys.modules.items()) if name.split('.')[0] in ('dask', 'distributed', 'dask_gateway')},
    config=repr(dask.config.config), loggers={n: logger(n) for n in sorted(logging.root.manager.loggerDict)},
    flags=str(sys.flags), path=[p for p in sys.path if 'dask-scratch-space' not in p], argv0=sys.argv[0], prefix=sys.prefix, cwd=os.getcwd(), umask=oct(os.umask(0o22)), recursion=sys.getrecursionlimit(),
    uid=os.getresuid(), gid=os.getresgid(), groups=os.getgroups(), home=os.path.expanduser('~'), user=getpass.getuser(), main=sys.modules['__main__'].__name__,
    environ=dict(os.environ), tempdir=tempfile.gettempdir(), zone=time.tzname, signals=[str(signal.getsignal(n)).partition(' at 0x')[0] for n in (1, 2, 3, 13, 15, 17)],
    threads=threads(), zarr=repr(zarr.config.paths), fsspec=fsspec.config.conf_dir, session=os.getsid(0) == os.getpid(), encoding=sys.getfilesystemencoding(),
    status=[l for l in open('/proc/self/status') if l.startswith(('Cap', 'NoNewPrivs', 'Seccomp:', 'SigBlk', 'SigIgn', 'Groups'))],
    limits=sorted(open('/proc/self/limits')), oom=open('/proc/self/oom_score_adj').read(), gc=__import__('gc').isenabled(),
    null=os.readlink('/proc/self/fd/0'), out=os.readlink('/proc/self/fd/1').split('/')[-2], cgroups=sorted(l.split(':')[1] for l in open('/proc/self/cgroup')))
"""
# Differ between any two processes, and the name that only the plain one was given.
VARIES = ("CRATON_SERVER", "PANDAS_OF_NOBODY", "DASK_GATEWAY_CLUSTER_NAME", "DASK_GATEWAY_API_TOKEN", "__DASK_PARENT_PID")


def look_at(run):
    def ask(text):
        space = {}
        exec(text, space)
        return space["found"]
    return run(ask, ABOUT)


@pytest.mark.parametrize("who", ["scheduler", "worker"])
def test_as_a_plain_one(pair, who):
    """Everything that a program may look at is the same in a process that was forked and in one that was not."""
    ours, plain = (look_at(r.client.run_on_scheduler if who == "scheduler" else r.worker) for r in pair)
    for one, r in zip((ours, plain), pair):
        one["environ"] = {k: re.sub(r"/g/\d+/", "/g/N/", v) for k, v in one["environ"].items() if k not in VARIES}
        one["config"] = re.sub(r"/g/\d+/", "/g/N/", one["config"].replace(r.cluster.name, "CLUSTER"))
        assert one["zone"][0] == "JST" and "37ms" in one["config"] and "'log_length': 123" in one["config"]
    assert plain["threads"] and len(plain["constants"]) > 100
    names = ours["constants"].keys() & plain["constants"].keys()
    different = {(m, k): (ours["constants"][m].get(k), plain["constants"][m].get(k)) for m in names
                 for k in ours["constants"][m].keys() | plain["constants"][m].keys() if ours["constants"][m].get(k) != plain["constants"][m].get(k)}
    assert not different and names == plain["constants"].keys()
    loggers = plain["loggers"].keys() & ours["loggers"].keys()
    assert not [(n, ours["loggers"][n], plain["loggers"][n]) for n in loggers if ours["loggers"][n] != plain["loggers"][n]]
    assert not ours["environ"].items() ^ plain["environ"].items()
    for key in plain.keys() - {"constants", "loggers", "environ"}:
        assert ours[key] == plain[key], key


def test_nothing_secret_is_shared(pair):
    """Two workers of one parent and the scheduler: each has random numbers and keys of its own."""
    def draw():
        import multiprocessing.process
        import random
        import tempfile
        import uuid

        import numpy
        return [random.random(), numpy.random.random(), str(uuid.uuid4()), multiprocessing.process.current_process().authkey.hex(),
                next(tempfile._get_candidate_names())]
    drawn = [pair[0].client.run_on_scheduler(draw), *pair[0].client.run(draw).values()]
    assert len(drawn) == 3 and all(len(set(values)) == 3 for values in zip(*drawn)), drawn


def found_in(pid, texts):
    hits = dict.fromkeys(texts, 0)
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("r") or "[v" in line or "[stack]" in line:  # the stack has the environment that the parent began with
                continue
            begin, end = (int(x, 16) for x in span.split("-"))
            try:
                memory.seek(begin)
                data = memory.read(end - begin)
            except (OSError, ValueError):
                continue
            for text in texts:
                hits[text] += data.count(text)
    return hits


def test_no_secret_stays_in_the_parent(platform, pair):
    """The parent forks before it reads: what a cluster is told is in its own processes only."""
    mine, theirs = (next(v for v in one.worker(lambda: dict(os.environ)).values() if "/g/" in v).encode() for one in pair)
    secret = b"a value of nobody else's"
    with Running(platform.ada, environment={"SITE_KEY": secret.decode()}) as other:
        pids = other.pids()
        assert all(forked(platform, pid) for pid in pids)
        assert all(found_in(pid, [secret])[secret] for pid in pids)  # the search finds what is there
        assert found_in(parent_pid(platform), [secret, mine, theirs]) == {secret: 0, mine: 0, theirs: 0}
        assert not any(found_in(pid, [secret])[secret] for pid in pair[0].pids())


def test_nothing_of_the_parents_home_is_left(platform, pair):
    """/nonexistent is the parent's home, and nothing else is called so."""
    assert found_in(parent_pid(platform), [b"/nonexistent"])[b"/nonexistent"]
    for run in (pair[0].client.run_on_scheduler, pair[0].worker):
        def search():
            import gc
            import sys
            seen = [f"{name}.{key}" for name, module in list(sys.modules.items()) for key, value in list(vars(module).items())
                    if isinstance(value, (str, os.PathLike)) and "/nonexistent" in str(value)]
            for thing in gc.get_objects():
                if isinstance(thing, dict):
                    seen += [str(k) for k, v in list(thing.items()) if isinstance(v, str) and v.startswith("/nonexistent")]
            return seen
        assert run(search) == []


def test_rights(platform, pair):
    owner = pwd.getpwnam(platform.accounts + "ada")
    for pid in pair[0].pids():
        status = status_of(pid)
        assert status["Uid"].split() == [str(owner.pw_uid)] * 4 and status["Gid"].split() == [str(owner.pw_gid)] * 4
        assert status["Groups"].strip() == "" and all(int(status[caps], 16) == 0 for caps in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        if "memory" in Path(f"/proc/{pid}/cgroup").read_text():
            assert "/ada." in Path(f"/proc/{pid}/cgroup").read_text()
        for target in targets(pid):
            assert "control" not in target and "hub" not in target and ".sqlite" not in target, target


def test_dashboard_and_work(platform, pair):
    ours = pair[0].client
    links = ours.run_on_scheduler(lambda dask_scheduler: dask_scheduler.http_server.port)
    assert request("GET", f"http://127.0.0.1:{links}/status").status == 200
    assert "w1" in request("GET", f"http://127.0.0.1:{links}/info/main/workers.html").text

    def work():
        import numpy
        import xarray
        ds = xarray.Dataset({"a": (("t", "x"), numpy.arange(4e5).reshape(400, 1000))}).chunk(t=100)
        return float(ds.a.mean("t").sum().compute(scheduler="threads")), float((numpy.ones((300, 300)) @ numpy.ones((300, 300))).sum())
    assert ours.submit(work).result(60) == (199999500.0, 300.0**3)


def test_how_they_end(platform, pair):
    """An exit code with the last words, memory, and a scheduler that is killed: told as of plain ones."""
    with Running(platform.ada, worker_memory=0.5) as r:
        pid = r.pids()[1]
        assert forked(platform, pid)
        first = r.client.submit(lambda: (print("<the last words>", flush=True), os._exit(7)), retries=0)
        page = wait_for(lambda: next((t for t in [platform.ada.person.get("/hub/clusters").text] if "ended with exit code 7" in t), None), 60)
        assert "&lt;the last words&gt;" in page
        r.client.cancel([first], force=True)
        r.client.wait_for_workers(1, timeout=60)
        if "memory" in Path(f"/proc/{r.pids()[1]}/cgroup").read_text():
            r.client.submit(lambda: bytearray(2 << 30), pure=False)
            wait_for(lambda: re.search(r"memory limit|limit of memory|0\.5 GiB|512 MiB", platform.ada.person.get("/hub/clusters").text), 60)
        os.kill(r.client.run_on_scheduler(os.getpid), signal.SIGKILL)
        wait_for(lambda: platform.ada.ask("GET", f"/v1/clusters/{r.cluster.name}").json()["status"] == "FAILED", 60)


def test_death_of_the_parent(platform, pair):
    """Running clusters do not notice; a start in between is plain; a new parent follows."""
    ready = platform.log.read_text().count(READY)
    old = parent_pid(platform)
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: has_ended(old))
    with Running(platform.ada) as r:
        assert not forked(platform, r.pids()[0])
        assert pair[0].client.submit(sum, [1, 2, 4]).result(60) == 7
    wait_parent(platform, ready + 1)
    with Running(platform.ada) as r:
        assert all(forked(platform, pid) for pid in r.pids())
        assert r.client.submit(sum, [1, 2, 5]).result(60) == 8


def test_kill_of_the_helper(platform, pair):
    """The parent goes with it, clusters stay; the next helper finds them and so makes a parent at once."""
    ready, old = platform.log.read_text().count(READY), parent_pid(platform)
    future = pair[0].client.submit(lambda: (time.sleep(3), 42)[1], pure=False)
    platform.process.kill()
    platform.process.wait()
    wait_for(lambda: has_ended(old), 10)
    platform.start(*LIMITS)
    wait_parent(platform, ready + 1)
    assert future.result(60) == 42
    with Running(platform.ada) as r:
        assert all(forked(platform, pid) for pid in r.pids())


def test_another_environment():
    """After an upgrade nothing is forked from the parent of before; a parent of the new environment takes its place."""
    with running(*LIMITS, kind=Upgradable) as p:
        ada = Member(p, p.administrator(), "ada")
        with Running(ada):
            wait_parent(p)
        with Running(ada) as r:
            assert all(forked(p, pid) for pid in r.pids())
        before, new = parent_pid(p), p.upgrade("cftime", "2099.1.0")
        with Running(ada) as r:
            assert not forked(p, r.pids()[0])
            assert r.client.run_on_scheduler(lambda: __import__("sys").prefix) == str(new)
        wait_parent(p, 2)
        assert parent_pid(p) != before
        wait_for(lambda: has_ended(before), 20)
        with Running(ada) as r:
            assert all(forked(p, pid) for pid in r.pids())
            assert r.client.run_on_scheduler(lambda: __import__("sys").prefix) == str(new)


def test_a_hanging_parent(platform):
    ready = platform.log.read_text().count(READY)
    os.kill(parent_pid(platform), signal.SIGSTOP)
    with Running(platform.ada) as r:
        assert not forked(platform, r.pids()[0])
        assert r.client.submit(sum, [1, 2, 3]).result(60) == 6
    wait_parent(platform, ready + 1)
