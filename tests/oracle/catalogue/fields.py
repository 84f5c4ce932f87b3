"""Data for the catalogue: small, but with what real data have: gaps, several types and calendars, descending and unsorted axes.

Every call makes the same numbers. Two and a half years of days, so that groups and windows cross chunks and years.
"""

import functools

import numpy as np
import pandas as pd
import xarray as xr

DAYS, LATS, LONS = 900, 4, 6
CALENDARS = {"standard": None, "noleap": "noleap", "360_day": "360_day"}


def _times(calendar, n=DAYS):
    if calendar is None:
        return pd.date_range("2000-11-03", periods=n, freq="D").as_unit("ns")
    return xr.date_range("2000-11-03", periods=n, freq="D", calendar=calendar, use_cftime=True)


@functools.cache
def _daily(calendar):
    rng = np.random.default_rng(7)
    shape = (DAYS, LATS, LONS)
    season = np.sin(np.arange(DAYS) * 2 * np.pi / 365)[:, None, None]
    tas = 280 + 10 * season + rng.normal(0, 3, shape)
    tas[rng.random(shape) < 0.1] = np.nan
    tas[:, 0, 0] = np.nan
    pr = rng.gamma(0.5, 4, shape).astype("f4")
    pr[rng.random(shape) < 0.05] = np.nan
    lsm = rng.random((LATS, LONS)).round(2)
    dims = ("time", "lat", "lon")
    ds = xr.Dataset(
        {
            "tas": (dims, tas, {"units": "K", "long_name": "air temperature"}),
            "pr": (dims, pr, {"units": "mm day-1"}),
            "count": (dims, rng.integers(-5, 100, shape).astype("i4"), {"units": "1"}),
            "packed": (dims, rng.integers(-120, 120, shape).astype("i2")),
            "flag": (dims, rng.random(shape) < 0.4),
            "lsm": (("lat", "lon"), lsm, {"units": "1"}),
            "region": (("lat", "lon"), rng.integers(0, 4, (LATS, LONS)), {"long_name": "catchment"}),
            "index": ("time", rng.normal(0, 1, DAYS), {"long_name": "oscillation index"}),
        },
        coords={
            "time": ("time", _times(calendar), {"standard_name": "time"}),
            "lat": ("lat", np.linspace(60.0, 37.5, LATS), {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(0.0, 300.0, LONS), {"units": "degrees_east"}),
            "area": (("lat", "lon"), np.cos(np.deg2rad(np.linspace(60.0, 37.5, LATS)))[:, None] * np.ones((LATS, LONS))),
            "height": ((), 2.0, {"units": "m"}),
        },
        attrs={"title": "catalogue", "Conventions": "CF-1.8"},
    )
    return ds


@functools.cache
def _profiles():
    """Levels with gaps at the ground, hourly times as a variable that is no index, and text."""
    rng = np.random.default_rng(8)
    n, levels = 40, 9
    ua = rng.normal(5, 3, (n, levels, 3)).astype("f4")
    ua[rng.random(ua.shape) < 0.15] = np.nan
    seen = pd.date_range("2003-01-01", periods=n, freq="7h").as_unit("ns").values.copy()
    seen[[3, 11]] = np.datetime64("NaT")
    order = rng.permutation(n)
    return xr.Dataset(
        {
            "ua": (("profile", "plev", "band"), ua, {"units": "m s-1"}),
            "ta": (("profile", "plev"), rng.normal(250, 9, (n, levels)), {"units": "K"}),
            "seen": ("profile", seen[order]),
            "lasted": ("profile", (rng.integers(1, 90, n) * 60_000_000_000).astype("m8[ns]")),
            "quality": ("profile", rng.integers(0, 5, n).astype("u1")),
            "code": ("profile", np.array([f"S{i % 7:02d}" for i in range(n)])),
        },
        coords={
            "plev": ("plev", np.array([1000.0, 925, 850, 700, 500, 400, 300, 250, 200]) * 100, {"units": "Pa"}),
            "profile": ("profile", np.arange(n) * 10),
            "station": ("profile", np.array([f"ST{i % 5}" for i in range(n)])),
            "band": ("band", ["low", "mid", "high"]),
        },
        attrs={"source": "soundings"},
    )


@functools.cache
def _curved():
    """A grid with two-dimensional coordinates, as ocean models have."""
    rng = np.random.default_rng(9)
    ny, nx, nt = 7, 9, 24
    y, x = np.meshgrid(np.arange(ny), np.arange(nx), indexing="ij")
    tos = rng.normal(15, 5, (nt, ny, nx)).astype("f4")
    tos[:, (x + y) % 5 == 0] = np.nan
    return xr.Dataset(
        {
            "tos": (("t", "y", "x"), tos, {"units": "degC"}),
            "depth": (("y", "x"), rng.gamma(2, 900, (ny, nx)), {"units": "m"}),
            "mask": (("y", "x"), (x + y) % 5 != 0),
        },
        coords={
            "nav_lat": (("y", "x"), -40 + 9.0 * y + 0.5 * x),
            "nav_lon": (("y", "x"), 20 + 5.0 * x - 0.7 * y),
            "t": pd.date_range("1999-01-15", periods=nt, freq="30D").as_unit("ns"),
        },
    )


def load(name):
    """A fresh Dataset, all in memory. Names: the calendars, profiles, curved."""
    if name in CALENDARS:
        return _daily(CALENDARS[name]).copy()
    return {"profiles": _profiles, "curved": _curved}[name]().copy()


# Chunk sizes by the names of dimensions; what a Dataset does not have is left out.
CHUNKINGS = {
    "time": {"time": 128, "profile": 16, "t": 5},
    "space": {"lat": 2, "lon": 4, "plev": 4, "y": 3, "x": 4},
    "both": {"time": 365, "lat": 3, "lon": 2, "profile": 7, "plev": 5, "t": 12, "y": 4, "x": 5},
    "uneven": {"time": (31, 400, 69, 400), "lon": 4, "profile": (5, 30, 5), "t": (3, 20, 1), "x": (2, 6, 1)},
    "fine": {"time": 90, "lat": 1, "lon": 1, "profile": 4, "plev": 2, "t": 1, "y": 2, "x": 2},
}


def chunked(ds, chunking, manager):
    sizes = {d: c for d, c in CHUNKINGS[chunking].items() if d in ds.dims}
    return ds.chunk(sizes, chunked_array_type=manager)
