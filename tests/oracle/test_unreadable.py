"""Chunks that cannot be read: an error that names the chunk, or, when asked for, missing values and a list; from every format that has chunks,
in Python and in the command. The rest of the array is what zarr-python, netCDF4 and xarray read before it was damaged."""
import json
import os
import subprocess
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr

import craton

CRATON = Path(os.environ["CRATON_BUILD"]) / "src/cli/craton"
SHAPE, CHUNKS = (6, 8, 10), (3, 4, 5)
HIT = (1, 0, 1)                      # the chunk that is damaged
BOX = tuple(slice(c * n, c * n + n) for c, n in zip(HIT, CHUNKS))
FORMATS = ["zarr2", "zarr3", "sharded", "netcdf4"]


def values(dtype="f4"):
    return np.arange(1, 1 + np.prod(SHAPE)).reshape(SHAPE).astype(dtype)


def write(path, kind, data, fill=None):
    """v of data; the bytes of chunk HIT as (file, offset, length)."""
    ds = xr.Dataset({"v": (("time", "lat", "lon"), data)}, coords={"time": np.arange(SHAPE[0]), "lat": np.arange(8.0)})
    filled = {} if fill is None else {"_FillValue": fill}
    if kind == "netcdf4":
        ds.to_netcdf(path, encoding={"v": {"chunksizes": CHUNKS, "zlib": True, "fletcher32": True, **filled}})
        with h5py.File(path) as f:
            info = f["v"].id.get_chunk_info_by_coord(tuple(b.start for b in BOX))
        return path, info.byte_offset, info.size
    encoding = {"chunks": CHUNKS, **filled, **({"shards": tuple(2 * n for n in CHUNKS)} if kind == "sharded" else {})}
    if kind != "zarr2":
        encoding["compressors"] = [zarr.codecs.ZstdCodec(checksum=True)]
    ds.to_zarr(path, zarr_format=2 if kind == "zarr2" else 3, consolidated=False, encoding={"v": encoding})
    if kind == "zarr2":
        chunk = path / "v" / ".".join(map(str, HIT))
    elif kind == "zarr3":
        chunk = path / "v/c" / "/".join(map(str, HIT))
    else:
        chunk = path / "v/c/0/0/0"
        index = np.frombuffer(chunk.read_bytes()[-(8 * 16 + 4) : -4], "<u8").reshape(2, 2, 2, 2)
        return chunk, *map(int, index[HIT])
    return chunk, 0, chunk.stat().st_size


def damage(place):
    """Other bytes, which the checksum tells; Zarr 2 as xarray writes it has none, so that the end is cut off."""
    file, offset, length = place
    data = bytearray(file.read_bytes())
    if (file.parent / ".zarray").exists():
        del data[-3:]
    for at in range(offset + length // 3, offset + length // 3 + 8):
        data[at] ^= 0x5A
    file.write_bytes(data)


def open_(path, **options):
    return xr.open_dataset(path, engine="craton", chunks={}, chunked_array_type="craton", **options)


def quiet(function):
    """Its result and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function()
    return result, [str(w.message) for w in caught if issubclass(w.category, craton.UnreadableWarning)]


@pytest.mark.parametrize("kind", FORMATS)
def test_an_error_names_the_chunk(tmp_path, kind):
    path = tmp_path / "d"
    place = write(path, kind, values())
    damage(place)
    ds = open_(path)
    with pytest.raises(craton.FormatError) as e:
        ds.v.mean().compute()
    assert "(1, 0, 1)" in str(e.value) and str(path) in str(e.value), e.value
    if kind.startswith("zarr"):
        assert str(place[0]) in str(e.value)
    np.testing.assert_array_equal(ds.v[:3].compute(), values()[:3])  # what is whole is read


@pytest.mark.parametrize("dtype, fill", [("f4", None), ("f8", -9.0), ("i2", -1)])
@pytest.mark.parametrize("kind", FORMATS)
def test_missing_when_asked_for(tmp_path, kind, dtype, fill):
    path = tmp_path / "d"
    damage(write(path, kind, values(dtype), fill))
    expected = values("f8")
    expected[BOX] = np.nan
    before = len(craton.unreadable())
    ds = open_(path, unreadable="missing")
    found, warned = quiet(lambda: ds.v.compute())
    np.testing.assert_array_equal(found, expected)
    assert len(warned) == 1 and "(1, 0, 1)" in warned[0] and str(path) in warned[0]
    news = craton.unreadable()[before:]
    assert len(news) == 1 and "(1, 0, 1)" in news[0] and str(path) in news[0]
    # Reductions skip it, in several scans too; what was said once is not said again.
    (mean, deviation), warned = quiet(lambda: craton.compute(ds.v.mean("time"), ds.v.astype("f8").std()))
    xr.testing.assert_allclose(mean, xr.DataArray(expected, dims=ds.v.dims).mean("time").assign_coords(lat=ds.lat).astype(mean.dtype), rtol=1e-6)
    np.testing.assert_allclose(deviation, np.nanstd(expected), rtol=1e-6)
    assert not warned and len(craton.unreadable()) == before + 1
    # Who wants the error gets it, also beside the other.
    with pytest.raises(craton.FormatError):
        (open_(path).v + ds.v).compute()
    # Without chunks.
    eager, _ = quiet(lambda: xr.open_dataset(path, engine="craton", unreadable="missing").v.load())
    np.testing.assert_array_equal(eager, expected)


@pytest.mark.parametrize("kind", FORMATS)
def test_numbers_without_a_fill_value(tmp_path, kind):
    """No value of it can mean that one is missing: not for a sum, and not for an extreme, which a value put there could be."""
    path = tmp_path / "d"
    damage(write(path, kind, values("i4")))
    if kind == "zarr2":  # xarray takes the storage's own fill for _FillValue
        meta = json.loads((path / "v/.zarray").read_text())
        (path / "v/.zarray").write_text(json.dumps({**meta, "fill_value": None}))
    ds = open_(path, unreadable="missing")
    for name in ("sum", "min", "max", "any", "median", "std"):
        with pytest.raises(craton.FormatError) as e:
            getattr(ds.v, name)().compute()
        assert "_FillValue" in str(e.value) + "".join(getattr(e.value, "__notes__", [])), (name, e.value)
    for name in ("min", "max"):
        assert "_FillValue" in run("calc", f"{name}(v)", path, "-o", tmp_path / "no.nc", "--unreadable", "missing", status=6).stderr
        np.testing.assert_array_equal(getattr(ds.v[:3], name)(), getattr(values("i4")[:3], name)())  # what is whole is read
    assert not (tmp_path / "no.nc").exists()


def test_gone_and_unreachable(tmp_path):
    """A file that was promised by references and is gone; a chunk whose link leads out of its store."""
    path = tmp_path / "z"
    chunk = write(path, "zarr3", values())[0]
    (tmp_path / "elsewhere").write_bytes(chunk.read_bytes())
    chunk.unlink()
    chunk.symlink_to(tmp_path / "elsewhere")
    expected = values("f8")
    expected[BOX] = np.nan
    found, warned = quiet(lambda: open_(path, unreadable="missing").v.compute())
    np.testing.assert_array_equal(found, expected)
    assert len(warned) == 1
    (tmp_path / "raw").write_bytes(values()[:3].tobytes())
    meta = {"zarr_format": 2, "shape": SHAPE, "chunks": [3, 8, 10], "dtype": "<f4", "fill_value": None, "order": "C", "compressor": None, "filters": None}
    references = {".zgroup": '{"zarr_format": 2}', "v/.zarray": json.dumps(meta), "v/.zattrs": '{"_ARRAY_DIMENSIONS": ["time", "lat", "lon"]}',
                  "v/0.0.0": [str(tmp_path / "raw")], "v/1.0.0": [str(tmp_path / "gone"), 0, 960]}  # fmt: skip
    (tmp_path / "r.json").write_text(json.dumps({"version": 1, "refs": references}))
    with pytest.raises(Exception, match="gone"):
        open_(tmp_path / "r.json").v.compute()
    found, warned = quiet(lambda: open_(tmp_path / "r.json", unreadable="missing").v.compute())
    np.testing.assert_array_equal(found[:3], values()[:3])
    assert np.isnan(found[3:]).all() and "gone" in warned[0]


def test_pickled(tmp_path):
    """It is opened again in the same way; a graph for elsewhere says that it cannot be sent."""
    import pickle

    path = tmp_path / "d"
    damage(write(path, "zarr3", values()))
    ds = open_(path, unreadable="missing")
    again = pickle.loads(pickle.dumps(ds))
    found, _ = quiet(lambda: again.v.compute())
    assert int(np.isnan(found).sum()) == 60
    with pytest.raises(NotImplementedError, match="cannot be sent"):
        craton._craton.encode_graph((ds.v.data._node,), 1 << 20)
    with pytest.raises(ValueError, match="unreadable"):
        open_(path, unreadable="maybe")


def run(*arguments, status=0):
    others = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}  # a sanitizer of this process hangs in a program that is not compiled for it
    answer = subprocess.run([CRATON, *map(str, arguments)], capture_output=True, text=True, timeout=120, env=others)
    assert answer.returncode == status, answer.stderr
    return answer


@pytest.mark.parametrize("kind", FORMATS)
def test_command(tmp_path, kind):
    path = tmp_path / ("d.nc" if kind == "netcdf4" else "d.zarr")
    place = write(path, kind, values(), -1.0)
    expected = values("f8")
    expected[BOX] = np.nan
    damage(place)
    assert "(1, 0, 1)" in run("calc", "mean(v)", path, "-o", tmp_path / "no.nc", status=6).stderr
    assert not (tmp_path / "no.nc").exists()
    said = run("calc", "mean(v)", path, "-o", tmp_path / "m.nc", "--unreadable", "missing").stderr
    assert "1 chunk could not be read" in said and "(1, 0, 1)" in said
    np.testing.assert_allclose(float(xr.open_dataset(tmp_path / "m.nc").v), np.nanmean(expected), rtol=1e-6)
    run("rechunk", path, tmp_path / "no.zarr", "--chunks", "time=6", status=6)
    said = run("rechunk", path, tmp_path / "r.zarr", "--chunks", "time=6", "--unreadable", "missing").stderr
    assert "1 chunk could not be read" in said
    np.testing.assert_array_equal(xr.open_zarr(tmp_path / "r.zarr").v, expected)
    assert "--unreadable" in run("calc", "mean(v)", path, "--unreadable", "perhaps", status=2).stderr


def test_writes_are_not_resumed(tmp_path):
    """What was missing in chunks that a killed process has finished would be told to nobody."""
    damage(write(tmp_path / "d", "zarr3", values()))
    with pytest.raises(NotImplementedError, match="d:/v cannot be resumed: its unreadable chunks are to be missing"):
        open_(tmp_path / "d", unreadable="missing").craton.to_zarr(tmp_path / "out", resume=True)
    assert not (tmp_path / "out").exists()
    assert "cannot be resumed" in run("rechunk", tmp_path / "d", tmp_path / "out", "--resume", "--unreadable", "missing", status=7).stderr
    run("rechunk", tmp_path / "d", tmp_path / "out", "--unreadable", "missing")
