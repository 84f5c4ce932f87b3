"""NetCDF-4 and HDF5 files written by netCDF4-python and h5py, read by libcraton, and compared with those libraries."""

import ctypes
import re

import h5py
import netCDF4
import numpy as np
import pytest

import formats
from hdf5_compare import compare

RNG = np.random.default_rng(4)
NUMBERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]
LIBVERS = [("earliest", "v108"), ("v108", "v110"), ("v110", "v112"), ("v114", "v114"), ("latest", "latest")]


def values(dtype, shape):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return RNG.normal(size=shape).astype(dtype)
    info = np.iinfo(dtype)
    return RNG.integers(info.min, info.max, size=shape, dtype=dtype.newbyteorder("="), endpoint=True).astype(dtype)


# ---- NetCDF-4 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("endian", ["little", "big"])
@pytest.mark.parametrize("filters", [
    {}, {"zlib": True, "complevel": 1, "shuffle": False}, {"zlib": True, "complevel": 9, "shuffle": True},
    {"zlib": True, "shuffle": True, "fletcher32": True}, {"fletcher32": True}, {"compression": "zstd"}])
def test_number_types(tmp_path, endian, filters):
    path = tmp_path / "t.nc"
    with netCDF4.Dataset(path, "w") as nc:
        nc.createDimension("y", 37)
        nc.createDimension("x", 53)
        for dtype in NUMBERS:
            v = nc.createVariable(f"v_{dtype}", dtype, ("y", "x"), endian=endian, chunksizes=(10, 20), **filters)
            v[:] = values(dtype, (37, 53))
            v.setncattr("valid_min", np.dtype(dtype).type(3))
            v.setncattr("flag_values", values(dtype, 5))
            scalar = nc.createVariable(f"s_{dtype}", dtype, (), endian=endian)
            scalar[...] = values(dtype, ())
            plain = nc.createVariable(f"c_{dtype}", dtype, ("y",), endian=endian, contiguous=True)
            plain[:] = values(dtype, 37)
    compare(path)


def test_unlimited_and_fill(tmp_path):
    path = tmp_path / "t.nc"
    with netCDF4.Dataset(path, "w") as nc:
        nc.createDimension("time", None)
        nc.createDimension("member", None)
        nc.createDimension("x", 7)
        nc.createDimension("lonely", None)
        long = nc.createVariable("long", "i2", ("time", "x"), fill_value=-9, chunksizes=(4, 3))
        long[0:11] = values("i2", (11, 7))
        short = nc.createVariable("short", "f4", ("time", "x"), fill_value=1e20, chunksizes=(4, 3))
        short[0:5] = values("f4", (5, 7))
        both = nc.createVariable("both", "f8", ("member", "time"), chunksizes=(2, 3), fill_value=np.nan)
        both[1, 2] = 5
        both[4, 0:11] = 6
        nc.createVariable("never", "i4", ("time", "x"), fill_value=77)
        late = nc.createVariable("late", "i4", ("time",), fill_value=5, chunksizes=(2,))
        late[6:8] = [1, 2]
    compare(path)
    f = formats.read(path)
    assert f["short"].fill == np.float32(1e20) and f["short"].shape == [11, 7]


def test_unlimited_inner_axis(tmp_path):
    """A variable that is shorter than an unlimited dimension which is not its first: the rest is fill (NetCDF-C gives noise there)."""
    path = tmp_path / "t.nc"
    with netCDF4.Dataset(path, "w") as nc:
        nc.createDimension("time", None)
        nc.createDimension("member", None)
        nc.createVariable("long", "i2", ("time",))[0:11] = 1
        both = nc.createVariable("both", "f8", ("member", "time"), chunksizes=(2, 3), fill_value=-1)
        both[1, 2] = 5
        both[4, 0:4] = 6
    expected = np.full((5, 11), -1.0)
    expected[1, 2] = 5
    expected[4, 0:4] = 6
    formats.same(formats.read(path)["both"].values, expected)


def test_groups_inherit_dimensions(tmp_path):
    path = tmp_path / "t.nc"
    with netCDF4.Dataset(path, "w") as nc:
        nc.title = "root"
        nc.createDimension("time", None)
        nc.createDimension("x", 3)
        nc.createVariable("x", "f4", ("x",))[:] = [1, 2, 3]
        a = nc.createGroup("a")
        a.createDimension("x", 4)
        a.comment = "shadows x"
        b = a.createGroup("b")
        v = b.createVariable("v", "i4", ("time", "x"))
        v[0:6] = values("i4", (6, 4))
        w = nc.createVariable("w", "i4", ("time",))
        w[0:2] = [1, 2]
        for i in range(40):
            nc.createGroup(f"many{i:02d}").number = i
    compare(path)
    assert formats.read(path)["w"].shape == [6]
    assert formats.read(path, "a/b").dims == {"time": 6, "x": 4}
    with pytest.raises(formats.CratonError, match="NOT_FOUND.*no group"):
        formats.read(path, "a/none")


def test_strings_and_characters(tmp_path):
    path = tmp_path / "t.nc"
    with netCDF4.Dataset(path, "w") as nc:
        nc.createDimension("n", 5)
        nc.createDimension("u", None)
        nc.createDimension("len", 6)
        s = nc.createVariable("s", str, ("n",))
        s[:] = np.array(["", "one", "zwei drei", "čtyři", "x" * 5000], dtype=object)
        t = nc.createVariable("t", str, ("u", "n"), chunksizes=(2, 3))
        t[0:5] = np.array([[f"{i}-{j}" for j in range(5)] for i in range(5)], dtype=object)
        nc.createVariable("unwritten", str, ("u",))
        one = nc.createVariable("one", str, ())
        one[...] = "alone"
        c = nc.createVariable("c", "S1", ("n", "len"))
        c[:] = netCDF4.stringtochar(np.array(["a", "bb", "ccc", "", "eeeeee"], "S6"))
        nc.createVariable("c0", "S1", ())[...] = b"q"
        nc.empty = ""
        nc.text = "größer"
        nc.setncattr_string("strings", ["a", "", "ccc"])
        nc.setncattr_string("string", "alone")
        s.long_name = "strings"
    compare(path)


def test_many_attributes(tmp_path):
    """More than eight go into a fractal heap; very long ones outside of it."""
    path = tmp_path / "t.nc"
    with netCDF4.Dataset(path, "w") as nc:
        nc.createDimension("x", 2)
        v = nc.createVariable("v", "f4", ("x",))
        for i in range(300):
            v.setncattr(f"attribute_{(i * 37) % 300}", [f"value {i}" * (i % 9), np.int16(i), np.arange(i, dtype="f4") + 1][i % 3] if i % 3 != 2 or i
                        else 1.5)
            nc.setncattr(f"global_{(i * 41) % 300}", f"value {i}")
        v.setncattr("long", "x" * 100000)
        v.setncattr("longer", np.arange(60000, dtype="f8"))
    compare(path)


def test_coordinates(tmp_path):
    path = tmp_path / "t.nc"
    with netCDF4.Dataset(path, "w") as nc:
        for name, n in [("time", None), ("y", 3), ("x", 4), ("len", 5)]:
            nc.createDimension(name, n)
        lat = nc.createVariable("lat", "f8", ("y", "x"))
        lat[:] = values("f8", (3, 4))
        data = nc.createVariable("data", "f4", ("time", "y", "x"))
        time = nc.createVariable("time", "f8", ("time",))
        time[0:2] = [1, 2]
        data[0:2] = values("f4", (2, 3, 4))
        nc.createVariable("y", "S1", ("y", "len"))[:] = b"a"       # a coordinate variable of two dimensions
        nc.createVariable("x", "i4", ("y",))[:] = [1, 2, 3]       # called like a dimension that it does not have
        nc.createVariable("square", "i4", ("x", "x"))[:] = values("i4", (4, 4))
    compare(path)


def test_renamed_and_redefined(tmp_path):
    path = tmp_path / "t.nc"
    with netCDF4.Dataset(path, "w") as nc:
        nc.createDimension("a", 3)
        nc.createDimension("b", 4)
        nc.createVariable("v", "f4", ("a", "b"))[:] = values("f4", (3, 4))
        nc.createVariable("a", "f4", ("a",))[:] = 1
    with netCDF4.Dataset(path, "a") as nc:
        nc.createVariable("b", "f4", ("b",))[:] = 2
        nc.renameVariable("v", "renamed")
        nc.createDimension("c", 2)
        nc.createVariable("w", "f4", ("c", "b"))[:] = 3
        nc.history = "more"
    compare(path)


def test_user_types(tmp_path):
    path = tmp_path / "t.nc"
    with netCDF4.Dataset(path, "w") as nc:
        nc.createDimension("x", 4)
        cloud = nc.createEnumType("u1", "cloud", {"clear": 0, "low": 1, "missing": 255})
        e = nc.createVariable("e", cloud, ("x",), fill_value=255)
        e[:] = [0, 1, 255, 1]
        pair = nc.createCompoundType(np.dtype([("a", "f4"), ("b", "i8")]), "pair")
        c = nc.createVariable("c", pair, ("x",))
        c[:] = np.zeros(4, [("a", "f4"), ("b", "i8")])
        vl = nc.createVLType("i4", "ragged")
        r = nc.createVariable("r", vl, ("x",))
        r[0] = np.arange(3, dtype="i4")
        r.units = "1"
        nc.createVariable("plain", "f4", ("x",))[:] = [1, 2, 3, 4]
    f = formats.read(path)
    np.testing.assert_array_equal(f["e"].values, [0, 1, 255, 1])
    assert f["e"].dtype == "u1"
    assert "compound" in f["c"].problem and "variable length" in f["r"].problem and f["r"].attrs == {"units": "1"}
    np.testing.assert_array_equal(f["plain"].values, [1, 2, 3, 4])


# ---- HDF5 of every age ------------------------------------------------------------------------------------------


def same_as_h5py(path, group="/"):
    """Every dataset's values, and the numbers and texts among its attributes."""
    ours = formats.read(path, group)
    with h5py.File(path) as h:
        datasets = {k: v for k, v in h[group].items() if isinstance(v, h5py.Dataset)}
        assert sorted(ours.variables) == sorted(datasets)
        for name, d in datasets.items():
            v = ours[name]
            assert v.problem is None and v.failure is None, (name, v.problem, v.failure)
            assert v.shape == list(d.shape), name
            if h5py.check_string_dtype(d.dtype) and h5py.check_string_dtype(d.dtype).length is None:
                np.testing.assert_array_equal(v.values, d.asstr()[...])
            else:
                theirs = d[...]
                theirs = theirs.astype(theirs.dtype.newbyteorder("="))
                formats.same(v.values.view("b1") if theirs.dtype == bool else v.values, theirs)
            assert v.chunks == (list(d.chunks) if d.chunks else None)
            for key, value in d.attrs.items():
                got = v.attrs[key]
                if isinstance(value, (str, list)):
                    assert got == value, (name, key)
                else:
                    np.testing.assert_array_equal(got, np.atleast_1d(value), err_msg=key)
    return ours


@pytest.mark.parametrize("libver", LIBVERS)
def test_layouts_and_indexes(tmp_path, libver):
    """Every storage layout, and with new versions every kind of chunk index."""
    path = tmp_path / "t.h5"
    with h5py.File(path, "w", libver=libver) as h:
        h.create_dataset("contiguous", data=values("f8", (40, 30)))
        h.create_dataset("never_written", shape=(40, 30), dtype="i4", fillvalue=6)
        h.create_dataset("big_endian", data=values(">i4", (40, 30)), chunks=(7, 8), compression="gzip")
        h.create_dataset("scalar", data=np.float32(2.5))
        h.create_dataset("empty", shape=(0, 5), dtype="f4", maxshape=(None, 5), chunks=(2, 5))
        h.create_dataset("bools", data=values("i1", (9, 9)) > 0)
        h.create_dataset("half", data=values("f2", (9, 9)))
        for filters in ({}, {"compression": "gzip", "shuffle": True}, {"fletcher32": True}):
            f = "".join(filters) or "raw"
            h.create_dataset(f"single_{f}", data=values("i2", (30, 20)), chunks=(30, 20), **filters)
            h.create_dataset(f"fixed_{f}", data=values("i2", (33, 21)), chunks=(5, 4), **filters)
            h.create_dataset(f"fixed_growable_{f}", data=values("i2", (33, 21)), chunks=(5, 4), maxshape=(40, 60), **filters)
            h.create_dataset(f"extensible_{f}", data=values("i2", (300, 4)), chunks=(1, 3), maxshape=(None, 10), **filters)
            h.create_dataset(f"extensible_second_{f}", data=values("i2", (7, 31, 3)), chunks=(2, 3, 2), maxshape=(9, None, 8), **filters)
            h.create_dataset(f"tree_{f}", data=values("i2", (60, 70)), chunks=(3, 2), maxshape=(None, None), **filters)
            d = h.create_dataset(f"sparse_{f}", shape=(50, 50), dtype="f4", chunks=(5, 5), fillvalue=-1.5, **filters)
            d[12:30, 7] = 3
            d = h.create_dataset(f"sparse_tree_{f}", shape=(50, 50), dtype="f4", chunks=(5, 5), maxshape=(None, None), fillvalue=2, **filters)
            d[33, 7:40] = 3
            d = h.create_dataset(f"resized_{f}", data=values("u2", (20, 20)), chunks=(6, 6), maxshape=(None, None), fillvalue=9, **filters)
            d.resize((31, 9))
            d[28, 3] = 1
            d = h.create_dataset(f"grown_{f}", data=values("u2", (20, 20)), chunks=(6, 6), maxshape=(None, 20), fillvalue=9, **filters)
            d.resize((13, 20))
            d.resize((44, 20))
        for name, chunks in [("implicit", (5, 4)), ("implicit_one", (33, 21))]:
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_chunk(chunks)
            plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            space = h5py.h5s.create_simple((33, 21), (33, 21))
            d = h5py.Dataset(h5py.h5d.create(h.id, name.encode(), h5py.h5t.STD_I16LE, space, plist))
            d[...] = values("i2", (33, 21))
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        d = h5py.Dataset(h5py.h5d.create(h.id, b"compact", h5py.h5t.IEEE_F64BE, h5py.h5s.create_simple((5, 6)), plist))
        d[...] = values("f8", (5, 6))
    same_as_h5py(path)


@pytest.mark.parametrize("libver", [("earliest", "v108"), ("latest", "latest")])
@pytest.mark.parametrize("filters", [{}, {"compression": "gzip"}])
def test_large_indexes(tmp_path, libver, filters):
    """Enough chunks for paged arrays, super blocks and trees of several levels."""
    path = tmp_path / "t.h5"
    with h5py.File(path, "w", libver=libver) as h:
        for name, maxshape in [("fixed", (130, 110)), ("extensible", (None, 110)), ("tree", (None, None))]:
            h.create_dataset(name, data=values("i1", (130, 110)), chunks=(1, 1), maxshape=maxshape, **filters)
            d = h.create_dataset(name + "_sparse", shape=(130, 110), dtype="i1", chunks=(1, 1), maxshape=maxshape, fillvalue=3, **filters)
            d[77:79, 5:90] = values("i1", (2, 85))
            d[129, 109] = 1
    same_as_h5py(path)


def test_very_large_extensible_array(tmp_path):
    """Data blocks with pages begin behind 131072 chunks."""
    path = tmp_path / "t.h5"
    with h5py.File(path, "w", libver="latest") as h:
        d = h.create_dataset("d", shape=(700, 500), dtype="i1", chunks=(1, 1), maxshape=(None, 500))
        d[:620] = values("i1", (620, 500))
        d[690] = 5
    same_as_h5py(path)


def hdf5_library():
    """The libhdf5 that h5py itself uses."""
    with open("/proc/self/maps") as maps:
        path = next(line.split()[-1] for line in maps if re.search(r"h5py.*/libhdf5-[^/]*\.so", line))
    return ctypes.CDLL(path)


def test_unfiltered_edges(tmp_path):
    path = tmp_path / "t.h5"
    with h5py.File(path, "w", libver="latest") as h:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((5, 4))
        plist.set_deflate(4)
        hdf5_library().H5Pset_chunk_opts(ctypes.c_int64(plist.id), ctypes.c_uint(2))  # h5py has no name for it
        d = h5py.Dataset(h5py.h5d.create(h.id, b"d", h5py.h5t.STD_I16LE, h5py.h5s.create_simple((33, 21)), plist))
        d[...] = values("i2", (33, 21))
    same_as_h5py(path)


def test_filter_masks(tmp_path):
    """Chunks that lack filters of their pipeline, as HDF5 writes when an optional filter cannot do its work."""
    import zlib
    path = tmp_path / "t.h5"
    data = values("i2", (4, 6))
    with h5py.File(path, "w") as h:
        d = h.create_dataset("d", shape=(4, 6), dtype="i2", chunks=(2, 6), compression="gzip", shuffle=True)
        d.id.write_direct_chunk((0, 0), data[:2].tobytes(), filter_mask=3)
        d.id.write_direct_chunk((2, 0), zlib.compress(data[2:].tobytes()), filter_mask=1)
    ours = same_as_h5py(path)
    np.testing.assert_array_equal(ours["d"].values, data)


@pytest.mark.parametrize("libver", LIBVERS)
def test_many_links_and_attributes(tmp_path, libver):
    path = tmp_path / "t.h5"
    with h5py.File(path, "w", libver=libver) as h:
        for i in range(700):
            h.create_dataset(f"name_{(i * 271) % 700}", data=np.int16(i))
        ordered = h.create_group("ordered", track_order=True)
        for i in range(500):
            ordered.create_dataset(f"n{(i * 271) % 500}", data=np.int16(i), track_order=True).attrs["k"] = i
        d = h["name_5"]
        for i in range(3000 if libver[0] in ("v110", "latest") else 60):
            d.attrs[f"a{i}"] = np.arange(i % 7 + 1)
            d.attrs[f"s{i}"] = f"text {i}"
        deep = h
        for i in range(20):
            deep = deep.create_group(f"g{i}")
        deep["here"] = 1.0
        h["soft"] = h5py.SoftLink("/g0/g1")
        h["g0/up"] = h5py.SoftLink("g1/../name_3")
        h["linked"] = h5py.SoftLink("/name_7")
        h["dangling"] = h5py.SoftLink("/nowhere/at/all")
        h["outside"] = h5py.ExternalLink("other.h5", "/x")
        h["hard"] = h["name_9"]
        h["loop"] = h5py.SoftLink("/loop")
        h["g0/cycle"] = h["g0"]
    f = formats.read(path)
    with h5py.File(path) as h:
        names = [k for k in h if k not in ("loop", "dangling", "outside") and isinstance(h[k], h5py.Dataset)]
        assert list(f.variables) == names
        assert f["linked"].values == h["linked"][()] and f["hard"].values == h["hard"][()]
        attrs = h["name_5"].attrs
        assert sorted(f["name_5"].attrs) == sorted(attrs)
        for k, v in attrs.items():
            np.testing.assert_array_equal(f["name_5"].attrs[k], np.atleast_1d(v) if not isinstance(v, str) else v)
        assert list(formats.read(path, "ordered").variables) == list(h["ordered"])
        assert formats.read(path, "/".join(f"g{i}" for i in range(20)))["here"].values == 1.0
        assert formats.read(path, "soft").groups == ["g2"]


def test_ordered_like_netcdf(tmp_path):
    """Plain HDF5 files as the NetCDF library shows them: dimensions without names, order of variables and attributes."""
    path = tmp_path / "t.h5"
    with h5py.File(path, "w") as h:
        h["b"] = values("f4", (3, 3))
        h["a"] = values("f4", (3, 4))
        h["c"] = values("i8", (4, 4, 3))
        h.create_dataset("u", data=values("i2", (4,)), maxshape=(None,), chunks=(2,))
        h["a"].attrs["z"] = 1.5
        h["a"].attrs["b"] = "text"
        h["a"].attrs["a"] = np.arange(3)
        h.attrs["title"] = "plain"
    compare(path)


def test_dimension_scales_of_h5py(tmp_path):
    path = tmp_path / "t.h5"
    with h5py.File(path, "w") as h:
        h["lat"] = np.linspace(-90, 90, 5)
        h["lon"] = np.linspace(0, 350, 6)
        h["t"] = values("f4", (5, 6))
        h["half"] = values("f4", (5, 7))
        h["lat"].make_scale("latitude")
        h["lon"].make_scale()
        h["t"].dims[0].attach_scale(h["lat"])
        h["t"].dims[1].attach_scale(h["lon"])
    f = formats.read(path)
    assert f["t"].dims == ["lat", "lon"] and f["lat"].dims == ["lat"]
    np.testing.assert_array_equal(f["lat"].values, np.linspace(-90, 90, 5))


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("block", [512, 1024, 8192])
def test_user_block(tmp_path, libver, block):
    path = tmp_path / "t.h5"
    with h5py.File(path, "w", userblock_size=block, libver=libver) as h:
        h.create_dataset("d", data=values("i4", (50, 50)), chunks=(9, 9), compression="gzip")
        h.create_dataset("c", data=values("i4", (50, 50)))
        h.create_dataset("s", data=["a", "bc"], dtype=h5py.string_dtype())
        h["d"].attrs["text"] = "behind a block"
    if block <= 2048:
        same_as_h5py(path)
        path.write_bytes(b"\0" * block + path.read_bytes()[block:])
        same_as_h5py(path)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_texts_of_h5py(tmp_path, libver):
    path = tmp_path / "t.h5"
    with h5py.File(path, "w", libver=libver) as h:
        h.create_dataset("fixed", data=np.array([b"a", b"bcd", b""], "S5"))
        h.create_dataset("variable", data=["a", "", "ü" * 300], dtype=h5py.string_dtype(), chunks=(2,))
        h.create_dataset("packed", data=["ab"] * 1000, dtype=h5py.string_dtype(), chunks=(100,), compression="gzip")
        h.create_dataset("opaque", data=np.array([b"abc", b"def"]).view("V3"))
        h["fixed"].attrs["bytes"] = np.bytes_("fixed")
        h["fixed"].attrs["text"] = "variable"
        h["fixed"].attrs["list"] = ["a", "bb"]
        h["fixed"].attrs["empty"] = h5py.Empty("f4")
        h["fixed"].attrs["reference"] = h["variable"].ref
        h["fixed"].attrs["flag"] = True
        h["fixed"].attrs["big"] = np.arange(3, dtype=">i4")
    f = formats.read(path)
    assert f["fixed"].values.tolist() == [b"a", b"bcd", b""] and f["fixed"].itemsize == 5
    assert f["variable"].values.tolist() == ["a", "", "ü" * 300]
    assert f["packed"].values.tolist() == ["ab"] * 1000
    assert f["opaque"].values.tolist() == [b"abc", b"def"]
    a = f["fixed"].attrs
    assert a["bytes"] == "fixed" and a["text"] == "variable" and a["list"] == ["a", "bb"] and a["flag"] == 1
    assert a["big"].tolist() == [0, 1, 2] and a["empty"].size == 0 and "reference" not in a


def test_what_cannot_be_read_says_so(tmp_path):
    path = tmp_path / "t.h5"
    with h5py.File(path, "w") as h:
        h.create_dataset("external", shape=(3,), dtype="f4", external=[("raw.bin", 0, 12)])
        h.create_dataset("scaled", data=values("i4", (40,)), chunks=(10,), scaleoffset=0)
        h.create_dataset("references", shape=(3,), dtype=h5py.ref_dtype)
        h.create_dataset("complex", data=np.zeros(3, "c8"))
        h.create_dataset("nothing", data=h5py.Empty("f4"))
        layout = h5py.VirtualLayout((3,), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
        h.create_virtual_dataset("virtual", layout)
        h["good"] = [1.0, 2.0]
    f = formats.read(path)
    for name, word in [("external", "other files"), ("scaled", "scaleoffset"), ("references", "references"), ("complex", "compound"),
                       ("nothing", "null"), ("virtual", "virtual")]:
        assert word in f[name].problem, (name, f[name].problem)
    assert f["good"].values.tolist() == [1, 2]


def test_committed_types(tmp_path):
    path = tmp_path / "t.h5"
    with h5py.File(path, "w", libver="latest") as h:
        h["type"] = np.dtype(">i2")
        h.create_dataset("d", data=values("i2", (5,)), dtype=h["type"])
        h["d"].attrs.create("a", np.arange(4), dtype=h["type"])
    f = same_as_h5py(path)
    assert list(f.variables) == ["d"] and f["d"].attrs["a"].tolist() == [0, 1, 2, 3]


# ---- damaged files ----------------------------------------------------------------------------------------------


def test_cut_short(tmp_path):
    path = tmp_path / "t.nc"
    with netCDF4.Dataset(path, "w") as nc:
        nc.createDimension("x", 1000)
        nc.createVariable("v", "f8", ("x",))[:] = values("f8", 1000)
    whole = path.read_bytes()
    for n in (100, 1000, len(whole) - 1):
        path.write_bytes(whole[:n])
        with pytest.raises(formats.CratonError, match="FORMAT.*cut short|FORMAT.*too early|FORMAT.*past the end"):
            formats.read(path)


def test_flipped_checksum_names_the_place(tmp_path):
    path = tmp_path / "t.h5"
    with h5py.File(path, "w", libver="latest") as h:
        h["d"] = np.arange(10)
    bytes_ = bytearray(path.read_bytes())
    at = bytes_.index(b"OHDR") + 20
    bytes_[at] ^= 1
    path.write_bytes(bytes_)
    with pytest.raises(formats.CratonError, match=r"FORMAT.*object header at offset \d+: its checksum is wrong"):
        formats.read(path)


def test_wrong_data_is_found_by_its_checksum(tmp_path):
    path = tmp_path / "t.h5"
    with h5py.File(path, "w") as h:
        h.create_dataset("d", data=np.arange(100, dtype="i4"), chunks=(50,), fletcher32=True)
        offset = h["d"].id.get_chunk_info(1).byte_offset
    bytes_ = bytearray(path.read_bytes())
    bytes_[offset + 3] ^= 1
    path.write_bytes(bytes_)
    failure = formats.read(path)["d"].failure
    assert failure.status == "FORMAT" and "chunk (1)" in failure.message
