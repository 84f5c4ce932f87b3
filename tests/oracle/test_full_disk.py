"""A file system that fills while Craton writes: the error says so, what was there before stays as it was byte for byte, and nothing is left that
takes up the space. A small tmpfs is the disk."""
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import craton  # noqa: F401  (the accessor)

CRATON = Path(os.environ["CRATON_BUILD"]) / "src/cli/craton"
SEED = int(os.environ.get("CRATON_SEED", "20261124"))
SIZE_MIB = 6


@pytest.fixture
def disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root: a file system of its own")
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=False)


def noise(mib, seed=1):
    """Does not compress."""
    values = np.random.default_rng([SEED, 91, seed]).integers(0, 256, (mib * 16, 256, 256), dtype="u1")
    return xr.Dataset({"v": (("time", "lat", "lon"), values)}, coords={"time": np.arange(mib * 16)})


def lazy(ds):
    return ds.chunk(time=4, chunked_array_type="craton")


def contents(path):
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def write(ds, path, kind, **options):
    if kind == "netcdf4":
        ds.craton.to_netcdf(path, **options)
    else:
        shards = {"encoding": {"v": {"chunks": (4, 256, 256), "shards": (16, 256, 256)}}} if kind == "sharded" else {}
        ds.craton.to_zarr(path, zarr_format=2 if kind == "zarr2" else 3, **shards, **options)


@pytest.mark.parametrize("kind", ["zarr2", "zarr3", "sharded", "netcdf4"])
def test_old_data_stay(disk, kind):
    path = disk / ("d.nc" if kind == "netcdf4" else "d.zarr")
    write(lazy(noise(2)), path, kind)
    before, free = contents(disk), os.statvfs(disk).f_bavail
    for overwrite in (True, True):  # the second time nothing of the first is in the way
        with pytest.raises(OSError, match="[Nn]o space|NO_SPACE"):
            write(lazy(noise(8, 2)), path, kind, overwrite=overwrite)
        assert contents(disk) == before
        assert os.statvfs(disk).f_bavail == free
    with pytest.raises(OSError, match="[Nn]o space|NO_SPACE"):
        write(lazy(noise(8, 2)), disk / "new", kind)
    assert contents(disk) == before
    write(lazy(noise(1, 3)), path, kind, overwrite=True)  # what fits is written
    xr.testing.assert_equal(xr.open_dataset(path, engine="netcdf4" if kind == "netcdf4" else "zarr").load(), noise(1, 3))


def test_append_and_region(disk):
    """Readers see the lengths and values of before, or, where a chunk was replaced whole, the new ones."""
    path = disk / "d.zarr"
    write(lazy(noise(3)), path, "zarr3")
    with pytest.raises(OSError, match="[Nn]o space|NO_SPACE"):
        lazy(noise(8, 2)).craton.to_zarr(path, append_dim="time", mode="a")
    xr.testing.assert_equal(xr.open_zarr(path).load(), noise(3))
    (disk / "ballast").write_bytes(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize))
    new = noise(3, 4).drop_vars("time")
    with pytest.raises(OSError, match="[Nn]o space|NO_SPACE"):
        lazy(new).craton.to_zarr(path, region={"time": slice(0, 48)})
    found = xr.open_zarr(path).v.load().values
    for at in range(0, 48, 4):
        chunk = found[at : at + 4]
        assert any((chunk == ds.v[at : at + 4].values).all() for ds in (noise(3), new)), at


def run(*arguments, status):
    answer = subprocess.run([CRATON, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert answer.returncode == status, (answer.returncode, answer.stderr)
    return answer.stderr


@pytest.mark.parametrize("kind", ["zarr3", "netcdf4"])
def test_command(disk, tmp_path, kind):
    source, path = tmp_path / "in.nc", disk / ("d.nc" if kind == "netcdf4" else "d.zarr")
    noise(8, 2).to_netcdf(source)
    write(lazy(noise(2)), path, kind)
    before = contents(disk)
    for arguments in (["rechunk", source, path, "--chunks", "time=8", "--overwrite", "--format", kind], ["calc", "v", source, "-o", path, "--force"]):
        assert "space" in run(*arguments, status=10)
        assert contents(disk) == before, arguments


def test_resumed_when_there_is_space(disk, tmp_path):
    """What is finished when the disk fills stays, when resuming was asked for."""
    source, path = tmp_path / "in.nc", disk / "d.zarr"
    noise(5, 2).to_netcdf(source)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(3 << 20))
    way = ["rechunk", source, path, "--chunks", "time=2", "--threads", 1, "--resume"]
    assert "space" in run(*way, status=10)
    assert not path.exists()
    ballast.unlink()
    said = run(*way, status=0)
    kept = int(said.split(" of ")[0].split()[-1])
    assert kept > 0, said
    xr.testing.assert_equal(xr.open_zarr(path).load(), noise(5, 2))
