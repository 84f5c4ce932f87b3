"""Reductions: whole, along dimensions, by type; statistics; weights."""

import numpy as np
import xarray as xr

from .registry import programs

REDUCTIONS = ("mean", "sum", "min", "max", "std", "var", "prod", "count", "median", "any", "all")


programs("reduce", **{f"{n}_time": (lambda ds, n=n: getattr(ds.tas, n)("time")) for n in REDUCTIONS})
programs("reduce", **{f"{n}_float32": (lambda ds, n=n: getattr(ds.pr, n)(["lat", "lon"])) for n in ("mean", "sum", "min", "max", "std", "var", "count")})
programs("reduce", **{f"{n}_whole": (lambda ds, n=n: getattr(ds.tas, n)()) for n in ("mean", "sum", "min", "max", "std", "count")})
programs("reduce", **{f"{n}_integers": (lambda ds, n=n: getattr(ds["count"], n)("time")) for n in ("mean", "sum", "min", "max", "std", "median")})
programs("reduce", **{f"{n}_short": (lambda ds, n=n: getattr(ds.packed, n)(("time", "lon"))) for n in ("mean", "sum", "max")})
programs("reduce", **{f"{n}_flags": (lambda ds, n=n: getattr(ds.flag, n)("time")) for n in ("any", "all", "sum", "mean", "max")})
programs("reduce", **{f"{n}_dataset": (lambda ds, n=n: getattr(ds, n)("time")) for n in ("mean", "sum", "max", "std", "count")})
programs("reduce", **{f"{n}_with_gaps": (lambda ds, n=n: getattr(ds.tas, n)("time", skipna=False)) for n in ("mean", "sum", "max", "std", "median")})
programs(
    "reduce",
    mean_of_all_dims_but_one=lambda ds: ds.tas.mean(["lat", "lon"]),
    mean_ellipsis=lambda ds: ds.tas.mean(...),
    mean_no_attrs=lambda ds: ds.tas.mean("time", keep_attrs=False),
    mean_keep_attrs=lambda ds: ds.mean("time", keep_attrs=True),
    mean_of_numbers=lambda ds: ds.mean(),
    mean_keepdims=lambda ds: ds.tas.mean("lon", keepdims=True),
    sum_min_count=lambda ds: ds.tas.sum("time", min_count=800),
    sum_min_count_dataset=lambda ds: ds[["tas", "pr"]].sum(["lat", "lon"], min_count=1),
    prod_min_count=lambda ds: ds.tas.isel(time=slice(5)).prod("time", min_count=5),
    std_sample=lambda ds: ds.tas.std("time", ddof=1),
    var_sample=lambda ds: ds.pr.var("time", ddof=1),
    max_minus_min=lambda ds: ds.tas.max("time") - ds.tas.min("time"),
    mean_of_max=lambda ds: ds.tas.max("time").mean(),
    zonal_mean=lambda ds: ds.tas.mean("lon"),
    quantile=lambda ds: ds.tas.chunk(time=-1).quantile(0.9, "time"),
    quantile_several=lambda ds: ds.tas.chunk(time=-1).quantile([0.02, 0.5, 0.98], "time"),
    quantile_method=lambda ds: ds.tas.chunk(time=-1).quantile(0.25, "time", method="hazen"),
    quantile_float32=lambda ds: ds.pr.chunk(time=-1).quantile(0.75, "time"),
    quantile_with_gaps=lambda ds: ds.tas.chunk(time=-1).quantile(0.75, "time", skipna=False),
    quantile_of_two=lambda ds: ds.tas.chunk(-1).quantile(0.1, ["lat", "lon"]),
    quantile_dataset=lambda ds: ds[["tas", "pr"]].chunk(time=-1).quantile(0.93, "time", keep_attrs=True),
    quantile_integers=lambda ds: ds["count"].chunk(time=-1).quantile(0.5, "time"),
    median_two_dims=lambda ds: ds.tas.chunk(-1).median(["lat", "lon"]),
    percentile_range=lambda ds: ds.tas.chunk(time=-1).quantile(0.9, "time") - ds.tas.chunk(time=-1).quantile(0.1, "time"),
    argmax=lambda ds: ds.tas.fillna(0).argmax("time"),
    argmin=lambda ds: ds["count"].argmin("lon"),
    argmax_skipna=lambda ds: ds.tas.isel(lat=slice(1, None)).argmax("time"),
    argmin_gaps=lambda ds: ds.tas.argmin("time", skipna=False),
    argmax_whole=lambda ds: ds.tas.isel(lat=1).argmax(),
    idxmax=lambda ds: ds.tas.idxmax("time"),
    idxmin=lambda ds: ds.tas.idxmin("lat"),
    idxmax_lon=lambda ds: ds["count"].idxmax("lon"),
    idxmin_fill=lambda ds: ds.tas.idxmin("lon", fill_value=-999.0),
    warmest_day_of_region=lambda ds: ds.tas.mean(["lat", "lon"]).idxmax("time"),
    reduce_numpy=lambda ds: ds.tas.reduce(np.nanmean, "time"),
    reduce_ptp=lambda ds: ds["count"].reduce(np.ptp, "time"),
    reduce_two=lambda ds: ds.tas.reduce(np.nansum, ["lat", "lon"]),
    first_valid=lambda ds: ds.tas.isel(time=ds.tas.notnull().any(["lat", "lon"]).compute().values.argmax()),
    count_where=lambda ds: (ds.tas > 283).sum("time"),
    fraction_where=lambda ds: (ds.pr > 1).where(ds.pr.notnull()).mean("time"),
    norm=lambda ds: (ds.tas**2).sum("time") ** 0.5,
    zscore=lambda ds: (ds.tas - ds.tas.mean("time")) / ds.tas.std("time"),
    scaled_to_unit=lambda ds: (ds.tas - ds.tas.min()) / (ds.tas.max() - ds.tas.min()),
    rms_error=lambda ds: ((ds.tas - ds.tas.shift(time=1)) ** 2).mean(["lat", "lon"]) ** 0.5,
    skew=lambda ds: (((ds.tas - ds.tas.mean("time")) / ds.tas.std("time")) ** 3).mean("time"),
    nunique_like=lambda ds: xr.concat([(ds.region == r).sum() for r in range(4)], "r"),
)
programs(
    "weighted",
    mean=lambda ds: ds.tas.weighted(np.cos(np.deg2rad(ds.lat))).mean(["lat", "lon"]),
    mean_time=lambda ds: ds.tas.weighted(ds.area).mean(("lat", "lon")).mean("time"),
    mean_dataset=lambda ds: ds[["tas", "pr"]].weighted(ds.area).mean(["lat", "lon"]),
    sum=lambda ds: ds.pr.weighted(ds.area).sum(["lat", "lon"]),
    std=lambda ds: ds.tas.weighted(ds.area).std(["lat", "lon"]),
    var=lambda ds: ds.tas.weighted(ds.area).var("lat"),
    sum_of_weights=lambda ds: ds.tas.weighted(ds.area).sum_of_weights(["lat", "lon"]),
    sum_of_squares=lambda ds: ds.tas.weighted(ds.area).sum_of_squares(["lat", "lon"]),
    quantile=lambda ds: ds.tas.chunk(-1).weighted(ds.area.chunk(-1)).quantile(0.5, dim=["lat", "lon"]),
    with_gaps=lambda ds: ds.tas.weighted(ds.area).mean(["lat", "lon"], skipna=False),
    days_in_month=lambda ds: ds.tas.weighted(ds.time.dt.days_in_month).mean("time"),
    lazy_weights=lambda ds: ds.tas.weighted(ds.lsm).mean(["lat", "lon"]),
    masked=lambda ds: ds.tas.weighted(ds.area.where(ds.lat > 45, 0)).mean(["lat", "lon"]),
    float32=lambda ds: ds.pr.weighted(ds.area.astype("f4")).mean("lon"),
    by_hand=lambda ds: (ds.tas * ds.area).sum(["lat", "lon"]) / ds.area.where(ds.tas.notnull()).sum(["lat", "lon"]),
)
programs(
    "statistics",
    cov=lambda ds: xr.cov(ds.tas, ds["count"], "time"),
    corr=lambda ds: xr.corr(ds.tas, ds["count"], "time"),
    corr_index=lambda ds: xr.corr(ds.tas, ds["index"], dim="time"),
    corr_whole=lambda ds: xr.corr(ds.tas, ds["count"]),
    corr_weighted=lambda ds: xr.corr(ds.tas, ds["count"], ["lat", "lon"], weights=ds.area),
    lagged_corr=lambda ds: xr.corr(ds.tas, ds["index"].shift(time=3), dim="time"),
    dot=lambda ds: xr.dot(ds.tas.fillna(0), ds.lsm),
    dot_dims=lambda ds: xr.dot(ds.tas.fillna(0), ds.lsm, dim="lon"),
    dot_method=lambda ds: ds.lsm.dot(ds.tas.fillna(0), "lat"),
    matmul=lambda ds: ds.lsm @ ds.area,
    dot_three=lambda ds: xr.dot(ds.tas.fillna(0), ds.lsm, ds["index"], dim=["time"]),
    covariance_matrix=lambda ds: xr.dot(ds.tas.drop_vars("area").fillna(0), ds.tas.drop_vars("area").fillna(0).rename(lat="lat2", lon="lon2"), dim="time"),
    slope=lambda ds: xr.cov(ds.tas, ds["index"], dim="time") / ds["index"].var("time", ddof=1),
    polyfit=lambda ds: ds.tas.fillna(280).chunk(time=-1).polyfit("time", 1, skipna=False),
    polyfit_gaps=lambda ds: ds.tas.isel(lat=slice(1, 3)).chunk(time=-1).polyfit("time", 2),
    polyval=lambda ds: xr.polyval(ds.lon, xr.DataArray([1.0, 2.0, 0.5], dims="degree", coords={"degree": [0, 1, 2]})) + ds.lsm,
    detrend=lambda ds: _detrended(ds["index"].chunk(time=-1)),
    integrate=lambda ds: ds.tas.fillna(0).integrate("lon"),
    integrate_time=lambda ds: ds.pr.fillna(0).integrate("time", datetime_unit="D"),
    integrate_dataset=lambda ds: ds[["tas", "pr"]].fillna(0).integrate(["lat", "lon"]),
    differentiate=lambda ds: ds.tas.differentiate("lon"),
    differentiate_time=lambda ds: ds.tas.differentiate("time", datetime_unit="D"),
    differentiate_edge=lambda ds: ds.tas.differentiate("lat", edge_order=2),
    cumulative_integrate=lambda ds: ds.tas.fillna(0).cumulative_integrate("lon"),
    gradient_by_shift=lambda ds: (ds.tas.shift(lon=-1) - ds.tas.shift(lon=1)) / (ds.lon.shift(lon=-1) - ds.lon.shift(lon=1)),
    curvefit=lambda ds: ds.tas.fillna(280).isel(lon=[0], lat=[0, 1]).chunk(time=-1).curvefit("time", lambda t, a, b: a + b * t * 1e-18),
)
programs("statistics", single=True, cov_float32=lambda ds: xr.cov(ds.tas, ds.pr, "time"), corr_float32=lambda ds: xr.corr(ds.tas, ds.pr, "time"))
programs(
    "statistics",
    on=("profiles",),
    integrate_plev=lambda ds: ds.ta.integrate("plev"),
    integrate_plev_float32=lambda ds: ds.ua.fillna(0).integrate("plev"),
    column_mean=lambda ds: ds.ta.weighted(ds.plev).mean("plev"),
    by_band=lambda ds: ds.ua.mean("plev").std("band"),
)


def _detrended(series):
    fit = series.polyfit("time", 1, skipna=False)
    return series - xr.polyval(series.time, fit.polyfit_coefficients)
