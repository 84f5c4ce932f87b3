"""Regridding against NumPy written here in the plainest way, xarray's interp, closed forms, and files in others' forms.

Seeds as in programs.py: CRATON_SEED is the first, CRATON_CASES how many of each kind.
"""

import os
import pickle

import numpy as np
import programs
import pytest
import xarray as xr

import craton
from craton.regridding import global_grid

craton.enable()

SEEDS = range(programs.SEED, programs.SEED + programs.CASES)


def edges_of(rng, low, high, cells, regular):
    inner = np.linspace(low, high, cells + 1) if regular else np.sort(rng.uniform(low, high, cells + 1))
    inner[0], inner[-1] = low, high
    return inner if (np.diff(inner) > 1e-3).all() else np.linspace(low, high, cells + 1)


def rectilinear(rng, whole=False):
    """A dataset without values, with bounds: part of the Earth or all of it, falling latitudes, longitudes of any turn."""
    ny, nx = rng.integers(3, 14), rng.integers(3, 20)
    world = whole or rng.random() < 0.5
    south, north = (-90, 90) if world else np.sort(rng.uniform(-90, 90, 2) + [0, 1e-6])
    if north - south < 5:
        south, north = max(-90, south - 5), min(90, north + 5)
    west = float(rng.choice([-180, 0, 20, 355]))
    span = 360 if world else float(rng.uniform(10, 200))
    lat_b, lon_b = edges_of(rng, south, north, ny, rng.random() < 0.5), west + edges_of(rng, 0, span, nx, rng.random() < 0.5)
    if rng.random() < 0.5:
        lat_b = lat_b[::-1]
    pairs = {n: np.stack([b[:-1], b[1:]], -1) for n, b in (("lat", lat_b), ("lon", lon_b))}
    centres = pairs["lon"].mean(-1)
    wrapped = (centres + 180) % 360 - 180 if rng.random() < 0.3 and np.diff(centres).max() < 170 else centres
    return xr.Dataset(
        {"lat_bnds": (("lat", "nv"), pairs["lat"]), "lon_bnds": (("lon", "nv"), pairs["lon"])},
        {"lat": ("lat", pairs["lat"].mean(-1), {"units": "degrees_north", "bounds": "lat_bnds"}),
         "lon": ("lon", wrapped, {"units": "degrees_east", "bounds": "lon_bnds"})})


def values_on(rng, grid, dtype="f8", holes=0.0):
    shape = (rng.integers(1, 40), grid.sizes["lat"], grid.sizes["lon"])
    data = rng.normal(size=shape).astype(dtype)
    data[rng.random(shape) < holes] = np.nan
    return grid.assign(t=(("time", "lat", "lon"), data, {"units": "K", "long_name": "temperature"}))


def lazily(rng, ds):
    sizes = {d: int(rng.integers(1, n + 1)) for d, n in ds.t.sizes.items()}
    return ds.chunk(sizes, chunked_array_type="craton")


def overlap(a, b, period=None):
    a, b = sorted(a), sorted(b)
    turns = (0,) if period is None else range(-3, 4)
    return sum(max(0.0, min(a[1], b[1] + k * (period or 0)) - max(a[0], b[0] + k * (period or 0))) for k in turns)


def conservative(source, target, dstarea):
    """The dense matrix, cell by cell."""
    def sines(ds):
        return np.sin(np.deg2rad(ds.lat_bnds.values))

    lat = np.array([[overlap(t, s) for s in sines(source)] for t in sines(target)])
    lon = np.array([[overlap(t, s, 360) for s in source.lon_bnds.values] for t in target.lon_bnds.values])
    matrix = np.einsum("ij,kl->ikjl", lat, lon).reshape(target.sizes["lat"] * target.sizes["lon"], -1)
    area = np.outer(*(np.abs(np.diff(b, axis=1))[:, 0] for b in (sines(target), target.lon_bnds.values))).ravel()
    with np.errstate(invalid="ignore", divide="ignore"):
        return matrix / (area if dstarea else matrix.sum(1))[:, None]


def applied(matrix, data, shape, skipna, na_thres):
    """xESMF's rules."""
    flat = data.reshape(len(data), -1).astype("f8")
    used = matrix != 0
    out = np.full((len(flat), len(matrix)), np.nan)
    valid = ~np.isnan(flat)
    for t, (row, there) in enumerate(zip(flat, valid)):
        total = np.where(used, matrix * np.where(there, row, 0), 0).sum(1)
        share = (matrix * there).sum(1)
        if skipna:
            least = np.clip(1 - na_thres, 1e-6, 1 - 1e-6)
            good = share >= least
            out[t, good] = total[good] / share[good]
        else:
            good = used.any(1) & ~(used & ~there).any(1)
            out[t, good] = total[good]
    return out.reshape(len(flat), *shape)


@pytest.mark.parametrize("seed", SEEDS)
def test_conservative_is_the_dense_matrix(seed):
    rng = np.random.default_rng(seed)
    source, target = rectilinear(rng), rectilinear(rng)
    dtype, dstarea, skipna = rng.choice(["f4", "f8"]), rng.random() < 0.5, rng.random() < 0.6
    ds = values_on(rng, source, dtype, rng.choice([0, 0.3]))
    na_thres = float(rng.choice([0.0, 0.3127, 0.771, 1.0]))
    result = lazily(rng, ds).craton.regrid(target, "conservative", norm="dstarea" if dstarea else "fracarea", skipna=skipna, na_thres=na_thres)
    matrix = np.nan_to_num(conservative(source, target, dstarea))
    matrix[np.abs(matrix) < 1e-12] = 0
    expected = applied(matrix, ds.t.values, (target.sizes["lat"], target.sizes["lon"]), skipna, na_thres)
    got = result.t.compute().values
    assert got.dtype == dtype
    if skipna and na_thres == 0:  # shares of one and a rounding
        whole = np.isnan(got) == np.isnan(expected)
        got, expected = np.where(whole, got, 0), np.where(whole, expected, 0)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-10 if dtype == "f8" else 3e-6, err_msg=f"seed {seed}")


@pytest.mark.parametrize("norm", ["fracarea", "dstarea"])
@pytest.mark.parametrize("columns", [1, 2])
def test_columns_around_the_earth(columns, norm):
    """A column so wide that it meets a cell on both ends, whose parts add up."""
    rng = np.random.default_rng(columns)
    source = xr.Dataset({"lon_bnds": (("lon", "nv"), [[0, 70], [70, 350], [350, 360]]), "lat_bnds": (("lat", "nv"), [[-90, -20], [-20, 60], [60, 90]])},
                        {"lat": ("lat", [-55, 20, 75], {"units": "degrees_north", "bounds": "lat_bnds"}),
                         "lon": ("lon", [35, 210, 355], {"units": "degrees_east", "bounds": "lon_bnds"})})  # fmt: skip
    edges = np.array([-150, 210] if columns == 1 else [-150, 160, 210])
    target = source.drop_dims("lon").assign_coords(lon=("lon", (edges[1:] + edges[:-1]) / 2, {"units": "degrees_east", "bounds": "lon_bnds"}))
    target["lon_bnds"] = ("lon", "nv"), np.stack([edges[:-1], edges[1:]], -1)
    ds = values_on(rng, source)
    got = lazily(rng, ds).craton.regrid(target, "conservative", norm=norm).t.compute().values
    matrix = conservative(source, target, norm == "dstarea")
    assert np.allclose(matrix.sum(1), 1)
    np.testing.assert_allclose(got, applied(matrix, ds.t.values, (3, columns), False, 1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_bilinear_is_interp(seed):
    rng = np.random.default_rng(seed)
    source, target = rectilinear(rng, whole=True), rectilinear(rng)
    ds = values_on(rng, source, rng.choice(["f4", "f8"]))
    got = lazily(rng, ds).craton.regrid(target, poles=False).t.compute()
    # around the Earth: the last column before the first, and the other way round
    lon = np.sort((source.lon.values - source.lon.values[0]) % 360)
    t = ds.t.isel(lon=np.argsort((source.lon.values - source.lon.values[0]) % 360)).astype("f8")
    gap = 360 - lon[-1]
    wide = xr.concat([t.isel(lon=[-1]), t, t.isel(lon=[0])], "lon")
    wide = wide.assign_coords(lon=np.concatenate([[lon[-1] - 360], lon, [360]]))
    wanted = xr.DataArray((target.lon.values - source.lon.values[0]) % 360, dims="x")
    expected = wide.interp(lat=xr.DataArray(target.lat.values, dims="y"), lon=wanted).transpose("time", "y", "x").values
    steps = np.diff(lon)
    if gap > 1.5 * steps.max():  # then it does not go around
        expected[..., wanted.values > lon[-1] + 1e-9] = np.nan
    np.testing.assert_allclose(got.values, expected, rtol=0, atol=1e-11 if ds.t.dtype == "f8" else 3e-6, err_msg=f"seed {seed}")


def curvilinear(ny=30, nx=40, tilt=40.0, corners=True):
    """Cells of a sphere that is turned about an axis on the equator."""
    def at(y, x):
        p, l, a = np.deg2rad(-90 + y * 180 / ny), np.deg2rad(x * 360 / nx), np.deg2rad(tilt)
        v = np.cos(p) * np.cos(l), np.cos(p) * np.sin(l) * np.cos(a) - np.sin(p) * np.sin(a), np.cos(p) * np.sin(l) * np.sin(a) + np.sin(p) * np.cos(a)
        return np.rad2deg(np.arcsin(np.clip(v[2], -1, 1))), np.rad2deg(np.arctan2(v[1], v[0]))

    y, x = np.meshgrid(np.arange(ny) + 0.5, np.arange(nx) + 0.5, indexing="ij")
    lat, lon = at(y, x)
    ds = xr.Dataset(coords={"nav_lat": (("y", "x"), lat, {"standard_name": "latitude"}), "nav_lon": (("y", "x"), lon, {"standard_name": "longitude"})})
    if corners:
        parts = [at(y + dy, x + dx) for dy, dx in ((-.5, -.5), (-.5, .5), (.5, .5), (.5, -.5))]
        ds["corner_lat"] = ("y", "x", "v"), np.stack([p[0] for p in parts], -1)
        ds["corner_lon"] = ("y", "x", "v"), np.stack([p[1] for p in parts], -1)
        ds.nav_lat.attrs["bounds"], ds.nav_lon.attrs["bounds"] = "corner_lat", "corner_lon"
    return ds


def unit(lat, lon):
    lat, lon = np.deg2rad(lat), np.deg2rad(lon)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)


@pytest.mark.parametrize("tilt", [0.0, 17.0, 90.0])
def test_curvilinear_sources(tilt):
    source, target = curvilinear(tilt=tilt), global_grid((6.0, 9.0))
    smooth = 2 + np.sin(np.deg2rad(source.nav_lat)) + 0.5 * np.cos(np.deg2rad(source.nav_lat)) * np.cos(np.deg2rad(source.nav_lon))
    ds = source.assign(t=smooth.expand_dims(time=5).transpose("y", "time", "x").astype("f8"), one=xr.ones_like(smooth))
    truth = 2 + np.sin(np.deg2rad(target.lat)) + 0.5 * np.cos(np.deg2rad(target.lat)) * np.cos(np.deg2rad(target.lon))
    for method, close in (("bilinear", 0.006), ("conservative", 0.06), ("nearest", 0.12)):
        got = ds.chunk({"time": 2, "y": 7}, chunked_array_type="craton").craton.regrid(target, method).compute()
        assert got.t.dims == ("time", "lat", "lon")
        error = np.abs(got.t.isel(time=4) - truth)
        assert float(error.max()) < close, method
        assert int(error.isnull().sum()) <= (12 if method == "bilinear" else 0)  # no quads around the source's own poles
        np.testing.assert_allclose(got.one.values[~np.isnan(got.one.values)], 1, rtol=0, atol=1e-11)
    nearest = craton.regrid_weights(ds, target, "nearest")
    a = unit(*np.meshgrid(target.lat, target.lon, indexing="ij")).reshape(-1, 3)
    b = unit(source.nav_lat.values, source.nav_lon.values).reshape(-1, 3)
    distance = ((a[:, None] - b[None]) ** 2).sum(-1)
    np.testing.assert_allclose(distance[nearest.row, nearest.col], distance.min(1), atol=1e-14)
    with pytest.raises(ValueError, match="corners"):
        curvilinear(corners=False).assign(t=ds.t).craton.regrid(target, "conservative")
    ds.craton.regrid(curvilinear(8, 10, 70.0), "conservative").compute()


def test_masks_are_no_cells():
    source, target = global_grid((10.0, 10.0)), global_grid((15.0, 15.0))
    rng = np.random.default_rng(7)
    mask = rng.random((18, 36)) < 0.7
    t = np.where(mask, 3.5, 1e20)
    ds = source.assign(t=(("lat", "lon"), t), mask=(("lat", "lon"), mask))
    for method in ("bilinear", "conservative", "nearest"):
        got = ds.craton.regrid(target, method)
        assert "mask" not in got
        np.testing.assert_allclose(got.t.values[~np.isnan(got.t.values)], 3.5, rtol=1e-12)
        assert np.isfinite(got.t.values).sum() > 20
    land = target.assign(mask=(("lat", "lon"), rng.random((12, 24)) < 0.5))
    got = ds.craton.regrid(land, "nearest")
    np.testing.assert_array_equal(np.isfinite(got.t), land.mask)


def test_labels_stay():
    rng = np.random.default_rng(3)
    ds = values_on(rng, rectilinear(rng)).assign(scalar=7, name=("time2", ["a", "b"]))
    ds = ds.assign_coords(height=2.0, time=xr.date_range("2001", periods=ds.sizes["time"], freq="D"), area=(("lat", "lon"), np.ones(ds.t.shape[1:])))
    ds.attrs["source"] = "a model"
    target = rectilinear(rng)
    got = ds.craton.regrid(target, "nearest")
    assert got.t.attrs == {"units": "K", "long_name": "temperature"} and got.attrs == {"source": "a model", "regrid_method": "nearest"}
    assert set(got.coords) == {"lat", "lon", "height", "time"} and set(got.data_vars) == {"t", "scalar", "name"}
    xr.testing.assert_identical(got.time, ds.time.drop_vars("area", errors="ignore"))
    np.testing.assert_array_equal(got.lat, target.lat)
    array = ds.t.craton.regrid(target, "nearest")
    assert array.name == "t" and isinstance(array, xr.DataArray)
    np.testing.assert_array_equal(array, got.t)
    lazy = ds.chunk({"time": 1}, chunked_array_type="craton").craton.regrid(target, "nearest")
    assert isinstance(lazy.t.data, craton.Array) and "regrids by" in craton.explain(lazy)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazy)).t.compute(), got.t)
    points = xr.Dataset(coords={"lat": ("station", [10.0, -35.5]), "lon": ("station", [5.0, 300.0])})
    assert ds.craton.regrid(points, "nearest").t.dims == ("time", "station")


def test_integers_and_what_is_no_number():
    ds = global_grid(30.0).assign(n=(("lat", "lon"), np.arange(72).reshape(6, 12)), text=(("lat", "lon"), np.full((6, 12), "x")))
    got = ds.craton.regrid(15.0, "nearest")
    assert got.n.dtype == "f8" and set(np.unique(got.n)) == set(range(72)) and "text" not in got


def test_files_of_weights(tmp_path):
    rng = np.random.default_rng(11)
    source, target = rectilinear(rng), rectilinear(rng)
    ds = values_on(rng, source)
    made = craton.regrid_weights(ds, target, "conservative", norm="dstarea")
    expected = ds.craton.regrid(target, weights=made).t.values
    made.to_netcdf(tmp_path / "own.nc")
    with xr.open_dataset(tmp_path / "own.nc", engine="netcdf4") as f:  # as xESMF reads it
        matrix = np.zeros((expected[0].size, source.sizes["lat"] * source.sizes["lon"]))
        np.add.at(matrix, (f.row.values - 1, f.col.values - 1), f.S.values)
        assert f.sizes["n_b"] == len(matrix) and f.sizes["n_a"] == matrix.shape[1]
        np.testing.assert_allclose(f.area_b.values.sum(), np.prod([abs(float(b[-1, 1] - b[0, 0])) for b in (
            np.sin(np.deg2rad(target.lat_bnds.values)), np.deg2rad(target.lon_bnds.values))]), rtol=1e-10)
        np.testing.assert_allclose(f.frac_b.values, matrix.sum(1), atol=1e-12)
    np.testing.assert_allclose(matrix, np.nan_to_num(conservative(source, target, True)), atol=1e-12)
    order = rng.permutation(len(made.row))
    xesmf = xr.Dataset({"row": ("n_s", made.row[order].astype("i4") + 1), "col": ("n_s", made.col[order].astype("i4") + 1),
                        "S": ("n_s", made.weight[order])})
    xesmf.to_netcdf(tmp_path / "xesmf.nc", engine="netcdf4")
    scrip = xr.Dataset({"dst_address": ("num_links", xesmf.row.values), "src_address": ("num_links", xesmf.col.values),
                        "remap_matrix": (("num_links", "num_wgts"), xesmf.S.values[:, None]),
                        "src_grid_dims": ("src_grid_rank", np.array([source.sizes["lon"], source.sizes["lat"]], "i4")),
                        "dst_grid_dims": ("dst_grid_rank", np.array([target.sizes["lon"], target.sizes["lat"]], "i4"))})
    scrip.to_netcdf(tmp_path / "scrip.nc", format="NETCDF3_64BIT", engine="netcdf4")
    for name in ("own.nc", "xesmf.nc", "scrip.nc"):
        np.testing.assert_array_equal(ds.craton.regrid(target, weights=tmp_path / name).t.values, expected)
    assert craton.open_weights(tmp_path / "scrip.nc").target_shape == (target.sizes["lat"], target.sizes["lon"])
    with pytest.raises(ValueError, match="does not say how large"):
        craton.open_weights(tmp_path / "xesmf.nc")
    for change, problem in (({"row": xesmf.row * 0}, "cell"), ({"col": xesmf.col + 10**6}, "cell"), ({"S": xesmf.S * np.nan}, "nan")):
        xesmf.assign(change).to_netcdf(tmp_path / "wrong.nc", engine="netcdf4")
        with pytest.raises(craton.FormatError, match=problem):
            ds.craton.regrid(target, weights=tmp_path / "wrong.nc")
    xesmf.drop_vars("col").to_netcdf(tmp_path / "less.nc", engine="netcdf4")
    with pytest.raises(craton.FormatError, match="col"):
        ds.craton.regrid(target, weights=tmp_path / "less.nc")


def test_what_is_wrong_is_said():
    ds = global_grid(30.0).assign(t=(("lat", "lon"), np.zeros((6, 12))))
    for call, problem in (
        (lambda: ds.craton.regrid(7.0), "whole number of cells"),
        (lambda: ds.craton.regrid(10.0, "cubic"), "no method"),
        (lambda: ds.craton.regrid(10.0, "conservative", norm="x"), "no norm"),
        (lambda: ds.craton.regrid(10.0, skipna=True, na_thres=2), "na_thres"),
        (lambda: ds.rename(lat="a", lon="b").drop_attrs().craton.regrid(10.0), "no latitudes"),
        (lambda: ds.isel(lat=[0, 2, 1]).craton.regrid(10.0), "neither rises nor falls"),
        (lambda: ds.assign_coords(lat=ds.lat.where(ds.lat > 0)).craton.regrid(10.0), "nan"),
        (lambda: ds.craton.regrid(10.0, weights=craton.regrid_weights(ds, 15.0)), "weights are for grids"),
        (lambda: curvilinear().assign(corner_lat=curvilinear().corner_lat * 0 + 5).assign(t=(("y", "x"), np.zeros((30, 40))))
         .craton.regrid(10.0, "conservative"), "no area"),
    ):
        with pytest.raises(ValueError, match=problem):
            call()


def test_real_sea_surface():
    """OSTIA's months over part of the tropics: what is sea stays sea, and means stay."""
    path = os.path.join(os.environ.get("CRATON_DATA", ""), "ostia_monthly.nc")
    if not os.path.exists(path):
        pytest.fail("the demo data is not where CRATON_DATA says")
    ds = xr.open_dataset(path, engine="craton", chunks={})
    name = next(n for n in ds.data_vars if ds[n].ndim == 3)
    regridded = ds[[name]].craton.regrid(2.0, "conservative", skipna=True, na_thres=0.5)[name].compute()
    plain = ds[name].compute()
    assert regridded.sizes["lat"] == 90 and np.isfinite(regridded).any()
    assert float(regridded.min()) >= float(plain.min()) - 1e-3 and float(regridded.max()) <= float(plain.max()) + 1e-3


def test_a_fold_between_two_poles_is_crossed():
    """Confocal ellipses around two northern poles, as ocean models have them: the last row is folded between these."""
    nx, rho, theta = 60, np.geomspace(6, 1.03, 25), (np.arange(60) + 0.5) * 2 * np.pi / 60
    w = rho[:, None] * np.exp(1j * theta)
    z = 0.1 * (w + 1 / w)
    grid = xr.Dataset(coords={"lat": (("y", "x"), 90 - 2 * np.rad2deg(np.arctan(np.abs(z)))), "lon": (("y", "x"), np.rad2deg(np.angle(z)))})
    assert grid.sizes == {"y": 25, "x": nx} and float(grid.lat.min()) < 36
    v = unit(grid.lat.values, grid.lon.values)
    ds = grid.assign({n: (("y", "x"), v[..., i]) for i, n in enumerate("abc")})
    got = ds.craton.regrid(global_grid(2.0)).sel(lat=slice(45, 90))
    found = np.stack([got[n].values for n in "abc"], -1)
    truth = unit(*np.meshgrid(got.lat, got.lon, indexing="ij"))
    np.testing.assert_allclose(found / np.linalg.norm(found, axis=-1)[..., None], truth, rtol=0, atol=1e-10)
