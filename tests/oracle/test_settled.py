"""Writing what reductions are part of (anomalies, standardised values) into chunks that lie across those that are read, where the whole does not
fit: the reductions are computed once, and the rest goes panel by panel. Bits are those of a write with room for everything."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import craton

craton.enable()
SHAPE = (120, 64, 96)  # 5.6 MiB


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("settled") / "t.zarr"
    rng = np.random.default_rng(9)
    values = rng.normal(size=SHAPE)
    values[rng.random(SHAPE) < 0.01] = np.nan
    ds = xr.Dataset({"t": (("time", "y", "x"), values)}, {"time": np.datetime64("2001-01-01", "ns") + np.arange(SHAPE[0]) * np.timedelta64(1, "D")})
    ds.to_zarr(path, encoding={"t": {"chunks": (1, 64, 96), "compressors": None}})
    return path


def anomaly(ds):
    return (ds.t.groupby("time.month") - ds.t.groupby("time.month").mean()).rename("a").to_dataset()


def standardised(ds):
    by_month = ds.t.groupby("time.month")
    return ((ds.t - ds.t.mean("time")) / ds.t.std("time")).rename("z").to_dataset().assign(mean=by_month.mean().max("month"), line=ds.t.mean(("y", "x")))


def running(ds):
    return (ds.t - (ds.t.mean(("y", "x")) / 7).cumsum("time")).rename("d").to_dataset()


def summed(ds):
    return ds.t.cumsum("time").rename("s").to_dataset()


def filled(ds):
    """pandas fills what is in memory: xarray asks bottleneck, which the tests do without."""
    if ds.t.chunks:
        return ds.t.ffill("time").rename("f").to_dataset()
    return ds.t.copy(data=pd.DataFrame(ds.t.values.reshape(len(ds.time), -1)).ffill().values.reshape(ds.t.shape)).rename("f").to_dataset()


@pytest.mark.parametrize("program", [anomaly, standardised, running, summed, filled], ids=lambda f: f.__name__)
def test_across(tmp_path, stored, program):
    plan = program(xr.open_dataset(stored, engine="craton", chunks={}))
    chunks = {n: {"chunks": (120, 16, 32)} for n in plan.data_vars if plan[n].ndim == 3}
    with craton.set_options(memory_limit="3 MiB", threads=2):
        plan.craton.to_zarr(tmp_path / "little", encoding=chunks)
    with craton.set_options(memory_limit="1 GiB"):
        plan.craton.to_zarr(tmp_path / "much", encoding=chunks)
    with xr.open_zarr(stored, chunks=None) as ds:
        expected = program(ds.load())
    with xr.open_zarr(tmp_path / "little", chunks=None) as little, xr.open_zarr(tmp_path / "much", chunks=None) as much:
        for name in plan.data_vars:
            assert little[name].values.tobytes() == much[name].values.tobytes()
            np.testing.assert_allclose(little[name].values, expected[name].values, rtol=1e-11, atol=1e-10)


def test_with_a_journal(tmp_path, stored):
    plan = anomaly(xr.open_dataset(stored, engine="craton", chunks={}))
    with craton.set_options(memory_limit="3 MiB", threads=2):
        assert plan.craton.to_zarr(tmp_path / "x", encoding={"a": {"chunks": (120, 16, 32)}}, resume=True)[1] == 0
    with xr.open_zarr(stored, chunks=None) as ds, xr.open_zarr(tmp_path / "x", chunks=None) as back:
        np.testing.assert_allclose(back.a.values, anomaly(ds.load()).a.values, rtol=1e-11, atol=1e-10)
