"""`craton rechunk` and `craton convert`: random datasets in random chunks, from NetCDF and Zarr to Zarr and NetCDF, read back by xarray, netCDF4 and zarr-python
exactly as they were stored; limits, refusals and full disks leave what was there."""
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr

import craton

craton.enable()
CRATON = Path(os.environ["CRATON_BUILD"]) / "src/cli/craton"
DATA = Path(os.environ["CRATON_DATA"])
SEED = int(os.environ.get("CRATON_SEED", "20261124"))
TYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "f4", "f8"]


def rechunk(source, destination, *options, status=0):
    answer = subprocess.run([CRATON, "rechunk", source, destination, *options], capture_output=True, text=True, timeout=120,
                            env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert answer.returncode == status, answer.stderr
    return answer.stderr


def raw(path):
    if Path(path).is_dir():
        return xr.open_zarr(path, chunks=None, mask_and_scale=False, decode_times=False, decode_coords=False)
    return xr.open_dataset(path, engine="netcdf4", mask_and_scale=False, decode_times=False, decode_coords=False)


def assert_same(ours, theirs, what):
    assert set(ours.variables) == set(theirs.variables), what
    for name, expected in theirs.variables.items():
        found = ours.variables[name]
        assert found.dims == expected.dims and found.dtype.kind == expected.dtype.kind, (what, name)
        np.testing.assert_array_equal(found.values, expected.values, err_msg=f"{what}: {name}")
        if expected.dtype.kind not in "SO":
            assert found.dtype == expected.dtype and found.values.tobytes() == expected.values.tobytes(), (what, name)
        assert set(found.attrs) == set(expected.attrs), (what, name)
        for key, value in expected.attrs.items():
            np.testing.assert_array_equal(found.attrs[key], value, err_msg=f"{what}: {name}:{key}")
    assert set(ours.attrs) == set(theirs.attrs), what


def random_file(path, random, model):
    """Variables of all types that share dimensions, packed ones, NaN, a scalar; chunked or not."""
    lengths = {d: int(random.integers(1, 40)) for d in ("time", "lat", "lon", "level")}
    types = [t for t in TYPES if model == "NETCDF4" or t in ("i1", "i2", "i4", "f4", "f8")]
    with netCDF4.Dataset(path, "w", format=model) as f:
        for d, n in lengths.items():
            f.createDimension(d, None if d == "time" and random.random() < 0.5 else n)
            axis = f.createVariable(d, "f8", (d,))
            axis[:] = np.arange(n) + 0.5
            axis.units = "days since 2001-01-01" if d == "time" else "1"
        f.title = "random"
        f.createVariable("crs", "i4", ()).grid_mapping_name = "latitude_longitude"
        f.variables["crs"][...] = 7
        for k in range(4):
            dims = [d for d in lengths if random.random() < 0.7]
            shape = [lengths[d] for d in dims]
            dtype = np.dtype(types[random.integers(len(types))])
            chunks = [int(random.integers(1, n + 1)) for n in shape] if model == "NETCDF4" and shape and random.random() < 0.8 else None
            fill = dtype.type(-99 if dtype.kind != "u" else 99) if random.random() < 0.6 else None
            v = f.createVariable(f"v{k}", dtype, dims, fill_value=fill, chunksizes=chunks, zlib=bool(chunks) and random.random() < 0.5)
            v.set_auto_maskandscale(False)
            values = random.normal(0, 50, shape).astype(dtype) if dtype.kind == "f" else random.integers(0, 100, shape).astype(dtype)
            if fill is not None:
                values = np.where(random.random(shape) < 0.3, fill, values)
            if dtype.kind == "f":
                values = np.where(random.random(shape) < 0.1, np.nan, values)
            v[...] = values.astype(dtype)
            if dtype.kind == "i" and random.random() < 0.5:
                v.scale_factor, v.add_offset = 0.01, 273.15
            v.coordinates = "lat lon"
    return lengths


@pytest.mark.parametrize("case", range(24))
def test_random(tmp_path, case):
    random = np.random.default_rng([SEED, 41, case])
    source = tmp_path / "source.nc"
    lengths = random_file(source, random, random.choice(["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET"]))
    for number in range(2):                   # the second from Zarr to Zarr
        wanted = {d: int(random.choice([-1, random.integers(1, n + 1)])) for d, n in lengths.items() if random.random() < 0.8}
        form = ["zarr3", "zarr2"][random.integers(2)]
        options = ["--format", form, "--threads", str(random.integers(1, 4)), "--memory", "64M"]
        if wanted:
            options += ["--chunks", ",".join(f"{d}={n}" for d, n in wanted.items())]
        if random.random() < 0.5:
            options += ["--codec", str(random.choice(["zstd", "lz4", "deflate", "none"])), "--shuffle"]
        what = f"seed {SEED} case {case} {options}"
        destination = tmp_path / f"out{number}.zarr"
        rechunk(source, destination, *options)
        assert_same(raw(destination), raw(tmp_path / "source.nc"), what)
        store = zarr.open_group(destination, mode="r")
        for name, array in store.arrays():
            for axis, d in enumerate(raw(destination)[name].dims):
                if d in wanted:
                    assert array.chunks[axis] == (lengths[d] if wanted[d] == -1 else wanted[d]), what
        # Also with masks, scales and times as users see them.
        xr.testing.assert_identical(xr.open_zarr(destination, chunks=None).load().drop_encoding(), xr.open_dataset(tmp_path / "source.nc").load().drop_encoding())
        source = destination


@pytest.mark.parametrize("path", sorted(DATA.glob("*.nc")), ids=lambda p: p.name)
def test_real_files(tmp_path, path):
    theirs = raw(path)
    rechunk(path, tmp_path / "out.zarr", "--memory", "256M")
    assert_same(raw(tmp_path / "out.zarr"), theirs, path.name)


def big(path, steps=120, rows=128, columns=256):
    values = np.random.default_rng([SEED, 42]).normal(size=(steps, rows, columns)).astype("f4")
    with netCDF4.Dataset(path, "w") as f:
        for d, n in zip(("time", "lat", "lon"), values.shape):
            f.createDimension(d, n)
        f.createVariable("t", "f4", ("time", "lat", "lon"), chunksizes=(1, rows, columns))[:] = values
    return values


@pytest.mark.parametrize("memory, way", [("4M", "intermediate"), ("8M", "intermediate"), ("12M", "times"), ("64M", "")])
def test_limits_change_no_bits(tmp_path, memory, way):
    """15 MiB from maps to series: in little memory through an intermediate store, of which nothing stays."""
    values = big(tmp_path / "maps.nc")
    said = rechunk(tmp_path / "maps.nc", tmp_path / "series.zarr", "--chunks", "time=-1,lat=8,lon=16", "--memory", memory, "--threads", "2")
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "series.zarr", mode="r")["t"][:], values)
    assert zarr.open_group(tmp_path / "series.zarr", mode="r")["t"].chunks == (120, 8, 16)
    assert way in said and bool(way) == bool(said), said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["maps.nc", "series.zarr"]


def test_memory(tmp_path):
    """60 MiB of values in 8 MiB, where the system gives no more than 40 MiB of private memory; more than the limit is refused there."""
    values = big(tmp_path / "maps.nc", 120, 256, 512)
    def within(memory):
        command = f'ulimit -d 40960; exec "{CRATON}" rechunk maps.nc series.zarr --overwrite --chunks time=-1,lat=16,lon=16 --memory {memory} -t 1'
        return subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    little = within("8M")
    assert little.returncode == 0, little.stderr
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "series.zarr", mode="r")["t"][:], values)
    much = within("1G")
    assert much.returncode == 9 and "memory" in much.stderr, much.stderr


@pytest.mark.parametrize("memory", ["4 MiB", "8 MiB", "12 MiB", "64 MiB"])
def test_writing_across_the_chunks_of_a_dataset(tmp_path, memory):
    """The same from xarray, with something calculated on the way: the chunks that are open together would be all of them."""
    values = big(tmp_path / "maps.nc")
    with xr.open_dataset(tmp_path / "maps.nc", engine="craton", chunks={}) as ds, craton.set_options(memory_limit=memory, threads=2):
        (ds + 1).craton.to_zarr(tmp_path / "series.zarr", encoding={"t": {"chunks": (120, 8, 16)}})
        ds.craton.to_netcdf(tmp_path / "series.nc", encoding={"t": {"chunksizes": (120, 8, 16)}})
        mean = ds.t.mean("time")
        if memory == "64 MiB":            # a reduction on the way is not made again for each panel: this needs memory
            (ds - mean).craton.to_zarr(tmp_path / "anomaly.zarr", encoding={"t": {"chunks": (120, 8, 16)}})
            found = zarr.open_group(tmp_path / "anomaly.zarr", mode="r")["t"][:]
            np.testing.assert_allclose(found, values - values.mean(0, dtype="f8").astype("f4"), atol=1e-6)
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "series.zarr", mode="r")["t"][:], values + 1)
    with netCDF4.Dataset(tmp_path / "series.nc") as f:
        np.testing.assert_array_equal(f["t"][:], values)
    assert not [p.name for p in tmp_path.iterdir() if p.name.startswith(".") or "stage" in p.name]


PEAK = """
import sys, xarray as xr, craton
def peak(): # not ru_maxrss, which begins with that of the process that began this one
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))
craton.enable()
craton.set_options(memory_limit=sys.argv[3], threads=2)
with xr.open_dataset(sys.argv[1], engine="craton", chunks={}) as ds:
    ds.isel(lat=slice(0, 8), lon=slice(0, 8)).craton.to_zarr(sys.argv[2] + ".first")
    before = peak()
    ds.craton.to_zarr(sys.argv[2], encoding={"t": {"chunks": (120, 16, 16)}})
print((peak() - before) >> 10)
"""


def test_memory_of_writing_across(tmp_path):
    """60 MiB within 16 MiB, as the system counts it."""
    values = big(tmp_path / "maps.nc", 120, 256, 512)
    answer = subprocess.run([sys.executable, "-c", PEAK, tmp_path / "maps.nc", tmp_path / "series.zarr", "16 MiB"], capture_output=True, text=True, timeout=200)
    assert answer.returncode == 0, answer.stderr
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "series.zarr", mode="r")["t"][:], values)
    assert int(answer.stdout) <= 24, f"{answer.stdout} MiB more than before"  # with the heap of the formats


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def long_maps(path, steps=2920, rows=30, columns=42):
    """14 MiB, a chunk for each day; one chunk of what tests write is all missing, another begins so."""
    values = np.random.default_rng([SEED, 43]).normal(280, 9, (steps, rows, columns)).astype("f4")
    values[:, :24, :36] = np.nan
    values[:400, 24:, :36] = np.nan
    with netCDF4.Dataset(path, "w") as f:
        for d, n in zip(("time", "lat", "lon"), values.shape):
            f.createDimension(d, n)
        t = f.createVariable("t", "f4", ("time", "lat", "lon"), chunksizes=(1, rows, columns), zlib=True, shuffle=True, complevel=1, fill_value=np.nan)
        t[:] = values
    return values


# 1 GiB: the whole variable is one panel. 8 MiB for each thread, or 28 MiB: each map would be read several times.
@pytest.mark.parametrize("codec", ["blosc", "zstd"])
@pytest.mark.parametrize("form, time", [("zarr3", "-1"), ("zarr2", "-1"), ("zarr3", "1400")])
def test_chunks_in_pieces(tmp_path, form, time, codec):
    """Long chunks of Blosc, or of one frame of Zstandard, are made piece by piece while the maps are read once: the same bytes for any number of threads,
    and with Blosc those of the chunks at once."""
    values = long_maps(tmp_path / "maps.nc")
    way = ["--chunks", f"time={time},lat=24,lon=36", "--format", form, *(["--codec", "zstd", "--level", "1"] if codec == "zstd" else [])]
    rechunk(tmp_path / "maps.nc", tmp_path / "once.zarr", *way, "--memory", "1G")
    once = files(tmp_path / "once.zarr")
    if codec == "zstd":                   # a frame says its length: as many files, with the values below
        names, once = sorted(once), None
    for threads in (1, 2, 3):
        memory = f"{8 * threads}M" if codec == "blosc" else "28M"
        said = rechunk(tmp_path / "maps.nc", tmp_path / "pieces.zarr", *way, "--memory", memory, "--threads", str(threads), "--overwrite")
        assert not said, said             # neither through an intermediate store, nor read several times
        pieces = files(tmp_path / "pieces.zarr")
        once = once or pieces
        assert {n for n in pieces if pieces[n] != once.get(n)} == {n for n in once if n not in pieces} == set()
    if codec == "zstd":
        assert sorted(pieces) == names
        frames = [b for b in pieces.values() if b.startswith(b"\x28\xb5\x2f\xfd")]
        assert frames and all(b[4] & 0xE0 for b in frames)  # RFC 8878, 3.1.1.1: each tells the length of its content, which some readers need
    # Codecs whose chunks are one whole go another way.
    assert rechunk(tmp_path / "maps.nc", tmp_path / "other.zarr", *way, "--codec", "deflate", "--memory", "24M" if time == "-1" else "12M")
    array = zarr.open_group(tmp_path / "pieces.zarr", mode="r")["t"]
    np.testing.assert_array_equal(array[:], values)
    with xr.open_dataset(tmp_path / "pieces.zarr", engine="craton") as ds:
        np.testing.assert_array_equal(ds.t.values, values)
    if form == "zarr3":                   # what is all missing has no file
        assert not (tmp_path / "pieces.zarr/t/c/0/0/0").exists() and (tmp_path / "pieces.zarr/t/c/0/0/1").exists()


@pytest.mark.parametrize("time, begins", [("-1", "0"), ("1400", "1")])
def test_pieces_that_end_half_way(tmp_path, time, begins):
    """Killed while chunks are begun: they count as not written, those that are finished do not, and the same again has the same bytes. A map that is damaged
    leaves nothing."""
    long_maps(tmp_path / "maps.nc")
    way = ["--chunks", f"time={time},lat=24,lon=36", "--memory", "12M", "--threads", "2"]
    rechunk(tmp_path / "maps.nc", tmp_path / "whole.zarr", *way)
    for _ in range(20):
        process = subprocess.Popen([CRATON, "rechunk", tmp_path / "maps.nc", tmp_path / "killed.zarr", *way], stderr=subprocess.DEVNULL)
        begun = []
        while process.poll() is None and not begun:
            begun = [p for p in tmp_path.glob(f".killed.zarr.craton-*/t/c/{begins}/*/*") if p.is_file()]
        process.kill()
        if process.wait(60) == -signal.SIGKILL and begun:
            break
        shutil.rmtree(tmp_path / "killed.zarr", ignore_errors=True)
    else:
        raise AssertionError("it was never killed half-way")
    said = rechunk(tmp_path / "maps.nc", tmp_path / "killed.zarr", *way, "--resume")
    assert time == "-1" or int(said.split(" of ")[0]) >= 4, said  # one of the four has nothing but fill
    assert files(tmp_path / "killed.zarr") == files(tmp_path / "whole.zarr")
    with open(tmp_path / "maps.nc", "r+b") as f:
        f.seek(os.path.getsize(tmp_path / "maps.nc") // 2)
        f.write(b"\0" * 4096)
    answer = subprocess.run([CRATON, "rechunk", tmp_path / "maps.nc", tmp_path / "damaged.zarr", *way], capture_output=True, text=True, timeout=120)
    assert answer.returncode != 0 and "chunk" in answer.stderr, answer.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["killed.zarr", "maps.nc", "whole.zarr"]


def test_back_to_netcdf(tmp_path):
    values = big(tmp_path / "maps.nc", 30, 16, 16)
    rechunk(tmp_path / "maps.nc", tmp_path / "series.nc", "--chunks", "time=-1,lat=4,lon=4", "--format", "netcdf4")
    with netCDF4.Dataset(tmp_path / "series.nc") as f:
        assert f["t"].chunking() == [30, 4, 4]
        np.testing.assert_array_equal(f["t"][:], values)


def test_refusals(tmp_path):
    big(tmp_path / "maps.nc", 300, 64, 64)
    there = tmp_path / "there.zarr"
    rechunk(tmp_path / "maps.nc", there, "--chunks", "time=10")
    before = {p.relative_to(there): p.read_bytes() for p in there.rglob("*") if p.is_file()}
    cases = [
        (3, ["--chunks", "depth=1"], "time, lat, lon"),
        (2, ["--chunks", "time"], "time=-1"),
        (2, ["--chunks", "time=0"], "whole dimension"),
        (2, ["--chunks", "time=1,time=2"], "twice"),
        (7, ["--codec", "brotli"], "zstd"),
        (9, ["--chunks", "time=-1,lat=-1,lon=-1", "--memory", "2M"], "memory"),
    ]
    for status, options, hint in cases:
        assert hint in rechunk(tmp_path / "maps.nc", there, "--overwrite", *options, status=status)
    assert "overwriting" in rechunk(tmp_path / "maps.nc", there, status=4)
    rechunk(tmp_path / "none.nc", there, "--overwrite", status=3)
    assert before == {p.relative_to(there): p.read_bytes() for p in there.rglob("*") if p.is_file()}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["maps.nc", "there.zarr"]
    rechunk(tmp_path / "maps.nc", there, "--overwrite", "--chunks", "time=20")
    assert zarr.open_group(there, mode="r")["t"].chunks == (20, 64, 64)


def test_full_disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root: a file system of its own")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk], check=True)
    try:
        small, large = tmp_path / "small.nc", tmp_path / "large.nc"
        kept = big(small, 4, 16, 16)
        big(large)
        rechunk(small, disk / "store.zarr")
        said = rechunk(large, disk / "store.zarr", "--overwrite", "--chunks", "time=-1,lat=8,lon=16", "--codec", "none", status=10)
        assert str(disk / "store.zarr") in said and "No space" in said
        np.testing.assert_array_equal(zarr.open_group(disk / "store.zarr", mode="r")["t"][:], kept)
        assert [p.name for p in disk.iterdir()] == ["store.zarr"]
    finally:
        subprocess.run(["umount", "-l", disk], check=False)
        shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.parametrize("case", range(6))
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill", "interrupt"])
def test_ended_half_way(tmp_path, number, case):
    """At a random moment: what was there stays; an interrupt cleans up at once, what a kill leaves the next run removes. Between the two lies a moment at
    which the new is there and the old is being removed."""
    random = np.random.default_rng([SEED, 43, int(number), case])
    maps, store = tmp_path / "maps.nc", tmp_path / "series.zarr"
    values = big(maps, 120, 64, 128)
    kept = big(tmp_path / "small.nc", 4, 16, 16)
    rechunk(tmp_path / "small.nc", store)
    command = [CRATON, "rechunk", maps, store, "--overwrite", "--chunks", "time=-1,lat=4,lon=4", "--memory", "2M", "--threads", "1"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".series.zarr.craton-*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(float(random.random()) * 0.3)
    process.send_signal(number)
    status = process.wait(60)
    assert status in (0, 130, -number), status
    left = list(tmp_path.glob(".series.zarr.craton-*"))
    found = zarr.open_group(store, mode="r")["t"][:]
    replaced = status == 0 or status == -signal.SIGKILL and found.shape == values.shape
    np.testing.assert_array_equal(found, values if replaced else kept)
    if status != -signal.SIGKILL:
        assert not left or status == -signal.SIGINT
    rechunk(*command[2:])
    np.testing.assert_array_equal(zarr.open_group(store, mode="r")["t"][:], values)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["maps.nc", "series.zarr", "small.nc"]


def convert(source, destination, *options, status=0):
    answer = subprocess.run([CRATON, "convert", source, destination, *options], capture_output=True, text=True, timeout=120,
                            env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert answer.returncode == status, answer.stderr
    return answer.stderr


@pytest.mark.parametrize("case", range(8))
def test_convert_there_and_back(tmp_path, case):
    """NetCDF to Zarr to NetCDF: values, types, attributes, stored chunks and unlimited dimensions are what they were."""
    random = np.random.default_rng([SEED, 44, case])
    source = tmp_path / "source.nc"
    random_file(source, random, random.choice(["NETCDF4", "NETCDF3_CLASSIC"]))
    convert(source, tmp_path / "there.zarr", "--memory", "64M", *(["--format", "zarr2"] if case % 2 else []))
    convert(tmp_path / "there.zarr", tmp_path / "back.nc")
    convert(source, tmp_path / "direct.nc")
    theirs = raw(source)
    assert (tmp_path / "there.zarr/.zgroup").exists() == bool(case % 2)
    for name in ("there.zarr", "back.nc", "direct.nc"):
        assert_same(raw(tmp_path / name), theirs, f"seed {SEED} case {case} {name}")
    store = zarr.open_group(tmp_path / "there.zarr", mode="r")
    with netCDF4.Dataset(source) as before, netCDF4.Dataset(tmp_path / "direct.nc") as after, netCDF4.Dataset(tmp_path / "back.nc") as back:
        for name, dim in before.dimensions.items():
            assert name not in after.dimensions or after.dimensions[name].isunlimited() == dim.isunlimited(), (case, name)
        for name, v in before.variables.items():
            chunks = v.chunking() if v.ndim and before.data_model == "NETCDF4" else "contiguous"
            if chunks not in (None, "contiguous") and v.size:
                expected = [min(n, max(size, 1)) for n, size in zip(chunks, v.shape)]
                for what, found in (("zarr", store[name].chunks), ("nc", after[name].chunking()), ("back", back[name].chunking())):
                    assert list(found) == expected, (case, name, what)


def test_convert_of_some_variables(tmp_path):
    """What is asked for, with the coordinates, bounds and mappings that it names and that these name; nothing else."""
    ds = xr.Dataset(
        {"tos": (("t", "y", "x"), np.arange(24.0).reshape(2, 3, 4), {"grid_mapping": "crs", "cell_measures": "area: cell_area"}),
         "sos": (("t", "y", "x"), np.zeros((2, 3, 4))), "alone": ("z", [1.0, 2.0])},
        {"t": ("t", [0.0, 1.0], {"bounds": "t_bnds"}), "y": [0, 1, 2], "z": [5, 6], "t_bnds": (("t", "nv"), np.zeros((2, 2))), "crs": 1,
         "cell_area": (("y", "x"), np.ones((3, 4))), "lat": (("y", "x"), np.ones((3, 4)), {"bounds": "corners"}),
         "corners": (("y", "x", "four"), np.ones((3, 4, 4)))}).drop_encoding()  # fmt: skip
    ds = ds.reset_coords(["t_bnds", "crs", "cell_area", "corners"])
    ds.tos.encoding["coordinates"] = "lat"
    ds.to_netcdf(tmp_path / "in.nc")
    for out in ("out.zarr", "out.nc"):
        convert(tmp_path / "in.nc", tmp_path / out, "--variables", "tos")
        assert set(raw(tmp_path / out).variables) == {"tos", "t", "y", "t_bnds", "crs", "cell_area", "lat", "corners"}, out
        np.testing.assert_array_equal(raw(tmp_path / out).tos, ds.tos)
    convert(tmp_path / "in.nc", tmp_path / "out.nc", "-v", "alone,sos", "--force")
    # xarray names lat in sos, too
    assert set(raw(tmp_path / "out.nc").variables) == {"lat", "corners", "alone", "sos", "t", "t_bnds", "y", "z"}
    said = convert(tmp_path / "in.nc", tmp_path / "none.nc", "-v", "tas", status=3)
    assert '"tas"' in said and "sos" in said and not (tmp_path / "none.nc").exists()
    convert(tmp_path / "in.nc", tmp_path / "none.nc", "-v", ",", status=2)


def test_convert_codecs(tmp_path):
    values = np.repeat(np.arange(64, dtype="f4"), 1024).reshape(64, 32, 32)
    with netCDF4.Dataset(tmp_path / "in.nc", "w") as f:
        for d, n in zip(("time", "lat", "lon"), values.shape):
            f.createDimension(d, n)
        f.createVariable("t", "f4", ("time", "lat", "lon"), chunksizes=(16, 32, 32))[:] = values
    sizes = {}
    for codec, options in {"none": [], "lz4": [], "zstd": ["--level", "9"], "deflate": ["--level", "7", "--shuffle"]}.items():
        out = tmp_path / f"{codec}.zarr"
        convert(tmp_path / "in.nc", out, "--codec", codec, *options)
        array = zarr.open_group(out, mode="r")["t"]
        np.testing.assert_array_equal(array[:], values)
        assert array.chunks == (16, 32, 32)
        sizes[codec] = sum(p.stat().st_size for p in (out / "t").rglob("*") if p.is_file())
    assert max(sizes["lz4"], sizes["zstd"], sizes["deflate"]) < sizes["none"] / 10, sizes
    convert(tmp_path / "in.nc", tmp_path / "out.nc", "--codec", "deflate", "--level", "3", "--chunks", "time=-1,lat=8")
    with netCDF4.Dataset(tmp_path / "out.nc") as f:
        assert f["t"].filters()["complevel"] == 3 and f["t"].chunking() == [64, 8, 32]
    assert "--codec" in convert(tmp_path / "in.nc", tmp_path / "other.nc", "--level", "3", status=2)


def test_convert_refusals(tmp_path):
    big(tmp_path / "in.nc", 4, 16, 16)
    assert "which format" in convert(tmp_path / "in.nc", tmp_path / "out.dat", status=2)
    convert(tmp_path / "in.nc", tmp_path / "out.dat", "--format", "netcdf4")
    before = (tmp_path / "out.dat").read_bytes()
    assert "--force" in convert(tmp_path / "in.nc", tmp_path / "out.dat", "--format", "netcdf4", status=4)
    assert (tmp_path / "out.dat").read_bytes() == before
    convert(tmp_path / "nothing.nc", tmp_path / "out.zarr", status=3)
    convert(tmp_path / "in.nc", status=2, destination="--quiet")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.nc", "out.dat"]
