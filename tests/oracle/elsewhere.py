"""A pytest plugin for `./check lean`: the oracle's tests in an environment from which dask, zarr and netCDF4 are uninstalled.

What needs one of these as the oracle, xarray's reading and writing by the engines "netcdf4" and "zarr", and raw_netcdf.py, is done by a second
process with the full environment, whose Python CRATON_FULL_PYTHON names; data travel pickled, in memory. Craton itself runs in the first process only.

    python -m pytest -p elsewhere tests/oracle
"""
import fnmatch
import functools
import importlib
import importlib.util
import os
import pickle
import subprocess
import sys

import pytest

GONE = ("dask", "distributed", "dask_gateway", "zarr", "numcodecs", "netCDF4")

# Files of tests whose subject is C programs, or dask, and that call the three libraries themselves: they have no part here.
OTHERS = {
    "test_append.py": "compares stores with zarr's own view of them",
    "test_cdo.py": "the command line",
    "test_changed_files.py": "xarray's own writers",
    "test_cluster.py": "computes on Dask clusters",
    "test_compute_later.py": "compares stores with zarr's own view of them",
    "test_dask_calls.py": "calls dask",
    "test_encoding.py": "compares stores with zarr's own view of them",
    "test_faulty_calls.py": "the command line, and zarr's own view of stores",
    "test_file_objects.py": "fsspec, and files that xarray writes",
    "test_fill_values.py": "the command line",
    "test_formats.py": "C programs",
    "test_groups.py": "compares stores with zarr's own view of them",
    "test_hdf5.py": "C programs",
    "test_info.py": "the command line",
    "test_netcdf4_writer.py": "C programs",
    "test_netcdf_groups.py": "compares files with netCDF4's own view of them",
    "test_pages.py": "the command line",
    "test_part_of_chunk.py": "stores that zarr writes with codecs of all kinds",
    "test_plot.py": "the command line",
    "test_rechunk.py": "the command line",
    "test_reference.py": "references to stores and files that all three wrote",
    "test_resume.py": "the command line",
    "test_serialize.py": "makes files with all three",
    "test_settled.py": "writes stores by zarr",
    "test_series.py": "xarray's own open_mfdataset on dask",
    "test_shards.py": "compares stores with zarr's own view of them",
    "test_mapblocks.py": "compares with dask",
    "test_many_files.py": "makes files with netCDF4",
    "test_mutated.py": "damages what all three have written",
    "test_scale.py": "makes a store by zarr",
    "test_terminal.py": "the command line",
    "test_texts.py": "compares stores with zarr's own view of them",
    "test_unreadable.py": "damages what all three have written",
}
# Tests that are about dask, or write lazy arrays by zarr or netCDF4.
ABOUT = ("test_who_asks_for_dask_gets_it", "test_dask_that_was_there_before", "test_mixing_with_dask_is_refused_clearly", "test_xarray_writes_zarr",
         "test_xarray_writes_netcdf[netcdf4]", "test_as_many_lazy_and_right_as_dask", "test_a_terabyte_is_not_a_moment",
         "test_chunks_of_parts_of_parts")
# Programs of the catalogue in which xarray itself opens many files by netCDF4, or writes lazy arrays.
PROGRAMS = ("test_program[[]open/many*", "test_program[[]open/members]", "test_program[[]write/netcdf*", "test_program[[]write/zarr*")


class Elsewhere:
    """Calls of xarray in the second process."""

    def __init__(self):
        self.process = subprocess.Popen([os.environ["CRATON_FULL_PYTHON"], __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def call(self, where, name, *args, **kwargs):
        self.process.stdin.write(pickle.dumps((where, name, args, kwargs)))  # whole, or nothing when it cannot be pickled
        self.process.stdin.flush()
        done, result = pickle.load(self.process.stdout)
        if not done:
            raise result
        return result

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)


def without_codecs(ds):
    """Codecs in .encoding are objects of zarr and numcodecs, which the first process has not."""
    for variable in ds.variables.values():
        for key in ("compressor", "compressors", "filters", "serializer", "object_codec"):
            variable.encoding.pop(key, None)
    return ds


def answer():
    """The second process: opened datasets are loaded, and closed."""
    import xarray

    calls, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints does not get between the replies
    while True:
        try:
            where, name, args, kwargs = pickle.load(calls)
        except EOFError:
            return
        try:
            owner = getattr(xarray, where) if where in ("Dataset", "DataArray") else importlib.import_module(where)
            result = getattr(owner, name)(*args, **kwargs)
            if name.startswith("open_"):
                with result:
                    result = without_codecs(result.load())
            else:
                result = None
            reply = pickle.dumps((True, result))
        except Exception as error:
            reply = pickle.dumps((False, error))
        replies.write(reply)
        replies.flush()


def in_memory(obj):
    """A dataset without lazy arrays: they would be computed in the other process, by the Craton there."""
    if obj.chunks:
        raise NotImplementedError("a lazy array is not written elsewhere")
    return obj.load()


def redirect(elsewhere):
    import raw_netcdf
    import xarray

    open_here, netcdf_here, single_here = xarray.open_dataset, xarray.Dataset.to_netcdf, xarray.DataArray.to_netcdf

    @functools.wraps(open_here)
    def open_dataset(path, *args, engine=None, **kwargs):
        if engine not in ("netcdf4", "zarr"):
            return open_here(path, *args, engine=engine, **kwargs)
        return elsewhere.call("xarray", "open_dataset", path, *args, engine=engine, **kwargs)

    def to_netcdf(here, where):
        @functools.wraps(here)
        def write(self, path=None, *args, engine=None, **kwargs):
            if engine not in (None, "netcdf4"):
                return here(self, path, *args, engine=engine, **kwargs)
            return elsewhere.call(where, "to_netcdf", in_memory(self), path, *args, engine=engine, **kwargs)
        return write

    for name in ("write_raw", "write_times"):
        setattr(raw_netcdf, name, functools.partial(elsewhere.call, "raw_netcdf", name))
    xarray.open_dataset = open_dataset
    xarray.open_zarr = lambda *args, **kwargs: elsewhere.call("xarray", "open_zarr", *args, **{**kwargs, "chunks": None})
    xarray.Dataset.to_netcdf = to_netcdf(netcdf_here, "Dataset")
    xarray.DataArray.to_netcdf = to_netcdf(single_here, "DataArray")
    xarray.Dataset.to_zarr = lambda self, *args, **kwargs: elsewhere.call("Dataset", "to_zarr", in_memory(self), *args, **kwargs)


def pytest_configure(config):
    there = [name for name in GONE if importlib.util.find_spec(name)]
    if there:
        raise pytest.UsageError(f"{', '.join(there)} must not be installed in {sys.prefix}")
    config.elsewhere = Elsewhere()
    redirect(config.elsewhere)


def pytest_unconfigure(config):
    if hasattr(config, "elsewhere"):
        config.elsewhere.close()


def pytest_ignore_collect(collection_path):
    return True if collection_path.name in OTHERS else None


def pytest_collection_modifyitems(config, items):
    about = [item for item in items if item.name in ABOUT or item.originalname in ABOUT or any(fnmatch.fnmatchcase(item.name, p) for p in PROGRAMS)]
    config.hook.pytest_deselected(items=about)
    items[:] = [item for item in items if item not in about]


if __name__ == "__main__":
    answer()
