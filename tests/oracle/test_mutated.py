"""Damaged files of every format that is read: thousands of mutations each, read one after the other by one process, which survives all of them in
bounded memory and time. Where checksums cover the values, a mutation is an error or changes nothing: never other values.

150 of each; 1,000 with CRATON_LONG, others for each seed; as many as CRATON_MUTATED says (10,000 of each take a quarter of an hour). Mutation N of a seed is the same everywhere: what fails is named by its number."""
import json
import os
import subprocess
import sys

import h5py
import netCDF4
import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr
from rasterio.transform import from_origin

SEED = int(os.environ.get("CRATON_SEED", "20261124"))
COUNT = int(os.environ.get("CRATON_MUTATED", "0")) or (1_000 if os.environ.get("CRATON_LONG") else 150)
VALUES = np.random.default_rng(7).normal(size=(6, 20, 30)).astype("f4").round(2)
DIMS = ("time", "lat", "lon")


def dataset():
    return xr.Dataset({"v": (DIMS, VALUES, {"units": "K"}), "name": ("lat", np.array(["a", "bb", ""] * 6 + ["c", "d"], object))},
                      {"time": np.arange(6.0), "lat": np.arange(20.0)})  # fmt: skip


def netcdf3(path):
    dataset().drop_vars("name").to_netcdf(path, format="NETCDF3_64BIT")


def netcdf4(path):
    dataset().to_netcdf(path, encoding={"v": {"chunksizes": (3, 10, 10), "zlib": True}})


def hdf5_checked(path):
    with h5py.File(path, "w", libver="latest") as f:
        f.create_dataset("v", data=VALUES, chunks=(3, 10, 10), compression="gzip", shuffle=True, fletcher32=True, maxshape=(None, 20, 30))
        f["v"].attrs["units"] = "K"


def netcdf5(path):
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_DATA") as f:
        for d, n in zip(DIMS, VALUES.shape):
            f.createDimension(d, n if d != "time" else None)
        f.createVariable("v", "f4", DIMS)[:] = VALUES


def zarr2(path):
    dataset().to_zarr(path, zarr_format=2, consolidated=True, encoding={"v": {"chunks": (3, 10, 10)}})


def zarr3(path, **layout):
    root = zarr.open_group(path, mode="w", zarr_format=3)
    codecs = [zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()]
    root.create_array("v", shape=VALUES.shape, chunks=(3, 10, 10), dtype="f4", compressors=codecs, dimension_names=DIMS, **layout)[...] = VALUES
    root.create_array("lat", shape=(20,), chunks=(20,), dtype="f8", dimension_names=("lat",))[...] = np.arange(20.0)


def sharded(path):
    zarr3(path, shards=(6, 20, 10))


def geotiff(path):
    with rasterio.open(path, "w", driver="GTiff", height=20, width=30, count=2, dtype="float32", crs="EPSG:32633", transform=from_origin(0, 0, 10, 10),
                       compress="deflate", predictor=3, tiled=True, blockxsize=16, blockysize=16) as f:  # fmt: skip
        f.write(VALUES[:2])


def kerchunk(path):
    raw = path.with_suffix(".raw")
    raw.write_bytes(VALUES.tobytes())
    meta = {"zarr_format": 2, "shape": VALUES.shape, "chunks": [3, 20, 30], "dtype": "<f4", "fill_value": None, "order": "C", "compressor": None, "filters": None}
    path.write_text(json.dumps({"version": 1, "refs": {
        ".zgroup": '{"zarr_format": 2}', "v/.zarray": json.dumps(meta), "v/.zattrs": json.dumps({"_ARRAY_DIMENSIONS": DIMS}),
        "v/0.0.0": [str(raw), 0, 7200], "v/1.0.0": [str(raw), 7200, 7200]}}))  # fmt: skip


# What makes it, the variable, and which files of it checksums cover so that its values cannot change unnoticed (None: none of them).
FORMATS = {
    "netcdf3": (netcdf3, "v", None),
    "netcdf5": (netcdf5, "v", None),
    "netcdf4": (netcdf4, "v", None),
    "hdf5, checked": (hdf5_checked, "v", ""),
    "zarr2": (zarr2, "v", None),
    "zarr3, checked": (zarr3, "v", "v/c/"),
    "sharded, checked": (sharded, "v", "v/c/"),
    "geotiff": (geotiff, "band_data", None),
    "kerchunk": (kerchunk, "v", None),
}

# Mutates a file of the path, reads all that can be read, puts the file back. Prints the number before each, and counts at the end.
PROGRAM = """
import json, os, resource, sys
import numpy as np
from craton import _craton
path, variable, checked, seed, count = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
context = _craton.Context(threads=2, memory_limit=64 << 20)
files = [path] if os.path.isfile(path) else sorted(os.path.join(d, f) for d, _, names in os.walk(path) for f in names)
def covered(file):
    return checked is not None and (file == path or os.path.relpath(file, path).startswith(checked))
WILD = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**63, 2**64 - 1]
def mutate(random, data):
    data = bytearray(data)
    for _ in range(int(random.integers(1, 4))):
        at = int(random.integers(len(data))) if data else 0
        kind = random.integers(8)
        if kind < 3 and data:
            data[at] ^= 1 << int(random.integers(8))
        elif kind == 3 and data:
            data[at] = int(random.integers(256))
        elif kind == 4:
            width = 1 << int(random.integers(4))
            data[at : at + width] = (int(random.choice(WILD[:5])) if width == 1 else int(WILD[random.integers(len(WILD))]) % 2 ** (8 * width)).to_bytes(width, "little")
        elif kind == 5:
            data[at : at + int(random.integers(1, 40))] = b""
        elif kind == 6:
            data[at:at] = bytes(random.integers(0, 256, int(random.integers(1, 40)), dtype="u1"))
        else:
            del data[at:]
    return bytes(data)
def look():
    f = _craton.File(path, metadata_limit=16 << 20)
    f.attrs, f.dims, f.groups
    found = None
    for v in f.variables:
        if v["problem"]:
            continue
        try:
            if v["dtype"] == "|O":
                f.strings(v["name"])
                continue
            node = f.array(v["name"])
            if 0 < np.prod([float(n) for n in node.shape]) * np.dtype(node.dtype).itemsize < 1 << 22:
                out = np.empty(node.shape, node.dtype)
                context.compute((node,), (out,))
                if v["name"] == variable:
                    found = out
        except Exception as e:
            if not str(e):
                raise SystemExit(f"an error without a word: {e!r}")
            if v["name"] == variable:
                found = e
    return found
whole = look()
assert isinstance(whole, np.ndarray), whole
said = {"errors": 0, "same": 0, "other": 0}
for n in range(count):
    random = np.random.default_rng([seed, n])
    file = files[random.integers(len(files))]
    with open(file, "rb") as f:
        before = f.read()
    print(n, os.path.relpath(file, path), flush=True)
    with open(file, "wb") as f:
        f.write(mutate(random, before))
    try:
        found = look()
    except Exception as e:
        if not str(e):
            raise SystemExit(f"an error without a word: {e!r}")
        found = e
    same = isinstance(found, np.ndarray) and found.dtype == whole.dtype and found.shape == whole.shape and found.tobytes() == whole.tobytes()
    said["same" if same else "other" if isinstance(found, np.ndarray) else "errors"] += 1
    if not same and isinstance(found, np.ndarray) and covered(file):
        raise SystemExit(f"mutation {n} of {file}: other values, although checksums cover them")
    with open(file, "wb") as f:
        f.write(before)
assert (look() == whole).all()
with open("/proc/self/status") as f: # ru_maxrss has that of the process that began this one
    said["mib"] = next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024
print(json.dumps(said))
"""


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.timeout(3000)
def test_survived(tmp_path, name):
    make, variable, checked = FORMATS[name]
    path = tmp_path / "d"
    make(path)
    out = tmp_path / "out"
    with open(out, "w") as f:
        answer = subprocess.run([sys.executable, "-c", PROGRAM, str(path), variable, json.dumps(checked), str(SEED), str(COUNT)],
                                stdout=f, stderr=subprocess.PIPE, text=True, timeout=2900)  # fmt: skip
    lines = out.read_text().splitlines()
    assert answer.returncode == 0, f"seed {SEED}, last mutation {lines[-1:]}, status {answer.returncode}: {answer.stderr[-2000:]}"
    said = json.loads(lines[-1])
    print(name, said)
    assert said["errors"] + said["same"] + said["other"] == COUNT
    assert said["errors"] > COUNT // 20 and said["errors"] < COUNT
    assert said["mib"] < 1024
