"""Choosing: by position, by label, by mask, single points."""

import numpy as np
import xarray as xr

from .registry import programs

programs(
    "select",
    exact=True,
    isel_first=lambda ds: ds.tas.isel(time=0),
    isel_last=lambda ds: ds.tas.isel(time=-1),
    isel_slice=lambda ds: ds.tas.isel(time=slice(10, 40), lat=slice(1, 3)),
    isel_stride=lambda ds: ds.isel(time=slice(None, None, 7)),
    isel_reverse=lambda ds: ds.tas.isel(lat=slice(None, None, -1)),
    isel_list=lambda ds: ds.tas.isel(time=[3, 700, 12, 12], lon=[0, 5]),
    isel_negative_list=lambda ds: ds.tas.isel(time=[-1, -300, 0]),
    isel_mask=lambda ds: ds.tas.isel(lon=np.array([True, False, True, True, False, False])),
    isel_dataset=lambda ds: ds.isel(time=slice(-30, None)),
    isel_missing_dims=lambda ds: ds.isel(time=1, plev=0, missing_dims="ignore"),
    isel_drop=lambda ds: ds.tas.isel(time=0, drop=True),
    isel_empty=lambda ds: ds.tas.isel(time=slice(0, 0)),
    isel_permutation=lambda ds: ds.tas.isel(time=np.random.default_rng(1).permutation(900)),
    getitem_ints=lambda ds: ds.tas[5, 1],
    getitem_ellipsis=lambda ds: ds.tas[..., 2],
    getitem_dict=lambda ds: ds.tas[{"lat": 1, "lon": slice(0, 3)}],
    getitem_names=lambda ds: ds[["tas", "pr"]],
    points=lambda ds: ds.tas.isel(lat=xr.DataArray([0, 3, 1], dims="site"), lon=xr.DataArray([5, 0, 2], dims="site")),
    points_with_names=lambda ds: ds.isel(
        lat=xr.DataArray([0, 3], dims="site", coords={"site": ["a", "b"]}), lon=xr.DataArray([5, 0], dims="site")
    ),
    points_in_time=lambda ds: ds.tas.isel(
        time=xr.DataArray([5, 800, 33, 6], dims="obs"), lat=xr.DataArray([0, 3, 1, 1], dims="obs"), lon=xr.DataArray([5, 0, 2, 2], dims="obs")
    ),
    points_of_two_dims=lambda ds: ds.tas.isel(lat=xr.DataArray([[0, 3], [1, 2]], dims=("a", "b")), lon=xr.DataArray([[5, 0], [2, 2]], dims=("a", "b"))),
    section=lambda ds: ds.tas.isel(time=xr.DataArray(np.arange(300), dims="track"), lon=xr.DataArray(np.arange(300) % 6, dims="track")),
    one_dim_by_array=lambda ds: ds.tas.isel(time=xr.DataArray([[0, 5, 9], [800, 2, 1]], dims=("run", "lead"))),
    head=lambda ds: ds.head(time=5),
    tail=lambda ds: ds.tas.tail(time=5),
    thin=lambda ds: ds.thin(time=30, lon=2),
    squeeze=lambda ds: ds.tas.isel(lat=[1]).squeeze(),
    squeeze_dim=lambda ds: ds.tas.isel(lat=[1]).squeeze("lat", drop=True),
    loc=lambda ds: ds.tas.loc["2001-02-01":"2001-03-01", 60.0],
    loc_dict=lambda ds: ds.tas.loc[{"lon": slice(50, 200)}],
    drop_vars=lambda ds: ds.drop_vars(["pr", "flag"]),
    drop_sel=lambda ds: ds.tas.drop_sel(lat=[45.0]),
    drop_isel=lambda ds: ds.tas.drop_isel(time=[0, 5]),
    drop_dims=lambda ds: ds.drop_dims("time"),
    assigned_name=lambda ds: ds["tas"].rename("t2m"),
)

programs(
    "select",
    exact=True,
    on=("standard", "noleap", "360_day"),
    sel_year=lambda ds: ds.tas.sel(time="2001"),
    sel_months=lambda ds: ds.sel(time=slice("2001-02", "2001-04")),
    sel_day=lambda ds: ds.tas.sel(time="2002-02-11"),
    sel_season=lambda ds: ds.tas.sel(time=ds.time.dt.season == "DJF"),
    sel_month_mask=lambda ds: ds.tas.isel(time=ds.time.dt.month == 7),
    sel_months_isin=lambda ds: ds.tas.sel(time=ds.time.dt.month.isin([6, 7, 8])),
)

programs(
    "select",
    exact=True,
    sel_box=lambda ds: ds.tas.sel(lat=slice(55, 40), lon=slice(0, 130)),
    sel_value=lambda ds: ds.tas.sel(lat=45.0),
    sel_nearest=lambda ds: ds.tas.sel(lat=48.1, lon=12.3, method="nearest"),
    sel_nearest_list=lambda ds: ds.tas.sel(lat=[59.0, 41.0], method="nearest"),
    sel_nearest_tolerance=lambda ds: ds.tas.sel(lon=61.0, method="nearest", tolerance=2),
    sel_pad=lambda ds: ds.tas.sel(lon=100.0, method="pad"),
    sel_backfill=lambda ds: ds.tas.sel(lon=[100.0, 130.0], method="backfill"),
    sel_times=lambda ds: ds.tas.sel(time=["2001-02-03", "2002-01-01"]),
    sel_nearest_time=lambda ds: ds.tas.sel(time="2001-02-03T17:00", method="nearest"),
    sel_points_nearest=lambda ds: ds.tas.sel(
        lat=xr.DataArray([59.0, 38.0, 50.0], dims="city"), lon=xr.DataArray([3.0, 180.0, 290.0], dims="city"), method="nearest"
    ),
    sel_wrong_way_is_empty=lambda ds: ds.tas.sel(lat=slice(40, 55)),
    sel_drop=lambda ds: ds.tas.sel(lat=45.0, drop=True),
    where_drop_1d=lambda ds: ds.tas.where(ds.lat > 45, drop=True),
    where_drop_box=lambda ds: ds.where((ds.lat > 40) & (ds.lon < 200), drop=True),
    sel_text=lambda ds: ds.ua.sel(band="mid") if "ua" in ds else ds.tas.sel(lon=60.0),
    reindex=lambda ds: ds.tas.reindex(lat=[60.0, 50.0, 37.5]),
    reindex_nearest=lambda ds: ds.tas.reindex(lon=[10.0, 100.0, 310.0], method="nearest", tolerance=15),
    reindex_fill=lambda ds: ds.tas.reindex(lon=[0.0, 5.0], fill_value=-1.0),
    reindex_ffill_time=lambda ds: ds.index.reindex(time=ds.indexes["time"][::3].shift(1, "h"), method="ffill"),
    reindex_like=lambda ds: ds.tas.reindex_like(ds.tas.isel(lat=[3, 0])),
    sortby_descending=lambda ds: ds.sortby("lat"),
    sortby_two=lambda ds: ds.tas.sortby(["lat", "lon"], ascending=[True, False]),
    sortby_values=lambda ds: ds.tas.sortby(ds.time.dt.dayofyear),
)

programs(
    "select",
    on=("profiles",),
    exact=True,
    plev_slice=lambda ds: ds.sel(plev=slice(85000, 25000)),
    band_name=lambda ds: ds.ua.sel(band="mid"),
    band_names=lambda ds: ds.ua.sel(band=["high", "low"]),
    station_mask=lambda ds: ds.ua.isel(profile=ds.station == "ST3"),
    station_isin=lambda ds: ds.ta.where(ds.station.isin(["ST1", "ST2"]), drop=True),
    swapped_index=lambda ds: ds.set_index(profile="station").sel(profile="ST2"),
    swap_dims=lambda ds: ds.assign_coords(km=("plev", np.arange(9.0))).swap_dims(plev="km").ua.sel(km=slice(2, 4)),
)

programs(
    "select",
    on=("curved",),
    exact=True,
    box_mask=lambda ds: ds.tos.where((ds.nav_lat > -20) & (ds.nav_lon < 50)),
    box_drop=lambda ds: ds.tos.where((ds.nav_lat > -20) & (ds.nav_lon < 50), drop=True),
    stacked_sea_points=lambda ds: ds.tos.stack(p=("y", "x")).isel(p=[3, 4, 40]),
)
