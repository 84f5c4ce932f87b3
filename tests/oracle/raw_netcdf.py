"""NetCDF files with values as they are stored, made by netCDF4; functions of their own, so that another process can be asked to make them
(elsewhere.py)."""
import numpy as np


def write_raw(path, values, attrs, dims=("t", "x"), **kwargs):
    import netCDF4

    attrs = dict(attrs)
    fill = attrs.pop("_FillValue", None)
    with netCDF4.Dataset(path, "w", **kwargs) as f:
        for d, n in zip(dims, values.shape):
            f.createDimension(d, n)
        v = f.createVariable("v", values.dtype, dims, fill_value=fill)
        v.set_auto_maskandscale(False)
        for k, a in attrs.items():
            v.setncattr(k, a)
        v[...] = values


def write_times(path, dtype, units, calendar):
    import netCDF4

    with netCDF4.Dataset(path, "w") as f:
        f.createDimension("time", 30)
        f.createDimension("bnds", 2)
        t = f.createVariable("time", dtype, ("time",))
        t.units, t.calendar, t.bounds = units, calendar, "time_bnds"
        t[:] = np.arange(30) * 29
        b = f.createVariable("time_bnds", dtype, ("time", "bnds"))
        b[:] = np.stack([np.arange(30) * 29, np.arange(30) * 29 + 29], -1)
        v = f.createVariable("v", "f4", ("time",))
        v[:] = np.arange(30)
        if calendar in ("standard", "proleptic_gregorian"):  # xarray does not decode gaps in other calendars
            o = f.createVariable("other", dtype, ("time",), fill_value=-1)
            o.units, o.calendar = units, calendar
            o[:] = np.where(np.arange(30) % 7 == 0, -1, np.arange(30))
