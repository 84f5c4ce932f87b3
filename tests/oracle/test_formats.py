"""What libcraton reads from Zarr and NetCDF classic files must be what zarr-python, numcodecs and libnetcdf wrote."""

import base64
import json

import netCDF4
import numcodecs
import numpy as np
import pytest
import scipy.io
import xarray as xr
import zarr

from formats import CratonError, read, same

pytestmark = pytest.mark.filterwarnings("ignore")

NUMERIC = ["bool", "i1", "u1", "<i2", ">i2", "<u2", "<i4", ">u4", "<i8", ">i8", "<u8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]


def values(rng, dtype, shape):
    dt = np.dtype(dtype)
    if dt.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dt.kind in "iu":
        info = np.iinfo(dt)
        small = rng.integers(0, 2)
        low, high = (0, 50) if small else (info.min, info.max)
        return rng.integers(low, high, shape, dtype=dt.newbyteorder("="), endpoint=True).astype(dt)
    x = (rng.standard_normal(shape) * 100).round(2).astype(dt)
    flat = x.reshape(-1)
    if flat.size:
        flat[rng.integers(0, flat.size, max(1, flat.size // 10))] = np.nan
        flat[rng.integers(0, flat.size)] = rng.choice([np.inf, -np.inf, -0.0])
    return x


def shape_and_chunks(rng, max_dims=4):
    ndim = int(rng.integers(0, max_dims + 1))
    shape = tuple(int(v) for v in rng.integers(1, 14, ndim))
    chunks = tuple(int(rng.integers(1, s + 3)) for s in shape)
    return shape, chunks


def fill_for(rng, dtype):
    dt = np.dtype(dtype)
    if dt.kind == "b":
        return bool(rng.integers(0, 2))
    if dt.kind in "iu":
        return int(rng.choice([0, 1, np.iinfo(dt).max, np.iinfo(dt).min], replace=False)) if dt.itemsize < 8 else int(
            [0, np.iinfo(dt).max, np.iinfo(dt).min][rng.integers(0, 3)])
    return [0.0, float("nan"), float("inf"), float("-inf"), float(np.array(1.1, dt)), -9999.0][rng.integers(0, 6)]


def write_some(rng, z, data):
    """Writes the whole, or leaves some chunks absent; returns what must be read."""
    if data.ndim and rng.integers(0, 3) == 0:
        expected = np.full(data.shape, z.fill_value if z.fill_value is not None else 0, data.dtype)
        box = tuple(slice(int(a), int(b)) for a, b in (sorted(rng.integers(0, s + 1, 2)) for s in data.shape))
        z[box] = data[box]
        expected[box] = data[box]
        return expected
    z[...] = data
    return data


def check_variable(path, name, expected, fill, chunks=None):
    v = read(path)[name]
    assert v.problem is None, v.problem
    assert v.failure is None, v.failure
    same(v.values, expected.astype(expected.dtype.newbyteorder("=")))
    if fill is not None and expected.dtype.kind in "biuf":
        same(v.fill, np.asarray(fill, expected.dtype.newbyteorder("=")))
    if chunks:
        assert tuple(v.chunks) == tuple(chunks)
    return v


def codecs_v2(rng, dt):
    n = dt.itemsize
    compressors = [
        None,
        numcodecs.Zlib(level=int(rng.integers(0, 10))),
        numcodecs.GZip(level=int(rng.integers(0, 10))),
        numcodecs.Zstd(level=int(rng.integers(1, 6)), checksum=bool(rng.integers(0, 2))),
        numcodecs.LZ4(),
        numcodecs.Blosc(cname=str(rng.choice(["lz4", "lz4hc", "blosclz", "zlib", "zstd"])), clevel=int(rng.integers(0, 10)),
                        shuffle=int(rng.integers(0, 3)), blocksize=int(rng.choice([0, 64, 1024]))),
    ]
    filters = [None, [numcodecs.Shuffle(n)], [numcodecs.CRC32()], [numcodecs.Adler32()], [numcodecs.Shuffle(n), numcodecs.CRC32()],
               [numcodecs.Fletcher32()], [numcodecs.CRC32C()]]
    if dt.kind in "iu":
        filters.append([numcodecs.Delta(dt.str)])
        filters.append([numcodecs.Delta(dt.str), numcodecs.Shuffle(n)])
    if dt.kind == "f" and n >= 4:
        filters.append([numcodecs.Delta(dt.str)])
        if dt.isnative:
            filters.append([numcodecs.BitRound(keepbits=8)])
    return compressors[rng.integers(0, len(compressors))], filters[rng.integers(0, len(filters))]


@pytest.mark.parametrize("seed", range(120))
def test_zarr2_random(tmp_path, seed):
    rng = np.random.default_rng(seed)
    dtype = NUMERIC[seed % len(NUMERIC)]
    dt = np.dtype(dtype)
    shape, chunks = shape_and_chunks(rng)
    compressor, filters = codecs_v2(rng, dt)
    fill = None if rng.integers(0, 4) == 0 else fill_for(rng, dtype)
    if filters and isinstance(filters[0], (numcodecs.Delta, numcodecs.BitRound)) and dt.kind == "f":
        data = np.arange(np.prod(shape), dtype=dt).reshape(shape)
    else:
        data = values(rng, dtype, shape)
    root = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=2)
    z = root.create_array("v", shape=shape, chunks=chunks, dtype=dtype, filters=filters, compressors=compressor, fill_value=fill,
                          order=str(rng.choice(["C", "F"])),
                          chunk_key_encoding={"name": "v2", "separator": str(rng.choice([".", "/"]))})
    write_some(rng, z, data)
    if rng.integers(0, 2):
        zarr.consolidate_metadata(tmp_path / "s.zarr", zarr_format=2)
    check_variable(tmp_path / "s.zarr", "v", np.asarray(zarr.open_array(tmp_path / "s.zarr", path="v", mode="r")[...]), fill, chunks)


def codecs_v3(rng, dt, ndim):
    filters = []
    if ndim > 1 and rng.integers(0, 2):
        filters.append(zarr.codecs.TransposeCodec(order=tuple(int(i) for i in rng.permutation(ndim))))
    serializer = zarr.codecs.BytesCodec(endian=str(rng.choice(["little", "big"])) if dt.itemsize > 1 else None)
    compressors = [
        [],
        [zarr.codecs.GzipCodec(level=int(rng.integers(0, 10)))],
        [zarr.codecs.ZstdCodec(level=int(rng.integers(-3, 8)), checksum=bool(rng.integers(0, 2)))],
        [zarr.codecs.BloscCodec(typesize=dt.itemsize, cname=str(rng.choice(["lz4", "lz4hc", "blosclz", "zlib", "zstd"])),
                                clevel=int(rng.integers(0, 10)), shuffle=str(rng.choice(["noshuffle", "shuffle", "bitshuffle"])))],
        [zarr.codecs.Crc32cCodec()],
        [zarr.codecs.GzipCodec(level=1), zarr.codecs.Crc32cCodec()],
        [zarr.codecs.ZstdCodec(level=1), zarr.codecs.GzipCodec(level=1), zarr.codecs.Crc32cCodec()],
    ]
    return filters, serializer, compressors[rng.integers(0, len(compressors))]


@pytest.mark.parametrize("seed", range(120))
def test_zarr3_random(tmp_path, seed):
    rng = np.random.default_rng(1000 + seed)
    dtype = np.dtype(NUMERIC[seed % len(NUMERIC)]).newbyteorder("=")
    shape, chunks = shape_and_chunks(rng)
    filters, serializer, compressors = codecs_v3(rng, dtype, len(shape))
    shards = tuple(int(c * rng.integers(1, 4)) for c in chunks) if shape and rng.integers(0, 2) else None
    if shards:
        inner = zarr.codecs.ShardingCodec(
            chunk_shape=chunks, codecs=[*filters, serializer, *compressors],
            index_codecs=[zarr.codecs.BytesCodec(endian=str(rng.choice(["little", "big"]))), *([zarr.codecs.Crc32cCodec()] if rng.integers(0, 2) else [])],
            index_location=str(rng.choice(["start", "end"])))
        filters, serializer, compressors = [], inner, []
    fill = fill_for(rng, dtype)
    encoding = str(rng.choice(["default", "v2"]))
    root = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=3)
    z = root.create_array("a/b", shape=shape, chunks=shards or chunks, dtype=dtype, filters=filters, serializer=serializer,
                          compressors=compressors, fill_value=fill,
                          chunk_key_encoding={"name": encoding, "separator": str(rng.choice([".", "/"]))})
    expected = write_some(rng, z, values(rng, dtype, shape))
    if rng.integers(0, 2):
        zarr.consolidate_metadata(tmp_path / "s.zarr", zarr_format=3)
    f = read(tmp_path / "s.zarr")
    assert f.groups == ["a"] and not f.variables
    v = read(tmp_path / "s.zarr", "/a/")["b"]
    assert v.problem is None and v.failure is None, (v.problem, v.failure)
    same(v.values, expected)
    same(v.values, z[...])
    same(v.fill, np.asarray(fill, dtype))
    assert tuple(v.chunks) == chunks


def test_zarr3_transpose_outside_of_shards(tmp_path):
    data = np.arange(12 * 10 * 6, dtype="i4").reshape(12, 10, 6)
    order = (2, 0, 1)
    z = zarr.create_array(tmp_path / "t.zarr", shape=data.shape, chunks=(6, 6, 6), dtype="i4", zarr_format=3,
                          filters=[zarr.codecs.TransposeCodec(order=order)],
                          serializer=zarr.codecs.ShardingCodec(chunk_shape=(3, 2, 1), codecs=[zarr.codecs.TransposeCodec(order=(1, 2, 0)),
                                                                                              zarr.codecs.BytesCodec()]),
                          compressors=[])
    z[...] = data
    v = read(tmp_path / "t.zarr")["t"]
    assert v.failure is None and v.problem is None
    same(v.values, data)
    assert tuple(v.chunks) == (2, 1, 3)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_strings(tmp_path, zarr_format):
    texts = np.array([["a", "", "Grüße"], ["日本", "x" * 300, "\U0001f30d"]], dtype=object)
    root = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=zarr_format)
    z = root.create_array("vlen", shape=(2, 3), chunks=(1, 2), dtype=str, fill_value="?")
    z[...] = texts
    u = root.create_array("fixed", shape=(2, 3), chunks=(2, 2), dtype="U4")
    u[...] = np.array([["a", "", "Grüß"], ["日本", "x", "\U0001f30d"]])
    s = root.create_array("raw", shape=(3,), chunks=(2,), dtype="S3", fill_value=b"zz")
    s[:2] = [b"abc", b"d"]
    absent = root.create_array("absent", shape=(3,), chunks=(2,), dtype=str, fill_value="none")
    f = read(tmp_path / "s.zarr")
    same(f["vlen"].values, texts)
    same(f["fixed"].values, u[...].astype(object))
    same(f["raw"].values, s[...])
    same(f["absent"].values, np.array(["none"] * 3, object))
    assert f["raw"].fill == b"zz"
    assert absent.shape == (3,)


def test_big_endian_text_and_order_f(tmp_path):
    data = np.array([["ab", "cd", "e"], ["Ωx", "", "zz"]], dtype=">U2")
    root = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=2)
    z = root.create_array("v", shape=data.shape, chunks=(2, 2), dtype=">U2", order="F")
    z[...] = data
    same(read(tmp_path / "s.zarr")["v"].values, data.astype(object))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_sharded_and_attribute_kinds(tmp_path, zarr_format):
    attrs = {"i": 5, "big": 2**63 + 5, "neg": -(2**63), "f": 1.5, "nan": float("nan"), "inf": [1.0, float("-inf")], "s": "tëxt", "l": [1, 2],
             "mix": [1, 2.5], "ss": ["a", "b"], "b": True, "none": None, "nest": {"a": [1, float("nan")]}, "empty": [], "huge": 1e300}
    root = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=zarr_format)
    root.attrs.update({"title": "x", "n": 3})
    z = root.create_array("v", shape=(2,), dtype="f4")
    z.attrs.update(attrs)
    f = read(tmp_path / "s.zarr")
    got = f["v"].attrs
    assert f.attrs["title"] == "x" and f.attrs["n"] == [3]
    assert got["i"].dtype == "i8" and got["i"] == [5]
    assert got["big"].dtype == "u8" and int(got["big"][0]) == 2**63 + 5
    assert got["neg"].dtype == "i8" and int(got["neg"][0]) == -(2**63)
    assert got["f"].dtype == "f8" and got["f"] == [1.5]
    assert np.isnan(got["nan"][0]) and got["inf"][1] == -np.inf
    assert got["s"] == "tëxt" and got["ss"] == ["a", "b"]
    assert got["l"].dtype == "i8" and list(got["l"]) == [1, 2]
    assert got["mix"].dtype == "f8" and list(got["mix"]) == [1, 2.5]
    assert got["b"].dtype == "b1" and got["b"] == [True]
    assert got["none"] == "null" and got["nest"] == '{"a":[1,NaN]}'
    assert len(got["empty"]) == 0 and got["huge"] == [1e300]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
def test_xarray_store(tmp_path, zarr_format, consolidated):
    rng = np.random.default_rng(3)
    ds = xr.Dataset(
        {"tas": (("time", "lat", "lon"), rng.standard_normal((5, 4, 3)).astype("f4"), {"units": "K"}),
         "packed": (("time", "lat"), rng.standard_normal((5, 4)))},
        coords={"time": np.arange("2000-01-01", "2000-01-06", dtype="M8[D]").astype("M8[ns]"), "lat": [1.0, 2, 3, 4], "name": ("lon", ["a", "bb", "c"])},
        attrs={"Conventions": "CF-1.8"})
    ds["packed"].encoding = {"dtype": "i2", "scale_factor": 0.01, "_FillValue": -32768}
    ds["tas"].encoding = {"chunks": (2, 2, 3)}
    ds.to_zarr(tmp_path / "x.zarr", zarr_format=zarr_format, consolidated=consolidated)
    f = read(tmp_path / "x.zarr")
    raw = xr.open_zarr(tmp_path / "x.zarr", decode_cf=False, consolidated=consolidated)
    assert set(f.variables) == set(raw.variables)
    assert f.dims == dict(raw.sizes)
    for name, want in raw.variables.items():
        got = f[name]
        assert got.failure is None and got.problem is None
        assert tuple(got.dims) == want.dims
        same(got.values, want.values if want.dtype.kind not in "TU" else want.values.astype(object))
        assert set(got.attrs) == set(want.attrs), name
        for key, value in want.attrs.items():
            if isinstance(value, str):
                assert got.attrs[key] == value
            else:
                np.testing.assert_array_equal(np.ravel(got.attrs[key]), np.ravel(np.asarray(value, got.attrs[key].dtype)))
    fill = f["packed"].attrs["_FillValue"]
    assert fill.dtype == "i2" and fill == [-32768]
    assert f["tas"].attrs["_FillValue"].dtype == "f4"


def test_numcodecs_names_in_zarr3(tmp_path):
    z = zarr.create_array(tmp_path / "z.zarr", shape=(100,), chunks=(30,), dtype="i4", zarr_format=3, compressors=[])
    z[...] = np.arange(100)
    meta = json.loads((tmp_path / "z.zarr/zarr.json").read_text())
    meta["codecs"].append({"name": "numcodecs.zlib", "configuration": {"level": 3}})
    (tmp_path / "z.zarr/zarr.json").write_text(json.dumps(meta))
    for chunk in (tmp_path / "z.zarr/c").iterdir():
        chunk.write_bytes(numcodecs.Zlib(3).encode(chunk.read_bytes()))
    same(read(tmp_path / "z.zarr")["z"].values, np.arange(100, dtype="i4"))


def test_hexadecimal_fill(tmp_path):
    for dtype, text in [("float32", "0x7fc00001"), ("float64", "0x7ff8000000000001"), ("float16", "0x7e01"), ("float32", "0xbf800000")]:
        path = tmp_path / f"{text}.zarr"
        zarr.create_array(path, shape=(3,), dtype=dtype, zarr_format=3)
        meta = json.loads((path / "zarr.json").read_text())
        meta["fill_value"] = text
        (path / "zarr.json").write_text(json.dumps(meta))
        got = read(path)[text].values
        assert got.tobytes() == bytes.fromhex(text[2:])[::-1] * 3


@pytest.mark.parametrize("change, expect", [
    ({"data_type": "complex64"}, "complex64"),
    ({"data_type": {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}}}, "numpy.datetime64"),
    ({"chunk_grid": {"name": "rectilinear", "configuration": {}}}, "rectilinear"),
    ({"codecs": [{"name": "bytes"}, {"name": "zfp"}]}, "zfp"),
    ({"storage_transformers": [{"name": "x"}]}, "storage transformers"),
    ({"extra": {"name": "e"}}, "extra"),
    ({"chunk_key_encoding": {"name": "fancy"}}, "fancy"),
])
def test_unsupported_is_a_problem_of_the_variable(tmp_path, change, expect):
    root = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=3)
    root.create_array("good", shape=(3,), dtype="i4")[...] = [1, 2, 3]
    root.create_array("bad", shape=(3,), dtype="f4")
    meta = json.loads((tmp_path / "s.zarr/bad/zarr.json").read_text())
    meta.update(change)
    (tmp_path / "s.zarr/bad/zarr.json").write_text(json.dumps(meta))
    f = read(tmp_path / "s.zarr")
    assert expect in f["bad"].problem
    same(f["good"].values, np.array([1, 2, 3], "i4"))


def test_extension_that_need_not_be_understood(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", shape=(3,), dtype="i4", zarr_format=3)[...] = 7
    meta = json.loads((tmp_path / "a.zarr/zarr.json").read_text())
    meta["hint"] = {"must_understand": False}
    (tmp_path / "a.zarr/zarr.json").write_text(json.dumps(meta))
    assert read(tmp_path / "a.zarr")["a"].problem is None


@pytest.mark.parametrize("key, value", [
    ("shape", "3"), ("shape", [-1]), ("shape", [1.5]), ("shape", [2**62, 2**62]), ("chunks", [0]), ("chunks", [2, 2]), ("chunks", None), ("dtype", "<"),
    ("dtype", 5), ("order", "Z"), ("fill_value", "abc"), ("fill_value", 1e10), ("fill_value", [1]), ("compressor", "zlib"), ("compressor", {"level": 1}),
    ("filters", {"id": "delta"}), ("dimension_separator", "../"), ("zarr_format", 9)])
def test_wrong_metadata_is_refused(tmp_path, key, value):
    root = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=2)
    root.create_array("v", shape=(3,), chunks=(2,), dtype="i2")[...] = 1
    meta = json.loads((tmp_path / "s.zarr/v/.zarray").read_text())
    meta[key] = value
    (tmp_path / "s.zarr/v/.zarray").write_text(json.dumps(meta))
    with pytest.raises(CratonError) as e:
        read(tmp_path / "s.zarr")
    assert e.value.status in ("FORMAT", "UNSUPPORTED")
    assert '"v"' in e.value.message


def test_damaged_chunks(tmp_path):
    root = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=3)
    z = root.create_array("v", shape=(100,), chunks=(50,), dtype="f8")
    z[...] = np.arange(100)
    chunk = tmp_path / "s.zarr/v/c/1"
    chunk.write_bytes(chunk.read_bytes()[:-5])
    v = read(tmp_path / "s.zarr")["v"]
    assert v.failure.status == "FORMAT" and "v/c/1" in v.failure.message and "s.zarr" in v.failure.message
    chunk.write_bytes(b"")
    assert read(tmp_path / "s.zarr")["v"].failure.status == "FORMAT"


def test_links_do_not_lead_out_of_a_store(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(400))
    z = zarr.create_array(tmp_path / "s.zarr", shape=(100,), chunks=(100,), dtype="i4", zarr_format=3, compressors=[])
    z[...] = 1
    chunk = tmp_path / "s.zarr/c/0"
    chunk.unlink()
    chunk.symlink_to(tmp_path / "secret")
    v = read(tmp_path / "s.zarr")["s"]
    assert v.failure.status == "DENIED"


def test_keys_do_not_lead_out_of_a_store(tmp_path):
    root = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=2)
    root.create_array("v", shape=(3,), dtype="i2")
    zarr.consolidate_metadata(tmp_path / "s.zarr", zarr_format=2)
    text = (tmp_path / "s.zarr/.zmetadata").read_text()
    (tmp_path / "s.zarr/.zmetadata").write_text(text.replace('"v/.z', '"../v/.z'))
    with pytest.raises(CratonError):
        read(tmp_path / "s.zarr")
    with pytest.raises(CratonError):
        read(tmp_path / "s.zarr", "../other")


def test_groups(tmp_path):
    root = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=3)
    root.create_group("a").create_group("b").create_array("v", shape=(2,), dtype="i4")[...] = [4, 5]
    for consolidated in (False, True):
        if consolidated:
            zarr.consolidate_metadata(tmp_path / "s.zarr", zarr_format=3)
        assert read(tmp_path / "s.zarr").groups == ["a"]
        assert read(tmp_path / "s.zarr", "a").groups == ["b"]
        same(read(tmp_path / "s.zarr", "a/b")["v"].values, np.array([4, 5], "i4"))
        with pytest.raises(CratonError) as e:
            read(tmp_path / "s.zarr", "a/c")
        assert e.value.status == "NOT_FOUND"


# ---- NetCDF classic ------------------------------------------------------------------------------------------------------------

CLASSIC = ["i1", "i2", "i4", "f4", "f8", "S1"]
CDF5 = [*CLASSIC, "u1", "u2", "u4", "u8", "i8"]


def random_classic(rng, path, kind):
    with netCDF4.Dataset(path, "w", format=kind) as ds:
        ds.set_fill_on() if rng.integers(0, 2) else ds.set_fill_off()
        n_records = int(rng.integers(0, 7))
        ds.createDimension("time", None)
        sizes = {"time": n_records}
        for i in range(int(rng.integers(1, 4))):
            sizes[f"d{i}"] = int(rng.integers(1, 9))
            ds.createDimension(f"d{i}", sizes[f"d{i}"])
        ds.title = "tïtle"
        ds.numbers = np.arange(5, dtype="f4")
        types = CDF5 if kind == "NETCDF3_64BIT_DATA" else CLASSIC
        fixed = [d for d in sizes if d != "time"]
        n_record_variables = int(rng.integers(0, 4))
        for i in range(n_record_variables + int(rng.integers(0, 4))):
            dims = list(rng.choice(fixed, int(rng.integers(0, len(fixed) + 1)), replace=False))
            if i < n_record_variables:
                dims = ["time", *dims]
            dtype = str(rng.choice(types))
            v = ds.createVariable(f"v{i}", dtype, dims)
            v.units = "m"
            v.setncattr("range", np.array([1, 2], dtype if dtype != "S1" else "i2"))
            v.set_auto_maskandscale(False)
            v.set_auto_chartostring(False)
            shape = [sizes[d] for d in dims]
            if dtype == "S1":
                data = rng.integers(97, 122, shape).astype("u1").view("S1")
            else:
                data = values(rng, dtype, shape)
            v[...] = data
        if n_record_variables and rng.integers(0, 2):
            v = ds.createVariable("grow", "i2", ["time"])
            v[n_records + 2] = 7


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"])
@pytest.mark.parametrize("seed", range(25))
def test_netcdf3_random(tmp_path, kind, seed):
    path = tmp_path / "f.nc"
    random_classic(np.random.default_rng(seed), path, kind)
    compare_classic(path)


def compare_classic(path):
    f = read(path)
    with netCDF4.Dataset(path) as ds:
        ds.set_auto_maskandscale(False)
        ds.set_auto_chartostring(False)
        assert list(f.variables) == list(ds.variables)
        assert f.dims == {k: len(d) for k, d in ds.dimensions.items()}
        assert f.unlimited == {k for k, d in ds.dimensions.items() if d.isunlimited()}
        for name, want in ds.variables.items():
            got = f[name]
            assert got.failure is None and got.problem is None
            same(got.values, want[...])
            for key in want.ncattrs():
                value = want.getncattr(key)
                if isinstance(value, str):
                    assert got.attrs[key] == value
                else:
                    assert got.attrs[key].dtype == np.asarray(value).dtype
                    np.testing.assert_array_equal(got.attrs[key], np.ravel(value))
        assert f.attrs.get("title") == getattr(ds, "title", None)


def test_netcdf3_one_record_variable_is_not_padded(tmp_path):
    for dtype in ("i1", "i2", "S1"):
        with netCDF4.Dataset(tmp_path / "one.nc", "w", format="NETCDF3_CLASSIC") as ds:
            ds.createDimension("t", None)
            ds.createDimension("x", 3)
            v = ds.createVariable("v", dtype, ["t", "x"])
            v[:] = np.arange(15).reshape(5, 3).astype("i1") if dtype != "S1" else np.array(list("abcdefghijklmno"), "S1").reshape(5, 3)
        compare_classic(tmp_path / "one.nc")


def test_netcdf3_records_beyond_a_chunk(tmp_path):
    """Records of two variables lie in turn, and there are more of them than the 4 MiB that are read at once."""
    values = np.arange(90 * 25000, dtype="f4").reshape(90, 25000)
    with netCDF4.Dataset(tmp_path / "r.nc", "w", format="NETCDF3_CLASSIC") as ds:
        ds.createDimension("t", None)
        ds.createDimension("x", 25000)
        v, w = ds.createVariable("v", "f4", ["t", "x"]), ds.createVariable("w", "f8", ["t"])
        v[:], w[:] = values, np.arange(90.0)
    with xr.open_dataset(tmp_path / "r.nc", engine="craton", chunks={}) as ours:
        assert len(ours.v.chunks[0]) > 1
        same(ours.v.values, values)
        same(ours.w.values, np.arange(90.0))


def test_netcdf3_by_scipy(tmp_path):
    with scipy.io.netcdf_file(tmp_path / "s.nc", "w") as f:
        f.createDimension("t", None)
        f.createDimension("x", 5)
        f.createVariable("a", "i2", ("t", "x"))[:7] = np.arange(35).reshape(7, 5)
        f.createVariable("b", "f8", ("x",))[:] = np.arange(5)
    compare_classic(tmp_path / "s.nc")


def test_netcdf3_streaming_record_count(tmp_path):
    path = tmp_path / "s.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as ds:
        ds.createDimension("t", None)
        ds.createVariable("v", "f4", ["t"])[:] = np.arange(9)
    data = bytearray(path.read_bytes())
    data[4:8] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    same(read(path)["v"].values, np.arange(9, dtype="f4"))


def test_netcdf3_truncated(tmp_path):
    path = tmp_path / "t.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as ds:
        ds.createDimension("x", 1000)
        ds.createVariable("v", "f8", ["x"])[:] = np.arange(1000)
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    v = read(path)["v"]
    assert v.failure.status == "FORMAT" and "truncated" in v.failure.message
    for n in (4, 8, 11, 30, 60):
        path.write_bytes(data[:n])
        with pytest.raises(CratonError) as e:
            read(path)
        assert e.value.status == "FORMAT"


def test_two_variables_of_one_name(tmp_path):
    """No library writes such a file; a damaged one must not be read with the shape of the other variable."""
    path = tmp_path / "twice.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as ds:
        ds.createDimension("x", 3)
        ds.createDimension("n", 2)
        ds.createVariable("name", "S1", ["x"])[:] = b"a"
        ds.createVariable("nome", "S1", ["x", "n"])[:] = b"b"
    path.write_bytes(path.read_bytes().replace(b"nome", b"name"))
    with pytest.raises(CratonError, match='two variables are called "name"'):
        read(path)


def test_not_a_known_format(tmp_path):
    (tmp_path / "x").write_bytes(b"hello")
    for path, status in ((tmp_path / "x", "FORMAT"), (tmp_path, "FORMAT"), (tmp_path / "none", "NO_FILE")):
        with pytest.raises(CratonError) as e:
            read(path)
        assert e.value.status == status


# ---- writing -------------------------------------------------------------------------------------------------------------------

import signal
import subprocess

from formats import WRITE, run

CODECS = [("zstd", 0), ("zstd", 9), ("lz4", 0), ("deflate", 0), ("deflate", 9), ("none", 0)]


def write(source, out, *args):
    code, text = run(WRITE, source, out, *args)
    if code:
        status, _, message = text.decode().partition(": ")
        raise CratonError(status, message)


def random_store(rng, path, zarr_format):
    root = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    root.attrs.update({"title": "tïtle \"quoted\" \\ and\nnewline", "n": 3, "x": 0.1, "list": [1, 2], "words": ["a", "b"], "nan": float("nan")})
    sizes = {f"d{i}": int(rng.integers(1, 9)) for i in range(4)}
    wanted = {}
    for i, dtype in enumerate(NUMERIC):
        dims = [str(d) for d in rng.choice(list(sizes), int(rng.integers(0, 4)), replace=False)]
        data = values(rng, np.dtype(dtype).newbyteorder("="), tuple(sizes[d] for d in dims))
        fill = fill_for(rng, dtype)
        if data.ndim and rng.integers(0, 3) == 0:
            data[: int(rng.integers(0, data.shape[0] + 1))] = fill
        z = root.create_array(f"v{i}", shape=data.shape, dtype=data.dtype, fill_value=fill, **({"dimension_names": dims} if zarr_format == 3 else {}))
        if zarr_format == 2:
            z.attrs["_ARRAY_DIMENSIONS"] = dims
        elif np.dtype(dtype).kind in "iuf" and rng.integers(0, 2):
            z.attrs["_FillValue"] = fill if np.dtype(dtype).kind != "f" else base64.b64encode(np.array(fill, "<f8").tobytes()).decode()
        z.attrs["units"] = "m s-1"
        z[...] = data
        wanted[f"v{i}"] = (dims, data)
    texts = np.array(["", "Grüße", "x" * 100, "\U0001f30d"][: sizes["d0"]] * 3, dtype=object)[: sizes["d0"]]
    z = root.create_array("text", shape=texts.shape, dtype=str, **({"dimension_names": ["d0"]} if zarr_format == 3 else {}))
    if zarr_format == 2:
        z.attrs["_ARRAY_DIMENSIONS"] = ["d0"]
    z[...] = texts
    return root, wanted, texts


@pytest.mark.parametrize("out_format", ["zarr3", "zarr2"])
@pytest.mark.parametrize("in_format", [2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_written_stores_are_read_by_zarr_python(tmp_path, in_format, out_format, seed):
    rng = np.random.default_rng(seed)
    source, wanted, texts = random_store(rng, tmp_path / "in.zarr", in_format)
    codec, level = CODECS[seed % len(CODECS)]
    shuffle, divisor = seed % 2, int(rng.integers(1, 5))
    write(tmp_path / "in.zarr", tmp_path / "out.zarr", out_format, codec, level, shuffle, divisor)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.zarr", "out.zarr"]
    for consolidated in (True, False):
        root = zarr.open_group(tmp_path / "out.zarr", mode="r", use_consolidated=consolidated)
        assert set(root.array_keys()) == {*wanted, "text"}
        for key, value in source.attrs.items():
            assert root.attrs[key] == value or (key == "nan" and np.isnan(root.attrs[key]))
        for name, (dims, data) in wanted.items():
            z = root[name]
            same(z[...], data)
            assert z.dtype == data.dtype
            assert z.attrs["units"] == "m s-1"
            got_dims = z.metadata.dimension_names if out_format == "zarr3" else z.attrs["_ARRAY_DIMENSIONS"]
            assert list(got_dims or []) == dims
            assert z.chunks == tuple(-(-s // divisor) for s in data.shape)
        same(root["text"][...].astype(object), texts)
    # And by ourselves, with the same attributes.
    a, b = read(tmp_path / "in.zarr"), read(tmp_path / "out.zarr")
    for name in wanted:
        same(a[name].values, b[name].values)
        if not (in_format == 2 and out_format == "zarr3"):
            assert set(a[name].attrs) >= set(b[name].attrs)
        if "_FillValue" in a[name].attrs:
            same(a[name].attrs["_FillValue"], b[name].attrs["_FillValue"])


@pytest.mark.parametrize("out_format", ["zarr3", "zarr2"])
def test_written_stores_are_read_by_xarray(tmp_path, out_format):
    rng = np.random.default_rng(5)
    ds = xr.Dataset(
        {"tas": (("time", "lat"), np.where(rng.random((5, 4)) < 0.3, np.nan, rng.standard_normal((5, 4))).astype("f4"), {"units": "K"}),
         "packed": (("time", "lat"), np.round(rng.random((5, 4)), 2)), "flag": (("lat",), np.array([1, 2, 3, 4], "i1"))},
        coords={"time": np.arange("2000-01-01", "2000-01-06", dtype="M8[D]").astype("M8[ns]"), "lat": [1.0, 2, 3, 4], "name": ("lat", ["a", "b", "c", "d"])})
    ds["packed"].encoding = {"dtype": "i2", "scale_factor": 0.01, "_FillValue": -32768}
    ds.to_zarr(tmp_path / "in.zarr", zarr_format=int(out_format[-1]))
    write(tmp_path / "in.zarr", tmp_path / "out.zarr", out_format)
    got = xr.open_zarr(tmp_path / "out.zarr", consolidated=True).load()
    xr.testing.assert_identical(got, xr.open_zarr(tmp_path / "in.zarr").load())
    ours, theirs = got["packed"].encoding, xr.open_zarr(tmp_path / "in.zarr")["packed"].encoding
    assert ours["_FillValue"] == theirs["_FillValue"] == -32768 and ours["dtype"] == theirs["dtype"]


def test_chunks_of_fill_are_not_stored(tmp_path):
    z = zarr.create_array(tmp_path / "in.zarr", shape=(8,), chunks=(8,), dtype="f4", fill_value=float("nan"), zarr_format=3)
    z[...] = [np.nan, np.nan, 1, np.nan, -0.0, 0.0, np.nan, np.nan]
    write(tmp_path / "in.zarr", tmp_path / "out.zarr", "zarr3", "none", 0, 0, 4)
    assert sorted(p.name for p in (tmp_path / "out.zarr/in/c").iterdir()) == ["1", "2"]
    same(zarr.open_group(tmp_path / "out.zarr")["in"][...], z[...])


def test_existing_things_are_kept(tmp_path):
    zarr.create_array(tmp_path / "in.zarr", shape=(3,), dtype="i4", zarr_format=3)[...] = [1, 2, 3]
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/thesis.txt").write_text("years of work")
    for args in ((), ("overwrite",)):
        with pytest.raises(CratonError) as e:
            write(tmp_path / "in.zarr", tmp_path / "notes", "zarr3", *args)
        assert e.value.status == "EXISTS"
    assert (tmp_path / "notes/thesis.txt").read_text() == "years of work"
    write(tmp_path / "in.zarr", tmp_path / "out.zarr", "zarr3")
    with pytest.raises(CratonError) as e:
        write(tmp_path / "in.zarr", tmp_path / "out.zarr", "zarr3")
    assert e.value.status == "EXISTS"
    zarr.open_array(tmp_path / "in.zarr", mode="a")[...] = [4, 5, 6]
    write(tmp_path / "in.zarr", tmp_path / "out.zarr", "zarr2", "overwrite")
    same(zarr.open_group(tmp_path / "out.zarr", mode="r")["in"][...], np.array([4, 5, 6], "i4"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.zarr", "notes", "out.zarr"]


def test_failures_leave_the_old_store(tmp_path):
    """Too large a file (as a full disk would): an error, the old store, nothing else."""
    rng = np.random.default_rng(0)
    zarr.create_array(tmp_path / "in.zarr", shape=(200000,), dtype="f8", zarr_format=3)[...] = rng.random(200000)
    zarr.create_array(tmp_path / "old.zarr", shape=(3,), dtype="i4", zarr_format=3)[...] = 7
    p = subprocess.run(["bash", "-c", f"trap '' XFSZ; ulimit -f 100; exec {WRITE} {tmp_path}/in.zarr {tmp_path}/old.zarr zarr3 overwrite"],
                       capture_output=True, text=True)
    assert p.returncode == 1 and "in/c/0" in p.stdout, p.stdout
    same(zarr.open_array(tmp_path / "old.zarr")[...], np.full(3, 7, "i4"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.zarr", "old.zarr"]


def test_killed_writers(tmp_path):
    """Killed at many moments: a reader finds the old or the new store; the next writer clears what was left."""
    rng = np.random.default_rng(0)
    data = rng.integers(0, 100, 40000).astype("i4")
    zarr.create_array(tmp_path / "in.zarr", shape=data.shape, dtype="i4", zarr_format=3)[...] = data
    zarr.open_group(tmp_path / "out.zarr", mode="w").create_array("in", shape=(3,), dtype="i4")[...] = 7
    states = set()
    for i in range(30):
        p = subprocess.Popen([WRITE, tmp_path / "in.zarr", tmp_path / "out.zarr", "zarr3", "overwrite", "zstd", "1", "1", "40"], stdout=subprocess.DEVNULL)
        try:
            p.wait(timeout=0.002 * i)
        except subprocess.TimeoutExpired:
            p.send_signal(signal.SIGKILL)
            p.wait()
        got = zarr.open_group(tmp_path / "out.zarr", mode="r")["in"][...]
        assert got.shape in ((3,), data.shape)
        same(got, data if got.shape == data.shape else np.full(3, 7, "i4"))
        states.add((got.shape, p.returncode))
    write(tmp_path / "in.zarr", tmp_path / "out.zarr", "zarr3", "overwrite")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.zarr", "out.zarr"]
    assert any(code != 0 for _, code in states)


def test_two_writers_at_once(tmp_path):
    for k in range(2):
        zarr.open_group(tmp_path / f"in{k}.zarr", mode="w").create_array("v", shape=(20000,), dtype="i4")[...] = k
    for _ in range(5):
        both = [subprocess.Popen([WRITE, tmp_path / f"in{k}.zarr", tmp_path / "out.zarr", "zarr3", "overwrite", "zstd", "1", "1", "30"],
                                 stdout=subprocess.PIPE) for k in range(2)]
        for p in both:
            out, _ = p.communicate()
            assert p.returncode == 0, out
        got = zarr.open_group(tmp_path / "out.zarr", mode="r")["v"][...]
        assert len(set(got.tolist())) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in0.zarr", "in1.zarr", "out.zarr"]


@pytest.mark.parametrize("args", [("snappy", 1, 0, 1), ("deflate", 12, 0, 1), ("zstd", 40, 0, 1)])
def test_codecs_that_cannot_be_written(tmp_path, args):
    zarr.open_group(tmp_path / "in.zarr", mode="w").create_array("v", shape=(3,), dtype="i4")
    with pytest.raises(CratonError) as e:
        write(tmp_path / "in.zarr", tmp_path / "out.zarr", "zarr3", *args)
    assert e.value.status in ("UNSUPPORTED", "INVALID")
    assert not (tmp_path / "out.zarr").exists()
