"""to_netcdf(group=..., mode="a"): groups of NetCDF-4 files, and new variables in a file that is there.

The values are computed and written by the engine into a file of their own, then copied variable by variable behind what is there, in a copy of the
file, which takes its place when it is complete: killed before, the old file is untouched. That costs the file's size in space and copying. The
copy is made by netCDF4-python, since only that joins two files; the values are not changed by it.

Of two writers of one file at a time the second to end is refused, and the file has what the first wrote.
"""

import contextlib
import errno
import fcntl
import os
import shutil

import numpy as np

from . import grouping
from .beside import own_directory

_SLAB_BYTES = 64 << 20
_PACKING = ("scale_factor", "add_offset", "_FillValue", "missing_value", "units", "calendar")


def write(path, group, mode, overwrite, write_part):
    """write_part(path): writes the dataset as a file of its own."""
    try:
        import netCDF4
    except ImportError:
        raise ImportError("craton: to_netcdf with group= or mode='a' needs the package netCDF4") from None
    from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK           # its library is for one thread at a time, and xarray's may use it now

    path, names = os.path.abspath(os.fspath(path)), grouping.normal(group)
    if os.path.islink(path):
        path = os.path.realpath(path)  # what is written is the file; the link, and who else comes by it, stays with it
        if os.path.islink(path):
            raise OSError(errno.ELOOP, "craton: links that lead to each other, and to no file", path)
    there = mode == "a" and os.path.lexists(path)
    if os.path.lexists(path) and not (there or overwrite or mode == "w"):
        raise FileExistsError(errno.EEXIST, "craton: the file exists; overwrite=True or mode='w' replaces it, mode='a' adds to it", path)
    if there and not os.path.isfile(path):
        raise FileExistsError(errno.EEXIST, "craton: it is no file", path)
    with own_directory(path) as hidden:
        part, whole = os.path.join(hidden, "part"), os.path.join(hidden, "whole")
        state = _state(path) if there else None
        if there:
            shutil.copyfile(path, whole)
            shutil.copymode(path, whole)
            with NETCDF4_PYTHON_LOCK:
                _check_model(netCDF4, whole, path)
        write_part(part)
        with NETCDF4_PYTHON_LOCK, netCDF4.Dataset(part) as source, netCDF4.Dataset(whole, "a" if there else "w", format="NETCDF4") as target:
            _copy(source, target.createGroup("/".join(names)) if names else target, path)
        _sync(whole)
        with _locked(os.path.dirname(path)):
            if there and _state(path) != state:
                raise BlockingIOError(errno.EWOULDBLOCK, "craton: the file was changed by another write meanwhile; do this one again", path)
            if there or overwrite or mode == "w":
                os.replace(whole, path)
            else:
                os.link(whole, path)


@contextlib.contextmanager
def _locked(folder):
    """While it is looked whether the file is still the one that was copied, and replaced. A lock on the file itself would be in the way of HDF5's."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
        except OSError as e:
            if e.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):  # a file system without locks
                raise
        yield
        os.fsync(fd)
    finally:
        os.close(fd)


def _state(path):
    found = os.stat(path)
    return found.st_ino, found.st_size, found.st_mtime_ns


def _sync(path):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _check_model(netCDF4, copy, path):
    with netCDF4.Dataset(copy) as there:
        if there.data_model != "NETCDF4":
            raise ValueError(f"craton: {path} is {there.data_model}; groups and variables are added to NetCDF-4 files alone. craton convert makes one of it")


# ---- from one file into the other ----


def _copy(source, target, path):
    for name, dimension in source.dimensions.items():
        known = target.dimensions.get(name)
        if known is None and _length_above(target, name) == len(dimension):
            continue  # the group sees it, as xarray has it
        if known is None:
            target.createDimension(name, None if dimension.isunlimited() else len(dimension))
        elif len(known) != len(dimension) and not (known.isunlimited() and len(known) == 0):
            raise ValueError(f"craton: Unable to update size for existing dimension {name!r}: it has {len(known)} elements in {path}, and {len(dimension)} in the "
                             "dataset")  # fmt: skip
    for name, variable in source.variables.items():
        _copy_variable(name, variable, target, path)
    target.setncatts({n: source.getncattr(n) for n in source.ncattrs() if n != "_NCProperties"})


def _length_above(group, name):
    """Of the dimension in the nearest group above that has it; None: none does."""
    while group.parent is not None:
        group = group.parent
        if name in group.dimensions:
            return len(group.dimensions[name])
    return None


def _copy_variable(name, variable, target, path):
    attrs = {n: variable.getncattr(n) for n in variable.ncattrs()}
    new = target.variables.get(name)
    if new is None:
        chunks = variable.chunking()
        packed = {} if variable.dtype is str else {k: v for k, v in (variable.filters() or {}).items() if k in ("zlib", "complevel", "shuffle")}
        new = target.createVariable(
            name, variable.dtype, variable.dimensions, fill_value=attrs.get("_FillValue"), chunksizes=None if chunks == "contiguous" or not variable.ndim
            else chunks, **packed
        )  # fmt: skip
    else:
        _check_same(name, variable, new, attrs, path)
    new.setncatts({k: v for k, v in attrs.items() if k != "_FillValue"})
    for one in (variable, new):
        one.set_auto_maskandscale(False)
        one.set_auto_chartostring(False)
    if variable.ndim == 0:
        new[...] = variable[...]
        return
    row = max(int(np.prod(variable.shape[1:])) * (np.dtype(variable.dtype).itemsize if variable.dtype is not str else 64), 1)
    chunk = variable.chunking()[0] if variable.chunking() != "contiguous" else 1
    step = max(_SLAB_BYTES // row // chunk, 1) * chunk
    for begin in range(0, variable.shape[0], step):
        new[begin:begin + step] = variable[begin:begin + step]


def _check_same(name, variable, there, attrs, path):
    """Over values that are there: in their shape, type and packing, or they would mean something else."""
    if variable.dimensions != there.dimensions:
        raise ValueError(f"craton: the variable {name!r} of {path} has the dimensions {there.dimensions}, and {variable.dimensions} in the dataset")
    if variable.dtype != there.dtype:
        raise ValueError(f"craton: the variable {name!r} of {path} is stored as {there.dtype}; pass encoding={{{name!r}: {{'dtype': {str(there.dtype)!r}}}}}")
    for key in _PACKING:
        old = there.getncattr(key) if key in there.ncattrs() else None
        new = attrs.get(key)
        if not (old is None and new is None) and not np.array_equal(np.asarray(old), np.asarray(new), equal_nan=isinstance(old, (float, np.floating))):
            raise ValueError(f"craton: the variable {name!r} of {path} has {key}={old!r}, the dataset {new!r}; pass encoding= with what the file has")
