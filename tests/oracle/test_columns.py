"""Programs that read their source twice: anomalies, standardised values, quantiles of anomalies. Craton against xarray on NumPy, and against
itself with other threads and memory limits, with which scans go over the chunks together or one after the other."""

import os

import numpy as np
import pytest
import xarray as xr

import craton

craton.enable()
SEED = int(os.environ.get("CRATON_SEED", "1"))
CASES = 60 if os.environ.get("CRATON_LONG") else 16
TOGETHER = "go over each together"


def make_file(rng, path):
    """Two variables over some years of days, chunked along or across time, the second sometimes otherwise than the first."""
    sizes = days, ny, nx = int(rng.integers(200, 500)), int(rng.integers(6, 30)), int(rng.integers(6, 30))
    calendar = str(rng.choice(["standard", "noleap", "360_day"]))

    def chunks():
        lengths = [days, int(rng.integers(1, 400)), 30, 365], [ny, 1 + ny // 2, 1 + ny // 4], [nx, 1 + nx // 2, 5]
        return [min(n, int(rng.choice(some))) for n, some in zip(sizes, lengths)]

    axes = {"time": (np.arange(days) + 0.5, {"units": "days since 1999-01-01", "calendar": calendar}),
            "lat": (np.linspace(-80, 80, ny), {"units": "degrees_north"}), "lon": (np.arange(nx) * 360 / nx, {"units": "degrees_east"})}  # fmt: skip
    ds = xr.Dataset(coords={dim: (dim, values, attrs) for dim, (values, attrs) in axes.items()})
    first, encoding = chunks(), {dim: {"_FillValue": None} for dim in axes}
    for name in ("tas", "pr"):
        values = (280 + 20 * rng.standard_normal(sizes)).astype("f4")
        values[rng.random(sizes) < rng.choice([0, 0.1])] = np.nan
        if rng.random() < 0.3:
            values[:, 0] = np.nan
        ds[name] = (tuple(axes), values)
        encoding[name] = {"zlib": True, "complevel": 1, "shuffle": True, "chunksizes": first if rng.random() < 0.6 else chunks(), "_FillValue": None}
        if rng.random() < 0.3:
            encoding[name] |= {"dtype": "i2", "scale_factor": 0.01, "add_offset": 250.0, "_FillValue": -32768}
    ds.to_netcdf(path, engine="netcdf4", encoding=encoding)
    return calendar


def groups_of(x, rng):
    return x.groupby(f"time.{rng.choice(['month', 'season', 'dayofyear', 'year'])}")


def anomaly(x, rng):
    groups = groups_of(x, rng)
    return groups - getattr(groups, str(rng.choice(["mean", "max", "min"])))("time")


def standardised(x, rng):
    return (x - x.mean("time")) / x.std("time")


def zonal_anomaly(x, rng):
    return x - x.mean("lon")


def from_the_whole(x, rng):
    return x - x.mean()


def twice(x, rng):
    return standardised(anomaly(x, rng), rng)


def series(x, rng):
    return x.weighted(np.cos(np.deg2rad(x.lat))).mean(("lat", "lon"))


def trend_free(x, rng):
    t = xr.DataArray(np.linspace(-1, 1, x.sizes["time"]), dims="time")
    return (x - (x * t).mean("time") / (t * t).mean() * t).std("time")


STEPS = [anomaly, anomaly, standardised, zonal_anomaly, from_the_whole, twice]
ENDS = [series, series, trend_free, lambda x, rng: x.max("time"), lambda x, rng: x.quantile(0.9, "time"), lambda x, rng: x.mean(("time", "lon")),
        lambda x, rng: x.isel(lat=slice(1, None, 2)), lambda x, rng: x.groupby("time.month").std("time")]  # fmt: skip


def program(ds, seed):
    rng = np.random.default_rng([seed, 7])
    results = {}
    for name in ("tas", "pr")[: int(rng.integers(1, 3))]:
        x = STEPS[int(rng.integers(len(STEPS)))](ds[name], rng)
        for k in range(int(rng.integers(1, 4))):
            results[f"{name}{k}"] = ENDS[int(rng.integers(len(ENDS)))](x, rng)
    return results


def bits(results):
    answers = craton.compute(*(r.data for r in results.values()))
    return [np.ascontiguousarray(a).tobytes() for a in answers]


def check(ready, lazy, what):
    for name, expected in ready.items():
        answer = lazy[name].compute()
        assert answer.dims == expected.dims and answer.shape == expected.shape, f"{what}, {name}"
        np.testing.assert_allclose(answer.values.astype("f8"), expected.values.astype("f8"), rtol=2e-4, atol=2e-3, err_msg=f"{what}, {name}")


@pytest.fixture
def plain():
    with xr.set_options(use_bottleneck=False, use_numbagg=False):
        yield


@pytest.mark.parametrize("seed", range(SEED, SEED + CASES))
def test_program(seed, tmp_path, plain):
    calendar = make_file(np.random.default_rng([seed, 11]), tmp_path / "x.nc")
    what = f"seed {seed}, {calendar}"
    with xr.open_dataset(tmp_path / "x.nc", engine="netcdf4") as ds:
        ready = program(ds.load(), seed)
    with xr.open_dataset(tmp_path / "x.nc", engine="craton", chunks={}) as ds:
        lazy = program(ds, seed)
        check(ready, lazy, what)
        reference = None
        for threads, memory in ((1, None), (7, None), (2, "3 MiB"), (1, "8 MiB")):
            with craton.set_options(threads=threads, memory_limit=memory):
                try:
                    answer = bits(lazy)
                except MemoryError:
                    assert memory is not None, what
                    continue
            reference = reference or answer
            assert answer == reference, f"{what}: {threads} threads, memory {memory}"


@pytest.fixture(scope="module")
def daily(tmp_path_factory):
    """Two variables in columns of 2.5 MiB, and a store of the same in columns of one chunk."""
    rng = np.random.default_rng(3)
    time = xr.date_range("2001-01-01", periods=720, use_cftime=False)
    values = [(280 + rng.standard_normal((720, 60, 60))).astype("f4") for _ in range(2)]
    ds = xr.Dataset({n: (("time", "lat", "lon"), v) for n, v in zip(("tas", "pr"), values)}, {"time": time, "lat": np.linspace(-80, 80, 60)})
    folder = tmp_path_factory.mktemp("daily")
    encoding = {n: {"zlib": True, "complevel": 1, "chunksizes": (90, 30, 30)} for n in ds}
    ds.to_netcdf(folder / "daily.nc", encoding=encoding)
    ds.to_zarr(folder / "daily.zarr", encoding={n: {"chunks": (720, 20, 20)} for n in ds}, consolidated=False)
    return folder


@pytest.mark.parametrize("name", ["daily.nc", "daily.zarr"])
def test_explain_tells_it_and_it_depends_on_memory_alone(name, daily, plain):
    with xr.open_dataset(daily / name, engine="craton", chunks={}) as ds:
        results = {v: series(ds[v].groupby("time.month") - ds[v].groupby("time.month").mean("time"), None) for v in ds}
        arrays = [r.data for r in results.values()]
        told, answers = [], []
        for memory in (None, "4 MiB", "8 MiB", "40 MiB"):
            with craton.set_options(memory_limit=memory, threads=2):
                try:
                    text = craton.explain(*arrays)
                except MemoryError:
                    continue
                told.append(text.count(TOGETHER))
                answers.append(bits(results))
        assert told[0] == 2 and min(told) == 0, f"families with less and less memory: {told}"
        assert all(a == answers[0] for a in answers)


def test_what_cannot_be_cut_is_kept_whole_or_read_twice(daily, plain):
    """The mean of all has to be known before anything is subtracted: there is one column, if it fits."""
    with xr.open_dataset(daily / "daily.nc", engine="craton", chunks={}) as ds:
        result = {"x": (ds.tas - ds.tas.mean()).std("time")}
        assert f"1 column: 2 scans {TOGETHER}" in craton.explain(result["x"].data)
        all_of_it = bits(result)
        with craton.set_options(memory_limit="9 MiB"):
            assert TOGETHER not in craton.explain(result["x"].data)
            assert bits(result) == all_of_it


def test_one_scan_is_as_before(daily, plain):
    with xr.open_dataset(daily / "daily.nc", engine="craton", chunks={}) as ds:
        assert TOGETHER not in craton.explain(ds.tas.mean("time").data, ds.tas.std("time").data)
