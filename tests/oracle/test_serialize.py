"""Graphs as bytes: another process makes the same graph from them, and computes it to the same bits."""

import pickle
import subprocess
import sys

import netCDF4
import numpy as np
import programs
import pytest
import sources
import xarray as xr
import zarr

import craton
from craton import _craton
from craton.conversion import as_array

craton.enable()
MOST = 1 << 30

READER = """
import pickle, sys
import numpy as np
from craton import _craton
from craton.runtime import compute_nodes
while True:
    graph = pickle.load(sys.stdin.buffer)
    try:
        nodes = _craton.decode_graph(graph)
        answer = [(n.op, n.shape, n.chunks, a.tobytes()) for n, a in zip(nodes, compute_nodes(nodes, [np.dtype(n.dtype) for n in nodes]))]
    except Exception as error:
        answer = (type(error).__name__, str(error))
    pickle.dump(answer, sys.stdout.buffer)
    sys.stdout.buffer.flush()
"""


class Reader:
    """The other process."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, graph):
        pickle.dump(graph, self.process.stdin)
        self.process.stdin.flush()
        return pickle.load(self.process.stdout)


@pytest.fixture(scope="module")
def reader():
    reader = Reader()
    yield reader
    reader.process.kill()
    reader.process.wait()


def encode(arrays):
    return _craton.encode_graph(tuple(a._node for a in arrays), MOST)


def check(reader, *arrays):
    """Bits, grids and operations there are those here."""
    answer = reader.ask(encode(arrays))
    assert isinstance(answer, list), answer
    for array, here, (op, shape, chunks, there) in zip(arrays, craton.compute(*arrays), answer):
        node = array._node
        assert (op, shape, chunks) == (node.op, node.shape, node.chunks)
        assert there == np.ascontiguousarray(here).tobytes(), repr(array)


def data_of(thing):
    return thing.variable._data


@pytest.mark.parametrize("seed", range(programs.SEED, programs.SEED + programs.CASES))
def test_random_program_in_another_process(reader, seed):
    with sources.without_functions():
        values = programs.run_program(seed)
    check(reader, *[v.lazy for v in values])


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The same packed field with a hole in it, in three formats; in a group in those that have groups."""
    folder = tmp_path_factory.mktemp("stored")
    rng = np.random.default_rng(5)
    values = rng.integers(-3000, 3000, (48, 10, 12)).astype("i2")
    values[3, 2] = -32768
    for name, format, group in (("a.nc", "NETCDF4", None), ("g.nc", "NETCDF4", "deep/er"), ("c.nc", "NETCDF3_CLASSIC", None)):
        with netCDF4.Dataset(folder / name, "w", format=format) as ds:
            at = ds.createGroup(group) if group else ds
            for dim, length in zip(("time", "lat", "lon"), values.shape):
                at.createDimension(dim, length)
            v = at.createVariable("tas", "i2", ("time", "lat", "lon"), fill_value=-32768, **({"chunksizes": (5, 10, 6), "zlib": True} if format == "NETCDF4" else {}))
            v.scale_factor, v.add_offset = 0.01, 273.15
            v.set_auto_maskandscale(False)
            v[:] = values
            time = at.createVariable("time", "i4", ("time",))
            time.units = "days since 2001-01-01"
            time[:] = np.arange(48) * 9
    root = zarr.open_group(folder / "s.zarr", mode="w", zarr_format=3)
    z = root.create_group("deep").create_array("tas", shape=values.shape, dtype="i2", chunks=(5, 4, 6), shards=(10, 8, 12), dimension_names=("time", "lat", "lon"))
    z[:] = values
    z.attrs.update({"scale_factor": 0.01, "add_offset": 273.15})
    return folder


@pytest.mark.parametrize("name, group", [("a.nc", None), ("g.nc", "deep/er"), ("c.nc", None), ("s.zarr", "deep")])
def test_files_are_opened_again(reader, stored, monkeypatch, name, group):
    monkeypatch.chdir(stored)  # relative paths are relative to this process
    with xr.open_dataset(name, engine="craton", group=group, chunks={}) as ds:
        month = xr.DataArray(np.arange(48) // 4, dims="time", name="month")
        weights = xr.DataArray(np.cos(np.linspace(-1, 1, 10)), dims="lat")
        climatology = ds.tas.groupby(month).mean()
        anomaly = ds.tas.groupby(month) - climatology
        parts = [ds.tas, ds.tas.mean("time"), ds.tas.std(), climatology, anomaly.weighted(weights).mean(("lat", "lon")), ds.tas[::-3, 2:7].max("lon")]
        check(reader, *[data_of(p) for p in parts])


def test_what_goes_along_an_axis_order_statistics_and_regridding(reader):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 18, 36)).astype("f4")
    x[rng.random(x.shape) < 0.1] = np.nan
    da = xr.DataArray(x, dims=("time", "lat", "lon"), coords={"lat": np.linspace(-85, 85, 18), "lon": np.arange(0, 360, 10.0)}).chunk(time=7, lat=9)
    i2 = (da.fillna(0) * 100).astype("i2")
    codes = xr.DataArray(np.arange(60) % 5, dims="time", name="g")
    parts = [da.cumsum("time"), i2.cumsum("time"), da.cumprod("lon"), da.ffill("time"), da.ffill("time", limit=2), da.bfill("lat"),
             da.rolling(time=5).mean(), da.rolling(time=4, min_periods=2).max(), da.rolling(lon=3).std(), i2.rolling(time=3).sum(),
             da.quantile([0.9, 0.1], "time"), da.median("time"), i2.quantile(0.5, "time", method="lower"), da.groupby(codes).median(),
             da.groupby(codes).quantile(0.3, skipna=True)]
    for method in ("bilinear", "conservative", "nearest"):
        for options in ({}, {"skipna": True, "na_thres": 1.0}, {"skipna": True, "na_thres": 0.3}, {"skipna": True, "na_thres": 0.0}):
            parts.append(da.craton.regrid(5.0, method, **options))
    check(reader, *[data_of(p) for p in parts])


def test_a_diamond_is_written_once_and_depth_is_no_matter(reader):
    a = as_array(np.arange(24.0).reshape(4, 6), chunks=(2, 3))
    for _ in range(40):
        a = a + a
    assert len(encode([a])) < 10_000
    for _ in range(20_000):
        a = -a
    check(reader, a)


def test_memory_beyond_the_limit_is_refused_with_advice():
    a = as_array(np.zeros((100, 100)), chunks=(10, 10))
    b = as_array(np.zeros((20, 10), "f4"), chunks=(10, 10))
    with pytest.raises(craton.LimitError, match=r"float64 of shape \(100, 100\), 80000 bytes(.|\n)*to_zarr"):
        _craton.encode_graph((b.sum()._node, a.sum()._node), 50_000)
    assert len(_craton.encode_graph((b.sum()._node,), 800)) > 800


def test_functions_of_users_are_refused():
    da = xr.DataArray(np.ones((4, 5)), dims=("y", "x")).chunk(y=2)
    mapped = data_of(xr.apply_ufunc(lambda block: block[..., ::-1], da, input_core_dims=[["x"]], output_core_dims=[["x"]], dask="parallelized", output_dtypes=[float]))
    with pytest.raises(NotImplementedError, match="cannot be sent"):
        encode([mapped])


def test_a_file_that_is_not_there_or_another_one_is_named(reader, stored, tmp_path):
    path = tmp_path / "moved.nc"
    path.write_bytes((stored / "c.nc").read_bytes())
    with xr.open_dataset(path, engine="craton", chunks={}) as ds:
        graph = encode([data_of(ds.tas.mean())])
    path.rename(tmp_path / "elsewhere.nc")
    kind, message = reader.ask(graph)
    assert kind == "FileNotFoundError" and str(path) in message and "under the path" in message
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as ds:
        ds.createDimension("time", 3)
        ds.createVariable("tas", "i2", ["time"])[:] = 1
    kind, message = reader.ask(graph)
    assert kind == "RuntimeError" and str(path) in message and "another size, shape or type" in message


def test_damaged_bytes_are_refused():
    graph = bytearray(encode([as_array(np.arange(12.0).reshape(3, 4), chunks=(2, 2)).sum()]))
    for at in range(len(graph)):
        hurt = bytearray(graph)
        hurt[at] ^= 0x10
        with pytest.raises((craton.FormatError, NotImplementedError)):
            _craton.decode_graph(bytes(hurt))
    for n in range(len(graph)):
        with pytest.raises(craton.FormatError):
            _craton.decode_graph(bytes(graph[:n]))
    graph[8] = 9
    with pytest.raises(NotImplementedError, match="version 9 of its form; this Craton reads version 3"):
        _craton.decode_graph(bytes(graph))
