"""Of a large chunk only the box that is looked at is decoded (docs/decisions/0062): the same values as from zarr-python, and of the rest nothing."""

import os

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr

import craton

SEED = int(os.environ.get("CRATON_SEED", "20261124"))
LONG = os.environ.get("CRATON_LONG") == "yes"
ALONE = "of each what is looked at alone"


@pytest.fixture(autouse=True)
def threads():
    with craton.set_options(threads=2):
        craton.enable()
        yield


def opened(store):
    return xr.open_dataset(store, engine="craton", chunks={}, chunked_array_type="craton", mask_and_scale=False)["t"]


def store_of(path, values, chunks, codec=None, version=3, shards=None, dims=None):
    """zarr-python writes it; codec: of numcodecs for version 2, of zarr for 3."""
    root = zarr.open_group(path, mode="w", zarr_format=version)
    dims = dims or "abcd"[: values.ndim]
    a = root.create_array("t", shape=values.shape, dtype=values.dtype, chunks=chunks, shards=shards, compressors=codec, fill_value=0,
                          **({"dimension_names": list(dims)} if version == 3 else {}))  # fmt: skip
    if version == 2:
        a.attrs["_ARRAY_DIMENSIONS"] = list(dims)
    a[...] = values
    zarr.consolidate_metadata(path, zarr_format=version)
    return path


def field(random, shape, dtype):
    """Some digits that repeat, so that codecs find something, and no two rows alike."""
    values = np.cumsum(random.integers(-40, 41, shape), axis=-1)
    values = values + np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)) * 1000
    return values.astype(dtype)


def random_codec(random, version):
    which = random.choice(["none", "zstd", "zstd", "blosc", "blosc", "blosc"])
    if which == "none":
        return which, None
    if which == "zstd":
        level = int(random.choice([-3, 1, 3, 5]))
        return which, numcodecs.Zstd(level) if version == 2 else zarr.codecs.ZstdCodec(level=level, checksum=bool(random.integers(2)))
    inner = str(random.choice(["lz4", "lz4hc", "zstd", "blosclz", "zlib"]))
    level, size = int(random.choice([0, 1, 3, 5])), int(random.choice([0, 0, 1 << 15, 77_700, 1 << 19]))
    way = int(random.integers(0, 3))
    if version == 2:
        return which, numcodecs.Blosc(inner, level, way, size)
    return which, zarr.codecs.BloscCodec(cname=inner, clevel=level, shuffle=["noshuffle", "shuffle", "bitshuffle"][way], blocksize=size)


def random_place(random, n):
    kind = random.integers(0, 6)
    if kind == 0:
        return int(random.integers(-n, n))
    if kind == 1:
        return slice(None)
    if kind == 2:
        return random.integers(0, n, random.integers(1, 5))
    at, end = sorted(random.integers(0, n + 1, 2))
    step = int(random.choice([1, 1, 2, 7]))
    return slice(int(at), int(max(end, at + 1)), step) if kind < 5 else slice(int(max(end, at + 1)) - 1, int(at) - 1 if at > 0 else None, -step)


@pytest.mark.parametrize("case", range(200 if LONG else 24))
def test_random_boxes(tmp_path, case):
    """Random chunks, codecs and places; several of them in one program, and computed with."""
    random = np.random.default_rng([SEED, 62, case])
    version = int(random.choice([2, 3]))
    dtype = str(random.choice(["i2", "f4", "f8", "u1", "i4"]))
    shape = tuple(int(n) for n in [(40, 120, 300), (9, 400, 500), (1_500_000,), (3, 7, 260, 301)][random.integers(0, 4)])
    values = field(random, shape, dtype)
    chunks = tuple(int(n if random.integers(2) else max(1, n * 3 // 4)) for n in shape)
    which, codec = random_codec(random, version)
    shards = tuple(2 * n for n in chunks) if version == 3 and random.integers(4) == 0 else None
    numcodecs.blosc.set_nthreads(4)
    store_of(tmp_path / "store", values, chunks, codec, version, shards)
    said = f"seed {SEED} case {case}: version {version} {dtype} {shape} in {chunks} shards {shards} {codec}"
    lazy = opened(tmp_path / "store")
    for _ in range(6):
        place = tuple(random_place(random, n) for n in shape)
        box = dict(zip(lazy.dims, place, strict=True))
        expected = xr.DataArray(values, dims=lazy.dims).isel(box)
        xr.testing.assert_equal(lazy.isel(box).compute().drop_vars(lazy.coords), expected), said
        other = {d: random_place(random, n) if random.integers(2) else p for (d, p), n in zip(box.items(), shape, strict=True)}
        both = xr.DataArray(values, dims=lazy.dims).astype("f8")
        if not both.isel(other).size:  # has no maximum
            other = {}
        np.testing.assert_allclose(float(lazy.isel(box).mean("a" if "a" in expected.dims else None).sum() + lazy.isel(other).max()),
                                   float(both.isel(box).mean("a" if "a" in expected.dims else None).sum() + both.isel(other).max()),
                                   rtol=1e-5, err_msg=said)  # fmt: skip


CODECS = {
    "none": None,
    "zstd": zarr.codecs.ZstdCodec(level=3),
    "lz4": zarr.codecs.BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"),
    "blosc": zarr.codecs.BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle", blocksize=1 << 17),
}


def chunk_file(store):
    return next(p for p in (store / "t").rglob("*") if p.is_file() and p.name != "zarr.json")


@pytest.mark.parametrize("name", CODECS)
def test_the_rest_is_not_decoded(tmp_path, name):
    """The last third of the chunk's bytes are destroyed: the first map is read, the last one is an error that names the chunk."""
    values = field(np.random.default_rng([SEED, 621]), (60, 200, 250), "f4")
    store = store_of(tmp_path / "store", values, values.shape, CODECS[name])
    lazy = opened(store)
    assert ALONE in lazy.isel(a=0).craton.explain()
    if name != "zstd":  # frames are decoded from their beginning on
        assert ALONE in lazy.isel(a=-1).craton.explain()
    assert ALONE not in lazy.isel(a=slice(50)).craton.explain() and ALONE not in lazy.craton.explain()
    file = chunk_file(store)
    n = file.stat().st_size
    with open(file, "r+b") as f:
        f.seek(2 * n // 3)
        f.write(bytes(range(255, 0, -1)) * (n // 3 // 255))
    lazy = opened(store)
    np.testing.assert_array_equal(lazy.isel(a=0), values[0])
    np.testing.assert_array_equal(lazy.isel(a=slice(3, 20, 4)).mean(["b", "c"]), values[3:20:4].mean((1, 2), dtype="f8").astype("f4"))
    if name != "none":
        with pytest.raises(Exception, match=r"t/c/0/0/0"):
            lazy.isel(a=-1).compute()
    os.truncate(file, n // 2)
    with pytest.raises(Exception, match=r"t/c/0/0/0"):
        opened(store).isel(a=-1).compute()
    file.unlink()
    np.testing.assert_array_equal(opened(store).isel(a=slice(7, 9)), 0)


@pytest.mark.parametrize("name", CODECS)
def test_chunks_beyond_the_memory_limit(tmp_path, name):
    """A map of a chunk that is larger than the limit is there at once; all of it is refused with advice, or its mean made."""
    values = np.arange(48 * 400 * 500, dtype="f4").reshape(48, 400, 500)
    store = store_of(tmp_path / "store", values, values.shape, CODECS[name])
    with craton.set_options(memory_limit="24 MiB", threads=2):
        lazy = opened(store)
        np.testing.assert_array_equal(lazy.isel(a=5), values[5])
        np.testing.assert_array_equal(lazy.isel(a=slice(4), b=slice(10, 20)).max("a"), values[3, 10:20])
        with pytest.raises(MemoryError, match="smaller chunks"):
            lazy.mean("a").compute()


def test_what_craton_writes(tmp_path):
    """Its default codec in blocks of whole rows, the last one shorter; and stores of plain Zstandard made in turn."""
    values = field(np.random.default_rng([SEED, 622]), (70, 181, 360), "f4")
    ds = xr.Dataset({"t": (("a", "b", "c"), values)})
    for name, encoding in (("blosc", {}), ("zstd", {"codec": "zstd", "level": 3})):
        ds.craton.to_zarr(tmp_path / name, encoding={"t": {"chunks": values.shape, **encoding}})
        lazy = opened(tmp_path / name)
        assert ALONE in lazy.isel(a=3).craton.explain()
        for at in (0, 3, 35, 69):
            np.testing.assert_array_equal(lazy.isel(a=at), values[at])
        np.testing.assert_array_equal(lazy.isel(a=slice(2, 9), b=slice(-5, None)), values[2:9, -5:])


def test_frames_that_refer_far_back(tmp_path):
    """A frame of a high level needs more than may be held for a part: its chunk is decoded whole, without a word."""
    values = np.tile(np.random.default_rng([SEED, 623]).integers(0, 1 << 30, 1 << 20, dtype="i4"), 10).reshape(10, 1 << 20)
    store = store_of(tmp_path / "store", values, values.shape, zarr.codecs.ZstdCodec(level=22))
    lazy = opened(store)
    assert ALONE in lazy.isel(a=1, b=slice(100)).craton.explain()
    np.testing.assert_array_equal(lazy.isel(a=1, b=slice(100)), values[1, :100])


def test_one_source_looked_at_twice(tmp_path):
    """Boxes that are more than a chunk together share whole chunks; others are read each by itself."""
    values = field(np.random.default_rng([SEED, 624]), (60, 200, 250), "f4")
    lazy = opened(store_of(tmp_path / "store", values, values.shape, CODECS["lz4"]))
    near, far, last = lazy.isel(a=slice(0, 25)), lazy.isel(a=slice(20, 45)), lazy.isel(a=slice(35, 60))
    assert (near - far).craton.explain().count(ALONE) == 2 and ALONE not in (near - far + last).craton.explain()
    np.testing.assert_array_equal(near - far + last, values[:25] - values[20:45] + values[35:])
    difference = lazy.isel(a=-1) - lazy.isel(a=0)
    assert difference.craton.explain().count(ALONE) == 2
    np.testing.assert_array_equal(difference, values[-1] - values[0])


PROGRAMS = {
    "rolling": lambda t: t.isel(a=slice(3, 12)).rolling(a=3).mean(),
    "rolling along rows": lambda t: t.isel(a=slice(3, 9), b=slice(20, 60)).rolling(b=5, center=True).max(),
    "concat": lambda t: xr.concat([t.isel(a=slice(0, 4)), t.isel(a=slice(8, 13))], "a").diff("a"),
    "shift": lambda t: t.isel(a=slice(2, 8)) - t.isel(a=slice(2, 8)).shift(a=2),
    "backwards": lambda t: t.isel(a=slice(10, 2, -2), b=slice(None, None, -1)).cumsum("a"),
    "groups": lambda t: t.isel(a=slice(4, 16)).assign_coords(a=np.arange(12) % 3).groupby("a").mean(),
    "quantile": lambda t: t.isel(a=slice(1, 9)).quantile([0.1, 0.5], "a"),
    "interpolated": lambda t: t.isel(a=slice(0, 5), b=slice(100, 140)).assign_coords(b=np.arange(40.0)).interp(b=[0.5, 7.25, 38.0]),
    "filled": lambda t: t.isel(a=slice(5, 11)).where(t.isel(a=slice(5, 11)) % 3 > 0).fillna(-1).cumsum("a"),
    "padded": lambda t: t.isel(a=slice(20, 26)).pad(a=(2, 1), mode="edge").mean(["b", "c"]),
    "climatology": lambda t: t.isel(a=slice(0, 8)).coarsen(a=2).mean() - t.isel(a=slice(0, 8)).mean("a"),
    "points": lambda t: t.isel(a=3).isel(b=xr.DataArray([5, 250, 7], dims="p"), c=xr.DataArray([1, 2, 299], dims="p")),
    "places": lambda t: t.isel(a=[7, 3], b=slice(5)).max("b"),
    "two": lambda t: t.isel(a=0).mean() + t.isel(a=15, b=slice(7)).std(),
}


@pytest.mark.parametrize("name, memory", [(name, memory) for name in ("none", "zstd", "blosc") for memory in ("16 MiB", "1 GiB")
                                          if LONG or (name == "none") == (memory == "1 GiB")])
def test_programs_on_boxes(tmp_path, name, memory):
    """What goes along axes, is put together, grouped and ranked sees the same box of a chunk, which is larger than the smaller limit."""
    values = field(np.random.default_rng([SEED, 625]), (64, 256, 300), "f4")
    lazy = opened(store_of(tmp_path / "store", values, values.shape, CODECS[name]))
    with craton.set_options(memory_limit=memory, threads=2):
        for what, program in PROGRAMS.items():
            xr.testing.assert_allclose(program(lazy).compute(), program(xr.DataArray(values, dims=lazy.dims)), rtol=1e-5), what
