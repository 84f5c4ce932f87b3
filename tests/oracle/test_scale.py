"""Sizes that nobody has on a disk: a store of 2 TB in two million chunks, of which some are there, and a graph over a million chunks. Opening,
planning and a corner of it cost what the metadata and the corner cost. Memory is what the kernel counts for the process; time is printed."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import zarr

SHAPE, CHUNK = (8192, 16384, 4096), (64, 128, 32)      # 2 TiB of float32, 2 097 152 chunks of 1 MiB
CORNER = (slice(0, 100), slice(0, 200), slice(0, 40))
LIMIT_MIB = 300

# A process of its own, so that its peak is its own. Prints JSON: seconds of the steps, MiB over what importing took, results.
PROGRAM = """
import json, sys, time
import numpy as np, xarray as xr, craton
craton.enable()
craton.set_options(memory_limit="2 GiB", threads=2)
def peak():
    with open("/proc/self/status") as f:
        return int([line.split()[1] for line in f if line.startswith("VmHWM")][0]) / 1024
xr.Dataset({"v": ("x", np.arange(4.0))}).chunk(x=2).mean().compute()      # what is imported when first used
first, said = peak(), {}
def step(name, function):
    begin = time.monotonic()
    result = function()
    said[name] = time.monotonic() - begin
    return result
"""
END = """
said["mib"], said["all_mib"] = peak() - first, peak()
print(json.dumps(said))
"""


def run(program, *arguments):
    answer = subprocess.run([sys.executable, "-c", PROGRAM + program + END, *map(str, arguments)], capture_output=True, text=True, timeout=250)
    assert answer.returncode == 0, answer.stderr[-3000:]
    said = json.loads(answer.stdout.splitlines()[-1])
    print({k: round(v, 3) for k, v in said.items() if isinstance(v, float)})
    return said


@pytest.fixture(scope="module", params=["chunks", "shards"])
def store(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("scale") / "big.zarr"
    root = zarr.open_group(path, mode="w", zarr_format=3)
    shards = {"shards": (64, 1024, 512)} if request.param == "shards" else {}
    v = root.create_array("v", shape=SHAPE, chunks=CHUNK, dtype="f4", fill_value=np.nan, dimension_names=("time", "lat", "lon"), **shards)
    v[CORNER] = np.random.default_rng(20261124).normal(size=[s.stop for s in CORNER]).astype("f4")
    v[-1, -1, -1] = 7
    for name, n in zip(("time", "lat", "lon"), SHAPE):
        root.create_array(name, shape=(n,), chunks=(n,), dtype="f8", dimension_names=(name,))[:] = np.arange(n)
    return path


BIG = """
path = sys.argv[1]
ds = step("open", lambda: xr.open_dataset(path, engine="craton", chunks={}))
a = ds.v * 2 + 1
text = step("plan", lambda: craton.explain(a.mean(("lat", "lon")), a.std(), a.max(("time", "lat")), a.diff("time").min()))
said["explain"] = text
corner = ds.v.isel(time=slice(0, 200), lat=slice(0, 300), lon=slice(0, 100))
said["corner"] = [float(x) for x in step("reduce", lambda: craton.compute(corner.sum(), corner.count(), corner.std()))]
said["last"] = float(step("last", lambda: ds.v[-1, -1, -1].compute()))
said["absent"] = int(step("absent", lambda: ds.v.isel(time=slice(4000, 4100), lat=slice(0, 300), lon=slice(0, 100)).count().compute()))
try:
    ds.v.compute()
    said["whole"] = "was computed"
except MemoryError as e:
    said["whole"] = str(e)
"""


def test_two_terabytes(store):
    said = run(BIG, store)
    there = zarr.open_array(store / "v", mode="r")[CORNER].astype("f8")
    np.testing.assert_allclose(said["corner"], [there.sum(), there.size, there.std()], rtol=1e-6)
    assert said["last"] == 7 and said["absent"] == 0
    assert "2.0 TiB" in said["explain"] and "2097152 cells" in said["explain"]
    assert said["whole"] != "was computed"
    assert said["mib"] < LIMIT_MIB
    # Far above what it takes (a hundredth of it): something that visits chunks one by one would not end in this time.
    assert said["open"] < 30 and said["plan"] < 60


INTERRUPTED = """
import os, signal, threading
path, out = sys.argv[1], sys.argv[2]
ds = xr.open_dataset(path, engine="craton", chunks={})
signal.signal(signal.SIGINT, signal.default_int_handler)                  # a shell's background job has it ignored
work = {
    "reduce": lambda: ds.v.std().compute(),
    "group": lambda: ds.v.isel(lat=slice(0, 512), lon=slice(0, 2048)).groupby(ds.time % 12).mean("time").compute(),
    "rank": lambda: ds.v.isel(lat=slice(0, 512), lon=slice(0, 2048)).quantile(0.5, "time").compute(),
    "window": lambda: ds.v.isel(lat=slice(0, 512), lon=slice(0, 1024)).rolling(time=30).mean().max().compute(),
    "load": lambda: ds.v.isel(time=slice(0, 100)).max(("time", "lat")).load(),
    "to_zarr": lambda: ds[["v"]].craton.to_zarr(out + "/z"),
    "to_netcdf": lambda: (ds[["v"]].isel(time=slice(0, 2000)) * 2).craton.to_netcdf(out + "/n.nc"),
}
def held():
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), os.listdir(out)
def interrupted(name):
    sent = []
    def send():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    timer = threading.Timer(0.3, send)
    timer.start()
    try:
        work[name]()
    except KeyboardInterrupt:
        said[name] = time.monotonic() - sent[0]
    else:
        said[name] = "was through"
    timer.join()
for name in work:                                                         # what is made when first needed
    interrupted(name)
before = held()
for name in work:
    for _ in range(3):
        interrupted(name)
    assert held() == before, (name, held(), before)
said["names"] = list(work)
"""


def test_interrupted(store, tmp_path):
    """Ctrl-C in the midst of work without an end: the call returns, files, threads and what was written so far go with it."""
    said = run(INTERRUPTED, store, tmp_path)
    assert not os.listdir(tmp_path)
    assert all(isinstance(said[name], float) for name in said["names"]), said
    # A second on a quiet machine, and ten times that where others work too.
    assert max(said[name] for name in said["names"]) < 10


GRAPH = """
from craton import Array
n = 1_000_000
values = np.arange(n * 2, dtype="i4")
ds = xr.Dataset({"v": ("x", values)}).chunk(x=2)                          # a million chunks
assert len(ds.v.chunks[0]) == n
def build():
    a = ds.v
    for i in range(20):
        a = a + i if i % 2 else a * 3 - a
    return a
a = step("build", build)
said["explain"] = step("plan", lambda: craton.explain(a.max()))
said["max"] = int(step("compute", lambda: a.isel(x=slice(-1000, None)).max().compute()))
grid = xr.Dataset({"v": (("y", "x"), np.zeros((1000, 1000), "i1"))}).chunk(y=1, x=1)
said["cells"] = step("grid", lambda: craton.explain((grid.v + 1).mean("y")))
"""


def test_a_million_chunks():
    """Nodes of the graph are operations, not chunks."""
    said = run(GRAPH)
    a = np.arange(2_000_000 - 1000, 2_000_000, dtype="i4")
    for i in range(20):
        a = a + i if i % 2 else a * 3 - a
    assert said["max"] == a.max()
    assert "memory at most" in said["explain"] and "memory at most" in said["cells"]
    assert said["mib"] < LIMIT_MIB
    assert said["build"] < 60 and said["plan"] < 60 and said["grid"] < 60
