"""Regridding: from the grid of a dataset to another, by weights that are made once.

    ds.craton.regrid(1.0, method="conservative")           # cells of 1 degree
    ds.craton.regrid(other, method="bilinear", skipna=True)

Grids are found by CF's rules: latitude and longitude by standard_name, units, axis or name; cells by "bounds"; xESMF's lat_b, lon_b and mask count too.
"""

import os

import numpy as np
import xarray as xr

from . import _craton
from .array import Array, wrap
from .graph import make
from .conversion import as_array
from .functions import unsupported

METHODS = {
    "bilinear": ("bilinear", None),
    "nearest": ("nearest", None),
    "nearest_s2d": ("nearest", None),
    "conservative": ("conservative", None),
    "conservative_normed": ("conservative", "fracarea"),
}
LAT = ("latitude", ("degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn"), ("lat", "latitude", "nav_lat"))
LON = ("longitude", ("degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese"), ("lon", "longitude", "nav_lon"))


def _dataset(obj):
    return obj.to_dataset(name="__values__") if isinstance(obj, xr.DataArray) else obj


def _find(ds, what, which):
    """The latitudes or longitudes of a dataset."""
    standard, units, names = what
    bounds = {v.attrs.get("bounds") for v in ds.variables.values()}
    tests = (
        lambda name, v: v.attrs.get("standard_name") == standard,
        lambda name, v: str(v.attrs.get("units", "")).lower() in units and not name.lower().startswith("grid_"),
        lambda name, v: name.lower() in names,
    )
    for candidates in (ds.coords, ds.data_vars):
        for test in tests:
            found = [n for n in candidates if isinstance(n, str) and n not in bounds and not n.lower().endswith(("_b", "_bnds", "_bounds"))
                     and ds[n].ndim in (1, 2) and test(n, ds[n].variable)]
            if len(found) > 1 and any(n.lower() in names for n in found):
                found = [n for n in found if n.lower() in names]
            if len(found) > 1:
                raise ValueError(f"craton: the {which} has several variables of {standard}s: {', '.join(found)}. Drop all but one of them.")
            if found:
                return found[0]
    raise ValueError(f"craton: the {which} has no {standard}s. They are found by standard_name, units (degrees_north, degrees_east) or name "
                     "(lat, latitude, nav_lat ...).")


def _numbers(variable, dtype=np.float64):
    return np.ascontiguousarray(np.asarray(variable.compute().values if hasattr(variable, "compute") else variable), dtype)


class Grid:
    """Where the cells of a dataset are, and what a result has as coordinates."""

    def __init__(self, obj, which):
        ds = _dataset(obj)
        self.which = which
        self.lat, self.lon = _find(ds, LAT, which), _find(ds, LON, which)
        lat, lon = ds[self.lat], ds[self.lon]
        if lat.ndim != lon.ndim or (lat.ndim == 2 and lat.dims != lon.dims):
            raise ValueError(f"craton: the {which} has latitudes over {lat.dims} and longitudes over {lon.dims}; both must have one dimension, or "
                             "the same ones.")
        self.rectilinear = lat.ndim == 1 and lat.dims != lon.dims
        self.dims = lat.dims + lon.dims if self.rectilinear else lat.dims
        self.shape = tuple(ds.sizes[d] for d in self.dims)
        if 0 in self.shape:
            raise ValueError(f"craton: the grid of the {which} has no cells")
        self._ds, self._mask = ds, None
        if "mask" in ds.variables and set(ds["mask"].dims) == set(self.dims):
            self._mask = np.ascontiguousarray(_numbers(ds["mask"].transpose(*self.dims)) != 0).astype(np.uint8)
        keep = [n for n in ds.coords if ds[n].dims and set(ds[n].dims) <= set(self.dims)] + [self.lat, self.lon]
        self.coords = {n: ds[n].variable for n in dict.fromkeys(keep)}

    def described(self, corners):
        """What the binding wants. Corners are looked at only where they matter: models often leave them wrong on land."""
        bounds = (self._bounds(self._ds, self.lat), self._bounds(self._ds, self.lon)) if corners else (None, None)
        if bounds[0] is None or bounds[1] is None:
            bounds = (None, None)
        n_corners = -1 if self.rectilinear else 0 if bounds[0] is None else bounds[0].shape[-1]
        return (self.shape, _numbers(self._ds[self.lat]), _numbers(self._ds[self.lon]), *bounds, n_corners, self._mask)

    def _bounds(self, ds, name):
        """ny + 1 borders of a rectilinear axis; (cells..., corners) otherwise; None: there are none."""
        centre = ds[name]
        names = [centre.attrs.get("bounds"), centre.encoding.get("bounds"), f"{name}_b", f"{name}_bnds", f"{name}_bounds", f"bounds_{name}"]
        names = [n for n in names if isinstance(n, str) and n in ds.variables]
        if not names:
            return None
        values, n = _numbers(ds[names[0]].variable), centre.shape
        if centre.ndim == 1 and self.rectilinear:
            if values.shape == (n[0] + 1,):
                return values
            if values.shape == (n[0], 2):
                return self._joined(names[0], values)
        elif values.ndim == centre.ndim + 1 and values.shape[:-1] == n:
            return values
        elif centre.ndim == 2 and values.shape == (n[0] + 1, n[1] + 1):
            return np.ascontiguousarray(np.stack([values[:-1, :-1], values[:-1, 1:], values[1:, 1:], values[1:, :-1]], -1))
        raise ValueError(f"craton: {names[0]} of the {self.which} has shape {values.shape}, which are no bounds of {name} of shape {n}. "
                         "Drop it to have bounds made midway between centres.")

    def _joined(self, name, pairs):
        if len(pairs) > 1 and (pairs[1] - pairs[0]).sum() * (pairs[0, 1] - pairs[0, 0]) < 0:
            pairs = pairs[:, ::-1]
        gaps = np.abs(np.remainder(pairs[1:, 0] - pairs[:-1, 1] + 180, 360) - 180)
        if (gaps > 1e-4 * max(1e-30, np.abs(pairs[:, 1] - pairs[:, 0]).max())).any():
            at = int(np.argmax(gaps))
            raise ValueError(f"craton: {name} of the {self.which} has a gap or an overlap between cells {at} and {at + 1}: {pairs[at]}, "
                             f"{pairs[at + 1]}. Regridding needs cells that touch.")
        return np.ascontiguousarray(np.append(pairs[:, 0], pairs[-1, 1]))


def global_grid(step):
    """Cells of so many degrees (a number, or those of latitude and longitude) around the Earth, from 90 S and 0 E on."""
    steps = (step, step) if np.ndim(step) == 0 else tuple(step)
    if len(steps) != 2:
        raise ValueError("craton: a grid is a step in degrees, or two: of latitude and of longitude")
    counts = []
    for size, whole, what in zip(steps, (180, 360), ("latitude", "longitude")):
        size = float(size)
        n = round(whole / size) if size > 0 and np.isfinite(size) else 0
        if n < 1 or abs(n * size - whole) > 1e-6 * whole or n > 2**20:
            raise ValueError(f"craton: {whole} degrees of {what} are not a whole number of cells of {size}")
        counts.append(n)
    edges = [np.linspace(-90, 90, counts[0] + 1), np.linspace(0, 360, counts[1] + 1)]
    lat, lon = ((e[:-1] + e[1:]) / 2 for e in edges)
    return xr.Dataset(coords={
        "lat": ("lat", lat, {"standard_name": "latitude", "units": "degrees_north"}),
        "lon": ("lon", lon, {"standard_name": "longitude", "units": "degrees_east"})})


class Weights:
    """Weights between two grids. .row, .col (from 0, row-major) and .weight are NumPy arrays; .to_netcdf() writes ESMF's form."""

    def __init__(self, native):
        self._native = native

    source_shape = property(lambda self: self._native.source_shape)
    target_shape = property(lambda self: self._native.target_shape)

    def _part(self, i, dtype):
        return np.frombuffer(self._native.triplets()[i], dtype)

    row = property(lambda self: self._part(0, np.int64))
    col = property(lambda self: self._part(1, np.int64))
    weight = property(lambda self: self._part(2, np.float64))

    def to_netcdf(self, path, overwrite=False):
        """A file that xESMF (weights=) and ESMF read."""
        from .runtime import context

        self._native.write(context(), os.fspath(path), bool(overwrite))

    def __reduce__(self):
        return _weights_again, (self.source_shape, self.target_shape, self._native.triplets())

    def __repr__(self):
        return f"<craton.Weights {self.source_shape} -> {self.target_shape}, {len(self.weight)} weights>"


def _weights_again(source, target, triplets):
    return Weights(_craton.weights(source, target, len(triplets[0]) // 8, *triplets))


def open_weights(path, source_shape=None, target_shape=None):
    """Weights from a NetCDF file of ESMF's or SCRIP's (CDO's) form. Shapes of the grids are needed where the file does not say them (xESMF's)."""
    from .runtime import context

    return Weights(_craton.read_weights(context(), os.fspath(path), source_shape, target_shape))


def _method(method, norm):
    if method not in METHODS:
        raise ValueError(f"craton: there is no method of regridding {method!r}; there are {', '.join(METHODS)}")
    name, own = METHODS[method]
    norm = norm or own or "fracarea"
    if norm not in ("fracarea", "dstarea"):
        raise ValueError(f"craton: there is no norm {norm!r}; there are fracarea and dstarea")
    return name, norm


def _make(source, target, method, norm, poles):
    from .runtime import context

    name, norm = _method(method, norm)
    corners = name == "conservative"
    return Weights(_craton.make_weights(context(), source.described(corners), target.described(corners), name, norm == "dstarea", not poles))


def _target(target):
    return Grid(target if isinstance(target, (xr.Dataset, xr.DataArray)) else global_grid(target), "target")


def regrid_weights(source, target, method="bilinear", *, norm=None, poles=True):
    """The weights that .craton.regrid(target, ...) would make, to be used again with weights=."""
    return _make(Grid(source, "source"), _target(target), method, norm, poles)


def regrid_array(a, weights, skipna=False, na_thres=1.0):
    """An array whose last axes are the source grid of the weights."""
    a = as_array(a)
    if a.dtype.kind not in "biuf":
        raise unsupported(f"regridding of {a.dtype}", "Convert to numbers first.")
    return wrap(make("regrid", (a._node,), weights, bool(skipna), float(na_thres)))


def _regrid_variable(variable, source, target, weights, skipna, na_thres):
    moved = variable.transpose(..., *source.dims)
    lazy = isinstance(getattr(variable, "_data", None), Array) or not isinstance(getattr(variable, "_data", None), np.ndarray)
    data = regrid_array(moved.data, weights, skipna, na_thres)
    dims = moved.dims[: moved.ndim - len(source.dims)] + target.dims
    if len(set(dims)) < len(dims):
        raise ValueError(f"craton: dimensions {dims} of the result are not all different; rename those of the target")
    return xr.Variable(dims, data if lazy else data.compute(), variable.attrs)


def regrid(obj, target, method="bilinear", *, norm=None, poles=True, skipna=False, na_thres=1.0, weights=None):
    """See DatasetAccessor.regrid."""
    source, to, ds = Grid(obj, "source"), _target(target), _dataset(obj)
    if weights is None:
        weights = _make(source, to, method, norm, poles)
    elif not isinstance(weights, Weights):
        weights = open_weights(weights, source.shape, to.shape)
    if weights.source_shape != source.shape or weights.target_shape != to.shape:
        raise ValueError(f"craton: the weights are for grids of shape {weights.source_shape} and {weights.target_shape}, not {source.shape} and "
                         f"{to.shape}")
    values, coords = {}, dict(to.coords)
    for name, variable in ds.variables.items():
        on_grid = set(source.dims) & set(variable.dims)
        if name in ds.coords:
            if not on_grid and not set(variable.dims) & set(to.dims) and name not in coords:
                coords[name] = variable
        elif set(source.dims) <= set(variable.dims) and variable.dtype.kind in "biuf" and name != "mask" and name not in (source.lat, source.lon):
            if variable.ndim > len(source.dims) and source.lat + "_b" == name:
                continue
            values[name] = _regrid_variable(variable, source, to, weights, skipna, na_thres)
        elif not on_grid:
            values[name] = variable
    bounds = {v.attrs.get("bounds") or v.encoding.get("bounds") for v in (ds[source.lat], ds[source.lon])}
    values = {n: v for n, v in values.items() if n not in bounds}
    for name, variable in coords.items():
        if name in (to.lat, to.lon) and "bounds" in variable.attrs:
            coords[name] = variable.copy(deep=False)
            coords[name].attrs = {k: v for k, v in variable.attrs.items() if k != "bounds"}
    result = xr.Dataset(values, coords, {**ds.attrs, "regrid_method": method})
    if not isinstance(obj, xr.DataArray):
        return result
    array = result["__values__"].rename(obj.name)
    return array
