"""Element by element: operators, NumPy functions, conditions, gaps, types, times, text."""

import numpy as np
import xarray as xr

from .registry import programs

T0 = np.datetime64("2000-01-01", "ns")

programs(
    "arithmetic",
    kelvin_to_celsius=lambda ds: ds.tas - 273.15,
    keep_attrs=lambda ds: _with_attrs(ds),
    float32_and_number=lambda ds: ds.pr * 86400,
    float32_and_double=lambda ds: ds.pr * np.float64(2),
    integer_and_float=lambda ds: ds.packed * 0.01 + 5,
    integer_wrap=lambda ds: ds.packed * np.int16(900),
    integer_floor=lambda ds: ds["count"] // 7,
    integer_modulo=lambda ds: ds["count"] % 7,
    integer_divide=lambda ds: ds["count"] / 4,
    power=lambda ds: ds.tas**2,
    power_reverse=lambda ds: 2.0**ds.lsm,
    subtract_reverse=lambda ds: 1 - ds.lsm,
    negative=lambda ds: -ds.tas,
    absolute=lambda ds: abs(ds.tas - 280),
    compare=lambda ds: ds.tas > 280,
    compare_equal=lambda ds: ds.region == 2,
    compare_arrays=lambda ds: ds.tas <= ds.pr,
    and_or_not=lambda ds: (ds.tas > 280) & ~(ds.pr > 1) | ds.flag,
    xor=lambda ds: ds.flag ^ (ds.tas > 280),
    two_variables=lambda ds: ds.tas + ds.pr,
    broadcast_by_name=lambda ds: ds.lsm * ds["index"],
    broadcast_coordinate=lambda ds: ds.tas * np.cos(np.deg2rad(ds.lat)),
    with_numpy=lambda ds: ds.lsm * np.arange(6.0),
    from_numpy=lambda ds: np.arange(6.0) * ds.lsm,
    align_inner=lambda ds: ds.tas.isel(time=slice(0, 500)) + ds.tas.isel(time=slice(300, 900)),
    align_outer=lambda ds: _joined(ds, "outer"),
    align_left=lambda ds: _joined(ds, "left"),
    shuffled_axes=lambda ds: ds.tas.transpose("lon", "time", "lat") + ds.tas,
    dataset_and_number=lambda ds: ds[["tas", "pr"]] * 2,
    dataset_and_array=lambda ds: ds[["tas", "pr"]] - ds.lsm,
    dataset_and_dataset=lambda ds: ds[["tas", "pr"]] / ds[["tas", "pr"]].mean("time"),
    ndvi=lambda ds: (ds["count"] - ds.packed) / (ds["count"] + ds.packed),
    in_place=lambda ds: _in_place(ds.tas.copy()),
    round=lambda ds: ds.tas.round(1),
    round_whole=lambda ds: ds.pr.round(),
    conj_real=lambda ds: ds.tas.conj().real,
    chained=lambda ds: ((ds.tas - 273.15) * 1.8 + 32).where(ds.flag).fillna(-99),
    sum_of_scalars=lambda ds: ds.tas + ds.height,
    wind_speed=lambda ds: (ds.tas**2 + ds.pr**2) ** 0.5,
    fma_many=lambda ds: sum(ds.tas * k for k in range(4)),
    shifts=lambda ds: (ds["count"] + 5 << 2) >> 1,
)

UFUNCS = ("sin", "cos", "tan", "arctan", "exp", "log1p", "sqrt", "cbrt", "tanh", "floor", "ceil", "trunc", "sign", "square", "isfinite", "isnan",
          "isinf", "deg2rad", "rad2deg", "expm1", "log", "log2", "log10", "reciprocal", "rint", "absolute", "signbit")  # fmt: skip
PAIRS = ("maximum", "minimum", "fmax", "fmin", "hypot", "arctan2", "power", "fmod", "copysign", "logaddexp", "add", "subtract", "multiply",
         "true_divide", "floor_divide", "heaviside", "nextafter")  # fmt: skip
programs("ufunc", **{n: (lambda ds, n=n: getattr(np, n)(abs(ds.tas - 279))) for n in UFUNCS})
programs("ufunc", **{f"{n}_float32": (lambda ds, n=n: getattr(np, n)(ds.pr)) for n in ("sin", "exp", "sqrt", "log1p", "floor")})
programs("ufunc", **{n: (lambda ds, n=n: getattr(np, n)(abs(ds.tas - 279), ds.lsm + 1)) for n in PAIRS})
programs("ufunc", **{f"xr_{n}": (lambda ds, n=n: getattr(xr.ufuncs, n)(ds.lsm)) for n in ("sin", "exp", "sqrt", "isnan")})
programs(
    "ufunc",
    np_clip=lambda ds: xr.apply_ufunc(np.clip, ds.tas, 275, 285, dask="allowed"),
    np_where=lambda ds: _array(np.where(ds.tas.data > 280, ds.tas.data, 0.0), ds.tas.dims),
    isin_many=lambda ds: ds["count"].where(ds.packed.isin(np.arange(-900, 900, 3))),
    np_round=lambda ds: np.round(ds.tas, 1).assign_attrs(ds.tas.attrs),
    np_on_data=lambda ds: _array(np.sqrt(ds.pr.data), ds.pr.dims),
    np_mean_on_data=lambda ds: _array(np.mean(ds["count"].data, axis=0), ("lat", "lon")),
    np_concatenate_data=lambda ds: _array(np.concatenate([ds.tas.data, ds.tas.data], axis=1), ds.tas.dims),
    np_stack_data=lambda ds: _array(np.stack([ds.lsm.data, ds.region.data]), ("k", "lat", "lon")),
    np_diff_data=lambda ds: _array(np.diff(ds["index"].data), "time"),
    np_flip_data=lambda ds: _array(np.flip(ds.lsm.data, 0), ("lat", "lon")),
    np_nan_to_num=lambda ds: xr.apply_ufunc(np.nan_to_num, ds.tas, dask="allowed"),
    np_isclose=lambda ds: xr.apply_ufunc(np.isclose, ds.tas, 280.0, dask="allowed"),
    np_percentile_data=lambda ds: _array(np.nanmean(ds.tas.data, axis=(1, 2)), "time"),
    np_tensordot_data=lambda ds: _array(np.tensordot(ds["count"].data, ds.lsm.data, axes=([1, 2], [0, 1])), "time"),
    np_broadcast_data=lambda ds: _array(np.broadcast_to(ds.lsm.data, (3, 4, 6)), ("k", "lat", "lon")),
    np_ravel_data=lambda ds: _array(np.ravel(ds.lsm.data), "k"),
    np_roll_data=lambda ds: _array(np.roll(ds.lsm.data, 2, axis=1), ("lat", "lon")),
    np_maximum_number=lambda ds: np.maximum(ds.pr, 1),
    np_take_data=lambda ds: _array(np.take(ds.lsm.data, [3, 1], axis=1), ("lat", "lon")),
    np_digitize_data=lambda ds: xr.apply_ufunc(np.digitize, ds.pr, kwargs={"bins": [0.5, 1, 5]}, dask="parallelized", output_dtypes=[int]),
    np_any_data=lambda ds: _array(np.any(ds.flag.data, axis=0), ("lat", "lon")),
    np_expand_dims_data=lambda ds: _array(np.expand_dims(ds.lsm.data, 0), ("k", "lat", "lon")),
    np_swapaxes_data=lambda ds: _array(np.swapaxes(ds.lsm.data, 0, 1), ("lon", "lat")),
    np_squeeze_data=lambda ds: _array(np.squeeze(ds.tas.data[:1]), ("lat", "lon")),
    np_std_data=lambda ds: _array(np.std(ds["count"].data, axis=0, ddof=1), ("lat", "lon")),
    np_dot_data=lambda ds: _array(np.dot(ds.lsm.data, ds.lsm.data.T), ("lat", "lat2")),
    np_tile_data=lambda ds: _array(np.tile(ds.lsm.data, (2, 1)), ("lat", "lon")),
    np_repeat_data=lambda ds: _array(np.repeat(ds.lsm.data, 2, axis=1), ("lat", "lon")),
    np_outer_data=lambda ds: _array(np.outer(ds["index"].data, ds.lsm.data[0]), ("time", "lon")),
    np_average_data=lambda ds: _array(np.average(ds["count"].data, axis=2, weights=np.arange(1.0, 7)), ("time", "lat")),
    np_count_nonzero=lambda ds: _array(np.count_nonzero(ds.flag.data, axis=0), ("lat", "lon")),
    np_triu_like=lambda ds: ds.lsm.where(ds.lat.copy(data=np.arange(4)) <= ds.lon.copy(data=np.arange(6))),
)

programs(
    "where",
    where=lambda ds: ds.tas.where(ds.tas > 280),
    where_other=lambda ds: ds.tas.where(ds.tas > 280, 0),
    where_array=lambda ds: ds.tas.where(ds.flag, ds.pr),
    where_2d=lambda ds: ds.tas.where(ds.lsm > 0.5),
    where_coordinate=lambda ds: ds.tas.where(ds.lat > 45),
    where_callable=lambda ds: ds.tas.where(lambda x: x > 280),
    where_dataset=lambda ds: ds[["tas", "pr"]].where(ds.region == 1),
    where_integers=lambda ds: ds["count"].where(ds["count"] > 10),
    where_integers_other=lambda ds: ds["count"].where(ds["count"] > 10, 0),
    where_short=lambda ds: ds.packed.where(ds.packed > 10),
    where_flags=lambda ds: ds.flag.where(ds.lsm > 0.5),
    xr_where=lambda ds: xr.where(ds.tas > 280, 1, 0),
    xr_where_arrays=lambda ds: xr.where(ds.flag, ds.tas, ds.pr),
    xr_where_keep=lambda ds: xr.where(ds.flag, ds.tas, np.nan, keep_attrs=True),
    xr_where_nested=lambda ds: xr.where(ds.tas < 275, 1, xr.where(ds.tas < 285, 2, 3)),
    where_other_misaligned=lambda ds: ds.tas.where(ds.tas.isel(lat=[0, 1, 2, 3]) > 280, -1.0),
    fillna=lambda ds: ds.tas.fillna(0),
    fillna_array=lambda ds: ds.tas.fillna(ds.tas.mean("time")),
    fillna_dataset=lambda ds: ds[["tas", "pr"]].fillna({"tas": 280, "pr": 0}),
    fillna_integers=lambda ds: ds["count"].fillna(3),
    isnull=lambda ds: ds.tas.isnull(),
    notnull=lambda ds: ds.tas.notnull(),
    isnull_integers=lambda ds: ds["count"].isnull(),
    isin=lambda ds: ds.region.isin([1, 3]),
    isin_float=lambda ds: ds.lsm.isin(ds.lsm.values[0]),
    isin_dataset=lambda ds: ds[["region", "count"]].isin([1, 2]),
    clip=lambda ds: ds.tas.clip(275, 285),
    clip_low=lambda ds: ds.pr.clip(min=1),
    clip_array=lambda ds: ds.tas.clip(max=ds.tas.mean("time")),
    clip_integers=lambda ds: ds["count"].clip(0, 50),
    combine_first=lambda ds: ds.tas.where(ds.flag).combine_first(ds.pr),
    combine_first_dataset=lambda ds: ds[["tas"]].isel(time=slice(0, 500)).combine_first(ds[["tas", "pr"]].isel(time=slice(400, None))),
    dropna_time=lambda ds: ds["index"].where(ds["index"] > 0).dropna("time"),
    dropna_all=lambda ds: ds.tas.dropna("lat", how="all"),
    query=lambda ds: ds.query(lat="lat > 45"),
    mask_by_own_mean=lambda ds: ds.tas.where(ds.tas > ds.tas.mean("time")),
    land_only=lambda ds: ds.tas.where(ds.lsm > 0.5).mean(["lat", "lon"]),
    setitem=lambda ds: _set_box(ds.tas.copy()),
    setitem_values=lambda ds: _set_values(ds.tas.copy(), ds),
    setitem_mask=lambda ds: _set_labels(ds.tas.copy()),
    set_variable=lambda ds: _set_variable(ds.copy()),
)

programs(
    "types",
    to_float32=lambda ds: ds.tas.astype("f4"),
    to_float64=lambda ds: ds.pr.astype(float),
    to_int=lambda ds: ds.tas.fillna(0).astype(int),
    to_int16=lambda ds: ds["count"].astype("i2"),
    to_bool=lambda ds: ds.packed.astype(bool),
    to_uint8=lambda ds: ds["count"].clip(0).astype("u1"),
    flags_to_int=lambda ds: ds.flag.astype("i1"),
    dataset=lambda ds: ds[["tas", "pr"]].astype("f4"),
    to_text=lambda ds: ds.region.astype(str),
    to_complex=lambda ds: ds.lsm.astype(complex) * 1j,
    to_object=lambda ds: ds.region.astype(object),
    to_half=lambda ds: ds.lsm.astype("f2"),
    zeros_like=lambda ds: xr.zeros_like(ds.tas),
    ones_like=lambda ds: xr.ones_like(ds.pr),
    full_like=lambda ds: xr.full_like(ds["count"], 7),
    full_like_dtype=lambda ds: xr.full_like(ds["count"], np.nan, dtype=float),
    full_like_dataset=lambda ds: xr.full_like(ds[["tas", "count"]], 1),
)

programs(
    "time",
    on=("standard", "noleap", "360_day"),
    select_by_hour=lambda ds: ds.tas.isel(time=ds.time.dt.hour == 0),
    add_month_coordinate=lambda ds: ds.assign_coords(month=ds.time.dt.month),
    anomaly_by_dt=lambda ds: ds.tas * ds.time.dt.days_in_month,
    weights_by_month=lambda ds: ds.tas * (ds.time.dt.days_in_month / ds.time.dt.days_in_month.groupby("time.season").sum().mean()),
    day_of_year_harmonic=lambda ds: ds.tas * np.cos(2 * np.pi * ds.time.dt.dayofyear / 365.25),
    year_label=lambda ds: ds.tas.assign_coords(label=("time", [f"{y:04d}" for y in ds.time.dt.year.values])),
    text_label=lambda ds: ds.tas.assign_coords(label=ds.time.dt.strftime("%Y-%m")),
    time_since_start=lambda ds: ds.tas.assign_coords(age=ds.time - ds.time[0]),
    shift_time_axis=lambda ds: ds.assign_coords(time=ds.indexes["time"].shift(1, "D")).tas,
)
programs(
    "time",
    convert_calendar=lambda ds: ds.tas.convert_calendar("noleap"),
    convert_calendar_align=lambda ds: ds.tas.convert_calendar("360_day", align_on="date"),
    interp_calendar=lambda ds: ds["index"].chunk(time=-1).interp_calendar(
        xr.DataArray(xr.date_range("2001-01-01", periods=200, freq="D", calendar="noleap"), dims="time", name="time")
    ),
    isocalendar=lambda ds: ds.tas.assign_coords(week=ds.time.dt.isocalendar().week),
    floor_day=lambda ds: ds.tas.groupby(ds.time.dt.floor("5D")).mean(),
    time_of_day=lambda ds: ds.tas.assign_coords(t=ds.time.dt.time),
    season_of_max=lambda ds: ds.tas.isel(lat=slice(1, None)).idxmax("time").dt.month,
)
programs(
    "time",
    on=("profiles",),
    lazy_compare=lambda ds: ds.seen > np.datetime64("2003-01-05"),
    lazy_difference=lambda ds: ds.seen - np.datetime64("2003-01-01"),
    lazy_sum_with_duration=lambda ds: ds.seen + ds.lasted,
    lazy_where=lambda ds: ds.ta.where(ds.seen < np.datetime64("2003-01-06T12")),
    lazy_where_time=lambda ds: ds.seen.where(ds.quality > 2),
    lazy_isnull=lambda ds: ds.seen.isnull(),
    lazy_fillna=lambda ds: ds.seen.fillna(T0),
    lazy_min=lambda ds: ds.seen.min(),
    lazy_max=lambda ds: ds.lasted.max(),
    lazy_mean_duration=lambda ds: ds.lasted.mean(),
    lazy_mean_time=lambda ds: ds.seen.mean(),
    lazy_sum_duration=lambda ds: ds.lasted.sum(),
    lazy_hours=lambda ds: ds.lasted / np.timedelta64(1, "h"),
    lazy_double=lambda ds: ds.lasted * 2,
    lazy_dt_month=lambda ds: ds.seen.fillna(T0).dt.month,
    lazy_dt_hour=lambda ds: ds.seen.fillna(T0).dt.hour,
    lazy_dt_day=lambda ds: ds.seen.fillna(T0).dt.day,
    lazy_dt_year=lambda ds: ds.seen.fillna(T0).dt.year,
    lazy_dt_dayofyear=lambda ds: ds.seen.fillna(T0).dt.dayofyear,
    lazy_dt_season=lambda ds: ds.seen.fillna(T0).dt.season,
    lazy_dt_floor=lambda ds: ds.seen.fillna(T0).dt.floor("D"),
    lazy_dt_round=lambda ds: ds.seen.fillna(T0).dt.round("h"),
    lazy_dt_strftime=lambda ds: ds.seen.fillna(T0).dt.strftime("%Y-%m-%d"),
    lazy_dt_month_with_gaps=lambda ds: ds.seen.dt.month,
    lazy_dt_seconds=lambda ds: ds.lasted.dt.seconds,
    lazy_total_seconds=lambda ds: ds.lasted.dt.total_seconds(),
    lazy_astype_int=lambda ds: ds.lasted.astype("i8"),
    lazy_to_days=lambda ds: ds.seen.astype("M8[s]"),
    lazy_sort=lambda ds: ds.sortby(ds.seen.fillna(T0).compute()),
    lazy_diff=lambda ds: ds.seen.diff("profile"),
    lazy_count=lambda ds: ds.seen.count(),
)
programs(
    "text",
    on=("profiles",),
    select_code=lambda ds: ds.isel(profile=[1, 5]).code,
    compare=lambda ds: ds.ta.where(ds.code == "S03"),
    compare_coordinate=lambda ds: ds.ta.where(ds.station == "ST2"),
    str_upper=lambda ds: ds.code.str.lower(),
    str_contains=lambda ds: ds.station.str.contains("3"),
    to_number=lambda ds: ds.code.str.slice(1).compute().chunk(profile=7).astype(int) + ds.code.str.slice(1).compute().chunk(profile=7).astype("f4"),
    str_len=lambda ds: ds.station.str.len(),
    str_slice=lambda ds: ds.ta.groupby(ds.station.str.slice(0, 3)).mean(),
    str_startswith=lambda ds: ds.ta.where(ds.code.str.startswith("S0").compute()),
    str_cat=lambda ds: ds.station.str.cat("x", sep="-"),
    concat_codes=lambda ds: xr.concat([ds.code, ds.code], "profile"),
    where_code=lambda ds: ds.code.where(ds.quality > 2, "none"),
    isin_code=lambda ds: ds.code.isin(["S01", "S05"]),
    group_by_code=lambda ds: ds.ta.groupby(ds.code.compute()).mean(),
)


def _array(data, dims):
    return xr.DataArray(data, dims=dims, name="made")  # without a name, that of a dask graph would be taken


def _with_attrs(ds):
    with xr.set_options(keep_attrs=True):
        return ds.tas - 273.15


def _joined(ds, join):
    with xr.set_options(arithmetic_join=join):
        return ds.tas.isel(time=slice(0, 500)) - ds.tas.isel(time=slice(300, 900))


def _in_place(da):
    da += 1
    da *= 2
    return da


def _set_box(da):
    da[{"time": slice(3, 60), "lat": 1}] = 0.0
    return da


def _set_values(da, ds):
    da[{"lat": [0, 2], "lon": slice(1, 3)}] = ds.lsm.isel(lat=[1, 3], lon=[0, 5]).compute().values
    return da


def _set_labels(da):
    da.loc[{"lon": slice(0, 100)}] = -1.0
    return da


def _set_variable(ds):
    ds["total"] = ds.pr.sum(["lat", "lon"])
    ds["pr"].attrs["units"] = "mm"
    ds.coords["lon2"] = ds.lon - 360
    del ds["flag"]
    return ds
