"""The time that explain foretells: an estimate with its basis, whose order of magnitude holds between plans of very different size."""

import re
import time

import numpy as np
import pytest
import xarray as xr

import craton

craton.enable()


def foretold(*things):
    """(seconds in all, to read and decode, to compute)"""
    text = craton.explain(*things)
    found = re.search(r"about (\S+) s, an estimate: (\S+) s to read and decode, (\S+) s to compute", text)
    assert found, text
    return tuple(float(number) for number in found.groups())


def taken(array):
    best = np.inf
    for _ in range(3):
        begin = time.perf_counter()
        array.compute()
        best = min(best, time.perf_counter() - begin)
    return best


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    path = tmp_path_factory.mktemp("foretell") / "f.nc"
    values = np.random.default_rng(7).normal(280, 5, (400, 180, 360)).astype("f4").round(1)
    ds = xr.Dataset({"t": (("time", "lat", "lon"), values)})
    how = {"zlib": True, "complevel": 1, "shuffle": True, "chunksizes": (4, 180, 360)}
    ds.to_netcdf(path, encoding={"t": how}, engine="netcdf4")
    return xr.open_dataset(path, engine="craton", chunks={}).t


def test_says_what_it_stands_on(field):
    text = craton.explain(field.mean("time"))
    assert "an estimate" in text and re.search(r"by rates measured here at first \(copying .*/s, inflating .*/s, \S+ ns", text), text
    assert "not known" not in text
    named = xr.apply_ufunc(np.sort, field, dask="parallelized", output_dtypes=["f4"])
    assert "what Python functions take, which is not known" in craton.explain(named)


def test_more_work_is_more_time(field):
    read, decoded, computed = foretold(field.mean("time")), foretold(field[:40].mean("time")), foretold((field * 2 + 1).quantile(0.5, "time"))
    assert read[1] > 3 * decoded[1] > 0        # ten times the bytes
    assert computed[2] > 3 * read[2] > 0       # ranks beside sums
    plain = field[:40].compute().chunk(time=4)
    assert foretold(plain.mean("time"))[1] == 0  # nothing is read


def test_order_of_magnitude(field):
    small, large = field[:4, :60].mean(), (field * 2 + 1).std("time")
    ratio = foretold(large)[0] / foretold(small)[0]
    really = taken(large) / taken(small)
    print(f"foretold {ratio:.0f} times as long, was {really:.0f} times")
    assert ratio > 10 and really / 30 < ratio < really * 30


def test_a_terabyte_is_not_a_moment(tmp_path):
    import zarr

    root = zarr.open_group(tmp_path / "z.zarr", mode="w", zarr_format=3)
    root.create_array("v", shape=(1 << 20, 512, 512), chunks=(16, 512, 512), dtype="f4", fill_value=0, dimension_names=("t", "y", "x"))
    there = xr.open_dataset(tmp_path / "z.zarr", engine="craton", chunks={})
    assert foretold(there.v.mean("t"))[0] > 10
