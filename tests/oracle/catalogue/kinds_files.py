"""Files: opened, several at once, written and read back."""

import numpy as np
import xarray as xr

from .registry import programs

programs(
    "open",
    one=lambda ds, run: run.open(run.saved("standard")),
    one_chunks=lambda ds, run: run.open(run.saved("standard"), chunks={"time": 100}),
    auto=lambda ds, run: run.open(run.saved("standard"), chunks="auto"),
    then_select=lambda ds, run: run.open(run.saved("standard")).tas.sel(time=slice("2001-03", "2001-05"), lat=slice(55, 40)),
    then_group=lambda ds, run: run.open(run.saved("standard")).tas.groupby("time.month").mean(),
    then_where=lambda ds, run: run.open(run.saved("standard")).tas.where(lambda x: x > 280).mean("time"),
    drop_variables=lambda ds, run: run.open(run.saved("standard"), drop_variables=["pr", "flag"]),
    packed=lambda ds, run: run.open(_packed(run)).tas,
    packed_mean=lambda ds, run: run.open(_packed(run)).tas.mean("time"),
    packed_raw=lambda ds, run: run.open(_packed(run), mask_and_scale=False).tas,
    decoded_later=lambda ds, run: xr.decode_cf(run.open(_packed(run), decode_cf=False).assign_attrs(note="mended")).tas,
    decoded_then_mean=lambda ds, run: xr.decode_cf(run.open(_packed(run), mask_and_scale=False)).mean("time"),
    noleap=lambda ds, run: run.open(run.saved("noleap")).tas.groupby("time.season").mean(),
    noleap_times=lambda ds, run: run.open(run.saved("noleap"), decode_times=False).tas.sel(time=slice(100, 200)),
    curved=lambda ds, run: run.open(run.saved("curved")),
    profiles=lambda ds, run: run.open(run.saved("profiles")).ua.integrate("plev"),
    profiles_times=lambda ds, run: run.open(run.saved("profiles"))[["seen", "lasted"]],
    deflated=lambda ds, run: run.open(run.saved("deflated", ds[["tas", "pr"]], encoding={"tas": {"zlib": True, "chunksizes": (50, 2, 3)}})).tas.sum("time"),
    many=lambda ds, run: run.open_many(_years(ds, run)),
    many_mean=lambda ds, run: run.open_many(_years(ds, run)).tas.groupby("time.year").mean(),
    many_nested=lambda ds, run: run.open_many(_years(ds, run), combine="nested", concat_dim="time"),
    many_override=lambda ds, run: run.open_many(_years(ds, run), compat="override", coords="minimal", data_vars="minimal"),
    many_preprocess=lambda ds, run: run.open_many(_years(ds, run), preprocess=lambda d: d[["tas"]].isel(lat=slice(0, 2))),
    many_unsorted=lambda ds, run: run.open_many(_alike(ds, run)[::-1]),
    many_alike_mean=lambda ds, run: run.open_many(_alike(ds, run), data_vars="minimal", coords="minimal", compat="override").tas.mean("time"),
    many_attrs=lambda ds, run: run.open_many(_alike(ds, run, lambda d, y: d.assign(tas=d.tas.assign_attrs(year=y))), combine="nested", concat_dim="time"),
    many_missing=lambda ds, run: run.open_many(_alike(ds, run, lambda d, y: d.drop_vars("pr") if y == 2001 else d), combine="nested", concat_dim="time"),
    many_chunks=lambda ds, run: run.open_many(_years(ds, run)).chunk(time=365).tas.max("time"),
    members=lambda ds, run: run.open_many(_members(ds, run), combine="nested", concat_dim="member").pr.mean("member"),
)
programs(
    "write",
    asks=True,
    netcdf=lambda ds, run: _back(run, ds[["tas", "pr", "count", "lsm"]].to_netcdf(run.folder / "o.nc"), "o.nc"),
    netcdf_packed=lambda ds, run: _back(run, ds[["tas"]].to_netcdf(run.folder / "o.nc", encoding={"tas": {"dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0,
                                        "_FillValue": -32768, "zlib": True, "complevel": 3}}), "o.nc"),
    netcdf_uint8=lambda ds, run: _back(run, ds[["lsm"]].to_netcdf(run.folder / "o.nc", encoding={"lsm": {"dtype": "u1", "scale_factor": 0.01, "_FillValue": 255}}), "o.nc"),
    netcdf_result=lambda ds, run: _back(run, ds.tas.groupby("time.month").mean().to_netcdf(run.folder / "o.nc"), "o.nc"),
    netcdf_h5netcdf=lambda ds, run: _back(run, ds[["pr"]].to_netcdf(run.folder / "o.nc", engine="h5netcdf"), "o.nc"),
    netcdf_unlimited=lambda ds, run: _back(run, ds[["pr"]].to_netcdf(run.folder / "o.nc", unlimited_dims=["time"]), "o.nc"),
    netcdf_flags=lambda ds, run: _back(run, ds[["flag", "packed"]].to_netcdf(run.folder / "o.nc"), "o.nc"),
    netcdf_append=lambda ds, run: _appended(ds, run),
    netcdf_group=lambda ds, run: _grouped(ds, run),
    netcdf_bytes=lambda ds, run: len(ds[["lsm"]].to_netcdf()) > 1000,
    netcdf_several=lambda ds, run: _several(ds, run),
    zarr=lambda ds, run: _back(run, ds[["tas", "pr", "count"]].chunk(time=100, lat=2, lon=3).to_zarr(run.folder / "o.zarr"), "o.zarr"),
    zarr_v2=lambda ds, run: _back(run, ds[["tas"]].chunk(time=100, lat=-1, lon=-1).to_zarr(run.folder / "o.zarr", zarr_format=2, consolidated=True), "o.zarr"),
    zarr_packed=lambda ds, run: _back(run, ds[["tas"]].chunk(time=100, lat=-1, lon=-1).to_zarr(run.folder / "o.zarr", encoding={"tas": {"dtype": "i2",
                                      "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768}}), "o.zarr"),
    zarr_overwrite=lambda ds, run: _overwritten(ds, run),
    zarr_region=lambda ds, run: _region(ds, run),
    zarr_append=lambda ds, run: _zarr_appended(ds, run),
    zarr_result=lambda ds, run: _back(run, ds.tas.resample(time="MS").mean().chunk(time=12, lat=-1, lon=-1).to_zarr(run.folder / "o.zarr"), "o.zarr"),
    zarr_times=lambda ds, run: _back(run, ds[["tas"]].assign(when=ds.tas.idxmin("time", keep_attrs=False)).chunk(time=-1, lat=-1, lon=-1).to_zarr(run.folder / "o.zarr"), "o.zarr"),
    zarr_bool=lambda ds, run: _back(run, ds[["flag"]].chunk(time=300, lat=4, lon=6).to_zarr(run.folder / "o.zarr"), "o.zarr"),
    zarr_misaligned=lambda ds, run: _refused(lambda: ds[["tas"]].chunk(time=100, lat=-1, lon=-1).to_zarr(run.folder / "o.zarr", encoding={"tas": {"chunks": (70, 4, 6)}})),
)


def _back(run, _, name):
    path = run.folder / name
    return xr.open_dataset(path, engine="zarr" if path.is_dir() else "netcdf4").load().drop_encoding()


def _packed(run):
    ds = xr.Dataset({"tas": run.data("standard").tas.load()})
    return run.saved("packed", ds, encoding={"tas": {"dtype": "i2", "scale_factor": np.float32(0.01), "add_offset": np.float32(280), "_FillValue": np.int16(-32768), "chunksizes": (100, 2, 3)}})


def _years(ds, run):
    return [str(run.saved(f"y{y}", ds.drop_vars("index").sel(time=str(y)))) for y in (2000, 2001, 2002)]


def _alike(ds, run, change=lambda d, y: d):
    """Years whose files are of one kind, but for the change."""
    encoding = {"time": {"units": "days since 2000-01-01", "dtype": "f8"}}
    return [str(run.saved(f"a{y}", change(ds[["tas", "pr"]].sel(time=str(y)), y), encoding=encoding)) for y in (2000, 2001, 2002)]


def _members(ds, run):
    return [str(run.saved(f"m{k}", ds[["pr"]] + k)) for k in range(3)]


def _appended(ds, run):
    ds[["pr"]].to_netcdf(run.folder / "o.nc")
    ds[["lsm"]].to_netcdf(run.folder / "o.nc", mode="a")
    return _back(run, None, "o.nc")


def _grouped(ds, run):
    ds[["pr"]].to_netcdf(run.folder / "o.nc", group="surface")
    return xr.open_dataset(run.folder / "o.nc", engine="netcdf4", group="surface").load().drop_encoding()


def _several(ds, run):
    xr.save_mfdataset([ds[["pr"]], ds[["lsm"]]], [run.folder / "a.nc", run.folder / "b.nc"])
    return _back(run, None, "a.nc"), _back(run, None, "b.nc")


def _overwritten(ds, run):
    small = ds[["lsm"]].chunk(lat=2, lon=-1)
    small.to_zarr(run.folder / "o.zarr", mode="w")
    (small + 1).to_zarr(run.folder / "o.zarr", mode="w")
    return _back(run, None, "o.zarr")


def _region(ds, run):
    part = ds[["pr"]].drop_vars(["area", "height"]).chunk(time=100, lat=-1, lon=-1)
    xr.zeros_like(part).to_zarr(run.folder / "o.zarr")
    part.isel(time=slice(100, 300)).drop_vars(["lat", "lon"]).to_zarr(run.folder / "o.zarr", region={"time": slice(100, 300)})
    return _back(run, None, "o.zarr")


def _zarr_appended(ds, run):
    part = ds[["pr"]].chunk(time=100, lat=-1, lon=-1)
    part.isel(time=slice(0, 200)).to_zarr(run.folder / "o.zarr")
    part.isel(time=slice(200, 500)).to_zarr(run.folder / "o.zarr", append_dim="time")
    return _back(run, None, "o.zarr")


def _refused(write):
    """Chunks that would be written by two tasks at once are refused by xarray; plain NumPy has none."""
    try:
        write()
    except ValueError as e:
        return "chunks" in str(e)
    return True
