"""ds.craton.to_netcdf(group=..., mode="a") against xarray with netCDF4: the same groups, variables, attributes and dimensions; kills; refusals."""
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import netCDF4
import numpy as np
import pytest
import xarray as xr

import craton  # noqa: F401  (the accessor)

SEED = int(os.environ.get("CRATON_SEED", "1"))


def dataset(k, n=6):
    rng = np.random.default_rng([SEED, k])
    return xr.Dataset(
        {"v": (("time", "x"), rng.random((n, 5)), {"units": "K"}, {"zlib": True, "chunksizes": (2, 5)}), "s": 2.5 + k,
         "packed": ("x", np.arange(5) * 0.5 + k, {}, {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -9}), "word": ("x", [f"é{i}" for i in range(5)])},
        {"time": xr.date_range("2001-01-01", periods=n), "x": np.arange(5.0)}, {"title": f"number {k}"})  # fmt: skip


def lazy(ds):
    return ds.chunk(time=4, chunked_array_type="craton")


def shape_of(group):
    """All that a file holds but values."""
    return {"dims": {n: (len(d), d.isunlimited()) for n, d in group.dimensions.items()},
            "attrs": {n: group.getncattr(n) for n in group.ncattrs()},
            "variables": {n: (v.dtype, v.dimensions, {a: str(v.getncattr(a)) for a in v.ncattrs()}) for n, v in group.variables.items()},
            "groups": {n: shape_of(g) for n, g in group.groups.items()}}  # fmt: skip


def same(ours, theirs):
    with xr.open_datatree(ours, engine="netcdf4") as a, xr.open_datatree(theirs, engine="netcdf4") as b:
        xr.testing.assert_identical(a.load(), b.load())
    with netCDF4.Dataset(ours) as a, netCDF4.Dataset(theirs) as b:
        assert shape_of(a) == shape_of(b)


STEPS = {
    "groups of a new file": [(0, dict(group="a/b")), (1, dict(group="c", mode="a")), (2, dict(mode="a"))],
    "beside a root": [(0, {}), (1, dict(group="a", mode="a")), (2, dict(group="a/b", mode="a", unlimited_dims="time"))],
    "the group again": [(0, dict(group="a")), (1, dict(group="a", mode="a"))],
    "another file": [(0, dict(group="a")), (1, dict(group="b", mode="w"))],
}


@pytest.mark.parametrize("name", STEPS)
def test_as_xarray(tmp_path, name):
    for k, options in STEPS[name]:
        dataset(k).to_netcdf(tmp_path / "theirs.nc", engine="netcdf4", **options)
        lazy(dataset(k)).craton.to_netcdf(tmp_path / "ours.nc", **options)
        same(tmp_path / "ours.nc", tmp_path / "theirs.nc")
    group = STEPS[name][-1][1].get("group")
    with xr.open_dataset(tmp_path / "ours.nc", engine="craton", group=group) as seen:
        xr.testing.assert_allclose(seen.load(), dataset(STEPS[name][-1][0]))
    with netCDF4.Dataset(tmp_path / "ours.nc") as file:
        v = (file[group] if group else file).variables["v"]
        assert v.filters()["zlib"] and v.chunking()[1] == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ours.nc", "theirs.nc"]


def test_new_variables(tmp_path):
    ds, more = dataset(0), dataset(0)[["v", "x"]].rename(v="more").drop_vars("time").assign(band=("band", [1, 2]), s=7.0)
    for path, write in ((tmp_path / "theirs.nc", lambda d, **o: d.to_netcdf(tmp_path / "theirs.nc", engine="netcdf4", **o)),
                        (tmp_path / "ours.nc", lambda d, **o: lazy(d).craton.to_netcdf(tmp_path / "ours.nc", **o))):
        write(ds)
        write(more, mode="a")
    same(tmp_path / "ours.nc", tmp_path / "theirs.nc")


REFUSED = {
    "the file exists": (dataset(0), dict(group="a"), FileExistsError, "mode='a' adds"),
    "another length": (dataset(0, 7), dict(mode="a"), ValueError, "'time': it has 6 elements"),
    "another type": (dataset(0).assign(s=np.float32(1)), dict(mode="a"), ValueError, "stored as float64"),
    "other packing": (dataset(0).assign(packed=("x", np.arange(5.0), {}, {"dtype": "i2", "scale_factor": 0.25, "_FillValue": -9})), dict(mode="a"), ValueError,
                      "scale_factor"),
    "a strange mode": (dataset(0), dict(mode="r+"), ValueError, "'w' or 'a'"),
    "both": (dataset(0), dict(mode="a", overwrite=True), ValueError, "one of both"),
    "a strange group": (dataset(0), dict(mode="a", group="../a"), ValueError, "name of a group"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    ds, options, kind, reason = REFUSED[name]
    dataset(0).to_netcdf(tmp_path / "x.nc", engine="netcdf4")
    before = (tmp_path / "x.nc").read_bytes()
    with pytest.raises(kind, match=reason):
        lazy(ds).craton.to_netcdf(tmp_path / "x.nc", **options)
    assert (tmp_path / "x.nc").read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["x.nc"]


@pytest.mark.parametrize("there", [True, False])
def test_through_a_link(tmp_path, there):
    """What it leads to is added to, or made, as other programs do; the link stays."""
    (tmp_path / "data").mkdir()
    target, link = tmp_path / "data" / "x.nc", tmp_path / "link.nc"
    if there:
        dataset(0).to_netcdf(target, engine="netcdf4")
    link.symlink_to("data/x.nc")
    for group in ("a", None):
        lazy(dataset(1)[["v"]].rename(v="added")).craton.to_netcdf(link, group=group, mode="a")
    assert link.is_symlink() and [p.name for p in target.parent.iterdir()] == ["x.nc"]
    for group in ("a", None):
        with xr.open_dataset(target, engine="netcdf4", group=group) as seen:
            assert "added" in seen and (group or not there or "v" in seen)


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("group", [None, "a"])
def test_replaced_through_a_link(tmp_path, there, group):
    """What it leads to is replaced, or made; the link, also one of a chain, stays."""
    (tmp_path / "data").mkdir()
    target, middle, link = tmp_path / "data" / "x.nc", tmp_path / "middle.nc", tmp_path / "link.nc"
    if there:
        dataset(0).to_netcdf(target, engine="netcdf4")
    middle.symlink_to("data/x.nc")
    link.symlink_to(middle)
    lazy(dataset(1)[["v"]].rename(v="new")).craton.to_netcdf(link, group=group, mode="w")
    assert link.is_symlink() and middle.is_symlink() and [p.name for p in target.parent.iterdir()] == ["x.nc"]
    with xr.open_dataset(target, engine="netcdf4", group=group) as seen:
        assert "new" in seen and "v" not in seen


def test_a_ring_of_links_is_refused(tmp_path):
    (tmp_path / "a.nc").symlink_to("b.nc")
    (tmp_path / "b.nc").symlink_to("a.nc")
    for group in (None, "a"):
        with pytest.raises(OSError, match="a.nc|b.nc"):
            dataset(0).craton.to_netcdf(tmp_path / "a.nc", mode="w", group=group)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nc", "b.nc"]


def test_classic_files_are_refused(tmp_path):
    dataset(0)[["v"]].to_netcdf(tmp_path / "x.nc", engine="netcdf4", format="NETCDF3_CLASSIC", encoding={"v": {"zlib": False, "chunksizes": None}})
    with pytest.raises(ValueError, match="NETCDF3_CLASSIC"):
        dataset(1).craton.to_netcdf(tmp_path / "x.nc", group="a", mode="a")


KILLED = """
import os, signal, sys, numpy as np, xarray as xr, craton
from craton import netcdfgroup
craton.enable()
ds = xr.Dataset({"n": ("t", np.arange(9.0))})
end = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "in the middle":
    netcdfgroup._copy_variable = end
elif sys.argv[2] == "at the end":
    netcdfgroup.os.replace = end
elif sys.argv[2] == "while it is computed":
    ds = xr.apply_ufunc(end, ds.chunk(chunked_array_type="craton"), dask="parallelized", output_dtypes=[float])
ds.craton.to_netcdf(sys.argv[1], group="g", mode="a")
"""


@pytest.mark.parametrize("moment", ["while it is computed", "in the middle", "at the end"])
def test_killed(tmp_path, moment):
    """The old file is the old file; the same again completes it, and removes what was left."""
    dataset(0).to_netcdf(tmp_path / "x.nc", engine="netcdf4")
    before = (tmp_path / "x.nc").read_bytes()
    assert subprocess.run([sys.executable, "-c", KILLED, tmp_path / "x.nc", moment], timeout=120).returncode == -signal.SIGKILL
    assert (tmp_path / "x.nc").read_bytes() == before
    assert subprocess.run([sys.executable, "-c", KILLED, tmp_path / "x.nc", "not"], timeout=120).returncode == 0
    with xr.open_dataset(tmp_path / "x.nc", group="g", engine="netcdf4") as seen:
        np.testing.assert_array_equal(seen.n, np.arange(9.0))
    with xr.open_dataset(tmp_path / "x.nc", engine="netcdf4") as seen:
        xr.testing.assert_identical(seen.load(), xr.open_dataset(tmp_path / "x.nc", engine="netcdf4").load())
        np.testing.assert_array_equal(seen.v, dataset(0).v)
    assert [p.name for p in tmp_path.iterdir()] == ["x.nc"]


def test_threads_at_once(tmp_path):
    """Of one process, into one file: each is whole there, or was refused and is not."""
    dataset(0).craton.to_netcdf(tmp_path / "x.nc")

    def add(k):
        try:
            xr.Dataset({"n": ("t", np.full(20000 + k, k))}).craton.to_netcdf(tmp_path / "x.nc", group=f"g{k}", mode="a")
        except BlockingIOError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(add, range(4)))
    assert any(done) and [p.name for p in tmp_path.iterdir()] == ["x.nc"]
    with netCDF4.Dataset(tmp_path / "x.nc") as seen:
        assert sorted(seen.groups) == [f"g{k}" for k in range(4) if done[k]] and "packed" in seen.variables
        for k in range(4):
            if done[k]:
                np.testing.assert_array_equal(seen[f"g{k}/n"][:], np.full(20000 + k, k))
