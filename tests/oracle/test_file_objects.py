"""Files that lie at no path: bytes, io, fsspec, zipfile. Values are xarray's own; several threads, processes and computations share an object."""

import gc
import io
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref
import zipfile
from concurrent.futures import ThreadPoolExecutor

import fsspec
import numpy as np
import pytest
import xarray as xr

import craton
from craton.fileobject import FileObject

craton.enable()
SEED = int(os.environ.get("CRATON_SEED", "20261124"))


@pytest.fixture
def ds():
    values = np.random.default_rng([SEED, 581]).normal(size=(24, 10, 12)).astype("f4")
    return xr.Dataset({"v": (("t", "y", "x"), values), "name": ("t", np.array([f"n{i}" for i in range(24)], object))}, {"t": np.arange(24)})


def content(ds, tmp_path, engine="netcdf4"):
    path = tmp_path / "d.nc"
    if engine == "scipy":
        ds.drop_vars("name").to_netcdf(path, engine="scipy")
    else:
        ds.to_netcdf(path, encoding={"v": {"zlib": True, "chunksizes": (4, 5, 6)}})
    return path, path.read_bytes()


def in_zip(path, data):
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        archive.write(path, "d.nc")
    return zipfile.ZipFile(path.with_suffix(".zip")).open("d.nc")


def in_memory_of_fsspec(path, data):
    files = fsspec.filesystem("memory")
    files.pipe("/craton-test.nc", data)
    return files.open("/craton-test.nc")


KINDS = {
    "bytes": lambda path, data: data,
    "memoryview": lambda path, data: memoryview(data),
    "BytesIO": lambda path, data: io.BytesIO(data),
    "open": lambda path, data: open(path, "rb"),
    "unbuffered": lambda path, data: open(path, "rb", buffering=0),
    "zip": in_zip,
    "fsspec": in_memory_of_fsspec,
    "fsspec, local": lambda path, data: fsspec.open(f"file://{path}").open(),
}


@pytest.mark.parametrize("chunks", [{}, None])
@pytest.mark.parametrize("kind", KINDS)
def test_as_from_the_path(ds, tmp_path, kind, chunks):
    path, data = content(ds, tmp_path)
    found = xr.open_dataset(KINDS[kind](path, data), engine="craton", chunks=chunks)
    xr.testing.assert_identical(found.isel(t=slice(3, None, 5), x=7).load(), ds.isel(t=slice(3, None, 5), x=7))
    xr.testing.assert_identical(found.load(), ds)


def test_other_formats(ds, tmp_path):
    found = xr.open_mfdataset([io.BytesIO(content(ds.assign_coords(t=ds.t + 24 * i), tmp_path, "scipy")[1]) for i in range(2)], engine="craton", combine="by_coords")
    np.testing.assert_array_equal(found.v, np.concatenate([ds.v, ds.v]))
    tree = xr.open_datatree(io.BytesIO(content(ds, tmp_path)[1]), engine="craton")
    xr.testing.assert_identical(tree.to_dataset().load(), ds)


def test_two_objects_of_one_kind_are_two(ds, tmp_path):
    """Nodes are shared by what they are read from: the same content, twice, and another one, computed together."""
    first, second = (io.BytesIO(content(d, tmp_path, "scipy")[1]) for d in (ds, ds.assign(v=ds.v + 1)))
    a, b = (xr.open_dataset(f, engine="craton", chunks={}) for f in (first, second))
    np.testing.assert_allclose(craton.compute(a.v.mean(), (b.v - a.v).mean("t"))[1], np.ones((10, 12)), rtol=1e-6)


def test_threads_pickles_writes(ds, tmp_path):
    found = xr.open_dataset(io.BytesIO(content(ds, tmp_path)[1]), engine="craton", chunks={})
    with ThreadPoolExecutor(4) as pool:
        for mean, text in pool.map(lambda i: (found.v.mean("t").compute(), craton.explain(found.v.sum())), range(8)):
            np.testing.assert_allclose(mean, ds.v.mean("t"), rtol=1e-5, atol=1e-6)
            assert "scan" in text
    xr.testing.assert_identical(pickle.loads(pickle.dumps(found)).load(), ds)
    found.craton.to_zarr(tmp_path / "out.zarr")
    np.testing.assert_array_equal(xr.open_zarr(tmp_path / "out.zarr").v, ds.v)
    with pytest.raises(NotImplementedError, match="cannot be resumed: its bytes are of no file"):
        found.craton.to_zarr(tmp_path / "resumed.zarr", resume=True)
    with pytest.raises(NotImplementedError, match="cannot be sent: it is read from an object of this process"):
        craton._craton.encode_graph((found.v.data._node,), 1 << 20)


def test_the_object_goes_with_the_last_array(ds, tmp_path):
    class File(io.BytesIO):
        pass

    file = File(content(ds, tmp_path)[1])
    gone = weakref.ref(file)
    found = xr.open_dataset(file, engine="craton", chunks={})
    mean = found.v.mean()
    del file, found
    gc.collect()
    assert gone() is not None
    np.testing.assert_allclose(mean.compute(), ds.v.mean(), rtol=1e-5, atol=1e-6)
    del mean
    gc.collect()
    assert gone() is None


class Broken(io.BytesIO):
    """Answers the first reads, which are of metadata."""

    def __init__(self, data, how):
        super().__init__(data)
        self.how, self.good = how, True

    def read(self, n=-1):
        return super().read(n) if self.good else self.how(super().read, n)


def fail(read, n):
    raise ConnectionError("the other side went away")


@pytest.mark.parametrize(
    "how, error, says",
    [
        (lambda read, n: read(min(n, 7)), None, None),  # what is short is asked again
        (lambda read, n: b"", OSError, "ends at byte"),
        (fail, ConnectionError, "went away"),
        (lambda read, n: read(n) + b"more", ValueError, None),
        (lambda read, n: "text", TypeError, None),
    ],
    ids=["short", "end", "error", "too much", "text"],
)
def test_reads_that_fail(ds, tmp_path, how, error, says):
    file = Broken(content(ds, tmp_path)[1], how)
    found = xr.open_dataset(file, engine="craton", chunks={})
    file.good = False
    if error is None:
        np.testing.assert_allclose(found.v.mean(), ds.v.mean(), rtol=1e-5, atol=1e-6)
        return
    with pytest.raises(error, match=says):
        found.v.mean().compute()
    file.good = True
    np.testing.assert_allclose(found.v.mean(), ds.v.mean(), rtol=1e-5, atol=1e-6)


FORKED = """
import io, os, sys, threading, xarray as xr, craton
craton.enable()
ds = xr.open_dataset(io.BytesIO(open(sys.argv[1], "rb").read()), engine="craton", chunks={})
expected, end = float(ds.v.sum()), threading.Event()

def compute():
    while not end.is_set():
        assert float(xr.open_dataset(io.BytesIO(open(sys.argv[1], "rb").read()), engine="craton", chunks={}).v.sum()) == expected
        ds.v.sum().compute()

threads = [threading.Thread(target=compute, daemon=True) for _ in range(2)]     # an error here must not wait for them
for t in threads: t.start()
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if float(ds.v.sum()) == expected else 3)
    assert os.waitpid(child, 0)[1] == 0
end.set()
for t in threads: t.join()
# An object with one position for parent and child.
class Positioned(io.BufferedReader): pass
other = xr.open_dataset(Positioned(io.FileIO(os.dup(os.open(sys.argv[1], os.O_RDONLY)))), engine="craton", chunks={})
child = os.fork()
if child == 0:
    try:
        other.v.sum().compute()
    except OSError as e:
        os._exit(0 if "was opened before this process was forked" in str(e) else 4)
    os._exit(5)
assert os.waitpid(child, 0)[1] == 0
assert float(other.v.sum()) == expected
"""


def test_forks(ds, tmp_path):
    """Another thread holds the object, or loads where chunks lie, while the process forks."""
    path, _ = content(ds, tmp_path)
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED, path], check=True, timeout=300)


class Dawdling(io.BytesIO):
    """Between going to a place and reading there somebody else may have gone elsewhere."""

    def seek(self, *to):
        place = super().seek(*to)
        time.sleep(0.005)
        return place


def test_first_reads_of_a_forked_child(monkeypatch):
    """Several threads find at once that the lock is the parent's."""
    file = FileObject(Dawdling(bytes(range(64))))
    file._process, pid, views = -1, os.getpid(), [bytearray(16) for _ in range(4)]
    monkeypatch.setattr(os, "getpid", lambda: time.sleep(0.005) or pid)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda k: file.read(16 * k, views[k]), range(4)))
    assert views == [bytes(range(16 * k, 16 * k + 16)) for k in range(4)]


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda path: open(path), "reads text; open the file with mode 'rb'"),
        (lambda path: fsspec.open(str(path)), r"not OpenFile objects; \.open\(\) gives one"),
        (lambda path: 5, "not int objects$"),
        (lambda path: os.fdopen(os.pipe()[0], "rb"), "cannot seek; read it into memory first"),
        (lambda path: b"", "it is empty"),
        (lambda path: b'{"version": 1, "refs": {}}', "not in a known format"),
        (lambda path: "s3://bucket/d.nc", "fsspec.open"),
        (lambda path: threading.Lock(), "not lock objects$"),
    ],
)
def test_refused(ds, tmp_path, make, says):
    path, _ = content(ds, tmp_path)
    with pytest.raises((TypeError, NotImplementedError, craton.FormatError), match=says):
        xr.open_dataset(make(path), engine="craton", chunks={})
