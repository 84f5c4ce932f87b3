"""Groups: by parts of the date, by labels, by bins; resampling; coarsening; what is done with the answer."""

import numpy as np
import xarray as xr
from xarray.groupers import BinGrouper, SeasonGrouper, SeasonResampler, TimeResampler, UniqueGrouper

from .registry import programs

ALL = ("standard", "noleap", "360_day")
FEW = ("mean", "sum", "min", "max", "std", "var", "count", "first", "last", "any", "all", "median", "prod")

programs("group", on=ALL, month_mean=lambda ds: ds.tas.groupby("time.month").mean("time"))
programs("group", on=ALL, season_mean=lambda ds: ds.tas.groupby("time.season").mean("time"))
programs("group", on=ALL, year_mean=lambda ds: ds.tas.groupby("time.year").mean())
programs("group", on=ALL, day_mean=lambda ds: ds.tas.groupby("time.dayofyear").mean())
programs("group", on=ALL, anomaly=lambda ds: ds.tas.groupby("time.month") - ds.tas.groupby("time.month").mean("time"))
programs("group", on=ALL, anomaly_dataset=lambda ds: ds[["tas", "pr"]].groupby("time.dayofyear") - ds[["tas", "pr"]].groupby("time.dayofyear").mean())
programs("group", on=ALL, season_weighted=lambda ds: _season_weighted(ds))
programs("group", **{f"month_{n}": (lambda ds, n=n: getattr(ds.tas.groupby("time.month"), n)()) for n in FEW if n != "mean"})
programs("group", **{f"season_{n}_float32": (lambda ds, n=n: getattr(ds.pr.groupby("time.season"), n)("time")) for n in ("mean", "sum", "max", "std")})
programs("group", **{f"year_{n}_integers": (lambda ds, n=n: getattr(ds["count"].groupby("time.year"), n)()) for n in ("mean", "sum", "min", "count", "first")})
programs("group", **{f"region_{n}": (lambda ds, n=n: getattr(ds.tas.groupby(ds.region.compute()), n)()) for n in ("mean", "std", "count", "max", "sum")})
programs(
    "group",
    dt_month=lambda ds: ds.tas.groupby(ds.time.dt.month).mean(),
    own_label=lambda ds: ds.tas.groupby(xr.DataArray(np.arange(900) // 100, dims="time", name="block")).mean(),
    label_coordinate=lambda ds: ds.tas.assign_coords(half=("time", np.arange(900) % 2)).groupby("half").mean(),
    text_label=lambda ds: ds.tas.assign_coords(kind=("time", np.where(np.arange(900) % 3, "b", "a"))).groupby("kind").mean(),
    label_with_gaps=lambda ds: ds.tas.groupby(xr.DataArray(np.where(np.arange(900) % 4, np.arange(900) // 300, np.nan), dims="time", name="g")).sum(),
    dataset_month=lambda ds: ds[["tas", "pr", "count"]].groupby("time.month").mean("time"),
    dataset_whole=lambda ds: ds.drop_vars("flag").groupby("time.season").mean(),
    month_no_skipna=lambda ds: ds.tas.groupby("time.month").mean(skipna=False),
    month_min_count=lambda ds: ds.tas.groupby("time.month").sum(min_count=60),
    month_ddof=lambda ds: ds.tas.groupby("time.month").std(ddof=1),
    month_quantile=lambda ds: ds.tas.chunk(time=-1).groupby("time.month").quantile(0.9),
    month_quantiles=lambda ds: ds.tas.chunk(time=-1).groupby("time.month").quantile([0.1, 0.9], dim="time"),
    all_dims=lambda ds: ds.tas.groupby("time.month").mean(...),
    and_space=lambda ds: ds.tas.groupby("time.year").mean(["time", "lat", "lon"]),
    by_lat=lambda ds: ds.tas.groupby("lat").mean("time"),
    ratio_of_means=lambda ds: ds.pr.groupby("time.month") / ds.pr.groupby("time.month").mean("time"),
    standardized=lambda ds: _standardized(ds),
    plus_group=lambda ds: ds.tas.groupby("time.season") + ds.tas.groupby("time.season").max(),
    climatology_then_space=lambda ds: ds.tas.groupby("time.month").mean("time").mean(["lat", "lon"]),
    climatology_season_name=lambda ds: ds.tas.groupby("time.season").mean("time").sel(season="JJA"),
    season_difference=lambda ds: _season_difference(ds.tas.groupby("time.season").mean("time")),
    bins=lambda ds: ds.tas.groupby_bins("lat", [30, 45, 55, 65]).mean(),
    bins_labels=lambda ds: ds.tas.groupby_bins("lon", [0, 100, 200, 360], labels=["a", "b", "c"], right=False).mean(),
    bins_number=lambda ds: ds.tas.groupby_bins("lat", 2).sum(),
    bins_empty=lambda ds: ds.tas.groupby_bins("lat", [0, 10, 45, 65]).mean(),
    bins_of_index=lambda ds: ds.tas.groupby_bins(ds["index"].compute(), [-5, -1, 0, 1, 5]).mean(),
    bins_lowest=lambda ds: ds.tas.groupby_bins("lon", [0, 60, 300], include_lowest=True).count(),
    two_groupers=lambda ds: ds.tas.groupby(["time.year", "time.season"]).mean(),
    two_groupers_2d=lambda ds: ds.tas.groupby({"time.month": UniqueGrouper(), "lat": BinGrouper([30, 50, 65])}).mean(),
    unique_grouper=lambda ds: ds.tas.groupby({"time.year": UniqueGrouper()}).mean(),
    unique_labels=lambda ds: ds.tas.assign_coords(region=ds.region).groupby(region=UniqueGrouper(labels=[0, 1, 2, 3])).mean(),
    lazy_labels=lambda ds: ds.tas.groupby(ds.region).mean(),
    bin_grouper=lambda ds: ds.tas.groupby(lat=BinGrouper([30, 45, 65])).mean(),
    season_grouper=lambda ds: ds.tas.groupby(time=SeasonGrouper(["DJFM", "AMJJ", "ASON"])).mean(),
    season_overlap=lambda ds: ds.tas.groupby(time=SeasonGrouper(["DJFM", "MAMJ", "JJAS", "SOND"])).mean(),
    map_anomaly=lambda ds: ds.tas.groupby("time.month").map(lambda g: g - g.mean("time")),
    map_reduce=lambda ds: ds.tas.groupby("time.season").map(lambda g: g.max("time") - g.min("time")),
    map_quantile=lambda ds: ds.tas.chunk(time=-1).groupby("time.year").map(lambda g: g.quantile(0.9, "time")),
    reduce_function=lambda ds: ds["count"].groupby("time.season").reduce(np.max, dim="time"),
    group_where=lambda ds: ds.tas.groupby("time.month").where(ds.flag),
    group_fillna=lambda ds: ds.tas.groupby("time.month").fillna(ds.tas.groupby("time.month").mean("time")),
    assign_coords=lambda ds: ds.tas.groupby("time.month").assign_coords(z=1),
    iterate=lambda ds: xr.concat([g.mean("time").assign_coords(m=m) for m, g in ds.tas.groupby("time.month")], "m"),
    one_group=lambda ds: ds.tas.groupby("time.year")[2001],
    iterate_years=lambda ds: {int(y): g.max("time") for y, g in ds.tas.groupby("time.year")},
    month_cumsum=lambda ds: ds.pr.groupby("time.year").cumsum("time"),
    month_cumsum_gaps=lambda ds: ds.tas.groupby("time.month").cumsum(skipna=False),
    month_cumprod=lambda ds: ds.lsm.groupby("lat").cumprod("lon"),
    shuffle=lambda ds: ds.tas.drop_vars("area").groupby("time.season").shuffle_to_chunks().groupby("time.season").mean(),
    stacked_points=lambda ds: ds.tas.stack(p=("lat", "lon")).groupby("time.month").mean(),
    zonal_statistics=lambda ds: _zonal(ds),
    argmax=lambda ds: ds.tas.fillna(0).groupby("time.month").map(lambda g: g.argmax("time")),
    groupby_dataset_bins=lambda ds: ds[["tas"]].groupby_bins("lon", [0, 150, 360]).max(),
    hours=lambda ds: ds.tas.groupby("time.hour").mean(),
    weekday=lambda ds: ds.tas.groupby("time.weekday").mean(),
    month_of_dataset_std=lambda ds: ds[["tas", "pr"]].groupby("time.month").std(),
    weighted_month=lambda ds: ds.tas.groupby("time.month").map(lambda g: g.weighted(np.cos(np.deg2rad(g.lat))).mean(["lat", "lon", "time"])),
    weights_in_groups=lambda ds: _days_weighted(ds),
)

programs("resample", on=ALL, month_start=lambda ds: ds.tas.resample(time="MS").mean())
programs("resample", on=ALL, month_end=lambda ds: ds.tas.resample(time="ME").mean())
programs("resample", on=ALL, year_start=lambda ds: ds.tas.resample(time="YS").mean("time"))
programs("resample", on=ALL, season_december=lambda ds: ds.tas.resample(time="QS-DEC").mean())
programs("resample", on=ALL, five_days=lambda ds: ds.tas.resample(time="5D").max())
programs("resample", **{f"month_{n}": (lambda ds, n=n: getattr(ds.tas.resample(time="MS"), n)()) for n in FEW if n != "mean"})
programs("resample", **{f"year_{n}_float32": (lambda ds, n=n: getattr(ds.pr.resample(time="YE"), n)()) for n in ("mean", "sum", "max", "std")})
programs("resample", **{f"month_{n}_integers": (lambda ds, n=n: getattr(ds["count"].resample(time="MS"), n)()) for n in ("mean", "sum", "max")})
programs(
    "resample",
    week=lambda ds: ds.tas.resample(time="W").mean(),
    quarter=lambda ds: ds.tas.resample(time="QE").sum(),
    december_year=lambda ds: ds.pr.resample(time="YS-DEC").max(),
    ten_days_left=lambda ds: ds.tas.resample(time="10D", closed="left", label="left").mean(),
    ten_days_right=lambda ds: ds.tas.resample(time="10D", closed="right", label="right").mean(),
    offset=lambda ds: ds.tas.resample(time="7D", offset="2D").mean(),
    origin=lambda ds: ds.tas.resample(time="7D", origin="epoch").mean(),
    dataset=lambda ds: ds[["tas", "pr", "count"]].resample(time="MS").mean(),
    dataset_all=lambda ds: ds.drop_vars("flag").resample(time="YS").max(),
    gaps=lambda ds: ds.tas.isel(time=np.r_[0:40, 200:260]).resample(time="MS").mean(),
    min_count=lambda ds: ds.tas.resample(time="MS").sum(min_count=28),
    quantile=lambda ds: ds.tas.chunk(time=-1).resample(time="YS").quantile(0.98),
    no_skipna=lambda ds: ds.tas.resample(time="MS").mean(skipna=False),
    and_space=lambda ds: ds.tas.resample(time="MS").mean(["time", "lat", "lon"]),
    then_group=lambda ds: ds.tas.resample(time="MS").mean().groupby("time.month").mean(),
    map=lambda ds: ds.tas.resample(time="MS").map(lambda g: g.max("time") - g.min("time")),
    reduce=lambda ds: ds["count"].resample(time="MS").reduce(np.max),
    upsample_ffill=lambda ds: ds.tas.isel(time=slice(0, 60)).resample(time="12h").ffill(),
    upsample_nearest=lambda ds: ds.tas.isel(time=slice(0, 60)).resample(time="12h").nearest(),
    upsample_interpolate=lambda ds: ds.tas.isel(time=slice(0, 60)).chunk(time=-1).resample(time="12h").interpolate("linear"),
    upsample_asfreq=lambda ds: ds.tas.isel(time=slice(0, 60)).resample(time="12h").asfreq(),
    upsample_pad=lambda ds: ds.tas.isel(time=slice(0, 60)).resample(time="12h").bfill(),
    season_resampler=lambda ds: ds.tas.resample(time=SeasonResampler(["DJF", "MAM", "JJA", "SON"])).mean(),
    time_resampler=lambda ds: ds.tas.groupby(time=TimeResampler("MS")).mean(),
    cumulative=lambda ds: ds.pr.resample(time="YS").cumsum(),
    old_spelling_month=lambda ds: ds.tas.resample(time="1MS").mean(),
    argmax=lambda ds: ds.tas.fillna(0).resample(time="YS").map(lambda g: g.argmax("time")),
    count_hot_days=lambda ds: (ds.tas > 285).resample(time="YS").sum(),
    wettest_month=lambda ds: ds.pr.resample(time="MS").sum().max("time"),
    daily_spread=lambda ds: ds.tas.resample(time="MS").max() - ds.tas.resample(time="MS").min(),
    iterate=lambda ds: xr.concat([g.mean("time") for _, g in ds.tas.resample(time="QS")], "q"),
    first_day=lambda ds: ds.tas.resample(time="MS").first(skipna=False),
    mean_of_year_weighted=lambda ds: _monthly_to_yearly(ds),
    two_dims_kept=lambda ds: ds.tas.mean("lon").resample(time="MS").mean(),
)
programs(
    "resample",
    on=("curved",),
    ocean=lambda ds: ds.tos.resample(t="YS").mean(),
    masked_group=lambda ds: ds.tos.where(ds.mask).groupby("t.season").mean(),
    depth_bins=lambda ds: ds.tos.groupby_bins(ds.depth.compute(), [0, 500, 2000, 1e5]).mean(),
    latitude_bands=lambda ds: ds.tos.groupby_bins(ds.nav_lat.compute(), [-50, -20, 0, 30]).mean(),
    latitude_bands_lazy=lambda ds: ds.tos.groupby_bins("nav_lat", [-50, -20, 0, 30]).mean(),
)

programs("coarsen", **{n: (lambda ds, n=n: getattr(ds.tas.coarsen(lat=2, lon=3), n)()) for n in ("mean", "sum", "max", "std", "median", "count")})
programs(
    "coarsen",
    time=lambda ds: ds.tas.coarsen(time=30).mean(),
    trim=lambda ds: ds.tas.coarsen(time=7, boundary="trim").mean(),
    pad=lambda ds: ds.tas.coarsen(time=7, boundary="pad").mean(),
    pad_right=lambda ds: ds.tas.coarsen(lon=4, boundary="trim", side="right").max(),
    coord_func=lambda ds: ds.tas.coarsen(time=10, coord_func="min").mean(),
    dataset=lambda ds: ds[["tas", "pr", "count"]].coarsen(time=10).mean(),
    integers=lambda ds: [getattr(ds["packed"].coarsen(lat=2, time=9), n)() for n in ("sum", "mean", "max", "prod", "std", "count", "min")],
    booleans=lambda ds: [getattr(ds.flag.coarsen(time=4, lon=2), n)() for n in ("any", "all", "sum", "mean")],
    float32=lambda ds: [getattr(ds.pr.coarsen(time=30, lon=2), n)() for n in ("sum", "mean", "var", "prod", "min")],
    spread=lambda ds: [ds.tas.coarsen(lon=3).std(), _in_blocks(ds).var("d", ddof=1), _in_blocks(ds).std("d", skipna=False), _in_blocks(ds).std(["d", "dy"])],
    not_skipped=lambda ds: [getattr(_in_blocks(ds), n)(["dy", "d"], skipna=False) for n in ("mean", "max", "sum")],
    least_count=lambda ds: [_in_blocks(ds).sum(["d", "dy"], min_count=12), _in_blocks(ds).sum("dy", min_count=2)],
    of_anomalies=lambda ds: (ds.tas - ds.tas.mean("time")).coarsen(lat=4, time=10).mean() ** 2,
    one_each=lambda ds: ds.tas.isel(lat=[0]).coarsen(lat=1, time=90).mean(),
    extremes_and_all=lambda ds: ds.tas.coarsen(lat=2, lon=2).max().mean(["lat", "lon"]),
    not_to_blocks=lambda ds: ds.tas.coarsen(time=30).construct(time=("month", "day")).mean(["month", "lat"]),
    construct=lambda ds: ds.tas.coarsen(time=30).construct(time=("month", "day")),
    construct_mean=lambda ds: ds.pr.coarsen(time=30).construct(time=("month", "day")).mean("day"),
    reduce=lambda ds: ds.tas.coarsen(lat=2).reduce(np.nanmax),
)


def _in_blocks(ds):
    return ds.tas.coarsen(time=10, lat=2).construct(time=("t", "d"), lat=("y", "dy"))


def _season_weighted(ds):
    """As in xarray's documentation: seasonal means by the lengths of months."""
    days = ds.time.dt.days_in_month
    weights = days.groupby("time.season") / days.groupby("time.season").sum()
    return (ds.tas * weights).groupby("time.season").sum("time")


def _standardized(ds):
    months = ds.tas.groupby("time.month")
    return xr.apply_ufunc(lambda x, m, s: (x - m) / s, months, months.mean("time"), months.std("time"), dask="allowed")


def _season_difference(ds):
    return ds.sel(season="JJA", drop=True) - ds.sel(season="DJF", drop=True)


def _zonal(ds):
    region = ds.region.compute()
    return xr.merge([ds.tas.groupby(region).mean().rename("mean"), ds.tas.groupby(region).std().rename("std"), ds.tas.groupby(region).count().rename("n")])


def _days_weighted(ds):
    days = ds.time.dt.days_in_month
    ones = xr.where(ds.tas.isnull(), 0.0, 1.0)
    return (ds.tas * days).groupby("time.year").sum("time") / (ones * days).groupby("time.year").sum("time")


def _monthly_to_yearly(ds):
    monthly = ds.tas.resample(time="MS").mean()
    days = monthly.time.dt.days_in_month
    return (monthly * days).resample(time="YS").sum() / days.where(monthly.notnull()).resample(time="YS").sum()
