"""Zarr 3 in shards: written by Craton and read by zarr-python and xarray, and the reverse; appended to, written into, killed and resumed;
codecs that are kept; what makes no sense is refused before anything is written."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import test_resume as killing
import xarray as xr
import zarr

import craton  # noqa: F401  (the accessor)

CRATON = Path(os.environ["CRATON_BUILD"]) / "src/cli/craton"
SEED = int(os.environ.get("CRATON_SEED", "20261124"))
LONG = bool(os.environ.get("CRATON_LONG"))
TYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "bool"]


@pytest.fixture
def place():
    path = Path(tempfile.mkdtemp(prefix="craton-shards-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def rechunk(*arguments, status=0):
    answer = subprocess.run([CRATON, "rechunk", *arguments], capture_output=True, text=True, timeout=120)
    assert answer.returncode == status, answer.stderr
    return answer.stderr


def lazy(ds):
    return ds.chunk(chunked_array_type="craton")


def shards_of(path, name):
    return zarr.open_array(path / name, mode="r").shards


def codecs_of(path, name):
    """Of one chunk, after the bytes."""
    meta = json.loads((path / name / "zarr.json").read_text())
    codecs = meta["codecs"]
    if codecs[0]["name"] == "sharding_indexed":
        codecs = codecs[0]["configuration"]["codecs"]
    return [(c["name"], c["configuration"]) for c in codecs[1:]]


def random_values(random, shape):
    dtype = np.dtype(TYPES[random.integers(len(TYPES))])
    values = random.normal(0, 60, shape).astype(dtype) if dtype.kind == "f" else random.integers(0, 2 if dtype.kind == "b" else 100, shape).astype(dtype)
    empty = random.random(shape) < random.choice([0, 0.3, 1], p=[0.5, 0.4, 0.1])
    return np.where(empty, dtype.type(0) if dtype.kind != "f" else np.nan, values).astype(dtype)


def random_layout(random, shape):
    """Chunks that need not divide the extents, shards that need not either and may lie beyond them."""
    chunks = [int(random.integers(1, max(n, 1) + 3)) for n in shape]
    return tuple(chunks), tuple(c * int(random.integers(1, 5)) for c in chunks)


@pytest.mark.parametrize("case", range(60 if LONG else 12))
def test_zarr_python_reads_what_we_write(tmp_path, case):
    random = np.random.default_rng([SEED, 81, case])
    dims = ["time", "lat", "lon", "level"][: random.integers(1, 5)]
    shape = tuple(int(n) for n in random.integers(1, 14, len(dims)))
    values = random_values(random, shape)
    chunks, shards = random_layout(random, shape)
    codecs = [None, zarr.codecs.ZstdCodec(level=int(random.integers(1, 6))), zarr.codecs.GzipCodec(level=int(random.integers(0, 10))),
              zarr.codecs.BloscCodec(cname=str(random.choice(["lz4", "zstd", "zlib", "blosclz", "lz4hc"])), clevel=int(random.integers(0, 10)),
                                     shuffle=str(random.choice(["noshuffle", "shuffle", "bitshuffle"])))]  # fmt: skip
    codec = codecs[random.integers(len(codecs))]
    ds = xr.Dataset({"v": (dims, values)})
    pieces = {d: int(random.integers(1, n + 1)) for d, n in zip(dims, shape)}
    data = ds.chunk(pieces, chunked_array_type="craton") if random.random() < 0.7 else ds
    encoding = {"chunks": chunks, "shards": shards, "compressors": [codec] if codec else None}
    data.craton.to_zarr(tmp_path / "ours", encoding={"v": encoding})
    ds.to_zarr(tmp_path / "theirs", zarr_format=3, consolidated=True, encoding={"v": encoding})
    found, expected = zarr.open_array(tmp_path / "ours/v", mode="r"), zarr.open_array(tmp_path / "theirs/v", mode="r")
    assert (found.chunks, found.shards) == (expected.chunks, expected.shards) == (chunks, shards)
    np.testing.assert_array_equal(found[...], values)
    a, b = (json.loads((tmp_path / n / "v/zarr.json").read_text()) for n in ("ours", "theirs"))
    assert a["codecs"][0]["configuration"]["index_codecs"] == b["codecs"][0]["configuration"]["index_codecs"]
    assert codecs_of(tmp_path / "ours", "v") == codecs_of(tmp_path / "theirs", "v")
    objects = {n: sorted(str(p.relative_to(tmp_path / n)) for p in (tmp_path / n / "v").rglob("*") if p.is_file()) for n in ("ours", "theirs")}
    if values.dtype.kind != "f":              # xarray's own fill of whole numbers is ours
        assert objects["ours"] == objects["theirs"]
    for path in ("ours", "theirs"):
        xr.testing.assert_identical(xr.open_zarr(tmp_path / path).load().drop_encoding(), ds)
        xr.testing.assert_identical(xr.open_dataset(tmp_path / path, engine="craton").load().drop_encoding(), ds)


@pytest.mark.parametrize("case", range(16 if LONG else 4))
def test_rechunk(tmp_path, case):
    """From shards and from chunks, by panels of whole shards, in little memory and by intermediate stores; bits do not depend on it."""
    random = np.random.default_rng([SEED, 82, case])
    shape = tuple(int(n) for n in random.integers(20, 60, 3))
    ds = xr.Dataset({"v": (("time", "lat", "lon"), random.normal(size=shape).astype("f4")), "t": ("time", np.arange(shape[0])), "s": 7, "text": ("lat", ["a"] * shape[1])})
    chunks, shards = random_layout(random, (shape[0] // 4, shape[1] // 4, shape[2] // 4))
    ds.to_zarr(tmp_path / "in", zarr_format=3, encoding={"v": {"chunks": chunks, **({"shards": shards} if case % 2 else {})}})
    chunks, shards = random_layout(random, (shape[0] // 3, shape[1] // 3, shape[2] // 3))
    way = [f"{o}={','.join(f'{d}={n}' for d, n in zip(('time', 'lat', 'lon'), sizes))}" for o, sizes in (("--chunks", chunks), ("--shards", shards))]
    for memory in ("64M", "1M"):
        rechunk(tmp_path / "in", tmp_path / memory, *way, "--memory", memory, "--threads", str(random.integers(1, 4)))
    assert killing.files(tmp_path / "64M") == killing.files(tmp_path / "1M")
    array = zarr.open_array(tmp_path / "1M/v", mode="r")
    assert (array.chunks, array.shards) == (chunks, shards) and shards_of(tmp_path / "1M", "t") == shards[:1]
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "1M").load().drop_encoding(), xr.open_zarr(tmp_path / "in").load().drop_encoding())


def test_chunks_that_divide(tmp_path):
    """Nobody asked for these chunks: those of a coordinate that is stored whole, those of the file."""
    ds = xr.Dataset({"v": (("time", "lat"), np.arange(7300.0).reshape(365, 20)), "time": np.arange(365), "lat": np.arange(20.0)})
    ds.to_netcdf(tmp_path / "in.nc", encoding={"v": {"chunksizes": (50, 20)}})
    rechunk(tmp_path / "in.nc", tmp_path / "out", "--shards", "time=120")
    assert shards_of(tmp_path / "out", "v") == (120, 20) and zarr.open_array(tmp_path / "out/v").chunks == (40, 20)
    assert shards_of(tmp_path / "out", "time") == (120,) and shards_of(tmp_path / "out", "lat") is None
    rechunk(tmp_path / "in.nc", tmp_path / "whole", "--chunks", "time=100", "--shards", "time=-1")
    assert shards_of(tmp_path / "whole", "v") == (400, 20)
    lazy(ds).craton.to_zarr(tmp_path / "python", shards={"time": 120}, encoding={"v": {"chunks": (30, 10)}})
    assert shards_of(tmp_path / "python", "v") == (120, 10) and shards_of(tmp_path / "python", "time") == (120,)
    for path in ("out", "whole", "python"):
        xr.testing.assert_identical(xr.open_zarr(tmp_path / path).load().drop_encoding(), ds)


def test_shards_of_prime_numbers(tmp_path):
    """What divides a prime is 1 and itself: not a chunk an element. A chunk asked for is kept or refused, as ever."""
    ds = xr.Dataset({"v": (("time", "lat"), np.arange(40000.0).reshape(2000, 20))})
    ds.to_netcdf(tmp_path / "in.nc", encoding={"v": {"chunksizes": (100, 20)}})
    for shard, chunk in ((997, 997), (120, 60), (194, 97), (1994, 997), (100, 100)):
        rechunk(tmp_path / "in.nc", tmp_path / f"out{shard}", "--shards", f"time={shard}")
        with xr.open_dataset(tmp_path / "in.nc", engine="craton", chunks={}) as lazily:
            lazily.craton.to_zarr(tmp_path / f"python{shard}", shards={"time": shard})
        for way in ("out", "python"):
            assert shards_of(tmp_path / f"{way}{shard}", "v") == (shard, 20)
            assert zarr.open_array(tmp_path / f"{way}{shard}/v").chunks == (chunk, 20), (way, shard)
    xr.testing.assert_equal(xr.open_zarr(tmp_path / "out997").load(), ds)


def test_one_size_for_all_dimensions(tmp_path):
    """As xarray has it; and chunks of text."""
    ds = xr.Dataset({"v": (("x", "y"), np.ones((20, 30))), "name": ("x", np.array(["é" * k for k in range(20)], object))})
    ds.craton.to_zarr(tmp_path / "ours", encoding={"v": {"chunks": 7}, "name": {"chunks": (6,)}})
    ds.to_zarr(tmp_path / "theirs", encoding={"v": {"chunks": 7}, "name": {"chunks": (6,)}})
    for path in ("ours", "theirs"):
        assert [zarr.open_array(tmp_path / path / name).chunks for name in ("v", "name")] == [(7, 7), (6,)]
        xr.testing.assert_identical(xr.open_zarr(tmp_path / path).load().drop_encoding(), ds)


def test_memory(tmp_path):
    """A shard is collected within the limit; one that does not fit is refused, with what to do, and nothing is left."""
    with xr.open_dataset(maps(tmp_path / "in.nc")) as ds:
        rechunk(tmp_path / "in.nc", tmp_path / "out", "--chunks", "time=5,lat=8,lon=8", "--shards", "time=60,lat=64,lon=48", "--memory", "8M")
        xr.testing.assert_identical(xr.open_zarr(tmp_path / "out").load(), ds.load())
    said = rechunk(tmp_path / "in.nc", tmp_path / "no", "--chunks", "time=5,lat=8,lon=8", "--shards", "time=-1,lat=-1,lon=-1", "--memory", "2M", status=9)
    assert "one shard and what it is read from must fit into" in said and "smaller shards" in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.nc", "out"]
    code = "import sys, xarray as xr, craton; craton.set_options(memory_limit='2 MiB'); ds = xr.open_dataset(sys.argv[1], engine='craton', chunks={'time': 10})\n" \
           "ds.craton.to_zarr(sys.argv[2], encoding={'t': {'chunks': (5, 8, 8), 'shards': (120, 64, 96)}})"  # fmt: skip
    answer = subprocess.run([sys.executable, "-c", code, tmp_path / "in.nc", tmp_path / "no"], capture_output=True, text=True, timeout=120)
    assert answer.returncode != 0 and "choose smaller shards" in answer.stderr, answer.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.nc", "out"]


def maps(path):
    killing.maps(path)
    return path


@pytest.mark.parametrize("chunked", [True, False])
def test_append_and_region(tmp_path, chunked):
    """Ends inside of chunks and of shards, several times, against xarray with zarr-python on a store of the same layout."""
    random = np.random.default_rng([SEED, 83, int(chunked)])

    def dataset(first, steps):
        return xr.Dataset({"v": (("time", "lat"), random.normal(size=(steps, 10)).astype("f4")), "n": ("time", np.arange(first, first + steps))},
                          {"time": np.arange(first, first + steps) * 1.0})  # fmt: skip

    first = dataset(0, 13)
    encoding = {"v": {"chunks": (2, 5), "shards": (8, 10)}, "n": {"chunks": (4,), "shards": (4,)}, "time": {"chunks": (3,), "shards": (6,)}}
    lazy(first).craton.to_zarr(tmp_path / "ours", encoding=encoding)
    first.to_zarr(tmp_path / "theirs", zarr_format=3, encoding=encoding)
    n = 13
    for steps in (1, 2, 9, 16):
        more = dataset(n, steps)
        more.to_zarr(tmp_path / "theirs", append_dim="time")
        (lazy(more) if chunked else more).craton.to_zarr(tmp_path / "ours", append_dim="time")
        n += steps
        same(tmp_path)
    part = dataset(16, 8)[["v", "n"]]         # whole shards of these
    (lazy(part) if chunked else part).craton.to_zarr(tmp_path / "ours", region={"time": slice(16, 24)})
    part.to_zarr(tmp_path / "theirs", region={"time": slice(16, 24)})
    same(tmp_path)
    with pytest.raises(ValueError, match="covers a part of a shard"):
        lazy(dataset(18, 4)).craton.to_zarr(tmp_path / "ours", region={"time": slice(18, 22)})
    part = dataset(18, 4)
    part.craton.to_zarr(tmp_path / "ours", region={"time": slice(18, 22)})
    part.to_zarr(tmp_path / "theirs", region={"time": slice(18, 22)}, safe_chunks=False)
    over = dataset(0, n)
    over.craton.to_zarr(tmp_path / "ours", mode="a")
    over.to_zarr(tmp_path / "theirs", mode="a")
    same(tmp_path)
    with pytest.raises(ValueError, match="keeps its shards"):
        over.craton.to_zarr(tmp_path / "ours", mode="a", shards={"time": 4})


def same(path):
    xr.testing.assert_identical(xr.open_zarr(path / "ours").load().drop_encoding(), xr.open_zarr(path / "theirs").load().drop_encoding())
    xr.testing.assert_identical(xr.open_dataset(path / "ours", engine="craton").load().drop_encoding(), xr.open_zarr(path / "theirs").load().drop_encoding())
    assert shards_of(path / "ours", "v") == (8, 10)


def test_into_what_zarr_python_wrote(tmp_path):
    """Big-endian values; an index at the start is refused."""
    for name, location in (("end", "end"), ("start", "start")):
        z = zarr.create_array(tmp_path / name / "v", shape=(12,), dtype="i4", chunks=(8,), dimension_names=["x"], compressors=None, filters=None,
                              serializer=zarr.codecs.ShardingCodec(chunk_shape=(2,), codecs=[zarr.codecs.BytesCodec(endian="big"), zarr.codecs.ZstdCodec()],
                                                                   index_location=location))  # fmt: skip
        z[...] = np.arange(12)
        zarr.open_group(tmp_path / name, mode="a")
        zarr.consolidate_metadata(tmp_path / name)
    new = xr.Dataset({"v": ("x", np.arange(100, 108, dtype="i4"))})
    new.craton.to_zarr(tmp_path / "end", region={"x": slice(3, 11)})
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "end/v")[...], [0, 1, 2, *range(100, 108), 11])
    with pytest.raises(Exception, match="index at the start are only read"):
        new.craton.to_zarr(tmp_path / "start", region={"x": slice(3, 11)})
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "start/v")[...], np.arange(12))


@pytest.mark.parametrize("case", range(3))
def test_killed(place, case):
    """Killed in the middle, a record torn off, a shard torn off; resumed byte for byte."""
    random = np.random.default_rng([SEED, 84, case])
    killing.maps(place / "maps.nc")
    way = ["--chunks", "time=5,lat=4,lon=4", "--shards", ["time=10,lat=8,lon=8", "time=-1,lat=8,lon=8", "time=20,lat=4,lon=12"][case], "--codec", "deflate",
           "--level", "9", "--threads", str(case + 1)]  # fmt: skip
    rechunk(place / "maps.nc", place / "whole.zarr", *way)
    store = place / "killed.zarr"
    command = [CRATON, "rechunk", place / "maps.nc", store, *way]
    killed, done = killing.kill_after(command, store, int(random.integers(10, 60))), 0
    for round in range(2):
        if not killed:
            break
        folder = killing.leftover(store)
        records = killing.records(folder)
        assert len(records) >= done
        done = len(records)
        spoilt = [p for p in (folder / "t/c").rglob("*") if p.is_file()][:2] if round == 0 else []
        for path in spoilt:
            path.write_bytes(path.read_bytes()[:-3])
        killed = killing.kill_after([*command, "--resume"], store, done + 10)
    if not store.exists():
        rechunk(*command[2:], "--resume")
    assert killing.files(store) == killing.files(place / "whole.zarr")
    assert shards_of(store, "t") is not None and sorted(p.name for p in place.iterdir()) == ["killed.zarr", "maps.nc", "whole.zarr"]


def test_other_shards_are_not_resumed(place):
    killing.maps(place / "maps.nc")
    way = ["--chunks", "time=5,lat=4,lon=4", "--codec", "deflate", "--level", "9"]
    assert killing.kill_after([CRATON, "rechunk", place / "maps.nc", place / "out", *way, "--shards", "time=10,lat=8,lon=8"], place / "out", 30)
    said = rechunk(place / "maps.nc", place / "out", *way, "--shards", "time=10,lat=8,lon=16", "--resume", status=4)
    assert "it cannot be resumed" in said


KEPT = [  # of zarr-python, in version 3, in version 2
    (zarr.codecs.ZstdCodec(level=7), ("zstd", {"level": 7, "checksum": False}), {"id": "zstd", "level": 7}),
    (zarr.codecs.GzipCodec(level=3), ("gzip", {"level": 3}), {"id": "gzip", "level": 3}),
    (zarr.codecs.BloscCodec(cname="lz4", clevel=2, shuffle="bitshuffle"), ("blosc", {"cname": "lz4", "clevel": 2, "shuffle": "bitshuffle"}), {"id": "blosc", "cname": "lz4", "clevel": 2, "shuffle": 2}),
    (zarr.codecs.BloscCodec(cname="zlib", clevel=9, shuffle="noshuffle"), ("blosc", {"cname": "zlib", "clevel": 9, "shuffle": "noshuffle"}), {"id": "blosc", "cname": "zlib", "clevel": 9, "shuffle": 0}),
    (None, None, None),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(KEPT)))
def test_codec_of_the_source(tmp_path, case):
    codec, three, two = KEPT[case]
    ds = xr.Dataset({"v": (("x", "y"), np.random.default_rng([SEED, 85]).integers(0, 50, (40, 30)).astype("f4"))})
    ds.to_zarr(tmp_path / "in", zarr_format=3, encoding={"v": {"chunks": (8, 30), "compressors": [codec] if codec else None}})
    rechunk(tmp_path / "in", tmp_path / "out", "--chunks", "x=10", "--shards", "x=20")
    rechunk(tmp_path / "in", tmp_path / "two", "--chunks", "x=10", "--format", "zarr2")
    rechunk(tmp_path / "two", tmp_path / "back", "--chunks", "x=8")
    rechunk(tmp_path / "in", tmp_path / "other", "--codec", "deflate", "--level", "2")
    xr.open_dataset(tmp_path / "in", engine="craton", chunks={}).craton.to_zarr(tmp_path / "python")
    xr.open_zarr(tmp_path / "in").load().craton.to_zarr(tmp_path / "theirs")
    for name in ("out", "back", "python", "theirs"):
        found = codecs_of(tmp_path / name, "v")
        assert len(found) == (three is not None), (name, found)
        assert not three or found[0][0] == three[0] and three[1].items() <= found[0][1].items(), (name, found)
    found = json.loads((tmp_path / "two/v/.zarray").read_text())["compressor"]
    assert (found is None) == (two is None) and (two is None or two.items() <= found.items())
    assert codecs_of(tmp_path / "other", "v") == [("gzip", {"level": 2})]
    for name in ("out", "two", "back", "other", "python", "theirs"):
        xr.testing.assert_identical(xr.open_zarr(tmp_path / name).load().drop_encoding(), ds)


def test_codec_of_netcdf(tmp_path):
    ds = xr.Dataset({"v": (("x", "y"), np.arange(1200.0).reshape(40, 30)), "w": ("x", np.arange(40.0)), "p": ("x", np.arange(40.0))})
    ds.to_netcdf(tmp_path / "in.nc", encoding={"v": {"zlib": True, "complevel": 7, "shuffle": True}, "w": {"zlib": True, "complevel": 2, "shuffle": False}})
    rechunk(tmp_path / "in.nc", tmp_path / "out", "--codec", "deflate", "--level", "7", "--shuffle", "--variables", "v")
    assert codecs_of(tmp_path / "out", "v")[0][1].items() >= {"cname": "zlib", "clevel": 7, "shuffle": "shuffle"}.items()
    rechunk(tmp_path / "out", tmp_path / "zlib.nc", "--format", "netcdf4")
    with xr.open_dataset(tmp_path / "zlib.nc") as back:
        assert (back.v.encoding["zlib"], back.v.encoding["complevel"], back.v.encoding["shuffle"]) == (True, 7, True)
    # Deflate is what NetCDF has, and no wish for what Zarr does better: neither it nor its level is kept. Among NetCDF files it is.
    for name, engine in {"netcdf4": "netcdf4", "craton": "craton", "rechunk": None}.items():
        if engine:
            xr.open_dataset(tmp_path / "in.nc", engine=engine, chunks={} if engine == "craton" else None).craton.to_zarr(tmp_path / name)
        else:
            rechunk(tmp_path / "in.nc", tmp_path / name)
        for v in ("v", "w", "p"):
            assert codecs_of(tmp_path / name, v)[0][1].items() >= {"cname": "zstd", "clevel": 1, "shuffle": "shuffle", "typesize": 8}.items(), (name, v)
        xr.testing.assert_identical(xr.open_zarr(tmp_path / name).load().drop_encoding(), ds)
    rechunk(tmp_path / "in.nc", tmp_path / "back.nc", "--format", "netcdf4")
    with xr.open_dataset(tmp_path / "back.nc") as back:
        assert (back.v.encoding["zlib"], back.v.encoding["complevel"], back.v.encoding["shuffle"]) == (True, 7, True)
        assert (back.w.encoding["complevel"], back.w.encoding["shuffle"]) == (2, False)
        xr.testing.assert_identical(back.load(), ds)


@pytest.mark.parametrize("version", [2, 3])
def test_bytes_that_are_not_to_be_shuffled_are_not(tmp_path, version):
    ds = xr.Dataset({"v": ("x", np.arange(40.0)), "w": ("x", np.arange(40, dtype="i2"))})
    ds.craton.to_zarr(tmp_path / "out", zarr_format=version, encoding={"v": {"shuffle": False}, "w": {"shuffle": False, "level": 5}})
    for name, level in (("v", 1), ("w", 5)):
        if version == 2:
            found = json.loads((tmp_path / "out" / name / ".zarray").read_text())["compressor"]
            assert (found["id"], found["level"]) == ("zstd", level)
        else:
            assert [(codec, options["level"]) for codec, options in codecs_of(tmp_path / "out", name)] == [("zstd", level)]
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "out").load().drop_encoding(), ds)


REFUSED = {
    "no multiple": (dict(encoding={"v": {"chunks": (4, 4), "shards": (6, 8)}}), 'shards of 6 along "x" are not whole chunks of 4'),
    "zero": (dict(encoding={"v": {"chunks": (4, 4), "shards": (0, 8)}}), "one whole number from 1"),
    "negative": (dict(encoding={"v": {"shards": (-1, 8)}}), "one whole number from 1"),
    "rank": (dict(encoding={"v": {"chunks": (4, 4), "shards": (8,)}}), "for a variable of 2 dimensions"),
    "rank of chunks": (dict(encoding={"v": {"chunks": (4,), "shards": (8, 8)}}), "for a variable of 2 dimensions"),
    "rank of chunks alone": (dict(encoding={"v": {"chunks": (4,)}}), "for a variable of 2 dimensions"),
    "chunks of zero": (dict(shards={"x": -1}, encoding={"v": {"chunks": (0, 4)}}), "one whole number from 1"),
    "chunks in words": (dict(encoding={"v": {"chunks": "auto"}}), "one whole number from 1"),
    "chunks of text": (dict(encoding={"name": {"chunks": (4, 4)}}), "for a variable of 1 dimensions"),
    "version 2": (dict(zarr_format=2, encoding={"v": {"chunks": (4, 4), "shards": (8, 8)}}), "shards are of Zarr version 3"),
    "version 2, argument": (dict(zarr_format=2, shards={"x": 8}), "shards are of Zarr version 3"),
    "no dimension": (dict(shards={"z": 8}), "not a dimension of the dataset"),
    "argument zero": (dict(shards={"x": 0}), "at least 1|from 1"),
    "argument, no multiple": (dict(shards={"x": 6}, encoding={"v": {"chunks": (4, 4)}}), "are not whole chunks"),
    "words": (dict(encoding={"v": {"shards": "auto"}}), "one whole number from 1"),
    "too many": (dict(encoding={"v": {"chunks": (1, 1), "shards": (2**20, 2**20)}}), "one shard would have more than"),
    "text": (dict(encoding={"name": {"shards": (4,)}}), "text of any length has neither shards"),
    "two compressors": (dict(encoding={"v": {"compressors": [zarr.codecs.ZstdCodec(), zarr.codecs.GzipCodec()]}}), "cannot be written"),
    "unknown compressor": (dict(encoding={"v": {"compressors": {"name": "snow"}}}), "cannot be written"),
    "filters": (dict(encoding={"v": {"filters": [zarr.codecs.TransposeCodec(order=(1, 0))]}}), "has no meaning in Zarr"),
    "serializer": (dict(encoding={"v": {"serializer": zarr.codecs.BytesCodec(endian="big")}}), "has no meaning in Zarr"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    options, said = REFUSED[name]
    ds = xr.Dataset({"v": (("x", "y"), np.ones((20, 20))), "name": ("x", np.array(["a"] * 20, object))})
    with pytest.raises((ValueError, NotImplementedError, MemoryError, OSError), match=said):
        ds.craton.to_zarr(tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_refused_at_the_shell(tmp_path):
    xr.Dataset({"v": (("x", "y"), np.ones((20, 20)))}).to_zarr(tmp_path / "in")
    for options, said in {
        ("--chunks", "x=4", "--shards", "x=6"): "are not whole chunks of 4",
        ("--shards", "x=0"): "shards of 0 along",
        ("--shards", f"x={2**62}"): "1 to 1099511627776",
        ("--chunks", f"x={2**63 - 1}", "--shards", "x=-1"): "1 to 1099511627776",
        ("--shards", "x"): "does not say how many elements a shard has",
        ("--shards", "z=4"): 'has no dimension "z"',
        ("--shards", "x=4,x=8"): "given twice",
        ("--shards", "x=8", "--format", "zarr2"): "Zarr version 3 alone has them",
        ("--shards", "x=8", "--format", "netcdf4"): "Zarr version 3 alone has them",
    }.items():
        answer = subprocess.run([CRATON, "rechunk", tmp_path / "in", tmp_path / "out", *options], capture_output=True, text=True, timeout=60)
        assert answer.returncode != 0 and said in answer.stderr, (options, answer.stderr)
        assert [p.name for p in tmp_path.iterdir()] == ["in"]
