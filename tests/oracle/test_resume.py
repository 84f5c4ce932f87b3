"""Long writes that are killed and go on: the result is byte for byte that of an undisturbed run, finished chunks are not computed again, and
what does not fit together is refused with the reason."""
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr

CRATON = Path(os.environ["CRATON_BUILD"]) / "src/cli/craton"
SEED = int(os.environ.get("CRATON_SEED", "20261124"))
HEAD, RECORD = 68, 28
ABSENT = 2**64 - 1


@pytest.fixture
def place():
    """In memory where there is such a file system: thousands of chunks are synced here."""
    path = Path(tempfile.mkdtemp(prefix="craton-resume-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def leftover(destination):
    found = list(destination.parent.glob(f".{destination.name}.craton-*"))
    return found[0] if found else None


def records(folder):
    """(variable, chunk, bytes, crc) of the journal, by its description in journal.h."""
    try:
        data = (folder / ".craton-journal").read_bytes()
    except OSError:
        return []
    return [struct.unpack_from("<IQQI", data, at) for at in range(HEAD, len(data) - RECORD + 1, RECORD)]


def kill_after(command, destination, n_records, number=signal.SIGKILL, **options):
    """Runs it until the journal has that many records; True when it was killed in time."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    deadline = time.monotonic() + 100
    while process.poll() is None and time.monotonic() < deadline:
        folder = leftover(destination)
        if folder and len(records(folder)) >= n_records:
            process.send_signal(number)
            break
        time.sleep(0.0005)
    return process.wait(60) in (-number, 130)


def rechunk(*arguments, status=0):
    answer = subprocess.run([CRATON, "rechunk", *arguments], capture_output=True, text=True, timeout=120)
    assert answer.returncode == status, answer.stderr
    return answer.stderr


def maps(path, steps=120, rows=64, columns=96, seed=51):
    values = np.random.default_rng([SEED, seed]).normal(size=(steps, rows, columns)).astype("f4")
    values[: steps // 3, : rows // 4] = np.nan      # chunks that are all fill and not stored
    with netCDF4.Dataset(path, "w") as f:
        for d, n in zip(("time", "lat", "lon"), values.shape):
            f.createDimension(d, n)
        f.createVariable("t", "f4", ("time", "lat", "lon"), chunksizes=(1, rows, columns))[:] = values
        f.createVariable("n", "i2", ("lat", "lon"))[:] = np.arange(rows * columns).reshape(rows, columns) % 1000
    return values


WAYS = [
    ["--chunks", "time=10,lat=8,lon=8", "--memory", "64M"],
    ["--chunks", "time=-1,lat=4,lon=8", "--memory", "2M", "--format", "zarr2"],      # by an intermediate store
    ["--chunks", "time=7,lat=5,lon=9", "--memory", "3M", "--codec", "lz4", "--shuffle"],
]


@pytest.mark.parametrize("case", range(6))
def test_rechunk(place, case):
    random = np.random.default_rng([SEED, 52, case])
    way = [*WAYS[case % 3], "--threads", str(random.integers(1, 4))]
    maps(place / "maps.nc")
    rechunk(place / "maps.nc", place / "whole.zarr", *way)
    store = place / "killed.zarr"
    command = [CRATON, "rechunk", place / "maps.nc", store, *way]
    done, kept = set(), {}
    for round in range(3):
        # By a count of records, or, the last time, at a random moment whatever it is at.
        if round < 2:
            killed = kill_after([*command, *(["--resume"] if round else [])], store, len(done) + int(random.integers(0, 250)))
        else:
            process = subprocess.Popen([*command, "--resume"], stderr=subprocess.DEVNULL)
            time.sleep(float(random.random()) * 0.2)
            process.kill()
            killed = process.wait(60) != 0
        if not killed:
            break
        folder = leftover(store)
        now = {r[:2] for r in records(folder)} if folder else set()
        assert done <= now or not now, "what was finished is not thrown away"
        done = now
        for name, stamp in kept.items():
            assert not folder or (folder / name).stat().st_mtime_ns == stamp, f"{name} was written again"
        kept = {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file() and is_chunk(p)} if folder else {}
        if len(kept) > len(done):
            kept = {}                 # one was being written when the process ended: which, is not in the journal
    if not store.exists():
        said = rechunk(*command[2:], "--resume")
        assert f"{len(done)} of " in said or not done, (said, len(done))
        for name, stamp in kept.items():
            assert (store / name).stat().st_mtime_ns == stamp, f"{name} was written again"
    assert files(store) == files(place / "whole.zarr")
    assert sorted(p.name for p in place.iterdir()) == ["killed.zarr", "maps.nc", "whole.zarr"]


def is_chunk(path):
    return path.name[0].isdigit() and ".craton-scratch" not in path.parts


def test_finished_chunks_are_not_read_again(place):
    """The chunks of the source that finished ones were made of are made unreadable, with size and time as before."""
    maps(place / "maps.nc")
    rechunk(place / "maps.nc", place / "source.zarr", "--chunks", "time=6,lat=16,lon=16")
    way = ["--codec", "deflate", "--level", "9", "--threads", "1"]
    rechunk(place / "source.zarr", place / "whole.zarr", *way)
    store = place / "killed.zarr"
    assert kill_after([CRATON, "rechunk", place / "source.zarr", store, *way], store, 200)
    spoilt = 0
    for variable, chunk, size, _ in records(leftover(store)):
        at = np.unravel_index(chunk, (20, 4, 6))
        path = place / "source.zarr/t/c" / "/".join(map(str, at))
        if variable == 0 and size != ABSENT:
            stat = path.stat()
            with open(path, "r+b") as f:
                f.write(b"\xff" * stat.st_size)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            spoilt += 1
    assert spoilt >= 100
    with pytest.raises(Exception):
        zarr.open_group(place / "source.zarr", mode="r")["t"][:]
    said = rechunk(place / "source.zarr", store, *way, "--resume")
    assert "were finished before" in said
    assert files(store) == files(place / "whole.zarr")


@pytest.fixture
def begun(place):
    """A source, what an undisturbed run makes of it, and a run that was killed at about half."""
    maps(place / "maps.nc")
    way = ["--chunks", "time=10,lat=8,lon=8", "--threads", "2"]
    rechunk(place / "maps.nc", place / "whole.zarr", *way)
    store = place / "killed.zarr"
    assert kill_after([CRATON, "rechunk", place / "maps.nc", store, *way], store, 500)
    return place, store, way


def test_torn(begun):
    """A journal or chunks that did not reach the disk, in any order."""
    place, store, way = begun
    random = np.random.default_rng([SEED, 53])
    folder = leftover(store)
    journal = folder / ".craton-journal"
    data = bytearray(journal.read_bytes()[:-11])
    for at in random.integers(HEAD, len(data) - 100, 5):
        data[at] ^= 0x40
    data[HEAD + 20 * RECORD:HEAD + 25 * RECORD] = bytes(5 * RECORD)
    journal.write_bytes(data)
    chunks = sorted(p for p in folder.rglob("*") if p.is_file() and is_chunk(p))
    random.shuffle(chunks)
    chunks[0].unlink()
    chunks[1].write_bytes(chunks[1].read_bytes()[:-1])
    chunks[2].write_bytes(b"")
    spoilt = bytearray(chunks[3].read_bytes())
    spoilt[len(spoilt) // 2] ^= 1
    chunks[3].write_bytes(spoilt)
    said = rechunk(place / "maps.nc", store, *way, "--resume")
    n = int(said.split(" of ")[0].split()[-1])
    assert 400 < n <= (len(data) - HEAD) // RECORD - 5, said
    assert files(store) == files(place / "whole.zarr")


@pytest.mark.parametrize("bytes_left", [0, 10, HEAD - 1])
def test_torn_head(begun, bytes_left):
    place, store, way = begun
    os.truncate(leftover(store) / ".craton-journal", bytes_left)
    assert "finished before" not in rechunk(place / "maps.nc", store, *way, "--resume")
    assert files(store) == files(place / "whole.zarr")


def test_refused(begun):
    place, store, way = begun
    folder = leftover(store)
    before = files(folder)
    source = place / "maps.nc"
    other = ["--chunks", "time=20,lat=8,lon=8"]
    for options in (other, [*way, "--codec", "zstd"], [*way, "--format", "zarr2"]):
        said = rechunk(source, store, *options, "--resume", status=4)
        assert "variables, shapes, chunks" in said and "without resuming" in said, said
    kept = source.read_bytes()
    stat = source.stat()
    with netCDF4.Dataset(source, "a") as f:
        f["t"][60, 40, 40] = 1e6
    said = rechunk(source, store, *way, "--resume", status=4)
    assert "what it reads has changed" in said, said
    shutil.copy(source, place / "second.nc")
    assert "what it reads has changed" in rechunk(place / "second.nc", store, *way, "--resume", status=4)
    assert "only Zarr" in rechunk(source, place / "out.nc", "--format", "netcdf4", "--resume", status=7)
    # Nothing of that has touched what was begun: with its source again it goes on.
    assert files(folder) == before
    with open(source, "r+b") as f:
        f.truncate(0)
        f.write(kept)
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert "finished before" in rechunk(source, store, *way, "--resume")
    assert files(store) == files(place / "whole.zarr")


def test_source_chunk_replaced(place):
    """A chunk of a Zarr source changes while its metadata stay."""
    maps(place / "maps.nc")
    rechunk(place / "maps.nc", place / "source.zarr", "--chunks", "time=10,lat=16,lon=16")
    store = place / "killed.zarr"
    way = ["--chunks", "time=5,lat=8,lon=8", "--threads", "1"]
    assert kill_after([CRATON, "rechunk", place / "source.zarr", store, *way], store, 300)
    zarr.open_group(place / "source.zarr", mode="r+")["t"][100, 60, 90] = 1e6
    assert "what it reads has changed" in rechunk(place / "source.zarr", store, *way, "--resume", status=4)
    rechunk(place / "source.zarr", store, *way)      # anew: what was begun goes
    assert zarr.open_group(store, mode="r")["t"][100, 60, 90] == 1e6
    assert leftover(store) is None


def test_in_use(begun):
    place, store, way = begun
    import fcntl
    folder = os.open(leftover(store), os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    assert "another process is writing" in rechunk(place / "maps.nc", store, *way, "--resume", status=12)
    os.close(folder)
    rechunk(place / "maps.nc", store, *way, "--resume")
    assert files(store) == files(place / "whole.zarr")


def test_interrupted(place):
    """Ctrl-C keeps what is finished when resuming was asked for, and leaves nothing otherwise."""
    maps(place / "maps.nc")
    way = ["--chunks", "time=10,lat=4,lon=4", "--threads", "1"]
    store = place / "out.zarr"
    command = [CRATON, "rechunk", place / "maps.nc", store, *way]
    assert kill_after(command, store, 200, signal.SIGINT)
    assert leftover(store) is None
    assert kill_after([*command, "--resume"], store, 200, signal.SIGINT)
    n = len(records(leftover(store)))
    assert n >= 200
    assert f"{n} of " in rechunk(*command[2:], "--resume")


# Imports once, then runs each line (source, store, kind) in a child; "PID" comes first, "STATUS TEXT" when it has ended.
PROGRAM = """
import json, os, sys, numpy as np, xarray as xr, craton
craton.enable()
def work(source, store, kind):
    ds = xr.open_dataset(source, engine="craton", chunks={})
    out = (ds[["t"]] - ds[["t"]].mean("time")).chunk(time=5, lat=8, lon=32)
    out["month"] = ds.t.rolling(time=30, center=True).mean().chunk(time=12, lat=16)
    out["n"] = ds.n.astype("i4") + np.arange(96, dtype="i4")
    out["name"] = ("lat", np.array(["row %d" % i for i in range(64)], dtype=object))
    if kind == "other":
        out["t"] = out["t"] * 2
    if kind == "memory":
        out["n"] = ds.n.astype("i4") + np.arange(1, 97, dtype="i4")
    if kind == "function":
        out["t"] = xr.apply_ufunc(lambda a: a, ds.t, dask="parallelized", output_dtypes=["f4"])
    return out.craton.to_zarr(store, resume=True, overwrite=True, encoding={"t": {"shuffle": True}})
for line in sys.stdin:
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            said = [0, work(*json.loads(line))]
        except BaseException as e:
            said = [1, str(e)]
        os.write(w, json.dumps(said).encode())
        os._exit(0)
    os.close(w)
    print(pid, flush=True)
    with os.fdopen(r) as f:
        said = f.read()
    os.waitpid(pid, 0)
    print(said or "null", flush=True)
"""


@pytest.fixture(scope="module")
def programs():
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.stdin.close()
    process.wait(60)


def program(programs, *arguments, kill=None):
    """[0, (chunks, finished before)], [1, error], or None when it was killed."""
    programs.stdin.write(json.dumps(list(map(str, arguments))) + "\n")
    programs.stdin.flush()
    pid = int(programs.stdout.readline())
    while kill is not None:
        folder = leftover(arguments[1])
        if folder and len(records(folder)) >= kill:
            os.kill(pid, signal.SIGKILL)
            break
        if arguments[1].exists() or not os.path.exists(f"/proc/{pid}"):
            break
        time.sleep(0.0005)
    return json.loads(programs.stdout.readline())


@pytest.mark.parametrize("case", range(3))
def test_xarray(place, programs, case):
    """A computation with phases and shared scans: only the chunks that are missing are asked of it."""
    random = np.random.default_rng([SEED, 54, case])
    values = maps(place / "maps.nc")
    status, (total, kept) = program(programs, place / "maps.nc", place / "whole.zarr", "")
    assert status == 0 and kept == 0 and total > 500
    whole, theirs = xr.open_zarr(place / "whole.zarr", chunks=None).load(), xr.DataArray(values.astype("f8"), dims=("time", "lat", "lon"))
    np.testing.assert_allclose(whole.t, theirs - theirs.mean("time"), rtol=1e-5, atol=1e-6)
    store = place / "killed.zarr"
    n = 0
    for _ in range(2):
        if program(programs, place / "maps.nc", store, "", kill=n + int(random.integers(1, total // 3))) is not None:
            break
        n = len({r[:2] for r in records(leftover(store))})
    if not store.exists():
        assert program(programs, place / "maps.nc", store, "") == [0, [total, n]]
    assert files(store) == files(place / "whole.zarr")


def test_xarray_refused(place, programs):
    maps(place / "maps.nc")
    store = place / "killed.zarr"
    assert program(programs, place / "maps.nc", store, "", kill=100) is None
    before = files(leftover(store))
    for kind, reason in (("other", "computed in another way"), ("memory", "computed in another way"), ("function", "functions outside of the engine")):
        status, said = program(programs, place / "maps.nc", store, kind)
        assert status == 1 and reason in said
    assert files(leftover(store)) == before
    status, (total, kept) = program(programs, place / "maps.nc", store, "")
    assert status == 0 and 100 <= kept < total
