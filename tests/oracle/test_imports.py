"""What a program that computes with Craton does not import: dask, flox and SciPy cost more than xarray itself, and zarr comes with other engines.
And that who wants them gets them, before and afterwards, in the same process."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import elsewhere
import numpy as np
import xarray as xr

HEAVY = ("dask", "flox", "scipy", "numpy_groupies", "distributed", "zarr", "kerchunk")

PROGRAM = """
import json, sys
import numpy as np, xarray as xr, craton
craton.enable()
ds = xr.open_dataset(sys.argv[1], engine="craton", chunks={"time": 5})
regions = xr.open_dataset(sys.argv[1], engine="craton").region
out = xr.Dataset({
    "climatology": ds.t.groupby("time.month").mean("time"),
    "anomaly": (ds.t.groupby("time.month") - ds.t.groupby("time.month").mean("time")).std("time"),
    "running": ds.t.rolling(time=3).mean().max("time"),
    "weighted": ds.t.weighted(np.cos(np.deg2rad(ds.y))).mean(("y", "x")).max("time"),
    "zones": ds.t.groupby(regions).mean(),
    "spread": ds.t.groupby(regions).std(...),
    "middle": ds.t.groupby(regions).median(),
})
season = ds.resample(time="QS").max().compute()
summed = ds.t.groupby("time.month").cumsum("time").compute()
ds[["t"]].resample(time="2D").mean().compute()
out = out.compute()
heavy = [m for m in %r if m in sys.modules]
print(json.dumps([heavy, {k: [list(v.dims), np.nansum(v.values)] for k, v in out.items()}, float(season.t.sum()), list(season.t.dims), float(summed.sum())]))
""" % (HEAVY,)


def small(tmp_path):
    rng = np.random.default_rng(7)
    t = xr.DataArray(rng.standard_normal((60, 4, 6)), dims=("time", "y", "x"),
                     coords={"time": xr.date_range("2001-01-01", periods=60, freq="3D"), "y": np.linspace(-60, 60, 4), "x": np.arange(6.0)})
    path = tmp_path / "small.nc"
    region = xr.DataArray(rng.integers(0, 4, (4, 6)), dims=("y", "x")).where(lambda r: r > 0)
    xr.Dataset({"t": t.where(t > -1.5), "region": region}).to_netcdf(path, engine="netcdf4")
    return path


def run(program, *arguments):
    done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_dask_flox_and_scipy_stay_out(tmp_path):
    path = small(tmp_path)
    heavy, found, season, dims, summed = run(PROGRAM, path)
    assert heavy == []
    with xr.open_dataset(path) as ds, xr.set_options(use_bottleneck=False):
        ds = ds.load()
        by = ds.t.groupby("time.month")
        expected = {
            "climatology": by.mean("time"),
            "anomaly": (by - by.mean("time")).std("time"),
            "running": ds.t.rolling(time=3).mean().max("time"),
            "weighted": ds.t.weighted(np.cos(np.deg2rad(ds.y))).mean(("y", "x")).max("time"),
            "zones": ds.t.groupby(ds.region).mean(),
            "spread": ds.t.groupby(ds.region).std(...),
            "middle": ds.t.groupby(ds.region).median(),
        }
        for name, (order, total) in found.items():
            assert tuple(order) == expected[name].dims, name
            np.testing.assert_allclose(total, np.nansum(expected[name].values), rtol=1e-12, err_msg=name)
        of_xarray = ds.resample(time="QS").max()
        assert tuple(dims) == of_xarray.t.dims
        np.testing.assert_allclose(season, float(of_xarray.t.sum()), rtol=1e-12)
        np.testing.assert_allclose(summed, float(by.cumsum("time").sum()), rtol=1e-12)


DASK_AFTER = """
import json, sys
import numpy as np, xarray as xr, craton
craton.enable()
a = xr.open_dataset(sys.argv[1], engine="craton", chunks={}).t
before = "dask" in sys.modules
b = xr.open_dataset(sys.argv[1], chunks={"time": 7}, chunked_array_type="dask").t
import dask.array
assert isinstance(b.data, dask.array.Array), type(b.data)
assert isinstance((xr.DataArray(dask.array.ones(4, chunks=2)) + 1).data, dask.array.Array)
lazy = xr.where(b > 0, b, 0).groupby("time.month").sum("time")
assert isinstance(lazy.data, dask.array.Array), type(lazy.data)
ours = xr.where(a > 0, a, 0).groupby("time.month").sum("time")
assert isinstance(ours.data, craton.Array), type(ours.data)
import dask
(done,) = dask.compute(lazy)
print(json.dumps([before, float(done.sum()), float(ours.sum()), float(lazy.sum())]))
"""


def test_who_asks_for_dask_gets_it(tmp_path):
    before, *sums = run(DASK_AFTER, small(tmp_path))
    assert before is False
    np.testing.assert_allclose(sums, sums[0], rtol=1e-12)


DASK_BEFORE = """
import json, sys
import dask.array, xarray as xr
b = xr.open_dataset(sys.argv[1], chunks={"time": 7}).t
assert isinstance(b.data, dask.array.Array)
import craton
ours, refused = xr.open_dataset(sys.argv[1], engine="craton", chunks={}, chunked_array_type="craton"), 0
for enable in (lambda: None, craton.enable):
    enable()
    for x in (ours, ours.t, ours.t.variable, ours.t.data):
        try:
            dask.compute(x)
        except TypeError as error:
            refused += "craton.compute" in str(error) and not dask.is_dask_collection(x)
assert refused == 8
assert isinstance((b + 1).data, dask.array.Array) and xr.namedarray.utils.is_dask_collection(b.data)
print(json.dumps(float(b.groupby("time.month").mean("time").sum())))
"""


def test_dask_that_was_there_before(tmp_path):
    path = small(tmp_path)
    with xr.open_dataset(path) as ds:
        expected = float(ds.t.groupby("time.month").mean("time").sum())
    np.testing.assert_allclose(run(DASK_BEFORE, path), expected, rtol=1e-12)


ENGINES = """
import json, sys
import xarray as xr, craton
if sys.argv[2] == "enabled":
    craton.enable()
found = []
for name in ("craton", "no such", None, "craton"):
    try:
        found.append(type(xr.backends.plugins.get_backend(name)).__name__ if name else xr.backends.plugins.guess_engine(sys.argv[1]))
    except ValueError as error:
        found.append(str(error))
found.append(list(xr.backends.list_engines()))
found.append(xr.open_dataset(sys.argv[1], engine="craton", drop_variables=["region"]).t.shape == xr.open_dataset(sys.argv[1]).t.shape)
print(json.dumps(found))
"""


def test_engines_are_found_as_ever(tmp_path):
    path = small(tmp_path)
    found = run(ENGINES, path, "enabled")
    assert found == run(ENGINES, path, "not")
    assert found[0] == found[3] == "CratonBackend" and "unrecognized engine 'no such'" in found[1] and set(found[4]) > {"craton", "store"} and found[5]


def test_files_of_tests_that_run_without_dask_zarr_and_netcdf4_import_none_of_them():
    """`./check lean` cannot even collect a file that does (elsewhere.py)."""
    found = {}
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if path.name not in elsewhere.OTHERS and {str(name).partition(".")[0] for name in names} & set(elsewhere.GONE):
                found[path.name] = names
    assert not found, f"import it in the test that needs it, and name that in elsewhere.ABOUT, or the file in elsewhere.OTHERS: {found}"
