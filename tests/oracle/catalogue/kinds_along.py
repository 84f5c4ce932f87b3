"""Along a dimension: windows, cumulation, differences, shifts, interpolation, filling of gaps."""

import unittest.mock

import numpy as np
import pandas as pd
import xarray as xr

from .registry import programs


def _push(array, n=None, axis=-1):
    """The last value that is not missing, at most n steps back."""
    array = np.moveaxis(np.asarray(array), axis, 0)
    here = np.arange(len(array)).reshape((-1,) + (1,) * (array.ndim - 1))
    last = np.maximum.accumulate(np.where(pd.isnull(array), -1, here))
    filled = np.where(last < 0, array, np.take_along_axis(array, np.maximum(last, 0), 0))
    return np.moveaxis(np.where(here - last <= (len(array) if n is None else n), filled, array), 0, axis)


def _filling(program):
    """xarray fills NumPy arrays through numbagg or bottleneck, which are not asked for what is right: the reference fills by _push()."""

    def prepared(ds):
        with xr.set_options(use_bottleneck=True), unittest.mock.patch("xarray.core.duck_array_ops._push", _push):
            return program(ds)

    return prepared


WINDOWS = ("mean", "sum", "max", "min", "std", "var", "median", "count")
programs("rolling", **{f"{n}_7": (lambda ds, n=n: getattr(ds.tas.rolling(time=7), n)()) for n in WINDOWS})
programs("rolling", **{f"{n}_float32": (lambda ds, n=n: getattr(ds.pr.rolling(time=5), n)()) for n in ("mean", "sum", "max")})
programs(
    "rolling",
    centred=lambda ds: ds.tas.rolling(time=31, center=True).mean(),
    min_periods=lambda ds: ds.tas.rolling(time=100, min_periods=1, center=True).mean(),
    two_dims=lambda ds: ds.tas.rolling(lat=2, lon=3, center=True).mean(),
    drop_edges=lambda ds: ds.tas.rolling(time=5).mean().isel(time=slice(4, None)),
    max_of_mean=lambda ds: ds.tas.rolling(time=30).mean().max("time"),
    dataset=lambda ds: ds[["tas", "pr"]].rolling(time=3).mean(),
    construct=lambda ds: ds.tas.rolling(time=4).construct("window"),
    construct_mean=lambda ds: ds.tas.rolling(time=4).construct("window").mean("window"),
    construct_stride=lambda ds: ds.tas.rolling(time=4).construct("window", stride=3),
    reduce=lambda ds: ds.tas.rolling(time=4).reduce(np.nanmax),
    integers=lambda ds: ds["count"].rolling(time=4).sum(),
    argmax=lambda ds: ds.tas.fillna(0).rolling(time=4).argmax(),
    weighted=lambda ds: xr.dot(ds.tas.fillna(0).rolling(time=3, center=True).construct("w"), xr.DataArray([0.25, 0.5, 0.25], dims="w")),
    weighted_gaps=lambda ds: ds.tas.rolling(time=31, center=True, min_periods=1).construct("w").dot(xr.DataArray(np.hanning(31), dims="w")),
    weighted_float32=lambda ds: ds.pr.transpose("lat", "time", "lon").rolling(time=5).construct("w").dot(xr.DataArray(np.ones(5, "f4") / 5, dims="w")),
    weighted_and_more=lambda ds: xr.dot(ds.tas.rolling(lon=3).construct("w"), xr.DataArray([1.0, 2, 1], dims="w"), dim=["w", "time"]),
    space=lambda ds: ds.tas.rolling(lon=3).sum(),
    two_dims_min=lambda ds: ds.tas.rolling(lat=2, lon=2).min(),
    two_dims_std=lambda ds: ds.tas.rolling(lat=2, lon=2).std(),
    centred_even=lambda ds: ds.tas.rolling(time=6, center=True, min_periods=2).max(),
    of_anomalies=lambda ds: (ds.tas - ds.tas.mean("time")).rolling(time=11, center=True).mean(),
    twice=lambda ds: ds.tas.rolling(time=5, min_periods=1).mean().rolling(time=9, center=True).max(),
    prod=lambda ds: ds.lsm.rolling(lon=2).prod(),
    any_wet=lambda ds: (ds.pr > 5).rolling(time=3).construct("w", fill_value=False).any("w"),
    all_dry=lambda ds: (ds.pr < 1).rolling(time=3).construct("w", fill_value=False).all("w"),
    one=lambda ds: ds.tas.rolling(time=1).mean(),
    of_dates=lambda ds: ds.tas.sel(time=slice("2001-02", "2001-05")).rolling(time=10).sum().resample(time="MS").max(),
    sum_of_five_wettest=lambda ds: ds.pr.rolling(time=5).sum().groupby("time.year").max(),
)
programs(
    "along",
    cumsum=lambda ds: ds.pr.cumsum("time"),
    cumsum_gaps=lambda ds: ds.tas.cumsum("time", skipna=False),
    cumprod=lambda ds: ds.lsm.cumprod("lon"),
    cumsum_dataset=lambda ds: ds[["pr", "count"]].cumsum("time"),
    cumsum_all=lambda ds: ds.lsm.cumsum(),
    cumulative=lambda ds: ds.pr.cumulative("time").sum(),
    cumulative_max=lambda ds: ds.pr.cumulative("time").max(),
    cumsum_backwards=lambda ds: ds.tas.isel(time=slice(None, None, -1)).cumsum("time"),
    cumsum_then_some=lambda ds: ds.tas.cumsum("time").isel(time=slice(100, None, 37)),
    cumsum_two_dims=lambda ds: ds.tas.cumsum(["time", "lat"]),
    cumsum_bool=lambda ds: (ds.pr > 1).cumsum("time"),
    cumsum_of_anomalies=lambda ds: (ds.tas - ds.tas.mean("time")).cumsum("time").max("time"),
    cumprod_dataset=lambda ds: ds[["lsm"]].cumprod(),
    ffill=_filling(lambda ds: ds.tas.ffill("time")),
    ffill_limit=_filling(lambda ds: ds.tas.ffill("time", limit=2)),
    bfill=_filling(lambda ds: ds.tas.bfill("lon")),
    bfill_limit=_filling(lambda ds: ds.tas.bfill("time", limit=1)),
    ffill_integers=_filling(lambda ds: ds["count"].ffill("time")),
    ffill_dataset=_filling(lambda ds: ds[["tas", "pr"]].ffill("time")),
    ffill_then_mean=_filling(lambda ds: ds.tas.ffill("time").groupby("time.month").mean()),
    interpolate_na_limit=lambda ds: ds.tas.isel(time=slice(0, 90)).chunk(time=-1).interpolate_na("time", limit=2),
    interpolate_na_max_gap=_filling(lambda ds: ds.tas.isel(time=slice(0, 90)).chunk(time=-1).interpolate_na("time", use_coordinate=False, max_gap=3)),
    diff=lambda ds: ds.tas.diff("time"),
    diff_twice=lambda ds: ds.tas.diff("time", n=2),
    diff_lower=lambda ds: ds.tas.diff("lon", label="lower"),
    diff_integers=lambda ds: ds["count"].diff("time"),
    diff_dataset=lambda ds: ds[["tas", "pr"]].diff("time"),
    shift=lambda ds: ds.tas.shift(time=1),
    shift_back=lambda ds: ds.tas.shift(time=-3, lon=2),
    shift_fill=lambda ds: ds["count"].shift(time=2, fill_value=0),
    shift_integers=lambda ds: ds["count"].shift(time=2),
    shift_dataset=lambda ds: ds[["tas", "count"]].shift(time=1),
    roll=lambda ds: ds.tas.roll(lon=2),
    roll_coords=lambda ds: ds.tas.roll(lon=-3, roll_coords=True),
    longitudes_180=lambda ds: ds.tas.assign_coords(lon=(ds.lon + 180) % 360 - 180).sortby("lon"),
    pad=lambda ds: ds.tas.pad(lon=(1, 2)),
    pad_constant=lambda ds: ds.tas.pad(lat=1, constant_values=0),
    pad_edge=lambda ds: ds.tas.pad(lon=1, mode="edge"),
    pad_wrap=lambda ds: ds.tas.pad(lon=2, mode="wrap"),
    pad_reflect=lambda ds: ds.tas.pad(time=3, mode="reflect"),
    pad_symmetric=lambda ds: ds.tas.pad(time=3, mode="symmetric"),
    pad_integers=lambda ds: ds["count"].pad(lon=1, constant_values=-1),
    pad_mean=lambda ds: ds.lsm.pad(lon=1, mode="mean"),
    pad_mean_of_few=lambda ds: ds.tas.pad(time=(2, 5), mode="mean", stat_length={"time": (3, 7)}),
    pad_median=lambda ds: ds["count"].pad(lon=2, lat=1, mode="median"),
    pad_extremes=lambda ds: ds["count"].pad(lat=(2, 0), mode="maximum") - ds["count"].pad(lat=(2, 0), mode="minimum", stat_length=2),
    pad_ramp=lambda ds: ds.lsm.pad(lon=2, mode="linear_ramp", end_values=0),
    pad_ramp_integers=lambda ds: ds["count"].pad(time=(3, 4), lat=2, mode="linear_ramp", end_values={"time": (-7, 20), "lat": 1}),
    pad_odd=lambda ds: ds.tas.pad(lon=2, lat=1, mode="reflect", reflect_type="odd"),
    pad_odd_symmetric=lambda ds: ds["count"].pad(lon=(0, 3), mode="symmetric", reflect_type="odd"),
    interp_lat=lambda ds: ds.tas.chunk(lat=-1).interp(lat=[58.0, 50.0, 40.0]),
    interp_grid=lambda ds: ds.tas.chunk(lat=-1, lon=-1).interp(lat=np.arange(38.0, 60, 4), lon=np.arange(0.0, 300, 37)),
    interp_float32=lambda ds: ds.pr.chunk(lon=-1).interp(lon=[5.0, 77.0]),
    interp_nearest=lambda ds: ds.tas.chunk(lat=-1).interp(lat=[58.0, 50.0], method="nearest"),
    interp_outside=lambda ds: ds.tas.chunk(lat=-1).interp(lat=[70.0, 50.0]),
    interp_extrapolate=lambda ds: ds.tas.chunk(lat=-1).interp(lat=[70.0, 50.0], kwargs={"fill_value": "extrapolate"}),
    interp_points=lambda ds: ds.tas.chunk(lat=-1, lon=-1).interp(lat=xr.DataArray([58.0, 41.0], dims="p"), lon=xr.DataArray([10.0, 200.0], dims="p")),
    interp_time=lambda ds: ds.tas.chunk(time=-1).interp(time=pd.date_range("2001-01-01T12:00", periods=9, freq="30h")),
    interp_like=lambda ds: ds.tas.chunk(lat=-1).interp_like(ds.tas.isel(time=0, lat=[0, 2]).drop_vars("time")),
    interp_dataset=lambda ds: ds[["tas", "pr"]].chunk(lat=-1).interp(lat=[58.0, 50.0]),
    interp_cubic=lambda ds: ds.tas.isel(time=slice(0, 4)).fillna(280).chunk(lon=-1).interp(lon=[33.0, 150.0], method="cubic"),
    interp_chunked=lambda ds: ds.tas.interp(lat=[58.0, 50.0]),
    interpolate_na=lambda ds: ds.tas.isel(time=slice(0, 90)).chunk(time=-1).interpolate_na("time"),
    interpolate_na_nearest=lambda ds: ds.tas.isel(time=slice(0, 90)).chunk(time=-1).interpolate_na("time", method="nearest"),
    interpolate_na_no_coordinate=lambda ds: ds.tas.isel(time=slice(0, 90)).chunk(time=-1).interpolate_na("time", use_coordinate=False),
    two_point_slope=lambda ds: (ds.tas.isel(time=-1) - ds.tas.isel(time=0)) / 900,
    spell_length=lambda ds: (ds.pr > 1).astype(int).rolling(time=3).sum().max("time"),
    month_on_month=lambda ds: ds.tas.resample(time="MS").mean().diff("time"),
    lag_difference=lambda ds: ds.tas - ds.tas.shift(time=365),
)
programs("along", on=("noleap", "360_day"), interp_time=lambda ds: ds.tas.chunk(time=-1).interp(time=ds.time[3:90:7]))
programs(
    "along",
    on=("profiles",),
    interp_plev=lambda ds: ds.ta.chunk(plev=-1).interp(plev=[90000.0, 60000.0]),
    interp_plev_log=lambda ds: ds.ta.chunk(plev=-1).assign_coords(lp=("plev", np.log(ds.plev.values))).swap_dims(plev="lp").interp(lp=[11.0, 12.0]),
    fill_levels=lambda ds: ds.ua.sortby("plev").chunk(plev=-1).interpolate_na("plev"),
    differentiate_plev=lambda ds: ds.ta.differentiate("plev"),
)
