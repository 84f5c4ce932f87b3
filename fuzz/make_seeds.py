#!/usr/bin/env python3
"""Seeds for the fuzz targets of formats, codecs and graphs: small files of many kinds, made by the libraries that define them.

    make_seeds.py OUT_DIR        makes OUT_DIR/zarr, OUT_DIR/netcdf3, OUT_DIR/labels, OUT_DIR/codec, OUT_DIR/graph, OUT_DIR/reference, OUT_DIR/geotiff,
                                 OUT_DIR/part

Needs zarr, numcodecs, netCDF4, numpy, rasterio, and craton."""

import json
import pathlib
import sys
import tempfile
import warnings

import netCDF4
import numcodecs
import numpy as np
import zarr

warnings.simplefilter("ignore")


def pack(store):
    out = bytearray()
    for path in sorted(p for p in store.rglob("*") if p.is_file()):
        key, value = str(path.relative_to(store)).encode(), path.read_bytes()
        if len(key) < 256 and len(value) < 65536:
            out += bytes([len(key)]) + key + len(value).to_bytes(2, "little") + value
    return bytes(out)


def zarr_seeds(out):
    out.mkdir(parents=True, exist_ok=True)
    data = np.arange(12, dtype="f4").reshape(3, 4)

    def save(name, zarr_format, dtype="f4", consolidate=False, **kwargs):
        with tempfile.TemporaryDirectory() as directory:
            store = pathlib.Path(directory) / "s"
            root = zarr.open_group(store, mode="w", zarr_format=zarr_format)
            root.attrs["title"] = "x"
            z = root.create_array("v", shape=data.shape, dtype=dtype, chunks=kwargs.pop("chunks", (2, 2)), **kwargs)
            z.attrs.update({"units": "K", "list": [1, 2.5], "nan": float("nan")})
            z[:2] = (data.astype(int).astype(str) if dtype in (str, "U3") else data.astype(dtype))[:2]
            if consolidate:
                zarr.consolidate_metadata(store)
            (out / name).write_bytes(pack(store))

    bytes_, blosc = zarr.codecs.BytesCodec(), zarr.codecs.BloscCodec(typesize=4)
    save("v2-zstd", 2)
    save("v2-f-delta", 2, "<i4", order="F", filters=[numcodecs.Delta("<i4"), numcodecs.Shuffle(4)], compressors=numcodecs.Zlib())
    save("v2-blosc-consolidated", 2, ">f8", consolidate=True, compressors=numcodecs.Blosc())
    save("v2-lz4", 2, "i2", compressors=numcodecs.LZ4(), fill_value=None)
    save("v2-text", 2, str)
    save("v2-fixed-text", 2, "U3", compressors=None)
    save("v3-zstd", 3)
    save("v3-consolidated", 3, consolidate=True)
    save("v3-transpose", 3, filters=[zarr.codecs.TransposeCodec(order=(1, 0))], serializer=bytes_, compressors=[blosc])
    save("v3-shards", 3, shards=(4, 4), compressors=[])
    save("v3-shards-start", 3, chunks=(4, 4), serializer=zarr.codecs.ShardingCodec(chunk_shape=(2, 2), index_location="start"), compressors=[])
    save("v3-text", 3, str)
    save("v3-crc", 3, "i8", compressors=[zarr.codecs.GzipCodec(), zarr.codecs.Crc32cCodec()])


def netcdf3_seeds(out):
    out.mkdir(parents=True, exist_ok=True)
    for kind in ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"):
        with netCDF4.Dataset(out / kind.lower(), "w", format=kind) as ds:
            ds.createDimension("t", None)
            ds.createDimension("x", 3)
            ds.title = "x"
            ds.createVariable("t", "f8", ["t"])[:] = [1, 2]
            v = ds.createVariable("v", "i2", ["t", "x"], fill_value=-1)
            v.scale_factor = np.float32(0.5)
            v[:] = np.arange(6).reshape(2, 3)
            ds.createVariable("c", "S1", ["x"])[:] = np.array(list("abc"), "S1")
            ds.createVariable("s", "f4", [])[...] = 5


def label_seeds(out):
    """Attributes with a meaning: times of two calendars with bounds, packed and masked numbers, text, coordinates."""
    out.mkdir(parents=True, exist_ok=True)
    for calendar, dtype in (("360_day", "i4"), ("noleap", "f8"), ("standard", "i2")):
        with netCDF4.Dataset(out / calendar, "w", format="NETCDF3_CLASSIC") as ds:
            for name, length in (("time", 4), ("x", 3), ("n", 2)):
                ds.createDimension(name, length)
            ds.coordinates = "name"
            time = ds.createVariable("time", dtype, ["time"], fill_value=-1)
            time.setncatts({"units": "days since 2000-01-16 12:00", "calendar": calendar, "bounds": "edges"})
            time[:] = [0, 30, 60, 90]
            ds.createVariable("edges", "i4", ["time", "n"])[:] = 5
            ds.createVariable("x", "f4", ["x"])[:] = [1, 2, 3]
            ds.createVariable("name", "S1", ["x", "n"])[:] = np.full((3, 2), b"a")
            v = ds.createVariable("v", "i1", ["time", "x"], fill_value=np.int8(-1))
            v.setncatts({"scale_factor": 0.5, "add_offset": np.float32(2), "missing_value": np.int8(7), "_Unsigned": "true", "coordinates": "name x"})
            v.set_auto_maskandscale(False)
            v[:] = np.arange(12).reshape(4, 3)
    with netCDF4.Dataset(out / "twice", "w", format="NETCDF3_CLASSIC") as ds:
        ds.createDimension("x", 3)
        ds.createDimension("n", 2)
        ds.createVariable("name", "S1", ["x"])[:] = b"a"
        ds.createVariable("nome", "S1", ["x", "n"])[:] = b"b"
    (out / "twice").write_bytes((out / "twice").read_bytes().replace(b"nome", b"name"))


def codec_seeds(out):
    out.mkdir(parents=True, exist_ok=True)
    data = (np.arange(64) // 3).astype("i4").tobytes()
    encoders = [numcodecs.Zlib(1), numcodecs.GZip(1), numcodecs.Zstd(1), numcodecs.LZ4(), numcodecs.Blosc("lz4", shuffle=1),
                numcodecs.Blosc("zstd", shuffle=2), numcodecs.Shuffle(4), numcodecs.CRC32C(), numcodecs.CRC32(), numcodecs.Fletcher32()]
    for i, encoder in enumerate(encoders):
        (out / f"{i}-{encoder.codec_id}").write_bytes(bytes([i, 8 << 1, 0]) + bytes(encoder.encode(np.frombuffer(data, "u1"))))
    for i, name in enumerate(("blosclz", "lz4hc", "zlib")):
        (out / f"blosc-{name}").write_bytes(bytes([4, 8 << 1, 0]) + bytes(numcodecs.Blosc(name, 9, 1, 64).encode(np.frombuffer(data, "i4"))))


def reference_seeds(out):
    """kerchunk's JSON, both versions; the file "100" is the one that fuzz_reference.c has."""
    out.mkdir(parents=True, exist_ok=True)
    array = {"zarr_format": 2, "shape": [40], "chunks": [10], "dtype": "<i4", "compressor": None, "fill_value": 0, "order": "C", "filters": None}
    refs = {".zgroup": {"zarr_format": 2}, "v/.zarray": json.dumps(array), "v/.zattrs": json.dumps({"_ARRAY_DIMENSIONS": ["x"]}),
            "v/0": ["100", 8, 40], "v/1": "base64:" + "AAAA" * 13 + "AA==", "v/2": ["file:///proc/self/fd/100", 48, 40], "v/3": "ABCD" * 10}
    v3 = {"zarr_format": 3, "node_type": "array", "shape": [4], "data_type": "int32", "fill_value": 0, "attributes": {},
          "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}}, "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
          "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}}
    (out / "version0").write_text(json.dumps(refs))
    (out / "version1").write_text(json.dumps({"version": 1, "refs": refs}))
    (out / "zarr3").write_text(json.dumps({"zarr.json": {"zarr_format": 3, "node_type": "group"}, "v/zarr.json": v3, "v/c/0": ["100", 0, 8]}))
    gen = [{"key": "v/{{i}}", "url": "{{u}}", "offset": "{{(i + 1) * 40 - 4 * 8}}", "length": "40", "dimensions": {"i": {"start": 0, "stop": 4, "step": 2}}},
           {"key": "v/{{ i // 1 % 9 }}", "url": "{{ '%02d' % j }}{{f(c='0')}}", "offset": 8, "length": 40, "dimensions": {"i": [1, 3], "j": [1]}}]
    few = {k: v for k, v in refs.items() if not k.startswith("v/") or "." in k}
    (out / "gen").write_text(json.dumps({"version": 1, "templates": {"u": "100", "f": "{{c}}"}, "gen": gen, "refs": {**few, "w": ["{{f(c=u)}}"]}}))


def geotiff_seeds(out):
    """Every compression and layout that is read, small; made by GDAL (the package rasterio)."""
    import rasterio
    from rasterio.transform import from_origin

    out.mkdir(parents=True, exist_ok=True)

    def save(name, dtype="int16", bands=1, overviews=(), width=20, height=18, **kwargs):
        profile = {"driver": "GTiff", "width": width, "height": height, "count": bands, "dtype": dtype, "crs": "EPSG:32633",
                   "transform": from_origin(500000, 4600000, 10, 10), **kwargs}
        with rasterio.open(out / name, "w", **profile) as f:
            f.write(np.arange(bands * height * width).reshape(bands, height, width).astype(dtype))
            f.scales, f.offsets = (0.5,) * bands, (1.0,) * bands
            f.set_band_description(1, "a & b")
        if overviews:
            with rasterio.open(out / name, "r+") as f:
                f.build_overviews(overviews)

    tiles = {"tiled": True, "blockxsize": 16, "blockysize": 16}
    save("none-strips")
    save("none-big-endian", "float32", endianness="big", nodata=float("nan"))
    save("lzw-predictor", "uint8", 3, compress="lzw", predictor=2, interleave="pixel", nodata=255)
    save("deflate-tiles", "uint16", 2, compress="deflate", predictor=2, interleave="band", **tiles)
    save("zstd-float-predictor", "float64", 2, compress="zstd", predictor=3, interleave="pixel", **tiles)
    save("packbits-overviews", "uint8", 1, [2], compress="packbits", width=40, height=40, **tiles)
    save("bigtiff", "int32", BIGTIFF="YES", compress="deflate")
    save("sparse", "float32", 1, SPARSE_OK=True, nodata=0, compress="deflate", **tiles)
    save("jpeg", "uint8", 3, compress="jpeg", photometric="ycbcr", interleave="pixel", **tiles)


def graph_seeds(out):
    """Graphs of every operation, as Craton writes them (the package craton must be installed)."""
    import xarray as xr

    import craton
    from craton import _craton
    from craton.along import push
    from craton.array import wrap
    from craton.conversion import as_array
    from craton.graph import memory

    craton.enable()
    out.mkdir(parents=True, exist_ok=True)
    a = as_array(np.arange(24, dtype="f4").reshape(4, 6), chunks=(2, 3))
    b = as_array(np.arange(24, dtype="i2").reshape(4, 6), chunks=(4, 2))
    da = xr.DataArray(a, dims=("lat", "lon"), coords={"lat": [-60.0, -20, 20, 60], "lon": np.arange(0, 360, 60.0)})
    groups = xr.DataArray([0, 1, 1, 0], dims="lat", name="g")
    long = as_array(np.arange(32, dtype="f4").reshape(32, 1), chunks=(8, 1))

    def carried(running):
        """A running sum or fill whose blocks are told what to begin from."""
        left = _craton.carries(running._node)
        return wrap(_craton.with_carries(running._node, memory(np.ones(left.shape, left.dtype))))

    seeds = {
        "map": [np.sqrt(a * 2 + b), a > b, (a.astype("f8"), b)[0]],
        "view": [a[::-1, 1:5:2], a[[3, 0, 0]].T, a[None, 1:2, :].squeeze(1), b.rechunk((3, 3))],
        "concat": [xr.concat([da, da[:1]], "lat").variable._data],
        "reduce": [a.mean(), b.sum(axis=0, keepdims=True), a.std(axis=1), a.max(), b.any()],
        "group": [da.groupby(groups).mean().variable._data, da.groupby(groups).median().variable._data],
        "quantile": [da.quantile([0.2, 0.7], "lon").variable._data, da.median().variable._data],
        "along": [da.cumsum("lat").variable._data, da.ffill("lon").variable._data, da.rolling(lon=3).mean().variable._data],
        "carried": [carried(np.cumsum(long, 0)), carried(push(long, None, 0))],
        "regrid": [da.craton.regrid(90.0).variable._data, da.craton.regrid(90.0, "conservative", skipna=True).variable._data],
    }
    for name, arrays in seeds.items():
        (out / name).write_bytes(_craton.encode_graph(tuple(x._node for x in arrays), 1 << 20))


def part_seeds(out):
    """Changes of parts, in the form that fuzz_part.c tells: which reduction and which part, places and new values, what becomes of the length."""
    out.mkdir(parents=True, exist_ok=True)
    head, cases = 56, ["mean", "std", "argmax", "grouped-min"]   # bytes of the head; the reductions of the target, in its order
    infinity = [(head + 200 + 8 * k + b, v) for k in range(4) for b, v in enumerate(b"\0\0\0\0\0\0\xf0\x7f")]
    seeds = {
        "as-it-is": ([], 0),
        "magic": ([(0, 0x92)], 0),
        "version": ([(8, 2)], 0),
        "arrays": ([(12, 2)], 0),
        "wanted": ([(16, 5)], 0),
        "number": ([(24, 9)], 0),
        "parts": ([(32, 255), (39, 127)], 0),
        "description": ([(head + 8, 3), (head + 17, 255)], 0),
        "description-length": ([(head + k, 255) for k in range(8)], 0),
        "states": (infinity, 0),
        "shorter": ([], -8),
        "within-a-number": ([], -3),
        "longer": ([(head + 1, 1)], 16),
    }
    for case, reduction in enumerate(cases):
        for part, (name, (changes, longer)) in enumerate(seeds.items()):
            steps = b"".join(at.to_bytes(3, "little") + bytes([value]) for at, value in changes)
            length = bytes([0, longer & 255]) if longer else bytes([1, 0])
            (out / f"{reduction}-{name}").write_bytes(bytes([case, part % 3]) + steps + length)


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1])
    zarr_seeds(root / "zarr")
    netcdf3_seeds(root / "netcdf3")
    label_seeds(root / "labels")
    codec_seeds(root / "codec")
    reference_seeds(root / "reference")
    geotiff_seeds(root / "geotiff")
    graph_seeds(root / "graph")
    part_seeds(root / "part")
