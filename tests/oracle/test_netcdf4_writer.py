"""NetCDF-4 as libcraton writes it, read by netCDF4-python, h5py and ncdump's library."""

import h5py
import netCDF4
import numpy as np
import pytest
import xarray

import formats
from hdf5_compare import compare, oracle_attr

RNG = np.random.default_rng(11)
NUMBERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]


def write(source, target, *options, fails=None):
    code, out = formats.run(formats.WRITE, source, target, "netcdf4", *options)
    assert code == (1 if fails else 0), out
    if fails:
        assert fails in out.decode(), out


def same_files(one, other):
    with netCDF4.Dataset(one) as a, netCDF4.Dataset(other) as b:
        for nc in (a, b):
            nc.set_auto_maskandscale(False)
            nc.set_auto_chartostring(False)
        assert list(a.variables) == list(b.variables)
        assert {n: (d.size, d.isunlimited()) for n, d in a.dimensions.items()} == {n: (d.size, d.isunlimited()) for n, d in b.dimensions.items()}
        for x, y in [(a, b)] + [(a[n], b[n]) for n in a.variables]:
            assert x.ncattrs() == y.ncattrs()
            for name in x.ncattrs():
                u, v = oracle_attr(x.getncattr(name)), oracle_attr(y.getncattr(name))
                if isinstance(u, (str, list)):
                    assert u == v
                else:
                    assert u.dtype == v.dtype
                    formats.same(u, v)
        for n in a.variables:
            assert a[n].dtype == b[n].dtype and a[n].dimensions == b[n].dimensions
            u, v = a[n][...], b[n][...]
            if a[n].dtype is str:
                assert np.array_equal(np.asarray(u, object), np.asarray(v, object))
            else:
                formats.same(u, v)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.nc"
    with netCDF4.Dataset(path, "w") as nc:
        nc.createDimension("time", None)
        nc.createDimension("y", 17)
        nc.createDimension("x", 23)
        nc.createVariable("y", "f8", ("y",))[:] = np.arange(17)
        time = nc.createVariable("time", "i4", ("time",))
        time.units = "days since 2000-01-01"
        for dtype in NUMBERS:
            v = nc.createVariable(f"v_{dtype}", dtype, ("time", "y", "x"), fill_value=np.dtype(dtype).type(7))
            v[0:11] = (RNG.normal(size=(11, 17, 23)) * 100).astype("i1").astype(dtype)
            v.valid_range = np.array([1, 2], dtype)
            nc.createVariable(f"s_{dtype}", dtype, ())[...] = 3
        time[:] = np.arange(11)
        label = nc.createVariable("label", str, ("y",))
        label[:] = np.array([f"größe {i}" if i else "" for i in range(17)], object)
        nc.title = "a title"
        nc.setncattr_string("list", ["a", "", "c"])
        nc.empty = ""
    return path


@pytest.mark.parametrize("codec,level,shuffle", [("deflate", 1, 1), ("deflate", 9, 0), ("deflate", 0, 1), ("none", 0, 0), ("none", 0, 1)])
@pytest.mark.parametrize("divisor", [1, 4])
def test_copy_is_the_same(tmp_path, source, codec, level, shuffle, divisor):
    target = tmp_path / "out.nc"
    write(source, target, codec, level, shuffle, divisor)
    same_files(source, target)
    compare(target)
    with netCDF4.Dataset(target) as nc:
        v = nc["v_f4"]
        assert v.chunking() == [-(-n // divisor) for n in (11, 17, 23)]
        filters = v.filters()
        assert filters["zlib"] == (codec == "deflate") and filters["shuffle"] == bool(shuffle)
        if codec == "deflate":
            assert filters["complevel"] == (level or 4)
        assert nc["y"].chunking() == ("contiguous" if codec == "none" and divisor == 1 and not shuffle else [-(-17 // divisor)])
    with h5py.File(target) as h:
        assert h["v_i2"].id.get_num_chunks() == divisor**3 if divisor == 1 else h["v_i2"].id.get_num_chunks() > 1
    with xarray.open_dataset(target, engine="netcdf4") as a, xarray.open_dataset(source, engine="netcdf4") as b:
        xarray.testing.assert_identical(a.load(), b.load())


def test_file_can_be_appended_to(tmp_path, source):
    """Other programs must be able to go on with it: unlimited dimensions grow, new variables use its dimensions."""
    target = tmp_path / "out.nc"
    write(source, target, "deflate", 4, 1, 3)
    with netCDF4.Dataset(target, "a") as nc:
        nc["v_f8"][11:14] = 1.5
        nc.createVariable("new", "f4", ("time", "x"))[:] = 2
        nc.renameVariable("v_i1", "renamed")
    with netCDF4.Dataset(target) as nc:
        nc.set_auto_mask(False)
        assert nc["v_f8"].shape == (14, 17, 23) and (nc["v_f8"][11:] == 1.5).all() and (nc["v_i4"][11:] == 7).all()
    with netCDF4.Dataset(source) as a, netCDF4.Dataset(target) as b:
        formats.same(a["v_f8"][:11], b["v_f8"][:11])
        formats.same(a["v_i2"][:11], b["v_i2"][:11])


def test_old_file_stays_until_the_new_one_is_whole(tmp_path, source):
    target = tmp_path / "out.nc"
    write(source, target)
    before = target.read_bytes()
    write(source, target, fails="EXISTS")
    write(source, target, "overwrite", "zstd", 1, 0, 1, fails="UNSUPPORTED")
    write(tmp_path / "no.nc", target, "overwrite", fails="NO_FILE")
    assert target.read_bytes() == before and sorted(p.name for p in tmp_path.iterdir()) == ["in.nc", "out.nc"]
    write(source, target, "overwrite", "deflate", 1, 1, 2)
    same_files(source, target)


def test_called_like_a_dimension_of_others(tmp_path):
    """A variable of the name of a dimension that it does not begin with: the library keeps it under another name, beside the dimension's own."""
    with netCDF4.Dataset(tmp_path / "in.nc", "w") as f:
        for name, n in (("t", 2), ("x", 4), ("y", 3), ("z", None)):
            f.createDimension(name, n)
        f.createVariable("x", "f8", ("t", "x"))[:] = np.arange(8.0).reshape(2, 4)
        f.createVariable("y", "i4", ("t",))[:] = [7, 8]
        f.createVariable("z", "f4", ())[...] = 2.5
        f.createVariable("v", "f8", ("z", "y"))[:] = np.arange(6.0).reshape(2, 3)
        f.createVariable("t", "f8", ("t",))[:] = [1, 2]
    write(tmp_path / "in.nc", tmp_path / "out.nc")
    same_files(tmp_path / "in.nc", tmp_path / "out.nc")
