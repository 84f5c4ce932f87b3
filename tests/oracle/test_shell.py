"""`craton calc` against xarray on NumPy: the same expression in both, written to NetCDF-4 and Zarr, printed as a table and as JSON; several files;
what is refused, with the place in the expression and the exit code.

References of float32 values are computed in float64 where xarray accumulates: its own float32 sums are less exact.
"""
import json
import os
import re
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

BUILD = Path(os.environ["CRATON_BUILD"])
CRATON = BUILD / "src/cli/craton"
DATA = Path(os.environ["CRATON_DATA"])
SEED = int(os.environ.get("CRATON_SEED", "1"))
CALENDARS = ["standard", "noleap", "360_day", "proleptic_gregorian", "all_leap", "julian"]


def craton(*arguments, status=0):
    answer = subprocess.run([CRATON, *map(str, arguments)], capture_output=True, text=True, timeout=120,
                            env={**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "100"})
    assert answer.returncode == status, f"{arguments}: {answer.stderr}{answer.stdout}"
    return answer


def opened(path):
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    with xr.open_dataset(path, engine="zarr" if Path(path).is_dir() else "netcdf4", decode_times=coder) as ds:
        return ds.load()


def field(rng, calendar, dtype="f4", n=700, falling=True):
    time = xr.date_range("1999-11-20", periods=n, freq="D", calendar=calendar, use_cftime=True)
    lat, lon = np.linspace(-75, 75, 7), np.arange(0.0, 360, 40)
    values = (rng.integers(-400, 400, (n, 7, 9)) / 8 + 285).astype(dtype)
    values[rng.random(values.shape) < 0.1] = np.nan
    ds = xr.Dataset(
        {"tos": (("time", "lat", "lon"), values, {"units": "K", "long_name": "surface temperature"}),
         "ice": (("time", "lat", "lon"), rng.random(values.shape).astype("f8"), {"units": "1"}),
         "depth": (("lat", "lon"), rng.integers(0, 5000, (7, 9)).astype("i2"), {"units": "m"}),
         "code": ("time", rng.integers(0, 5, n).astype("i4"))},
        {"time": ("time", time, {"axis": "T"}), "lat": ("lat", lat[::-1] if falling else lat, {"units": "degrees_north"}), "lon": lon,
         "area": (("lat", "lon"), rng.random((7, 9)) + 1)}, attrs={"title": "random"})  # fmt: skip
    ds.time.encoding = {"units": "hours since 1990-01-01", "calendar": calendar, "dtype": "i4"}
    return ds


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("shell") / "in.nc"
    field(np.random.default_rng([SEED, 1]), "noleap").to_netcdf(path, encoding={"tos": {"chunksizes": (100, 4, 9), "zlib": True}})
    return path


def wide(ds):
    return ds.map(lambda v: v.astype("f8") if v.dtype == "f4" else v, keep_attrs=True)


def weights(da):
    return np.cos(np.deg2rad(da.lat))


def between(da, low, high):
    return da.sel(lat=slice(high, low))  # the latitudes fall


def anomaly(da, part):
    groups = da.groupby(f"time.{part}")
    return (groups - groups.mean()).drop_vars(part)


def inner(da, dim, labels):
    """interp without what else lies along dim; on a label it is what is there, whatever is missing beside it."""
    there = [float(label) in da[dim].values for label in labels]
    ours = xr.concat([da.sel({dim: [label]}) if known else da.interp({dim: [label]}) for label, known in zip(labels, there)], dim, coords="minimal", join="override")
    return ours.drop_vars([n for n, c in da.coords.items() if dim in c.dims and n != dim], errors="ignore").transpose(*da.dims)


def turned(da, first):
    """Longitudes of the turn that begins at first, in a row."""
    return da.assign_coords(lon=((da.lon - first) % 360 + first).assign_attrs(da.lon.attrs)).sortby("lon")


# Expression, and the same in xarray. "exact": nothing is accumulated.
PROGRAMS = {
    "tos - 273.15": lambda d: d.tos - 273.15,
    "tos.sel(lat=-30:30)": lambda d: between(d.tos, -30, 30),
    "tos.sel(lat=:30, time=2000-02:2000-03)": lambda d: d.tos.sel(lat=slice(30, None), time=slice("2000-02", "2000-03")),
    "tos | sel time=2000 lon=80:200": lambda d: d.tos.sel(time="2000", lon=slice(80, 200)),
    "tos.sel(lon=[40, 320])": lambda d: d.tos.sel(lon=[40, 320]),
    "tos | nearest lat=12 lon=77 | isel time=::-30": lambda d: d.tos.sel(lat=12, lon=77, method="nearest").isel(time=slice(None, None, -30)),
    "tos.sel(lat=12, lon=77, method=nearest)": lambda d: d.tos.sel(lat=12, lon=77, method="nearest"),
    "tos.isel(time=-1, lat=[0, 3, -1])": lambda d: d.tos.isel(time=-1, lat=[0, 3, -1]),
    "tos.isel(time=10:20:3)": lambda d: d.tos.isel(time=slice(10, 20, 3)),
    "tos | mean time": lambda d: d.tos.mean("time"),
    "mean(tos, lat, lon)": lambda d: d.tos.mean(["lat", "lon"]),
    "tos.std(time) + tos.var(time)": lambda d: d.tos.std("time") + d.tos.var("time"),
    "tos | max": lambda d: d.tos.max(),
    "tos.count(time) * 2": lambda d: d.tos.count("time") * 2,
    "depth.sum(lat)": lambda d: d.depth.sum("lat"),
    "tos | monthly mean": lambda d: d.tos.resample(time="MS").mean(),
    "tos | seasonal max": lambda d: d.tos.resample(time="QS-DEC").max(),
    "ice | yearly sum": lambda d: d.ice.resample(time="YS").sum(),
    "tos.resample(time=5D).min()": lambda d: d.tos.resample(time="5D").min(),
    "ice.resample(time=\"36h\") | mean": lambda d: d.ice.resample(time="36h").mean(),
    "ice | resample time=2MS mean": lambda d: d.ice.resample(time="2MS").mean(),
    "tos | by month mean": lambda d: d.tos.groupby("time.month").mean(),
    "tos | by season mean time": lambda d: d.tos.groupby("time.season").mean(),
    "ice | by dayofyear max": lambda d: d.ice.groupby("time.dayofyear").max(),
    "tos | anomaly month": lambda d: anomaly(d.tos, "month"),
    "tos.groupby(\"time.month\") - tos.groupby(\"time.month\").mean()":
        lambda d: d.tos.groupby("time.month") - d.tos.groupby("time.month").mean(),
    "tos | weighted mean lat lon": lambda d: d.tos.weighted(weights(d.tos)).mean(["lat", "lon"]),
    "tos.weighted(area).mean(lat, lon)": lambda d: d.tos.weighted(d.area).mean(["lat", "lon"]),
    "tos.sel(time=2000-01:2000-06, lat=-30:30) | monthly mean | weighted mean lat lon - 273.15":
        lambda d: (lambda t: t.weighted(weights(t)).mean(["lat", "lon"]) - 273.15)(
            between(d.tos.sel(time=slice("2000-01", "2000-06")), -30, 30).resample(time="MS").mean()),
    "tos | where tos > 280 and not depth < 100": lambda d: d.tos.where((d.tos > 280) & ~(d.depth < 100)),
    "tos.where(_ > 280, 0)": lambda d: d.tos.where(d.tos > 280, 0),
    "where(ice > 0.5, ice, -1)": lambda d: xr.where(d.ice > 0.5, d.ice, -1),
    "(-tos ** 2 + 3 * ice / (depth + 1)) // 2 % 7": lambda d: (-(d.tos**2) + 3 * d.ice / (d.depth + 1)) // 2 % 7,
    "2 ** -1 * ice": lambda d: 2**-1 * d.ice,
    "depth > 100 and depth <= 4000 or depth == 0": lambda d: (d.depth > 100) & (d.depth <= 4000) | (d.depth == 0),
    "sqrt(ice) + ice.exp() - log(ice + 1)": lambda d: np.sqrt(d.ice) + np.exp(d.ice) - np.log(d.ice + 1),
    "maximum(ice, 0.5) | clip(0.6, 0.8)": lambda d: np.clip(np.maximum(d.ice, 0.5), 0.6, 0.8),
    "tos | median time": lambda d: d.tos.median("time"),
    "tos | quantile 0.9 time": lambda d: d.tos.quantile(0.9, "time"),
    "tos | by month quantile 0.9": lambda d: d.tos.groupby("time.month").quantile(0.9),
    "ice | by season median": lambda d: d.ice.groupby("time.season").median(),
    "ice | by dayofyear quantile 0.25 time": lambda d: d.ice.groupby("time.dayofyear").quantile(0.25, dim="time"),
    "tos.groupby(\"time.year\").quantile(1)": lambda d: d.tos.groupby("time.year").quantile(1.0),
    "tos | monthly quantile 0.9": lambda d: d.tos.resample(time="MS").quantile(0.9),
    "ice | seasonal median": lambda d: d.ice.resample(time="QS-DEC").median(),
    "ice | resample time=10D quantile 0.05": lambda d: d.ice.resample(time="10D").quantile(0.05),
    "depth | by lon quantile 0.5": lambda d: d.depth.groupby("lon").quantile(0.5, dim="lon"),
    "tos | sel lon=-90:90": lambda d: turned(d.tos, -90).sel(lon=slice(-90, 90)),
    "ice.sel(lon=-180:180, time=2000)": lambda d: turned(d.ice, -180).sel(lon=slice(-180, 180), time="2000"),
    "ice.sel(lon=300:100)": lambda d: turned(d.ice, 300).sel(lon=slice(300, 460)),
    "tos | sel lon=-100:-30": lambda d: turned(d.tos, -100).sel(lon=slice(-100, -30)),
    "depth | nearest lon=-35": lambda d: d.depth.sel(lon=320),
    "depth | nearest lon=359": lambda d: d.depth.sel(lon=0),
    "depth | sel lon=[-40, 400]": lambda d: d.depth.sel(lon=[320, 40]),
    "ice | rolling time=30 mean": lambda d: d.ice.rolling(time=30).mean(),
    "tos | rolling time=3 max": lambda d: d.tos.rolling(time=3).max(),
    "depth | rolling lon=2 sum": lambda d: d.depth.rolling(lon=2).sum(),
    "tos | transpose lon time lat": lambda d: d.tos.transpose("lon", "time", "lat"),
    "tos.sel(month=[12, 1])": lambda d: d.tos.isel(time=np.isin(d.time.dt.month, [12, 1])),
    "ice | sel month=11:2 hour=0": lambda d: d.ice.isel(time=np.isin(d.time.dt.month, [11, 12, 1, 2])),
    "ice.sel(season=JJA, year=2001:) | mean latitude longitude": lambda d: d.ice.isel(time=((d.time.dt.season == "JJA") & (d.time.dt.year >= 2001)).values).mean(["lat", "lon"]),
    "ice.sel(time=2000-02-01T00:00:2000-03-05T12:30:00)": lambda d: d.ice.sel(time=slice("2000-02-01", "2000-03-05")),
    "ice | cumsum time": lambda d: d.ice.cumsum("time"),
    "tos | diff lat": lambda d: d.tos.diff("lat"),
    "tos | ffill time": lambda d: d.tos.copy(data=pd.DataFrame(d.tos.values.reshape(len(d.time), -1)).ffill().values.reshape(d.tos.shape)),
    "tos.fillna(ice)": lambda d: d.tos.fillna(d.ice),
    "tos | std1 time": lambda d: d.tos.std("time", ddof=1),
    "ice | by month var1": lambda d: d.ice.groupby("time.month").var(ddof=1),
    "ice | monthly std1": lambda d: d.ice.resample(time="MS").std(ddof=1),
    "ice | rolling time=5 std1": lambda d: d.ice.rolling(time=5).std(ddof=1),
    "tos | interp lat=[10, 75, -20.5]": lambda d: inner(d.tos, "lat", [10, 75, -20.5]),
    "ice | interp lat=-60:60:7.5 lon=100": lambda d: inner(inner(d.ice, "lat", np.arange(-60, 61, 7.5)), "lon", [100.0]).isel(lon=0),
    "ice.corr(tos, time) | name ice": lambda d: xr.corr(d.ice, d.tos, "time").rename("ice").drop_attrs(deep=False),
    "w = cos(deg2rad(lat)); x = tos * w; sum(x, lat)": lambda d: (d.tos * weights(d.tos)).sum("lat").rename("x"),
    "lat": lambda d: d.lat,
    "tos | attrs units=degC long_name=\"a name\" | name sst": lambda d: d.tos.assign_attrs(units="degC", long_name="a name").rename("sst"),
}
# Names and attributes that are told otherwise: maps of two take what agrees, as xarray's operators do.
MORE_ATTRS = {"where(ice > 0.5, ice, -1)", "sqrt(ice) + ice.exp() - log(ice + 1)", "maximum(ice, 0.5) | clip(0.6, 0.8)",
              "w = cos(deg2rad(lat)); x = tos * w; sum(x, lat)"}


def compare(ours, theirs, exact, what):
    assert ours.dims == theirs.dims and ours.shape == theirs.shape, what
    assert ours.dtype == theirs.dtype, what
    tolerance = 2e-6 if "tos" in what else 1e-12  # on the way it may be float32
    np.testing.assert_allclose(ours.values, exact.values, rtol=tolerance, atol=tolerance * 300, err_msg=what)
    assert set(ours.coords) == set(theirs.coords), what
    for name, coord in theirs.coords.items():
        assert ours[name].dims == coord.dims, (what, name)
        assert (np.asarray(ours[name].values) == np.asarray(coord.values)).all(), (what, name)
    if what not in MORE_ATTRS:
        assert ours.attrs == theirs.attrs, what


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs(tmp_path, source, program):
    number = list(PROGRAMS).index(program)
    out = tmp_path / ("out.nc" if number % 2 else "out.zarr")
    craton("calc", program, source, "-o", out, "--memory", "128M", "--threads", 1 + number % 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = opened(source)
        theirs, exact = PROGRAMS[program](ds), PROGRAMS[program](wide(ds))
    results = opened(out)
    name = theirs.name or "result"
    assert results.attrs == ds.attrs
    if program == "lat":  # a coordinate is a dataset without variables
        assert list(results.coords) == ["lat"] and (results.lat == ds.lat).all()
        return
    assert list(results.data_vars) == [name]
    compare(results[name], theirs, exact, program)


@pytest.mark.parametrize("case", range(12))
def test_longitudes_around_the_earth(tmp_path, case):
    """Random grids of either direction, turn and type, also with a column that is there twice; ranges over seams and in other turns."""
    rng = np.random.default_rng([SEED, 7, case])
    n = int(rng.integers(5, 40))
    first = float(rng.choice([0, -180, -90, 5, 180]))
    twice = case % 4 == 3
    lon = first + np.arange(n + twice) * (360 / n if case % 3 else 3.0)
    lon = np.unique(np.round(lon * 8) / 8)  # exact, also in float32
    lon = lon[::-1] if case % 2 else lon
    name = ["lon", "x"][case % 2]
    ds = xr.Dataset({"t": (("y", name), rng.random((3, len(lon)))), "where": ((name,), np.arange(len(lon)))},
                    {name: (name, lon.astype(["f8", "f4"][case % 2]), {"units": "degrees_east"}),
                     "lon2d": (("y", name), rng.random((3, len(lon))))})  # fmt: skip
    ds.to_netcdf(tmp_path / "in.nc")
    for _ in range(6):
        low = float(np.round(rng.uniform(-360, 360)))
        high = low + float(np.round(rng.uniform(20, 360)))
        wanted = {}
        for label, value in zip(lon, ds.t.values.T):
            here = (label - low) % 360 + low
            if here <= high:
                wanted.setdefault(here, []).append(value)
        what = f"seed {SEED} case {case}: {low}:{high} of {lon[0]}..{lon[-1]}"
        if not wanted:
            craton("calc", f"t.sel({name}={low:.0f}:{high:.0f})", tmp_path / "in.nc", status=3)
            continue
        craton("calc", f"t.sel({name}={low:.0f}:{high:.0f})", tmp_path / "in.nc", "-o", tmp_path / "out.nc", "--force")
        ours = opened(tmp_path / "out.nc").t
        labels = sorted(wanted, reverse=bool(case % 2))
        if any(label not in lon for label in labels):  # else it is what plain selection finds, a column that is there twice included
            assert list(ours[name].values) == labels, what
            assert ours[name].attrs == {"units": "degrees_east"} and ours.lon2d.shape == ours.shape, what
            assert ours[name].dtype == ds[name].dtype, what
        for label, column in zip(ours[name].values, ours.values.T):
            assert any((column == value).all() for value in wanted[(label - low) % 360 + low]), what
        assert set((ours[name].values - low) % 360 + low) == set(labels), what


def test_longitudes_of_other_names_are_not_turned(tmp_path):
    ds = xr.Dataset({"t": ("x", np.arange(36.0))}, {"x": ("x", np.arange(0, 360, 10.0), {"units": "m"})})
    ds.to_netcdf(tmp_path / "in.nc")
    craton("calc", "t.sel(x=-30:-10)", tmp_path / "in.nc", status=3)
    answer = json.loads(craton("calc", "t.sel(x=-30:20)", tmp_path / "in.nc", "--json").stdout)
    assert answer["data_vars"]["t"]["data"] == [0, 1, 2]
    assert "larger to the smaller" in craton("calc", "t.sel(x=300:20)", tmp_path / "in.nc", status=2).stderr


@pytest.mark.parametrize("window, there", [(1, 700), (700, 1), (701, 0), (5000, 0)])
def test_windows_as_long_as_the_axis(source, window, there):
    values = json.loads(craton("calc", f"ice.isel(lat=0, lon=0) | rolling time={window} mean", source, "--json").stdout)["data_vars"]["ice"]["data"]
    assert len(values) == 700 and sum(v is not None for v in values[-there:] if there) == there == sum(v is not None for v in values)


@pytest.mark.parametrize("calendar", CALENDARS[:3])
def test_periods_with_gaps(tmp_path, calendar):
    """Periods without elements are missing; groups in any number of chunks."""
    rng = np.random.default_rng([SEED, 8, CALENDARS.index(calendar)])
    ds = field(rng, calendar, "f8", n=500).isel(lon=slice(0, 2))
    ds = ds.isel(time=np.sort(rng.choice(500, 160, replace=False)))
    ds = ds.isel(time=(ds.time.dt.month != 3).values)
    ds.to_netcdf(tmp_path / "in.nc", encoding={"tos": {"chunksizes": (17, 3, 2)}})
    for text, theirs in {
        "monthly quantile 0.9": ds.tos.resample(time="MS").quantile(0.9), "monthly median": ds.tos.resample(time="MS").median(),
        "resample time=7D quantile 0.3": ds.tos.resample(time="7D").quantile(0.3), "yearly quantile 0": ds.tos.resample(time="YS").quantile(0.0),
        "monthly sum": ds.tos.resample(time="MS").sum(min_count=0), "resample time=7D sum": ds.tos.resample(time="7D").sum(),
        "by month quantile 0.75": ds.tos.groupby("time.month").quantile(0.75), "by dayofyear median": ds.tos.groupby("time.dayofyear").median(),
    }.items():  # fmt: skip
        craton("calc", f"tos | {text}", tmp_path / "in.nc", "-o", tmp_path / "out.nc", "--force", "--memory", "32M")
        ours = opened(tmp_path / "out.nc").tos
        assert ours.dims == theirs.dims and (ours[ours.dims[0]].values == theirs[theirs.dims[0]].values).all(), text
        np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-12, err_msg=text)
    assert "between 0 and 1" in craton("calc", "tos | monthly quantile 2", tmp_path / "in.nc", status=2).stderr
    assert "not along lat" in craton("calc", "tos | monthly quantile 0.5 lat", tmp_path / "in.nc", status=7).stderr


def overlaps(theirs, ours, measure):
    """Shares of the cells `theirs` in each of `ours`; pairs of borders, rising."""
    low = np.maximum(ours[:, None, 0], theirs[None, :, 0])
    high = np.minimum(ours[:, None, 1], theirs[None, :, 1])
    return np.where(high > low, measure(high) - measure(low), 0)


def cells(nx, ny):
    """Centres and borders of rNXxNY."""
    lat, lon = -90 + 180 / ny * (np.arange(ny) + 0.5), 360 / nx * np.arange(nx)
    return lat, lon, np.stack([lat - 90 / ny, lat + 90 / ny], -1), np.stack([lon - 180 / nx, lon + 180 / nx], -1)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Whole Earth with falling latitudes, longitudes not last, some values missing."""
    rng = np.random.default_rng([SEED, 9])
    path = tmp_path_factory.mktemp("regrid") / "world.nc"
    lat, lon, _, _ = cells(24, 15)
    values = rng.normal(size=(24, 5, 15)) + 10
    holes = values.copy()
    holes[rng.random(values.shape) < 0.1] = np.nan
    ds = xr.Dataset({"t": (("longitude", "time", "latitude"), values, {"units": "K"}), "gaps": (("time", "latitude", "longitude"), holes.transpose(1, 2, 0)),
                     "series": ("time", np.arange(5.0))},
                    {"latitude": ("latitude", lat, {"units": "degrees_north"}), "longitude": ("longitude", lon, {"units": "degrees_east"}),
                     "time": np.arange(5), "height": 2.0, "area": (("latitude", "longitude"), rng.random((15, 24)))})  # fmt: skip
    ds.isel(latitude=slice(None, None, -1)).to_netcdf(path)
    return path


def test_regrid_conservative(tmp_path, world):
    craton("calc", "t | regrid r20x9 conservative, gaps.regrid(conservative, r20x9, skipna)", world, "-o", tmp_path / "out.nc")
    ours, ds = opened(tmp_path / "out.nc"), opened(world).sortby("latitude").transpose("time", "latitude", "longitude")
    assert ours.t.dims == ("time", "latitude", "longitude") and ours.t.attrs == {"units": "K"}
    assert set(ours.coords) == {"time", "latitude", "longitude", "height"} and float(ours.height) == 2
    lat, lon, lat_b, lon_b = cells(20, 9)
    np.testing.assert_allclose(ours.latitude, lat)
    np.testing.assert_allclose(ours.longitude, lon)
    assert ours.latitude.attrs == {"units": "degrees_north", "standard_name": "latitude"}
    _, _, from_lat, from_lon = cells(24, 15)
    rows = overlaps(from_lat, lat_b, lambda x: np.sin(np.deg2rad(x)))
    columns = sum(overlaps(from_lon + turn, lon_b, lambda x: x) for turn in (-360, 0, 360))
    for name in ("t", "gaps"):
        there = np.isfinite(ds[name].values)
        weighted = np.einsum("yj,xi,tji->tyx", rows, columns, np.where(there, ds[name].values, 0))
        whole = np.einsum("yj,xi,tji->tyx", rows, columns, there.astype(float))
        np.testing.assert_allclose(ours[name].values, weighted / whole, rtol=1e-10, err_msg=name)


def test_regrid_bilinear(tmp_path, world):
    craton("calc", "t | regrid r50x30, gaps | regrid bilinear r50x30", world, "-o", tmp_path / "out.nc")
    ours, ds = opened(tmp_path / "out.nc"), opened(world).sortby("latitude")
    for name in ("t", "gaps"):
        da = ds[name].transpose("time", "latitude", "longitude")
        wide = np.concatenate([da.values] * 3, -1)
        lon = np.concatenate([da.longitude.values + turn for turn in (-360, 0, 360)])
        theirs = xr.DataArray(wide, dims=da.dims, coords={"latitude": da.latitude.values, "longitude": lon}).interp(
            latitude=ours.latitude.values, longitude=ours.longitude.values)
        between = ~np.isin(ours.longitude.values, da.longitude.values)  # on a column interp takes NaN times zero from the next one
        inner = np.ix_(range(5), range(1, 29), between)  # beyond the last row the pole is its mean
        assert between.sum() > 40
        np.testing.assert_allclose(ours[name].values[inner], theirs.values[inner], rtol=1e-10, err_msg=name)
    assert np.isfinite(ours.t.values).all() and np.isnan(ours.gaps.values).any()


def test_regrid_nearest_to_the_grid_of_a_file(tmp_path, world):
    """Of a curvilinear grid, in both directions; `*` passes over what lies nowhere."""
    rng = np.random.default_rng([SEED, 10])
    y, x = np.meshgrid(np.linspace(-60, 60, 7), np.linspace(-170, 170, 9), indexing="ij")
    lat, lon = y + rng.uniform(-3, 3, y.shape), x + y / 10
    curved = xr.Dataset({"s": (("j", "i"), rng.random(y.shape))}, {"nav_lat": (("j", "i"), lat), "nav_lon": (("j", "i"), lon)})
    curved.to_netcdf(tmp_path / "curved.nc")

    def nearest(from_lat, from_lon, to_lat, to_lon):
        def points(a, b):
            a, b = np.deg2rad(np.ravel(a)), np.deg2rad(np.ravel(b))
            return np.stack([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)], -1)
        return (points(to_lat, to_lon) @ points(from_lat, from_lon).T).argmax(-1)

    craton("calc", f'* | regrid nearest "{tmp_path}/curved.nc"', world, "-o", tmp_path / "out.zarr")
    ours, ds = opened(tmp_path / "out.zarr"), opened(world).transpose("time", "latitude", "longitude")
    at = nearest(*np.meshgrid(ds.latitude, ds.longitude, indexing="ij"), lat, lon)
    np.testing.assert_array_equal(ours.t.values, ds.t.values.reshape(5, -1)[:, at].reshape(5, 7, 9))
    assert ours.t.dims == ("time", "j", "i") and {"nav_lat", "nav_lon"} <= set(ours.coords)
    np.testing.assert_array_equal(ours.series, ds.series)
    craton("calc", "s | regrid r12x6 nearest", tmp_path / "curved.nc", "-o", tmp_path / "back.nc")
    back = opened(tmp_path / "back.nc").s
    at = nearest(lat, lon, *np.meshgrid(back.lat, back.lon, indexing="ij"))
    np.testing.assert_array_equal(back.values, curved.s.values.ravel()[at].reshape(6, 12))


def test_regrid_with_bounds(tmp_path):
    """Cells are what bounds say, not midway between centres."""
    edges = np.array([-90.0, -70, 10, 30, 90])
    ds = xr.Dataset({"t": (("lat", "lon"), np.arange(16.0).reshape(4, 4)), "lat_edges": (("lat", "nv"), np.stack([edges[:-1], edges[1:]], -1))},
                    {"lat": ("lat", (edges[:-1] + edges[1:]) / 2, {"bounds": "lat_edges"}), "lon": np.arange(0, 360, 90.0)})
    ds.to_netcdf(tmp_path / "in.nc")
    craton("calc", "t | regrid r4x3 conservative", tmp_path / "in.nc", "-o", tmp_path / "out.nc")
    rows = overlaps(np.stack([edges[:-1], edges[1:]], -1), cells(4, 3)[2], lambda x: np.sin(np.deg2rad(x)))
    np.testing.assert_allclose(opened(tmp_path / "out.nc").t, (rows / rows.sum(1, keepdims=True)) @ ds.t.values, rtol=1e-12)


def test_regrid_of_a_part_keeps_its_bounds(tmp_path):
    """Cells that were selected, or turned around the Earth, have the bounds of the file and not the midpoints of their labels."""
    lat, lon = np.arange(85.0, -90, -10), np.arange(0, 360, 10.0)
    values = np.random.default_rng(SEED).normal(280, 10, (18, 36))
    edges = np.append(lon - 3, 357.0)
    ds = xr.Dataset({"t": (("lat", "lon"), values), "lon_bnds": (("lon", "side"), np.stack([edges[:-1], edges[1:]], 1))},
                    {"lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east", "bounds": "lon_bnds"})})  # fmt: skip
    ds.to_netcdf(tmp_path / "in.nc")
    results = []
    for part in ("", ".sel(lon=20:200)", ".sel(lon=-180:179)", ".sel(lon=-20:130, lat=-60:60)"):
        craton("calc", "--force", f"t{part} | regrid r72x18 conservative skipna", tmp_path / "in.nc", "-o", tmp_path / "out.nc")
        results.append(xr.open_dataset(tmp_path / "out.nc").t.load())
    whole, part, turned, seam = results
    # Over 40 E: cells of 5 degrees around 45 E lie within the one from 37 to 47 E and that from 47 to 57 E.
    within = values[::-1][:, 4] * (4.5 / 5) + values[::-1][:, 5] * (0.5 / 5)
    np.testing.assert_allclose(whole.sel(lon=45), within, rtol=1e-6)
    xr.testing.assert_allclose(turned, whole)
    xr.testing.assert_allclose(part.sel(lon=slice(30, 190)), whole.sel(lon=slice(30, 190)))
    xr.testing.assert_allclose(seam.sel(lon=slice(0, 120), lat=slice(-50, 50)), whole.sel(lon=slice(0, 120), lat=slice(-50, 50)))
    assert part.sel(lon=300).isnull().all()
    craton("calc", "--force", "t.isel(lon=::2) | regrid r72x18 conservative skipna | regrid r36x9 conservative skipna", tmp_path / "in.nc", "-o", tmp_path / "out.nc")
    assert xr.open_dataset(tmp_path / "out.nc").t.notnull().all()


def test_regrid_refusals(tmp_path, world):
    for text, code, why in [("t | regrid bilinear", 2, "needs a grid"), ("t | regrid 1x1", 2, "regrid"), ("t | regrid r3x1", 2, "columns"),
                            ("t | regrid r999999x999999", 2, "at most"), ("t | regrid r36x18 cubic", 2, "no method"),
                            ("series | regrid r36x18", 3, "latitude"), ('t | regrid "none.nc"', 3, "none.nc"), ("t | regrid g36", 2, "no grid")]:  # fmt: skip
        said = craton("calc", text, world, "-o", tmp_path / "out.nc", status=code).stderr
        assert why in said and "^" in said, said
    assert not list(tmp_path.iterdir())


def full(iso):
    """A time with its seconds."""
    day, _, clock = iso.partition("T")
    return f"{day}T{clock or '00:00'}{'' if clock.count(':') == 2 else ':00'}"


@pytest.mark.parametrize("calendar", CALENDARS)
def test_periods_of_calendars(tmp_path, calendar):
    rng = np.random.default_rng([SEED, 2, CALENDARS.index(calendar)])
    frequencies = ["MS", "3MS", "QS-DEC", "QS", "2QS-FEB", "YS", "AS-JUL", "2D", "7D", "12h"]
    ds = field(rng, calendar, "f8", n=int(rng.integers(40, 900))).isel(lat=[0], lon=[0])
    ds = ds.isel(time=np.sort(rng.choice(ds.sizes["time"], ds.sizes["time"] // 2, replace=False)))
    ds.to_netcdf(tmp_path / "in.nc")
    for frequency in frequencies:
        answer = json.loads(craton("calc", f"tos | resample time={frequency} mean", tmp_path / "in.nc", "--json").stdout)
        theirs = ds.tos.resample(time=frequency.replace("AS", "YS")).mean()
        ours = xr.Dataset.from_dict(answer).tos
        assert [full(t) for t in ours.time.values] == [full(t.isoformat()) for t in theirs.time.values], frequency
        np.testing.assert_allclose(ours.values.astype("f8"), theirs.values, rtol=1e-12, err_msg=frequency)


def test_several_files(tmp_path):
    ds = field(np.random.default_rng([SEED, 3]), "360_day")
    parts = [slice(0, 200), slice(200, 201), slice(201, 500), slice(500, None)]
    packing = {"dtype": "i2", "scale_factor": 0.125, "add_offset": 280.0, "_FillValue": -9999}
    for number, part in zip((3, 1, 0, 2), parts):  # names do not tell the order
        piece = ds.isel(time=part)
        if number < 2:
            piece.to_netcdf(tmp_path / f"part{number}.nc", encoding={"tos": packing})
        else:
            piece.drop_encoding().to_zarr(tmp_path / f"part{number}.nc", zarr_format=number)
    files = sorted(tmp_path.glob("part*"))
    craton("calc", "tos, depth, ice.mean(lat), code", *files, "-o", tmp_path / "all.nc")
    ours = opened(tmp_path / "all.nc")
    xr.testing.assert_allclose(ours.tos.drop_attrs(), ds.tos.drop_attrs(), rtol=1e-6)
    assert (ours.code == ds.code).all() and (ours.depth == ds.depth).all() and (ours.area == ds.area).all()
    assert list(ours.time.values) == list(ds.time.values)
    answer = craton("calc", "tos", *files, files[0], status=2)
    assert "begins along time before" in answer.stderr
    later = ds.time[:2] + np.timedelta64(9000, "D").astype("m8[us]").item()
    ds.isel(time=slice(0, 2)).assign_coords(lat=ds.lat + 1, time=later).to_netcdf(tmp_path / "other.nc")
    assert "labels of lat differ" in craton("calc", "tos", files[0], tmp_path / "other.nc", status=2).stderr


def test_every_variable(tmp_path, source):
    answer = craton("calc", "* | monthly mean | sel lat=-30:30", source, "-o", tmp_path / "out.nc")
    ours, ds = opened(tmp_path / "out.nc"), opened(source)
    theirs = between(wide(ds), -30, 30)
    assert set(ours.data_vars) == {"tos", "ice", "depth", "code"} and not answer.stderr
    np.testing.assert_allclose(ours.tos, theirs.tos.resample(time="MS").mean(), rtol=1e-6)
    np.testing.assert_array_equal(ours.depth, theirs.depth)
    np.testing.assert_allclose(ours.code, ds.code.resample(time="MS").mean())
    assert "no variable has the dimensions" in craton("calc", "* | mean level", source, status=3).stderr


def test_units(tmp_path, source):
    ds = opened(source)
    for units, theirs in (("degC", ds.tos - 273.15), ("degF", (ds.tos.astype("f8") - 273.15) * 9 / 5 + 32)):
        craton("calc", f"tos | to {units}", source, "-o", tmp_path / f"{units}.nc")
        ours = opened(tmp_path / f"{units}.nc").tos
        np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-4)
        assert ours.attrs == {"units": units, "long_name": "surface temperature"}
    ours = json.loads(craton("calc", "depth | to km | max", source, "--json").stdout)["data_vars"]["depth"]
    assert ours["data"] == pytest.approx(float(ds.depth.max()) / 1000, rel=1e-6) and ours["attrs"]["units"] == "km"
    assert "not known" in craton("calc", "tos | to km", source, status=7).stderr
    assert "has no units" in craton("calc", "lon | to km", source, status=2).stderr


def test_json_is_a_dataset(source):
    ds = opened(source)
    ours = xr.Dataset.from_dict(json.loads(craton("calc", "tos.isel(lat=0), code", source, "--json").stdout))
    np.testing.assert_allclose(ours.tos.values.astype("f8"), ds.tos.isel(lat=0), rtol=1e-6)
    assert (ours.code == ds.code).all() and ours.tos.dims == ("time", "lon")
    assert list(ours.time.values[:2]) == ["1999-11-20", "1999-11-21"]


def test_table(source):
    ds = opened(source)
    lines = craton("calc", "tos.isel(lat=0, time=:3, lon=:2)", source).stdout.splitlines()
    assert lines[0] == "# tos in K" and lines[1].split() == ["time", "lon", "tos"] and len(lines) == 8
    rows = [line.split() for line in lines[2:]]
    assert [r[0] for r in rows[::2]] == ["1999-11-20", "1999-11-21", "1999-11-22"] and [r[1] for r in rows[:2]] == ["0", "40"]
    np.testing.assert_allclose([float(r[2]) for r in rows], ds.tos.isel(lat=0, time=slice(3), lon=slice(2)).values.ravel(), rtol=1e-6)
    assert max(map(len, lines[1:])) == min(map(len, lines[1:]))
    big = DATA / "ostia_monthly.nc"
    assert "Too many values" in craton("calc", "surface_temperature", big).stdout
    assert "-o FILE" in craton("calc", "surface_temperature", big, "--json", status=8).stderr


def test_real_file():
    path = DATA / "ostia_monthly.nc"
    ds = opened(path)
    ours = json.loads(craton("calc", "surface_temperature | sel time=2007:2009 | yearly mean | weighted mean latitude longitude | to degC", path,
                             "--json").stdout)  # fmt: skip
    t = ds.surface_temperature.astype("f8").sel(time=slice("2007", "2009")).resample(time="YS").mean()
    theirs = t.weighted(np.cos(np.deg2rad(t.latitude.astype("f8")))).mean(["latitude", "longitude"]) - 273.15
    np.testing.assert_allclose(ours["data_vars"]["surface_temperature"]["data"], theirs, rtol=1e-5)


# Expression: exit code, byte that is marked, words of the message.
WRONG = {
    "tos +": (2, 5, "the end"),
    "tos | monthly meen": (3, 14, "no operation"),
    "tos.sel(lot=3)": (3, 8, "no dimension lot"),
    "tos.sel(lat=abc)": (2, 12, "none"),
    "tos.sel(lat=91:95)": (3, 8, "no label"),
    "tos.sel(lat=30:-30)": (2, 12, "larger to the smaller"),
    "tos.sel(time=1850)": (3, 8, "time"),
    "tos.isel(time=70000)": (2, 9, ""),
    "tos.isel(time=::0)": (2, 16, "step"),
    "toss * 2": (3, 0, "no variable toss"),
    "2 + (tos | mean level)": (3, 11, "level"),
    "tos | monthly": (2, 6, "waits for a reduction"),
    "monthly(tos) + 1": (2, 0, "waits for a reduction"),
    "0 < tos < 1": (2, 8, "in a row"),
    "tos; ice": (2, 0, "last statement"),
    "tos.mean(time": (2, 13, "expected"),
    "tos.mean(time))": (2, 14, "expected"),
    "tos ! ice": (2, 4, "expected"),
    "tos.sel(lat=\"3)": (2, 12, "quote"),
    "tos.quantile(1.5)": (2, 13, "between 0 and 1"),
    "tos | by month mean lat": (7, 20, "goes along time"),
    "tos | by fortnight mean": (2, 9, "component"),
    "tos | rolling time=0 mean": (2, 14, "window"),
    "tos | resample time=4X mean": (2, 15, "no frequency"),
    "tos, ice, tos": (2, 10, "two results"),
    "time + 1": (2, 5, "times"),
    "(tos > 1) ** -1": (2, 13, "negative whole power"),
    "frobnicate(tos)": (3, 0, "no operation"),
    "_ + 1": (2, 0, "argument of none"),
    "(" * 300 + "tos" + ")" * 300: (8, None, "nested too deeply"),
    "+".join(["1"] * 5000): (8, None, "too many parts"),
    "": (2, 0, "expected"),
}  # fmt: skip


@pytest.mark.parametrize("program", WRONG, ids=lambda p: p[:30])
def test_what_is_wrong_is_marked(source, program):
    code, at, words = WRONG[program]
    answer = craton("calc", program, source, status=code)
    lines = answer.stderr.splitlines()
    assert lines[0].startswith("craton: ") and words in lines[0], answer.stderr
    if at is not None:
        assert lines[1] == f"  {program}" and lines[2] == "  " + " " * at + "^", answer.stderr


def test_what_is_no_number_has_no_sign(source):
    assert "-nan" not in craton("calc", "(tos | mean) * 0 / 0", source).stdout


def test_the_mark_knows_characters(source):
    answer = craton("calc", "\"température\" + tos", source, status=3)
    assert answer.stderr.splitlines()[2] == "  ^"
    answer = craton("calc", "tos.where(tos > \"é\" )  | meen", source, status=3)
    assert answer.stderr.splitlines()[2].index("^") == 2 + len("tos.where(tos > \"é\" )  | ")
    assert "\x1b" not in craton("calc", "tos + \x1b[31m", source, status=2).stderr


def test_outputs_are_whole_or_not_there(tmp_path, source):
    out = tmp_path / "out.nc"
    craton("calc", "tos | mean time", source, "-o", out)
    before = out.read_bytes()
    assert "--force" in craton("calc", "ice", source, "-o", out, status=4).stderr
    craton("calc", "nothing", source, "-o", out, "--force", status=3)
    assert "memory" in craton("calc", "ice | median time", source, "-o", out, "--force", "--memory", "100K", status=2).stderr.lower()
    assert out.read_bytes() == before
    craton("calc", "ice", source, "-o", out, "--force")
    assert list(opened(out).data_vars) == ["ice"]
    craton("calc", "ice * 2", out, "-o", out, "--force")  # onto itself
    np.testing.assert_array_equal(opened(out).ice, opened(source).ice * 2)
    assert "which format" in craton("calc", "ice", source, "-o", tmp_path / "out.dat", status=2).stderr
    craton("calc", "ice", source, "-o", tmp_path / "out.dat", "--format", "zarr2")
    assert (tmp_path / "out.dat/.zgroup").exists()
    craton("calc", "tos", tmp_path / "nothing.nc", status=3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.dat", "out.nc"]


def test_bits_do_not_depend_on_threads_and_memory(tmp_path, source):
    results = []
    for number, options in enumerate((["--threads", 1], ["--threads", 7], ["--threads", 2, "--memory", "24M"])):
        out = tmp_path / f"{number}.zarr"
        craton("calc", "tos | by month mean | weighted mean lat lon, ice | monthly std", source, "-o", out, *options)
        results.append(opened(out))
    for other in results[1:]:
        for name in results[0].variables:
            assert results[0][name].values.tobytes() == other[name].values.tobytes() or results[0][name].dtype == "O"


def test_examples_of_the_documentation(tmp_path, source):
    page = (Path(__file__).parents[2] / "docs/shell.md").read_text()
    commands = re.findall(r"^\$ craton calc '([^']+)'", page, re.M)
    rows = [m for row in re.findall(r"^\| [^|]+ \| (.*) \|[^|]*\|$", page, re.M) for m in re.findall(r"`([^`]+)`", row)]
    examples = commands + [e.replace("\\|", "|") for e in rows if e[0] in "tcwm*(" and " FILE" not in e and " SOURCE" not in e and e != "median"]
    assert len(examples) > 20
    craton("calc", "depth.isel(lat=::2)", source, "-o", tmp_path / "grid.nc")
    examples = [e.replace("grid.nc", str(tmp_path / "grid.nc")) for e in examples]
    for number, example in enumerate(examples):
        craton("calc", example, source, "-o", tmp_path / f"{number}.nc")


def test_explain_reads_nothing(source):
    answer = craton("explain", "tos | by month mean", source, "--memory", "1G").stdout
    assert "in.nc:/tos" in answer and "memory at most" in answer and "of 1.0 GiB" in answer


def test_help(source):
    page = craton("calc", "--help").stdout
    assert "weighted" in page and "--along" in page and max(map(len, page.splitlines())) < 160
    assert "calc" in craton("help").stdout and "regrid" in page
    craton("calc", status=2)
    craton("calc", "tos", status=2)
