"""Writing reductions that are larger than the memory limit: each panel has its own part made. Bits are those of a write with room for everything, and what
would read its source over and over goes through a scratch file."""

import numpy as np
import pytest
import xarray as xr

import craton

craton.enable()
SHAPE, GROUPS = (120, 80, 96), 60  # 7 MiB, climatologies of 3.5 MiB, more than the limit


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The same values with a chunk for each time, and with chunks of all times."""
    folder = tmp_path_factory.mktemp("reduced")
    rng = np.random.default_rng(11)
    values = rng.normal(size=SHAPE)
    values[rng.random(SHAPE) < 0.02] = np.nan
    ds = xr.Dataset({"t": (("time", "y", "x"), values)}, {"time": np.arange(SHAPE[0]), "day": ("time", np.arange(SHAPE[0]) % GROUPS)})
    for name, chunks in {"maps": (1, 80, 96), "series": (120, 16, 16)}.items():
        ds.to_zarr(folder / name, encoding={"t": {"chunks": chunks}})
    return folder, ds


def opened(path):
    ds = xr.open_dataset(path, engine="craton", chunks={})
    return ds.assign_coords(day=ds.day.compute())


def climatology(ds):
    return ds[["t"]].groupby("day").mean()


def deviations(ds):
    return ds.t.groupby("day").std().rename("s").to_dataset()


def scaled(ds):
    by_day = ds.t.groupby("day")
    return ((by_day.max() - by_day.min()) * 2 + 1).transpose("y", "x", "day").rename("r").to_dataset()


def medians(ds):
    return ds.t.groupby("day").median().rename("m").to_dataset()


@pytest.mark.parametrize("program", [climatology, deviations, scaled, medians], ids=lambda f: f.__name__)
@pytest.mark.parametrize("source", ["maps", "series"])
def test_larger_than_the_limit(tmp_path, sources, source, program):
    folder, whole = sources
    plan = program(opened(folder / source))
    (name,) = plan.data_vars
    chunks = {name: {"chunks": tuple({"day": 10, "time": 20, "y": 16, "x": 32}[d] for d in plan[name].dims)}}
    with craton.set_options(memory_limit="3 MiB", threads=2):
        plan.craton.to_zarr(tmp_path / "little", encoding=chunks)
        if source == "maps" and program is climatology:
            assert plan.craton.to_zarr(tmp_path / "resumed", encoding=chunks, resume=True)[1] == 0
    with craton.set_options(memory_limit="1 GiB"):
        plan.craton.to_zarr(tmp_path / "much", encoding=chunks)
    much, *others = (xr.open_zarr(tmp_path / n, chunks=None)[name].load() for n in ("much", "little", "resumed") if (tmp_path / n).exists())
    assert all(other.values.tobytes() == much.values.tobytes() for other in others)
    xr.testing.assert_allclose(much.drop_attrs(), program(whole.set_coords("day"))[name].drop_attrs(), rtol=1e-12, atol=1e-12)


def test_what_would_be_read_over_and_over_is_decoded_once(tmp_path, monkeypatch):
    """A chunk for each time, all groups of a few places in each chunk that is written: by way of a scratch file (0055). Without one it is refused."""
    values = np.random.default_rng(3).integers(0, 99, (120, 128, 192)).astype("f4")
    ds = xr.Dataset({"t": (("time", "y", "x"), values)}, {"day": ("time", np.arange(120) % 60)})
    ds.craton.to_zarr(tmp_path / "s", encoding={"t": {"chunks": (1, 128, 192)}})
    plan = opened(tmp_path / "s").t.groupby("day").mean().rename("t").to_dataset()
    with craton.set_options(memory_limit="1 MiB", threads=1):
        with monkeypatch.context() as m, pytest.raises(FileNotFoundError, match="no scratch file"):
            m.setenv("CRATON_SCRATCH", str(tmp_path / "none"))
            plan.craton.to_zarr(tmp_path / "x", encoding={"t": {"chunks": (60, 4, 8)}})
        assert not (tmp_path / "x").exists()
        plan.craton.to_zarr(tmp_path / "x", encoding={"t": {"chunks": (60, 4, 8)}})
    expected = (values[:60] + values[60:]) / 2
    assert np.array_equal(xr.open_zarr(tmp_path / "x").t.transpose("day", "y", "x").values, expected)


def test_chunks_larger_than_the_limit_are_refused(tmp_path):
    ds = xr.Dataset({"t": (("time", "y", "x"), np.ones((20, 128, 192), "f4"))}, {"day": ("time", np.arange(20) % 10)})
    ds.craton.to_zarr(tmp_path / "s", encoding={"t": {"chunks": (10, 128, 192)}})
    lazy = opened(tmp_path / "s").t
    plan = (lazy.groupby("day") - lazy.groupby("day").mean()).rename("t").to_dataset()
    with craton.set_options(memory_limit="1 MiB", threads=1):
        with pytest.raises(MemoryError, match="memory limit of 1.0 MiB") as refused:
            plan.craton.to_zarr(tmp_path / "x")
        with pytest.raises(MemoryError, match="memory limit of 1.0 MiB"):
            plan.mean().compute()
    assert "raise the memory limit" in str(refused.value)
    assert not (tmp_path / "x").exists()
