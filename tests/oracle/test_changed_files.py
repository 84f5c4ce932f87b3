"""Files that change while arrays read from them, and stores that xarray's own writers change from themselves: an error, or values as they were; never a
mixture, never a crash, and what is refused has changed nothing."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
import zarr

import craton

craton.enable()
SEED = int(os.environ.get("CRATON_SEED", "20261124"))
CHUNKS = (4, 5, 8)
CHUNKED = dict(zip("tyx", CHUNKS))


@pytest.fixture
def ds():
    random = np.random.default_rng([SEED, 582])
    return xr.Dataset({n: (("t", "y", "x"), random.normal(size=(24, 10, 16))) for n in "vw"}, {"t": np.arange(24)})


def ours(path, **options):
    return xr.open_dataset(path, engine="craton", **{"chunks": {}, **options})


# ---- files that are written anew, shortened, replaced, removed ----

WAYS = {
    "netcdf3": {"engine": "scipy"},
    "contiguous": {"engine": "netcdf4"},
    "chunked": {"engine": "netcdf4", "encoding": {n: {"chunksizes": CHUNKS} for n in "vw"}},
    "compressed": {"engine": "netcdf4", "encoding": {n: {"chunksizes": CHUNKS, "zlib": True} for n in "vw"}},
}


@pytest.mark.parametrize("touched", [False, True])
@pytest.mark.parametrize("kind", WAYS)
def test_written_anew_in_its_place(ds, tmp_path, kind, touched):
    """touched: one variable was read from before; the other not at all."""
    path = tmp_path / "d.nc"
    ds.to_netcdf(path, **WAYS[kind])
    before = ours(path)
    if touched:
        before.v.isel(t=0).compute()
    (ds + 1).to_netcdf(path, **WAYS[kind])
    for name in "vw":
        with pytest.raises(RuntimeError, match="d.nc was changed or replaced while it was in use"):
            before[name].sum().compute()
    xr.testing.assert_equal(ours(path).load(), ds + 1)


@pytest.mark.parametrize("kind", WAYS)
def test_shortened(ds, tmp_path, kind):
    path = tmp_path / "d.nc"
    ds.to_netcdf(path, **WAYS[kind])
    before = ours(path)
    os.truncate(path, 9000)
    with pytest.raises(RuntimeError, match="was changed or replaced"):
        before.v.sum().compute()


@pytest.mark.parametrize("kind", WAYS)
def test_replaced_and_removed(ds, tmp_path, kind):
    """Who holds it open reads what it was."""
    path = tmp_path / "d.nc"
    ds.to_netcdf(path, **WAYS[kind])
    before = ours(path)
    (ds + 1).craton.to_netcdf(path, overwrite=True)
    xr.testing.assert_equal(before[["v"]].load(), ds[["v"]])
    path.unlink()
    xr.testing.assert_equal(before.load(), ds)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("how", ["xarray", "other chunks", "craton", "a variable is gone", "all is gone"])
def test_stores(ds, tmp_path, version, how):
    path = tmp_path / "s.zarr"
    encoding = {n: {"chunks": CHUNKS, "compressors": None} for n in "vw"}
    ds.to_zarr(path, zarr_format=version, encoding=encoding, consolidated=False)
    before = ours(path)
    before.v.isel(t=0).compute()
    if how == "craton":
        (ds + 1).craton.to_zarr(path, mode="w")
    elif how.endswith("gone"):
        shutil.rmtree(path / "v" if "variable" in how else path)
    else:
        other = {n: {"chunks": (2, 10, 8), "compressors": None} for n in "vw"} if how == "other chunks" else encoding
        (ds + 1).to_zarr(path, mode="w", zarr_format=version, encoding=other, consolidated=False)
    with pytest.raises(RuntimeError, match="was replaced or removed while the array was in use"):
        before.v.sum().compute()


# ---- xarray's own writers into what is lazily read ----


@pytest.fixture(params=[2, 3])
def store(ds, tmp_path, request):
    path = tmp_path / "s.zarr"
    ds.to_zarr(path, zarr_format=request.param, encoding={n: {"chunks": CHUNKS} for n in "vw"}, consolidated=False)
    return path


def turned(ds):
    return ds.isel(t=slice(None, None, -1))


REFUSED = {
    "w": (lambda ds: ds * 2, {"mode": "w"}),
    "one variable replaces all": (lambda ds: ds[["v"]], {"mode": "w"}),
    "turned": (turned, {"mode": "a"}),
    "turned, r+": (turned, {"mode": "r+"}),
    "each from the other": (lambda ds: ds.assign(v=ds.w, w=ds.v), {"mode": "a"}),
    "a region from beside": (lambda ds: ds.isel(t=slice(0, 8)).drop_vars("t"), {"region": {"t": slice(4, 12)}}),
    "a region that is found": (lambda ds: ds[["v"]].shift(t=1, fill_value=0.0).isel(t=slice(4, 8)).chunk(CHUNKED), {"region": "auto"}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_store_of_itself(ds, store, name):
    program, options = REFUSED[name]
    for place in (store, zarr.storage.LocalStore(store)):
        with pytest.raises(ValueError, match="which this write removes|made of values of the store"):
            program(ours(store)).to_zarr(place, consolidated=False, **options)
        xr.testing.assert_equal(xr.open_zarr(store, consolidated=False).load(), ds)
    program(ours(store)).compute().to_zarr(store, consolidated=False, **options)


def test_what_is_opened_and_not_read(ds, store):
    """Without chunks, read when it is written: it would be gone by then."""
    with pytest.raises(ValueError, match="which this write removes"):
        ours(store, chunks=None).to_zarr(store, mode="w")
    xr.testing.assert_equal(xr.open_zarr(store, consolidated=False).load(), ds)


ALLOWED = {
    "element by element": (lambda ds: ds[["v"]] * 2, {"mode": "a"}),
    "anomaly": (lambda ds: ds[["v"]] - ds[["v"]].mean("t"), {"mode": "r+"}),
    "a region from another": (lambda ds: ds.isel(t=slice(0, 4)).drop_vars("t"), {"region": {"t": slice(4, 8)}}),
    "appended": (lambda ds: ds.assign_coords(t=ds.t + 24), {"append_dim": "t"}),
    "a group below": (lambda ds: ds * 2, {"mode": "w", "group": "below"}),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_can_be_done(ds, store, name):
    program, options = ALLOWED[name]
    program(ours(store)).to_zarr(store, consolidated=False, **options)
    expected, found = program(ds), xr.open_zarr(store, consolidated=False, group=options.get("group")).load()
    place = options.get("region", {"t": slice(24, None)} if "append_dim" in options else {})
    for name in expected.data_vars:
        np.testing.assert_allclose(found[name].isel(place), expected[name])
    if place:
        xr.testing.assert_equal(found.isel(t=slice(0, 4)), ds.isel(t=slice(0, 4)))


WITHOUT_ENABLING = """
import sys, xarray as xr, craton
ds = xr.open_dataset(sys.argv[1], engine="craton", chunks={}, chunked_array_type="craton")
try:
    ds[["v"]].isel(t=slice(None, None, -1)).drop_vars("t").to_zarr(sys.argv[1], mode="a", consolidated=False)
except ValueError as e:
    sys.exit(0 if "made of values of the store" in str(e) else 3)
sys.exit(4)
"""


def test_without_enabling(ds, store):
    """The chunk manager sees it too."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", WITHOUT_ENABLING, store], check=True, timeout=120)
    xr.testing.assert_equal(xr.open_zarr(store, consolidated=False).load(), ds)


@pytest.mark.parametrize("engine, mode", [("netcdf4", "w"), ("netcdf4", "a"), ("h5netcdf", "w"), ("scipy", "w"), (None, "w")])
def test_a_netcdf_file_of_itself(ds, tmp_path, engine, mode):
    """The libraries remove it first, and move compressed chunks about."""
    path = tmp_path / "d.nc"
    ds.to_netcdf(path, encoding=WAYS["compressed"]["encoding"])
    content = path.read_bytes()
    for opened in (ours(path), ours(path, chunks=None)):
        with pytest.raises(ValueError, match="d.nc, which this write removes or changes"):
            (opened[["v"]] * 2 if opened.chunks else opened[["v"]]).to_netcdf(path, mode=mode, engine=engine)
        assert path.read_bytes() == content
    (ours(path) * 2).craton.to_netcdf(path, overwrite=True)
    xr.testing.assert_equal(xr.open_dataset(path).load(), ds * 2)
