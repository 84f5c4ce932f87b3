"""GeoTIFF through engine="craton" against rasterio (GDAL): values, no-data, scale and offset, coordinates, system, overviews; files that are
damaged, cut off, or claim too much."""

import concurrent.futures
import os
import pathlib
import pickle
import random
import struct
import subprocess
import warnings

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.transform import from_origin

import craton

craton.enable()
CRATON = pathlib.Path(os.environ["CRATON_BUILD"]) / "src/cli/craton"
SEED = int(os.environ.get("CRATON_SEED", "20261124"))
UTM = from_origin(399960.0, 4600020.0, 10, 10)


def write(path, data, crs="EPSG:32633", transform=UTM, overviews=(), scale=None, tags=None, descriptions=None, **profile):
    profile = {"driver": "GTiff", "count": data.shape[0], "height": data.shape[1], "width": data.shape[2], "dtype": data.dtype, **profile}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", crs=crs, transform=transform, **profile) as f:
            f.write(data)
            if scale:
                f.scales, f.offsets = scale
            if tags:
                f.update_tags(**tags)
            for i, text in enumerate(descriptions or ()):
                f.set_band_description(i + 1, text)
        if overviews:
            with rasterio.open(path, "r+") as f:
                f.build_overviews(overviews)
    return path


def pixels(shape, dtype, seed=1):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).cumsum(axis=-1).astype(dtype)
    info = np.iinfo(dtype)
    low, high = max(info.min, -(2**40)), min(info.max, 2**40)
    return rng.integers(low, high, shape).astype(dtype)


def raw(path, **kwargs):
    return xr.open_dataset(path, engine="craton", mask_and_scale=False, **kwargs)


def check(path, **kwargs):
    """Values as they are stored, coordinates as rioxarray computes them; whole, lazy, in parts, and after pickling."""
    with rasterio.open(path, **kwargs) as f:
        values, transform, nodata = f.read(), f.transform, f.nodata
    group = f"overview_{kwargs['overview_level'] + 1}" if kwargs else None
    ds = raw(path, group=group)
    assert ds.band_data.dims == ("band", "y", "x") and ds.band_data.dtype == values.dtype
    np.testing.assert_array_equal(ds.band_data.values, values)
    lazy = raw(path, chunks={}, group=group)
    np.testing.assert_array_equal(lazy.band_data.values, values)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazy)).band_data.values, values)
    part = {"band": -1, "y": slice(5, None, 3), "x": slice(7, -2)}
    np.testing.assert_array_equal(lazy.band_data.isel(part).values, values[-1, 5::3, 7:-2])
    x = (np.arange(values.shape[2]) + 0.5) * transform.a + transform.c
    y = (np.arange(values.shape[1]) + 0.5) * transform.e + transform.f
    np.testing.assert_array_equal(ds.x.values, x)
    np.testing.assert_array_equal(ds.y.values, y)
    np.testing.assert_array_equal(ds.band.values, np.arange(1, values.shape[0] + 1))
    fill = ds.band_data.attrs.get("_FillValue")
    assert (nodata is None) == (fill is None)
    if nodata is not None:
        assert fill.dtype == values.dtype
        np.testing.assert_equal(float(fill), nodata)
    return ds


TILES = {"tiled": True, "blockxsize": 32, "blockysize": 16}
KINDS = [
    ("uint8", {"compress": "lzw", "predictor": 2}),
    ("uint8", {"compress": "packbits", "blockysize": 3}),
    ("int8", {}),
    ("int16", {"compress": "deflate", "predictor": 2, **TILES}),
    ("int16", {"compress": "zstd", "blockysize": 7}),
    ("uint16", {"compress": "lzw", "predictor": 2, **TILES}),
    ("uint16", {"endianness": "big", "compress": "deflate", "predictor": 2}),
    ("int32", {"bigtiff": "yes"}),
    ("uint32", {"compress": "zstd", "predictor": 2, **TILES}),
    ("int64", {"compress": "deflate"}),
    ("uint64", {"endianness": "big", "blockysize": 5}),
    ("float32", {"compress": "deflate", "predictor": 3, **TILES}),
    ("float32", {"endianness": "big", "compress": "zstd", "predictor": 3}),
    ("float64", {"compress": "lzw", "predictor": 3, "bigtiff": "yes", **TILES}),
    ("float64", {"blockysize": 11}),
]


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("dtype, options", KINDS, ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v.values())) or "plain")
def test_types_and_layouts(tmp_path, dtype, options, interleave):
    check(write(tmp_path / "a.tif", pixels((3, 61, 75), dtype), interleave=interleave, **options))
    check(write(tmp_path / "one.tif", pixels((1, 40, 33), dtype), **options))


@pytest.mark.parametrize("dtype, nodata", [("int16", -9999), ("uint8", 255), ("float32", float("nan")), ("float64", -1e30), ("uint16", 0)])
def test_nodata_is_masked(tmp_path, dtype, nodata):
    data = pixels((2, 30, 20), dtype)
    data[:, 3:9, 4:8] = nodata
    path = write(tmp_path / "a.tif", data, nodata=nodata, compress="deflate")
    check(path)
    masked = xr.open_dataset(path, engine="craton", chunks={}).band_data
    with rasterio.open(path) as f:
        expected = f.read(masked=True).astype(masked.dtype).filled(np.nan)
    np.testing.assert_array_equal(masked.values, expected)
    np.testing.assert_allclose(masked.mean().values, np.nanmean(expected.astype("f8")), rtol=1e-5)


def with_tag(path, tag, kind, value):
    """Adds a tag (one short, or a text) to the first directory of a little-endian file; the directory moves to the end."""
    b = bytearray(path.read_bytes())
    at, = struct.unpack_from("<I", b, 4)
    n, = struct.unpack_from("<H", b, at)
    entries = [bytes(b[at + 2 + 12 * i : at + 14 + 12 * i]) for i in range(n)]
    b += bytes(len(b) % 2)
    if kind == 2:
        entries.append(struct.pack("<HHII", tag, kind, len(value) + 1, len(b)))
        b += value.encode() + bytes(2 - len(value) % 2)
    else:
        entries.append(struct.pack("<HHIHH", tag, kind, 1, value, 0))
    struct.pack_into("<I", b, 4, len(b))
    b += struct.pack("<H", n + 1) + b"".join(sorted(entries, key=lambda e: struct.unpack_from("<H", e))) + bytes(4)
    path.write_bytes(b)
    return path


@pytest.mark.parametrize("dtype, nodata", [("int64", -(2**63) + 1), ("int64", 2**53 + 1), ("uint64", 2**64 - 1), ("uint64", 2**63 + 1)])
def test_nodata_of_more_digits_than_a_double(tmp_path, dtype, nodata):
    """As GDAL writes it; rasterio has doubles alone."""
    data = np.full((1, 20, 20), 5, dtype)
    data[0, 3] = nodata
    path = with_tag(write(tmp_path / "a.tif", data), 42113, 2, str(nodata))
    ds = raw(path)
    np.testing.assert_array_equal(ds.band_data.values, data)
    assert ds.band_data.attrs["_FillValue"].dtype == dtype and int(ds.band_data.attrs["_FillValue"]) == nodata


@pytest.mark.parametrize("compress", ["none", "deflate"])
def test_half_precision(tmp_path, compress):
    """GDAL shows it as float32."""
    data = pixels((2, 30, 20), "float32")
    data[:, 3:5] = -1024
    path = write(tmp_path / "a.tif", data, nbits=16, nodata=-1024, compress=compress)
    with rasterio.open(path) as f:
        stored = f.read()
    assert raw(path).band_data.dtype == "float16"
    np.testing.assert_array_equal(raw(path).band_data.values.astype("f4"), stored)
    masked = xr.open_dataset(path, engine="craton").band_data.values
    np.testing.assert_array_equal(np.isnan(masked), data == -1024)


def test_bits_of_each_byte_turned_around(tmp_path):
    path = with_tag(write(tmp_path / "a.tif", pixels((1, 30, 20), "uint16"), blockysize=7), 266, 3, 2)
    check(path)


def test_overviews_are_counted_without_their_masks(tmp_path):
    path = tmp_path / "a.tif"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write(path, pixels((1, 128, 128), "uint8"), **TILES)
        with rasterio.open(path, "r+") as f:
            f.write_mask(np.ones((128, 128), bool))
        with rasterio.open(path, "r+") as f:
            f.build_overviews([2, 4])
    assert set(xr.open_groups(path, engine="craton")) == {"/", "/overview_1", "/overview_2"}
    for level in (0, 1):
        check(path, overview_level=level)


def test_packing_and_notes(tmp_path):
    data = pixels((2, 30, 20), "int16")
    path = write(tmp_path / "a.tif", data, scale=((0.01, 0.01), (5, 5)), descriptions=["red & <near> \"infra\"", "b"], tags={"owner": "a > b"})
    ds = xr.open_dataset(path, engine="craton")
    np.testing.assert_allclose(ds.band_data.values, data * 0.01 + 5, rtol=1e-6)
    assert ds.band_data.attrs["long_name"] == ["red & <near> \"infra\"", "b"] and ds.band_data.attrs["owner"] == "a > b"
    two = raw(write(tmp_path / "b.tif", data, scale=((0.5, 0.25), (0, 1))))
    assert list(two.band_data.attrs["scales"]) == [0.5, 0.25] and list(two.band_data.attrs["offsets"]) == [0, 1]
    assert "scale_factor" not in two.band_data.attrs


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32633", "EPSG:32733", "EPSG:25832", "EPSG:3035", "EPSG:3857"])
def test_coordinate_systems(tmp_path, crs):
    transform = from_origin(-10.5, 60.25, 0.125, 0.25) if crs == "EPSG:4326" else UTM
    path = write(tmp_path / "a.tif", pixels((1, 12, 14), "uint8"), crs=crs, transform=transform)
    ds = check(path)
    with rasterio.open(path) as f:
        assert f"EPSG:{f.crs.to_epsg()}" == ds.spatial_ref.attrs["spatial_ref"] == crs
        np.testing.assert_array_equal([float(v) for v in ds.spatial_ref.attrs["GeoTransform"].split()], f.transform.to_gdal())
        theirs = f.crs.to_dict(projjson=False)
    assert "spatial_ref" in ds.coords and ds.band_data.attrs["grid_mapping"] == "spatial_ref"
    assert rasterio.crs.CRS.from_user_input(ds.spatial_ref.attrs["spatial_ref"]).to_dict() == theirs
    attrs = ds.spatial_ref.attrs
    if crs[5:8] in ("326", "327"):
        zone = int(crs[-2:])
        assert attrs["grid_mapping_name"] == "transverse_mercator" and attrs["longitude_of_central_meridian"] == zone * 6 - 183
        assert attrs["false_northing"] == (1e7 if crs[5:8] == "327" else 0) and attrs["scale_factor_at_central_meridian"] == 0.9996


def test_places_of_pixels(tmp_path):
    data = pixels((1, 12, 14), "uint8")
    point = check(write(tmp_path / "point.tif", data, tags={"AREA_OR_POINT": "Point"}))
    assert point.band_data.attrs["AREA_OR_POINT"] == "Point"
    assert check(write(tmp_path / "area.tif", data)).band_data.attrs["AREA_OR_POINT"] == "Area"
    check(write(tmp_path / "up.tif", data, transform=Affine(10, 0, 100, 0, 10, 200)))      # y grows with the rows
    turned = Affine(8, 3, 100, 3, -8, 200)
    ds = raw(write(tmp_path / "turned.tif", data, transform=turned))
    assert "x" not in ds.coords and "y" not in ds.coords
    assert [float(v) for v in ds.spatial_ref.attrs["GeoTransform"].split()] == list(turned.to_gdal())
    np.testing.assert_array_equal(ds.band_data.values, data)
    nowhere = raw(write(tmp_path / "nowhere.tif", data, crs=None, transform=None))
    np.testing.assert_array_equal(nowhere.x.values, np.arange(14) + 0.5)


def test_overviews_are_groups(tmp_path):
    path = write(tmp_path / "a.tif", pixels((2, 200, 300), "int16"), overviews=[2, 4], compress="deflate", nodata=-1, **TILES)
    check(path)
    check(path, overview_level=0)
    check(path, overview_level=1)
    with pytest.raises(Exception, match="overview_9.*overview_1"):
        raw(path, group="overview_9")
    with pytest.raises(ValueError, match="not aligned with its parents") as refused:
        xr.open_datatree(path, engine="craton")
    assert "open_groups" in refused.value.__notes__[0]
    text = subprocess.run([CRATON, "info", path], capture_output=True, text=True, timeout=60).stdout
    assert "overview_2" in text and "geotiff" in text


def test_what_is_not_stored_is_nodata(tmp_path):
    path = tmp_path / "sparse.tif"
    with rasterio.open(path, "w", driver="GTiff", width=64, height=64, count=1, dtype="float32", nodata=-5, transform=UTM, sparse_ok=True,
                       compress="deflate", tiled=True, blockxsize=16, blockysize=16) as f:
        f.write(np.full((1, 16, 16), 7, "f4"), window=rasterio.windows.Window(16, 32, 16, 16))
    check(path)


def test_many_threads(tmp_path):
    """One file, several pages, from many threads at once: a handle of libtiff is never shared."""
    data = pixels((3, 300, 300), "uint16")
    path = write(tmp_path / "a.tif", data, overviews=[2], compress="lzw", predictor=2, **TILES)
    whole, small = raw(path, chunks={}), raw(path, chunks={}, group="overview_1")
    with rasterio.open(path, overview_level=0) as f:
        expected = f.read()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(lambda i: (whole if i % 2 else small).band_data.values, i) for i in range(16)]
        for i, job in enumerate(jobs):
            np.testing.assert_array_equal(job.result(), data if i % 2 else expected)


def test_one_large_strip_is_read_in_rows(tmp_path):
    data = pixels((1, 1500, 1100), "float32")
    path = write(tmp_path / "a.tif", data, blockysize=1500)
    assert raw(path, chunks={}).band_data.chunks[1][0] < 1500
    check(path)


def test_what_cannot_be_read_says_so(tmp_path):
    path = write(tmp_path / "jpeg.tif", pixels((3, 64, 64), "uint8"), compress="jpeg", photometric="ycbcr", interleave="pixel")
    ds = raw(path)
    np.testing.assert_array_equal(ds.x.values, UTM.c + 10 * (np.arange(64) + 0.5))
    with pytest.raises(NotImplementedError, match="JPEG.*deflate"):
        ds.band_data.load()
    complex_ = write(tmp_path / "complex.tif", np.ones((1, 8, 8), "complex64"))
    with pytest.raises(NotImplementedError, match="64 bits in format 6"):
        raw(complex_).band_data.load()


def test_cut_off_and_claims(tmp_path):
    path = write(tmp_path / "a.tif", pixels((1, 100, 100), "int16"), compress="deflate", blockysize=10)
    whole = path.read_bytes()
    with rasterio.open(path) as f:
        first = f.read()[:, :5]
    for size in (7, 8, 100, len(whole) // 2, len(whole) - 10):
        (tmp_path / "cut.tif").write_bytes(whole[:size])
        with pytest.raises(Exception, match="cut.tif|file"):
            raw(tmp_path / "cut.tif").band_data.load()
    np.testing.assert_array_equal(raw(path).band_data[:, :5].values, first)
    # The width is the first entry of the directory that GDAL writes: tag 256.
    at = whole.index(struct.pack("<HH", 256, 3))
    for width in (0, 65535):
        (tmp_path / "claim.tif").write_bytes(whole[: at + 8] + struct.pack("<I", width) + whole[at + 12 :])
        with pytest.raises(Exception, match="claim.tif"):
            raw(tmp_path / "claim.tif").band_data.load()


def test_a_damaged_overview_leaves_the_raster(tmp_path):
    path = write(tmp_path / "a.tif", pixels((1, 80, 90), "int16"), overviews=[2], **TILES)
    whole = path.read_bytes()
    with rasterio.open(path) as f:
        values = f.read()
    (first,) = struct.unpack("<I", whole[4:8])
    at = first + 2 + 12 * struct.unpack("<H", whole[first : first + 2])[0]
    for place in (len(whole) - 1, len(whole) + 100, 0, first, 5, len(whole) // 2):
        (tmp_path / "b.tif").write_bytes(whole[:at] + struct.pack("<I", place) + whole[at + 4 :])
        np.testing.assert_array_equal(raw(tmp_path / "b.tif").band_data.values, values)
        np.testing.assert_array_equal(raw(tmp_path / "b.tif").y.values, UTM.f - 10 * (np.arange(80) + 0.5))


def test_damaged_files_end_no_process(tmp_path):
    """Bytes changed at random; each is opened and read in one process, which must live and say what is wrong or give an array."""
    rng = random.Random(SEED)
    print("seed", SEED)
    sources = [write(tmp_path / f"{i}.tif", pixels((2, 40, 48), "uint16", i), **options) for i, options in enumerate(
        ({"compress": "lzw", "predictor": 2}, {"compress": "deflate", **TILES}, {"compress": "zstd", "interleave": "pixel"}, {"bigtiff": "yes"}))]
    rounds = 500 if os.environ.get("CRATON_LONG") else 150
    read = 0
    for source in sources:
        whole = source.read_bytes()
        for _ in range(rounds):
            damaged = bytearray(whole)
            for _ in range(rng.randint(1, 8)):
                damaged[rng.randrange(len(damaged) if rng.random() < 0.5 else min(400, len(damaged)))] = rng.randrange(256)
            (tmp_path / "damaged.tif").write_bytes(damaged)
            try:
                ds = raw(tmp_path / "damaged.tif")
                if ds.band_data.size < 10**7:
                    ds.band_data.load()
                    read += 1
            except (OSError, ValueError, NotImplementedError, MemoryError, craton.FormatError, craton.LimitError) as error:
                assert str(error)
    assert read > 0
