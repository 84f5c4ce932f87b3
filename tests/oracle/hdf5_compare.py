"""Compares what libcraton reads from a NetCDF-4 or HDF5 file with what netCDF4-python reads."""

import netCDF4
import numpy as np

import formats


def oracle_attr(value):
    """As formats.attr_value gives attributes."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return value[0] if len(value) == 1 else value
    array = np.atleast_1d(value)
    if array.dtype.kind in "SUO":
        return [str(v) for v in array]
    return array.astype(array.dtype.newbyteorder("="))


def same_attrs(ours, theirs, where):
    assert list(ours) == theirs.ncattrs(), (where, list(ours), theirs.ncattrs())
    for name in theirs.ncattrs():
        a, b = ours[name], oracle_attr(theirs.getncattr(name))
        if isinstance(b, (str, list)):
            assert a == b, (where, name, a, b)
        else:
            assert a.dtype == b.dtype and a.shape == b.shape, (where, name, a, b)
            formats.same(a, b)


def same_variable(ours, theirs, where):
    assert tuple(ours.dims) == theirs.dimensions, (where, ours.dims, theirs.dimensions)
    assert tuple(ours.shape) == theirs.shape, (where, ours.shape, theirs.shape)
    same_attrs(ours.attrs, theirs, where)
    chunking = theirs.chunking()
    assert (ours.chunks or "contiguous") == (chunking or "contiguous"), (where, ours.chunks, chunking)
    assert ours.problem is None, (where, ours.problem)
    assert ours.failure is None, (where, ours.failure)
    values = theirs[...]
    if ours.dtype == "O":
        assert theirs.dtype is str, where
        np.testing.assert_array_equal(ours.values, np.asarray(values, dtype=object).reshape(ours.shape), err_msg=str(where))
    else:
        values = np.asarray(values)
        values = values.astype(values.dtype.newbyteorder("="))
        if ours.dtype == "S":
            assert values.dtype.kind == "S", where
        else:
            assert values.dtype == np.dtype(ours.dtype), (where, ours.dtype, values.dtype)
        formats.same(ours.values, values)


def same_group(path, ours, theirs, where):
    own = list(theirs.dimensions)
    assert list(ours.dims)[: len(own)] == own, (where, ours.dims, own)
    for name, dim in theirs.dimensions.items():
        assert ours.dims[name] == dim.size, (where, name, ours.dims[name], dim.size)
        assert (name in ours.unlimited) == dim.isunlimited(), (where, name)
    assert list(ours.variables) == list(theirs.variables), (where, list(ours.variables), list(theirs.variables))
    assert ours.groups == list(theirs.groups), (where, ours.groups, list(theirs.groups))
    same_attrs(ours.attrs, theirs, where)
    for name, variable in theirs.variables.items():
        same_variable(ours[name], variable, f"{where}{name}")


def compare(path):
    """Every group of the file: dimensions, variables with attributes and values, in the same order."""
    with netCDF4.Dataset(path) as nc:
        nc.set_auto_maskandscale(False)
        nc.set_auto_chartostring(False)
        waiting = [("/", nc)]
        while waiting:
            where, group = waiting.pop()
            group.set_auto_maskandscale(False)
            same_group(path, formats.read(path, where), group, f"{path}:{where}")
            waiting += [(f"{where}{name}/", child) for name, child in group.groups.items()]
